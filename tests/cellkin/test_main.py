"""The command itself: verbs are found, help is quick, every failure is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from cellkin import __version__, main
from index.errors import CellKinError

COMMAND = [sys.executable, "-m", "cellkin"]


def verb_that(action: Callable[[], None]) -> click.Command:
    """A verb that does ``action``."""

    @click.command()
    def command() -> None:
        action()

    return command


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Make every verb do the given action."""

    def do(action: Callable[[], None]) -> None:
        planted = verb_that(action)
        monkeypatch.setattr(main.VerbGroup, "get_command", lambda self, ctx, name: planted)

    return do


def test_version(run_cellkin) -> None:
    assert run_cellkin("--version").stdout == f"cellkin, version {__version__}\n"


def test_no_verb_shows_help(run_cellkin) -> None:
    result = run_cellkin()
    assert result.status == 0
    assert "Verbs:" in result.stdout


def test_help_lists_every_verb_and_says_it_is_no_diagnostic_device(run_cellkin) -> None:
    result = run_cellkin("--help")
    assert result.status == 0
    assert "not a diagnostic device" in result.stdout
    for verb, (_, line) in main.VERBS.items():
        assert verb in result.stdout
        assert line.split()[0] in result.stdout


@pytest.mark.parametrize("verb", main.VERBS)
def test_help_of_every_verb(run_cellkin, verb: str) -> None:
    result = run_cellkin(verb, "--help")
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: cellkin {verb} ")
    description = result.stdout.split("\n\n")[1].strip()
    assert len(description) > 20, "a verb's help says what it does"


@pytest.mark.parametrize("verb", main.VERBS)
def test_every_option_says_what_it_is_for(verb: str) -> None:
    context = click.Context(main.cli)
    command = main.cli.get_command(context, verb)
    assert command is not None
    silent = [
        parameter.name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert not silent


def test_unknown_verb_names_what_was_given(run_cellkin) -> None:
    result = run_cellkin("clasify")
    assert result.status == 2
    assert result.stderr.startswith("cellkin: No such command 'clasify'")
    assert "cellkin --help" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_known_error_is_one_line_with_the_remedy(run_cellkin, plant) -> None:
    def action() -> None:
        raise CellKinError("the cat\nsat", "give it fish")

    plant(action)
    result = run_cellkin("info")
    assert (result.status, result.stdout) == (1, "")
    assert result.stderr == "cellkin: the cat sat; give it fish\n"


def test_debug_shows_where_an_error_came_from(run_cellkin, plant, monkeypatch) -> None:
    def action() -> None:
        raise CellKinError("the cat sat", "give it fish")

    plant(action)
    monkeypatch.setenv("CELLKIN_DEBUG", "1")
    with pytest.raises(CellKinError):
        run_cellkin("info")


def test_an_unforeseen_error_shows_no_stack(run_cellkin, plant) -> None:
    def action() -> None:
        raise ZeroDivisionError("division by zero")

    plant(action)
    result = run_cellkin("info")
    assert result.status == 70
    assert result.stderr.startswith("cellkin: internal error: ZeroDivisionError: division by zero;")
    assert "CELLKIN_DEBUG=1" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_ctrl_c_says_what_is_kept(run_cellkin, plant) -> None:
    def action() -> None:
        raise KeyboardInterrupt

    plant(action)
    result = run_cellkin("info")
    assert result.status == 130
    assert "stopped; what was finished is kept" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_real_ctrl_c(tmp_path: Path) -> None:
    """The signal itself, in a process of its own, while a verb is at work."""
    script = (
        "import signal, time, click\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from cellkin import main\n"
        "@click.command()\n"
        "def slow():\n"
        "    print('started', flush=True)\n"
        "    time.sleep(60)\n"
        "main.VerbGroup.get_command = lambda self, ctx, name: slow\n"
        "main.main(['info'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stderr.strip().count("\n") == 0
    assert "stopped" in stderr


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """``cellkin … | head -1`` ends quietly."""
    script = (
        "import click\n"
        "from cellkin import main\n"
        "@click.command()\n"
        "def talk():\n"
        "    for number in range(200_000): click.echo(number)\n"
        "main.VerbGroup.get_command = lambda self, ctx, name: talk\n"
        "main.main(['info'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["taxonomy"], ["--help"]])
def test_output_onto_a_full_disk_is_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cellkin", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("cellkin: standard output cannot be written: No space left")
    assert done.stderr.count("\n") == 1


def test_output_that_was_closed_before_the_start_is_no_error() -> None:
    script = (
        'import os, sys; os.execv(sys.executable, [sys.executable, "-m", "cellkin", "taxonomy"])'
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.close(1); {script}"],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [["info", ""], ["classify", "a", "", "--out", "o.csv"], ["classify", "a", "b", "--out", ""]],
)
def test_an_empty_path_is_none(run_cellkin: Callable, arguments: list[str]) -> None:
    result = run_cellkin(*arguments)
    assert result.status == 2
    assert "the path is empty; see" in result.stderr


def test_starting_is_quick_and_light() -> None:
    script = (
        "import sys\n"
        "from cellkin.main import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    heavy = {'torch', 'faiss', 'flask', 'pandas', 'sklearn', 'matplotlib', 'sqlalchemy'}\n"
        "    print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    started = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    taken = time.perf_counter() - started
    assert run.stdout.endswith("heavy: []\n"), run.stdout[-200:] + run.stderr
    assert taken < 5, f"--help took {taken:.1f} s; it imports click and tables, nothing more"


def test_run_as_a_module() -> None:
    run = subprocess.run(
        [*COMMAND, "--version"], capture_output=True, text=True, env={**os.environ, "CI": "true"}
    )
    assert run.stdout.startswith("cellkin, version ")

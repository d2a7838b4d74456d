"""Serving: the address, a free port, a port that is taken, and the verb."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from annotator.config import AnnotatorConfig
from annotator.problems import AddressError, PortInUseError
from annotator.serve import address_of, check_free


def _hear_ctrl_c() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would all that tests start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(atlas: Path, *more: str) -> Iterator[tuple[str, str, subprocess.Popen]]:
    """``cellkin annotate`` as a process: the line it prints, its address, the process."""
    command = [sys.executable, "-m", "cellkin", "annotate", str(atlas), "--port", "0", *more]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c
    ) as run:
        assert run.stdout is not None
        line = run.stdout.readline()
        try:
            yield line, line.rpartition(" ")[2].strip(), run
        finally:
            run.kill()


def test_port_0_takes_a_free_one_and_answers_there(drawn: Path) -> None:
    with running(drawn, "--author", "bob") as (line, address, run):
        assert line == f"CellKin annotator for bob at {address}\n"
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        with urllib.request.urlopen(f"{address}api/v1/session") as answer:
            assert json.load(answer)["author"] == "bob"
            assert "Server" not in answer.headers
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "warning" not in errors


def test_with_accounts_it_is_for_all_who_have_one_and_asks_for_an_owner(drawn: Path) -> None:
    with running(drawn, "--author", "bob", "--accounts") as (line, address, run):
        assert line == f"CellKin annotator for all who have an account at {address}\n"
        assert run.stdout is not None
        assert f"the first owner joins once at {address}join/" in run.stdout.readline()


def test_a_port_in_use_is_one_line(drawn: Path, run_cellkin) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} of 127.0.0.1 is in use"):
            check_free(AnnotatorConfig(atlas=drawn, port=port))
        result = run_cellkin("annotate", drawn, "--port", port)
    assert result.status == 1
    assert result.stderr.count("\n") == 1
    assert "--port 0 for a free one" in result.stderr


def test_an_address_that_is_not_ours_is_one_line(drawn: Path) -> None:
    with pytest.raises(AddressError, match="cannot listen on"):
        check_free(AnnotatorConfig(atlas=drawn, host="192.0.2.1", port=0))
    with pytest.raises(AddressError, match="cannot listen on"):
        check_free(AnnotatorConfig(atlas=drawn, host="no such host", port=0))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "70000"), "allowed is a whole number from 0 to 65535"),
        (("-k", "0"), "allowed is a whole number from 1"),
        (("--dataset", "none", "--port", "0"), "it holds lab, new"),
    ],
)
def test_the_verb_says_what_is_allowed(drawn: Path, run_cellkin, arguments, words) -> None:
    result = run_cellkin("annotate", drawn, *arguments)
    assert result.status == 1
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_verb_needs_an_atlas(tmp_path: Path, run_cellkin) -> None:
    result = run_cellkin("annotate", tmp_path / "none", "--port", 0)
    assert result.status == 1
    assert "does not exist" in result.stderr


def test_addresses_to_open() -> None:
    assert address_of("127.0.0.1", 80) == "http://127.0.0.1:80/"
    assert address_of("0.0.0.0", 80) == "http://127.0.0.1:80/"
    assert address_of("::1", 80) == "http://[::1]:80/"
    assert address_of("::", 80) == "http://[::1]:80/"


def test_it_warns_when_others_can_reach_it(drawn: Path) -> None:
    with running(drawn, "--host", "0.0.0.0") as (_, address, run):
        assert address.startswith("http://127.0.0.1:")
        run.kill()
        _, errors = run.communicate(timeout=60)
    assert "warning: the annotator listens on 0.0.0.0" in errors


def test_the_precision_asked_of_sheets_reaches_them(
    make_app, browse_as, drawn, monkeypatch
) -> None:
    def promised(**given) -> float:
        browser = browse_as(make_app(drawn, dataset="new", **given).test_client())
        return browser.get("/api/v1/sheets/round").json["promise"]["target"]

    assert promised() == 0.99
    assert promised(target=0.9) == 0.9
    monkeypatch.setenv("CELLKIN_TARGET", "0.95")
    assert promised() == 0.95

"""The documentation says what the program does: names, help texts, links, and examples that run."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from cellkin.main import VERBS, cli
from index.settings import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGES.md", *sorted(DOCS.rglob("*.md"))]


def page(name: str) -> str:
    path = DOCS / name
    assert path.is_file(), f"docs/{name} is missing"
    return path.read_text(encoding="utf-8")


def table_names(text: str) -> set[str]:
    """The names that stand first in the rows of a page's tables, as `code`."""
    cells = re.findall(r"^\| *((?:`[^`]+`(?:, )?)+)", text, flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The module docs/generate.py."""
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_explained_outside_its_help(verb: str) -> None:
    pattern = re.compile(rf"\bcellkin {verb}\b")
    pages = [path for path in PAGES if path.name != "cli.md"]
    assert any(pattern.search(path.read_text(encoding="utf-8")) for path in pages)


def test_every_setting_is_documented() -> None:
    assert table_names(page("settings.md")) >= set(SETTINGS)


def registered() -> Iterator[tuple[str, str, Iterable[str]]]:
    """What registries hold: (kind, page that must list it, names)."""
    yield "loss", "training.md", importlib.import_module("retrieval.losses").LOSSES
    yield "backbone", "embedding.md", importlib.import_module("retrieval.backbones").BACKBONES
    yield "reader", "reading.md", importlib.import_module("retrieval.reading.readers").READERS
    public = importlib.import_module("retrieval.reading.public")
    yield "data set", "datasets.md", public.public_sets()
    yield "order of the queue", "annotator.md", importlib.import_module("annotator.queues").ORDERS
    yield "way of working", "trial.md", importlib.import_module("annotator.trial").WAYS
    yield "vector index", "atlas.md", importlib.import_module("index.vectors").KINDS


def test_every_registered_name_is_documented() -> None:
    missing = [
        f"{kind} {name}: give it a row in docs/{where}"
        for kind, where, names in registered()
        for name in names
        if name not in table_names(page(where))
    ]
    assert not missing, "\n".join(missing)


def test_every_class_the_taxonomy_ships_is_documented() -> None:
    from index.taxonomy import shipped_taxonomy

    text = page("taxonomy.md")
    assert not [code for code in shipped_taxonomy().nodes if f"`{code}`" not in text]


def requirement_names(lines: Iterable[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", line.strip())[0].lower() for line in lines if line.strip()}


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = requirement_names((ROOT / "requirements.txt").read_text().splitlines())
    for extra in project.get("optional-dependencies", {}).values():
        needed |= requirement_names(extra)
    assert table_names(page("dependencies.md")) == needed


# generated pages -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cli.md", "settings.md"])
def test_generated_pages_are_current(generate: ModuleType, name: str) -> None:
    """White space is left out: versions of click lay the same words out differently."""
    assert squeezed(page(name)) == squeezed(generate.PAGES[name]()), "run make docs"


def test_generating_twice_gives_the_same(generate: ModuleType) -> None:
    assert generate.settings_page() == generate.settings_page()
    assert generate.cli_page() == generate.cli_page()


# links ---------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """What a heading is called in a link, the way forges name it."""
    headings = re.findall(r"^#+ +(.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            broken.append(target)
    assert not broken


def test_the_index_links_every_page() -> None:
    index = page("README.md")
    unlinked = [
        str(path.relative_to(DOCS))
        for path in sorted(DOCS.rglob("*.md"))
        if path.name != "README.md" and f"({path.relative_to(DOCS).as_posix()})" not in index
    ]
    assert not unlinked


# examples ------------------------------------------------------------------------------------


def examples(path: Path) -> list[tuple[str, str]]:
    """The fenced ``sh`` and ``python`` blocks of a page, in order: (language, code)."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```(sh|python)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[list[str]]:
    """The words of each command of a shell block; a trailing backslash goes on."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_are_spelt_right(path: Path) -> None:
    """Every ``cellkin …`` of a shell block has a verb, options and values that exist."""
    for language, block in examples(path):
        for words in commands(block) if language == "sh" else []:
            if words[0] != "cellkin" or "…" in words:
                continue
            command = cli.get_command(click.Context(cli), words[1])
            assert command is not None, f"no verb {words[1]}"
            try:
                command.make_context(words[1], words[2:]).close()
            except click.exceptions.Exit:
                continue  # --help
            except click.UsageError as error:
                pytest.fail(f"{shlex.join(words)}: {error.format_message()}", pytrace=False)


def start_and_stop_annotator(words: list[str]) -> None:
    """Start ``cellkin annotate …`` on a free port, open its first page, and stop it."""
    command = [sys.executable, "-m", "cellkin", *words, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = next(
                found[0] for line in process.stdout if (found := re.findall(r"http://\S+", line))
            )
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert answer.status == 200
        finally:
            process.terminate()


def expanded(words: list[str]) -> list[str]:
    """``words`` with patterns such as new_cells/*.png replaced by the files, as a shell does."""
    return [
        name
        for word in words
        for name in (sorted(str(path) for path in Path().glob(word)) if "*" in word else [word])
    ]


def run_shell(block: str, run_cellkin: Callable) -> None:
    for words in commands(block):
        assert words[0] == "cellkin", f"examples run cellkin only, not {words}"
        if words[1] == "annotate":
            start_and_stop_annotator(words[1:])
            continue
        result = run_cellkin(*expanded(words[1:]))
        assert result.status == 0, f"{shlex.join(words)}\n{result.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md", "docs/python-api.md"])
def test_examples_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cellkin: Callable
) -> None:
    """Every block runs in the order of the page, in an empty folder with painted cells in it."""
    from retrieval.painter import paint_dataset

    monkeypatch.chdir(tmp_path)
    paint_dataset(Path("cells"), per_class=12, seed=1, size=96)
    paint_dataset(Path("new_cells"), per_class=3, seed=2, size=96)
    blocks = examples(ROOT / name)
    assert blocks, f"{name} has no examples"
    namespace: dict[str, object] = {"__name__": "__example__"}
    for language, code in blocks:
        if language == "sh":
            run_shell(code, run_cellkin)
        else:
            exec(compile(code, name, "exec"), namespace)

"""What verbs print of names of files: written out for a person, true for a program."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from cellkin.telling import tell

VERBS = Path(__file__).resolve().parents[2] / "cellkin" / "verbs"
REPAINTS = "\x1b[2J\x1b[31mred\nline two\x9b.png"
SHOWN = r"\x1b[2J\x1b[31mred\nline two\x9b.png"


@pytest.fixture
def strange(tmp_path: Path, painted: Path) -> Path:
    """A folder with a picture, and a text, whose names would repaint a terminal."""
    folder = tmp_path / "cells"
    folder.mkdir()
    shutil.copy(next(painted.glob("monocyte/*.png")), folder / REPAINTS)
    (folder / f"bad{REPAINTS}").write_text("no picture")
    return folder


def raw(text: str) -> bool:
    return any(each in text for each in ("\x1b", "\x9b", "red\nline"))


def test_a_line_stays_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell(f"file {REPAINTS}")
    tell()
    assert capsys.readouterr().out == f"file {SHOWN}\n\n"


def test_query_shows_names_written_out(run_cellkin, painted_atlas, strange: Path) -> None:
    files = (strange / REPAINTS, strange / f"bad{REPAINTS}")
    result = run_cellkin("query", painted_atlas, *files, "-k", "1")
    assert result.status == 0
    assert str(strange / SHOWN) in result.stdout.splitlines()
    assert f"passed over {strange}/bad{SHOWN}: " in result.stderr
    assert not raw(result.stdout + result.stderr)
    told = run_cellkin("query", painted_atlas, files[0], "-k", "1", "--json").stdout
    assert json.loads(told)[0]["file"] == str(files[0])
    assert not raw(told)


def test_classify_shows_names_written_out(run_cellkin, painted_atlas, strange, tmp_path) -> None:
    out = tmp_path / "p.csv"
    result = run_cellkin("classify", painted_atlas, strange, "--out", out)
    assert f"passed over bad{SHOWN}: " in result.stderr
    assert not raw(result.stdout + result.stderr)
    with out.open(newline="", encoding="utf-8") as table:
        assert [row["file"] for row in csv.DictReader(table)] == [REPAINTS]


def test_import_shows_names_written_out(run_cellkin, painted_atlas, strange: Path) -> None:
    result = run_cellkin("import", painted_atlas, strange)
    assert f"bad{SHOWN}" in result.stdout
    assert not raw(result.stdout + result.stderr)


def test_an_error_shows_names_written_out(run_cellkin, painted_atlas, tmp_path: Path) -> None:
    result = run_cellkin("import", painted_atlas, tmp_path / REPAINTS)
    assert result.status == 1
    assert not raw(result.stderr)
    assert r"\x1b[2J\x1b[31mred" in result.stderr


def test_verbs_print_in_no_other_way() -> None:
    allowed = {"adapt.py": 1}  # a table for a program
    found = {path.name: path.read_text().count("click.echo") for path in VERBS.glob("*.py")}
    assert {name: number for name, number in found.items() if number} == allowed


def test_one_cell_is_one_cell(run_cellkin, painted, tiny_model, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(next(painted.glob("monocyte/*.png")), folder / "a.png")
    (folder / "bad.png").write_text("no picture")
    atlas, reference, table = tmp_path / "atlas", tmp_path / "reference", tmp_path / "one.csv"
    table.write_text("file,class\na.png,monocyte\n")
    shutil.copytree(folder, reference)
    told = ""
    for arguments in (
        ("import", atlas, reference, "--labels", table),
        ("embed", atlas, "--model", tiny_model),
        ("info", atlas),
        ("classify", atlas, folder, "--out", tmp_path / "p.csv"),
        ("export", atlas, "--format", "csv", "--out", tmp_path / "out"),
        ("take", atlas, tmp_path / "out"),
    ):
        result = run_cellkin(*arguments)
        assert result.status == 0, result.stderr
        told += result.stdout + result.stderr
    for one in ("1 cell embedded", "1 cell in ", "1 cell classified", "1 file passed over"):
        assert one in told
    for one in ("1 picture looks exactly", "1 cell to ", "only 1 labelled cell could", "1 row: "):
        assert one in told
    assert not re.findall(r"\b1 (?:cells|files|pictures|labels|rows)\b", told)

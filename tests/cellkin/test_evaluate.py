from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest

from retrieval.evaluation.report import MEASURED


@pytest.fixture
def split_atlas(painted_atlas):
    """The painted atlas with the cells of every fourth patient as val."""
    with contextlib.closing(sqlite3.connect(painted_atlas / "atlas.sqlite")) as database:
        database.execute("UPDATE cells SET split = iif(id % 4 = 0, 'val', 'train')")
        database.commit()
    return painted_atlas


def test_evaluate_a_split(run_cellkin, split_atlas, tmp_path):
    out = tmp_path / "out"
    result = run_cellkin("evaluate", split_atlas, "--split", "val", "--out", out, "--draws", 100)
    assert result.status == 0, result.stderr
    assert "accuracy" in result.stdout
    assert "MAP@R" in result.stdout
    assert MEASURED in result.stdout.splitlines()
    assert f"{MEASURED[1:]}." in (out / "report.md").read_text()
    document = json.loads((out / "metrics.json").read_text())
    assert document["made"]["command"].startswith(f"cellkin evaluate {split_atlas} --out {out}")
    assert "--split val" in document["made"]["command"]


def test_evaluate_says_that_classify_judges_the_laboratory_besides(run_cellkin):
    assert MEASURED.startswith("measured is the vote of neighbours, each cell by itself; ")
    told = " ".join(run_cellkin("evaluate", "--help").stdout.split())
    assert "is the vote of neighbours, each cell by itself" in told
    assert "cellkin classify besides judges the laboratory" in told


def test_evaluate_a_source_as_json(run_cellkin, painted_atlas, painted, tmp_path):
    result = run_cellkin(
        "evaluate", painted_atlas, painted, "--labels", painted / "labels.csv",
        "--out", tmp_path / "out", "--level", "subclass", "-k", 3, "--draws", 100, "--json",
    )  # fmt: skip
    assert result.status == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["made"]["level"] == "subclass"
    assert document["made"]["k"] == 3
    assert document["data"]["mode"] == "source"
    assert document["made"]["measured"] == MEASURED


def test_evaluate_says_what_is_wrong(run_cellkin, split_atlas, tmp_path):
    out = tmp_path / "out"
    nosuch = run_cellkin("evaluate", split_atlas, "--split", "nosuch", "--out", out)
    assert nosuch.status == 1
    assert "split 'nosuch'" in nosuch.stderr
    assert not out.exists()
    loose = run_cellkin("evaluate", split_atlas, "--labels", "x.csv", "--out", out)
    assert loose.status == 2
    assert "go with a SOURCE" in loose.stderr
    blocked = tmp_path / "file"
    blocked.write_text("here")
    unwritten = run_cellkin(
        "evaluate", split_atlas, "--split", "val", "--out", blocked, "--draws", 100
    )
    assert unwritten.status == 1
    assert "is a file, an evaluation is written into a folder" in unwritten.stderr
    assert blocked.read_text() == "here"

"""``cellkin import`` as a person types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from index import Atlas

Run = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Class folders with a duplicate under two classes, a hidden file, text and a strange class."""
    root = tmp_path / "laboratory"
    for seed, name in enumerate(("neutrophil/a", "monocyte/b", "wibble/c")):
        file = root / f"{name}.png"
        file.parent.mkdir(parents=True)
        rgb = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(rgb).save(file)
    (root / "monocyte" / "same.png").write_bytes((root / "neutrophil" / "a.png").read_bytes())
    (root / "monocyte" / ".DS_1.jpg").write_text("x")
    (root / "monocyte" / "text.jpg").write_text("x")
    return root


def test_the_report_says_all_that_deserves_a_look(
    tmp_path: Path, folder: Path, run_cellkin: Run
) -> None:
    result = run_cellkin("import", tmp_path / "atlas", folder)
    assert result.status == 0
    assert result.stdout.splitlines() == [
        f"data set laboratory in {folder}, read as class_folders",
        "  added                  3",
        "  already there          0",
        "  labels added           3",
        "exact duplicates, kept once: 1",
        "  neutrophil/a.png = monocyte/same.png",
        "contradicting labels of one picture: 1",
        "  neutrophil/a.png is neutrophil, monocyte/same.png is monocyte",
        "passed over: 2",
        "  1  hidden file: monocyte/.DS_1.jpg",
        "  1  no picture of a kind that can be read: monocyte/text.jpg",
        "class names not in the taxonomy, 1 new cell came in unlabelled:",
        "  wibble: 1 cell",
        "  a class that 'cellkin taxonomy' lists: write it in the table by a name given there; "
        f"another: 'cellkin taxonomy {tmp_path / 'atlas'} --add CODE --parent CLASS --alias NAME'; "
        "then import again",
    ]


def test_cells_that_were_there_do_not_come_in_unlabelled_again(
    tmp_path: Path, folder: Path, run_cellkin: Run
) -> None:
    told = [run_cellkin("import", tmp_path / "atlas", folder).stdout for _ in range(2)]
    assert "1 new cell came in unlabelled:" in told[0]
    assert "0 new cells came in unlabelled:" in told[1]


def test_the_remedy_works(tmp_path: Path, folder: Path, run_cellkin: Run) -> None:
    atlas = tmp_path / "atlas"
    run_cellkin("import", atlas, folder)
    added = run_cellkin("taxonomy", atlas, "--add", "wibble", "--parent", "leukocyte")
    assert added.status == 0, added.stderr
    again = run_cellkin("import", atlas, folder, "--json")
    report = json.loads(again.stdout)
    assert (report["added"], report["existing"], report["labels"]) == (0, 3, 1)
    assert report["unknown_classes"] == []


def test_json_names_everything(tmp_path: Path, folder: Path, run_cellkin: Run) -> None:
    result = run_cellkin("import", tmp_path / "atlas", folder, "--dataset", "lab", "--json")
    report = json.loads(result.stdout)
    assert report["dataset"] == "lab"
    assert report["duplicates"] == [["neutrophil/a.png", "monocyte/same.png"]]
    assert {each["file"] for each in report["passed_over"]} == {
        "monocyte/.DS_1.jpg",
        "monocyte/text.jpg",
    }
    assert report["unknown_classes"] == [{"text": "wibble", "cells": 1, "close": []}]


def test_labels_for_some(tmp_path: Path, folder: Path, run_cellkin: Run) -> None:
    labels = tmp_path / "some.csv"
    labels.write_text("\ufefffile;class\nmonocyte/b.png;MO\n", encoding="utf-8")
    result = run_cellkin("import", tmp_path / "atlas", folder, "--labels", labels, "--copy")
    assert result.status == 0, result.stderr
    with Atlas.open(tmp_path / "atlas") as atlas:
        assert atlas.count() == 3
        assert list(atlas.present_labels().values()) == ["monocyte"]
        assert all(cell.stored for cell in atlas.cells())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "no file or folder"),
        (["laboratory", "--labels", "nowhere.csv"], "no table"),
        (["laboratory", "--labels", "bad.csv"], "no column 'class'"),
        (["laboratory", "--reader", "pcb"], "did you mean pbc"),
        (["laboratory", "--strict"], "1 class name is not in the taxonomy: 'wibble' (1)"),
        (["empty"], "it is empty"),
        (["notes.doc"], "is no folder, table, picture or array file"),
        (["laboratory", "--workers", "many"], "workers is 'many'"),
    ],
)
def test_errors_are_one_line_and_leave_no_atlas(
    tmp_path: Path,
    folder: Path,
    run_cellkin: Run,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("notes.doc").write_text("x")
    Path("bad.csv").write_text("file,x\na,b\n")
    result = run_cellkin("import", "atlas", *arguments)
    assert result.status == 1
    assert result.stdout == ""
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not Path("atlas").exists()
    assert folder.exists()


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cells"), [("rvpbs", 719), ("pbites", 538), ("bccd", 351), ("tecom", 300)]
)
def test_real_sets(
    tmp_path: Path, real_data: Path, run_cellkin: Run, name: str, cells: int
) -> None:
    source = real_data / name
    arguments = ("--labels", source / "labels.csv", "--dataset", name, "--json")
    result = run_cellkin("import", tmp_path / "atlas", source, *arguments)
    report = json.loads(result.stdout)
    assert report["added"] + len(report["duplicates"]) == cells
    assert report["labels"] == cells
    assert report["unknown_classes"] == []
    again = json.loads(run_cellkin("import", tmp_path / "atlas", source, *arguments).stdout)
    assert (again["added"], again["labels"]) == (0, 0)


def test_what_a_table_tells_later_is_counted(
    tmp_path: Path, folder: Path, run_cellkin: Run
) -> None:
    atlas, table = tmp_path / "atlas", tmp_path / "later.csv"
    run_cellkin("import", atlas, folder)
    rows = "file,class,patient,slide\nneutrophil/a.png,neutrophil,{},s1\nmonocyte/b.png,MO,p2,\n"
    table.write_text(rows.format("p1"))
    told = run_cellkin("import", atlas, folder, "--labels", table, "--json")
    report = json.loads(told.stdout)
    assert (report["added"], report["existing"]) == (0, 3)
    assert (report["filled"], report["differing"]) == ({"patient": 2, "slide": 1}, [])
    table.write_text(rows.format("p9"))
    again = run_cellkin("import", atlas, folder, "--labels", table, "--json")
    assert json.loads(again.stdout)["differing"] == [
        {"column": "patient", "cells": 1, "file": "neutrophil/a.png", "held": "p1", "told": "p9"}
    ]
    plain = run_cellkin("import", atlas, folder, "--labels", table)
    assert (
        "patient differs in 1 cell, the atlas keeps its own (neutrophil/a.png: p1 in the atlas, "
        "p9 in the source); where the source is right, import it into a new atlas"
    ) in plain.stdout.splitlines()

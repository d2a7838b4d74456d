"""``cellkin backup``: a copy that opens, holds the same, and overwrites nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from index import Atlas, NewLabel


def test_a_copy_holds_the_same(run_cellkin: Callable, painted_atlas: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    result = run_cellkin("backup", painted_atlas, target)
    assert result.status == 0, result.stderr
    assert str(target) in result.stdout
    before = json.loads(run_cellkin("info", painted_atlas, "--json").stdout)
    after = json.loads(run_cellkin("info", target, "--json").stdout)
    assert after.pop("path") == str(target)
    before.pop("path")
    assert after == before


def test_a_copy_answers_like_its_original(
    run_cellkin: Callable, painted_atlas: Path, tmp_path: Path
) -> None:
    run_cellkin("backup", painted_atlas, tmp_path / "copy")
    with Atlas.open(painted_atlas) as first, Atlas.open(tmp_path / "copy") as second:
        _, vectors = first.embeddings()
        assert (first.search(vectors, 3).ids == second.search(vectors, 3).ids).all()


def test_the_copy_goes_its_own_way(
    run_cellkin: Callable, painted_atlas: Path, tmp_path: Path
) -> None:
    run_cellkin("backup", painted_atlas, tmp_path / "copy")
    with Atlas.open(painted_atlas) as atlas:
        cell = int(atlas.cell_ids()[0])
        atlas.add_labels([NewLabel(cell, "platelet", author="me", how="single")])
    with Atlas.open(tmp_path / "copy") as copy:
        assert all(label.author != "me" for label in copy.history(cell))


def test_an_existing_target_is_left_alone(
    run_cellkin: Callable, painted_atlas: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    (target / "thesis.txt").write_text("mine", encoding="utf-8")
    result = run_cellkin("backup", painted_atlas, target)
    assert result.status == 1
    assert str(target) in result.stderr
    assert [path.name for path in target.iterdir()] == ["thesis.txt"]

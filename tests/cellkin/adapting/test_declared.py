"""What is declared, remarked and logged on the way: classes that occur, pictures without a cell."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from index import Atlas, CellFilter
from index.adaptations import adaptations_of
from index.records import NewLabel
from retrieval.described import Described
from retrieval.laboratory.declared import declared_limits
from retrieval.reading.importing import import_source


def test_what_is_declared_for_one_question_is_not_kept(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path, record: Callable
) -> None:
    run_cellkin("adapt", made, "--dataset", "abroad")
    before = record(made)
    for extra in (("--classes", "LYT,eosinophil"), ("--not-same",)):
        out = tmp_path / "p.csv"
        result = run_cellkin("classify", made, abroad, "--dataset", "abroad", "--out", out, *extra)
        assert result.status == 0, result.stderr
        assert record(made) == before


def test_classes_declared_for_a_data_set_hold_until_taken_back(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path, table: Callable
) -> None:
    some = tmp_path / "some"
    some.mkdir()
    for file in sorted(abroad.glob("*.png"))[:20]:
        shutil.copy(file, some)
    with Atlas.open(made) as atlas:
        import_source(atlas, some, dataset="fresh")
    run_cellkin("embed", made)
    declare = ("adapt", made, "--dataset", "fresh", "--classes")
    result = run_cellkin(*declare, "LYT, eosinophil", "--json")
    assert result.status == 0, result.stderr
    assert json.loads(result.stdout)["declared"] == ["lymphocyte", "eosinophil"]
    asked = ("classify", made, some, "--dataset", "fresh", "--out", tmp_path / "p.csv")
    assert run_cellkin(*asked).status == 0
    assert {row["class"] for row in table(tmp_path / "p.csv")} <= {"lymphocyte", "eosinophil"}
    with Atlas.open(made) as atlas:
        one = atlas.cell_ids(CellFilter(datasets=("fresh",)))[0]
        atlas.add_labels([NewLabel(int(one), "basophil", "ann", "single")])
        assert declared_limits(atlas, "fresh") == CellFilter(
            classes=("lymphocyte", "eosinophil", "basophil")
        )
    again = run_cellkin("adapt", made, "--dataset", "fresh")
    assert (
        "only these classes can occur in fresh: lymphocyte, eosinophil; "
        "and, as cells there are labelled so, basophil\n"
    ) in again.stdout
    taken_back = run_cellkin(*declare, "all")
    assert "only these classes" not in taken_back.stdout
    assert run_cellkin(*asked).status == 0
    said = {row["class"] for row in table(tmp_path / "p.csv")}
    assert said - {"lymphocyte", "eosinophil", "basophil"}


def test_an_adaptation_that_classify_makes_is_logged(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path, record: Callable
) -> None:
    for _ in range(2):
        run_cellkin("classify", made, abroad, "--dataset", "abroad", "--out", tmp_path / "p.csv")
    kept = record(made)
    assert kept is not None
    with Atlas.open(made) as atlas:
        logged = adaptations_of(atlas, "abroad")
    assert [each.labels for each in logged] == [kept["labels"]]


def test_pictures_without_a_cell_and_with_several_are_remarked(
    run_cellkin: Callable,
    made: Path,
    abroad: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: Callable,
) -> None:
    from retrieval.laboratory import classifying

    describe = classifying.describe_images

    def seen(*given: object, **how: object) -> object:
        for number, (item, said) in enumerate(describe(*given, **how)):  # type: ignore[arg-type]
            assert isinstance(said, Described)
            yield item, said.with_found([number != 0], [2 if number == 1 else 0])

    monkeypatch.setattr(classifying, "describe_images", seen)
    out = tmp_path / "p.csv"
    result = run_cellkin("classify", made, abroad, "--out", out, "--json")
    assert result.status == 0, result.stderr
    rows = table(out)
    assert [row["remark"] for row in rows[:3]] == [
        "no cell found",
        "3 cells, the middle one is named",
        "",
    ]
    said = json.loads(result.stdout)
    assert said["counts"]["remarks"] == {row["remark"]: 1 for row in rows[:2]}
    assert said["laboratory"]["trust"]["no_cell"] == 1
    assert any("1 of" in note and "show no cell" in note for note in said["notes"])


def test_classes_declared_are_the_only_answers(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path, table: Callable
) -> None:
    for extra in ((), ("--dataset", "abroad")):
        out = tmp_path / "p.csv"
        result = run_cellkin(
            "classify", made, abroad, "--classes", "LYT,eosinophil", "--out", out, *extra
        )
        assert result.status == 0, result.stderr
        assert {row["class"] for row in table(out)} <= {"lymphocyte", "eosinophil"}


def test_the_first_pass_knows_how_many_pictures_are_left(
    run_cellkin: Callable,
    made: Path,
    abroad: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from retrieval.answers import classify

    totals: list[int] = []
    find = classify.find_source

    def seen(*given: object, total: int, **how: object) -> object:
        totals.append(total)
        return find(*given, total=total, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(classify, "find_source", seen)
    result = run_cellkin("classify", made, abroad, "--out", tmp_path / "p.csv")
    assert result.status == 0, result.stderr
    assert totals == [len(list(abroad.glob("*.png")))]

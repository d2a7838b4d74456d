"""Adding cells, finding them again, and limiting what is meant."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import Atlas, Cell, CellFilter
from index.errors import RecordError, UnknownCellError, UnknownClassError, UnknownDatasetError

Make = SimpleNamespace


@pytest.fixture
def atlas(new_atlas: Callable[..., Atlas]) -> Atlas:
    found = new_atlas()
    found.add_dataset("d", "/data/d")
    return found


def test_what_goes_in_comes_out(atlas: Atlas, make: Make) -> None:
    given_values = {
        "patient": "p", "slide": "s", "stain": "MGG", "scanner": "DM96", "field": "f.jpg",
        "box": (1, 2, 3, 4), "split": "val", "frame": 2, "member": "images", "stored": "images/x",
    }  # fmt: skip
    report = atlas.add_cells("d", [make.record(1, class_code="myelocyte", **given_values)])
    assert (report.added, report.existing, report.labels) == (1, 0, 1)
    (cell,) = atlas.cells()
    assert isinstance(cell, Cell)
    assert {name: getattr(cell, name) for name in given_values} == given_values
    assert (cell.file, cell.sha256) == ("cell1.png", make.record(1).sha256)
    assert (cell.dataset, cell.root, cell.flagged) == ("d", "/data/d", False)
    (label,) = atlas.history(cell.id)
    assert (label.class_code, label.author, label.how) == ("myelocyte", "import", "imported")
    assert label.source == "cell1.png:images[2]"
    assert atlas.present_labels() == {cell.id: "myelocyte"}


def test_importing_twice_adds_nothing(atlas: Atlas, make: Make) -> None:
    records = [make.record(number, class_code="basophil") for number in range(1200)]
    records += [make.record(5, file="copy.png", class_code="basophil")]
    records += [make.record(6, file="other.png", class_code="monocyte")]
    for turn in range(2):
        report = atlas.add_cells("d", iter(records))
        assert report.added == (1200, 0)[turn]
        assert report.existing == (0, 1200)[turn]
        assert report.labels == (1202, 0)[turn]
        assert report.duplicates == [("copy.png", "cell5.png"), ("other.png", "cell6.png")]
        assert report.contradictions == [("other.png", "monocyte", "cell6.png", "basophil")] or (
            report.contradictions == [("cell6.png", "basophil", "other.png", "monocyte")]
        )
    assert atlas.count() == 1200
    assert atlas.disputed() == [7]


def test_the_same_picture_in_two_data_sets_is_two_cells(atlas: Atlas, make: Make) -> None:
    atlas.add_dataset("e", "/data/e")
    assert atlas.add_cells("d", [make.record(1)]).added == 1
    assert atlas.add_cells("e", [make.record(1)]).added == 1


def test_a_label_that_differs_is_added(atlas: Atlas, make: Make) -> None:
    atlas.add_cells("d", [make.record(1, class_code="neutrophil")])
    report = atlas.add_cells("d", [make.record(1, class_code="band_neutrophil")])
    assert (report.existing, report.labels, report.contradictions) == (1, 1, [])
    assert atlas.present_labels() == {1: "band_neutrophil"}


def test_one_file_listed_under_two_classes_is_disputed(atlas: Atlas, make: Make) -> None:
    records = [make.record(1, class_code=code) for code in ("basophil", "monocyte")]
    for turn in range(2):
        report = atlas.add_cells("d", records)
        assert report.labels == (2, 0)[turn]
        assert len(report.contradictions) == 1
    assert atlas.present_labels() == {}
    assert atlas.disputed() == [1]


def test_a_label_taken_back_is_not_brought_again_by_importing(atlas: Atlas, make: Make) -> None:
    atlas.add_cells("d", [make.record(1, class_code="basophil")])
    atlas.undo(1, "ana")
    assert atlas.add_cells("d", [make.record(1, class_code="basophil")]).labels == 0
    assert atlas.present_labels() == {}


def test_a_later_copy_is_noted(atlas: Atlas, make: Make) -> None:
    atlas.add_cells("d", [make.record(1)])
    atlas.add_cells("d", [make.record(1, stored="images/1.png")])
    assert atlas.cell(1).stored == "images/1.png"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"file": ""}, RecordError, "no file"),
        ({"split": "dev"}, RecordError, "split of cell9.png is 'dev', allowed is one of train"),
        ({"class_code": "cat"}, UnknownClassError, "'cat' is not in the taxonomy"),
    ],
)
def test_a_wrong_record_adds_nothing_of_its_batch(
    atlas: Atlas, make: Make, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    wrong = make.record(9, **change)
    with pytest.raises(error, match=message):
        atlas.add_cells("d", [make.record(1), wrong])
    assert atlas.count() == 0


def test_wrong_sizes_and_hashes_are_refused(atlas: Atlas) -> None:
    from index import CellRecord

    with pytest.raises(RecordError, match=r"size of x\.png is 0 x 8"):
        atlas.add_cells("d", [CellRecord("x.png", "a" * 64, 0, 8)])
    with pytest.raises(RecordError, match=r"sha256 of x\.png is 'abc'"):
        atlas.add_cells("d", [CellRecord("x.png", "abc", 8, 8)])


def test_what_came_before_a_failure_is_kept(atlas: Atlas, make: Make) -> None:
    def records() -> Any:
        yield from (make.record(number) for number in range(600))
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        atlas.add_cells("d", records())
    assert atlas.count() == 512
    assert atlas.add_cells("d", (make.record(number) for number in range(600))).added == 88


def test_a_data_set_may_move_and_keeps_its_cells(atlas: Atlas, make: Make) -> None:
    atlas.add_cells("d", [make.record(1, class_code="basophil"), make.record(2)])
    assert atlas.add_dataset("d", "/elsewhere", licence="CC BY 4.0") == 1
    (row,) = atlas.datasets().to_dict("records")
    assert (row["root"], row["licence"], row["cells"], row["labelled"]) == (
        "/elsewhere", "CC BY 4.0", 2, 1,
    )  # fmt: skip
    assert atlas.cell(1).root == "/elsewhere"
    with pytest.raises(RecordError, match="allowed is text without '/'"):
        atlas.add_dataset("a/b", "/x")


def test_unknown_things_are_named(atlas: Atlas, make: Make) -> None:
    with pytest.raises(UnknownDatasetError, match="'dd' is not in the atlas, it holds d; did you"):
        atlas.add_cells("dd", [make.record(1)])
    with pytest.raises(UnknownDatasetError, match="'x'"):
        atlas.count(CellFilter(not_datasets=("x",)))
    with pytest.raises(UnknownClassError, match="'cat'"):
        atlas.count(CellFilter(classes=("cat",)))
    with pytest.raises(UnknownCellError, match="cell 5 is not in the atlas"):
        atlas.cell(5)
    with pytest.raises(UnknownCellError):
        atlas.set_flag(5, True, "ana")


def test_a_lone_text_in_a_filter_is_refused() -> None:
    with pytest.raises(RecordError, match=r"filter patients is 'p1'.*write patients=\('p1',\)"):
        CellFilter(patients="p1")  # type: ignore[arg-type]
    assert CellFilter(not_cells=[1, 2]).not_cells == (1, 2)  # type: ignore[arg-type]


def test_flags_are_kept_with_their_author(filled: Atlas) -> None:
    filled.set_flag(3, True, "ana", "out of focus")
    assert filled.cell(3).flagged
    assert filled.cell_ids(CellFilter(flagged=True)).tolist() == [3]
    filled.set_flag(3, False, "bo")
    told = [(event["author"], event["action"], event["detail"]) for event in filled.events(3)]
    assert told == [("ana", "flag", {"note": "out of focus"}), ("bo", "unflag", {"note": None})]


def test_table_agrees_with_the_cells(filled: Atlas) -> None:
    table = filled.table()
    assert table["id"].tolist() == filled.cell_ids().tolist()
    present = filled.present_labels()
    for row, cell in zip(table.to_dict("records"), filled.cells(), strict=True):
        for name in ("id", "file", "dataset", "patient", "slide", "split", "sha256", "flagged"):
            assert row[name] == getattr(cell, name), name
        assert row["class_code"] == present.get(cell.id)
        assert row["disputed"] is False
    assert filled.table(CellFilter(splits=("none",))).empty


def test_cells_are_read_in_pages_while_others_write(filled: Atlas, make: Make) -> None:
    from index import catalogue

    kept, catalogue.PAGE = catalogue.PAGE, 7
    try:
        seen = []
        for cell in filled.cells():
            seen.append(cell.id)
            if len(seen) == 10:
                filled.add_cells("set0", [make.record(9999)])
    finally:
        catalogue.PAGE = kept
    assert seen == filled.cell_ids().tolist()


NAMES = st.lists(st.sampled_from(["p0", "p1", "p5", "s0", "s7", "set0/p2", "set1/s3"]), max_size=2)
FILTERS = st.builds(
    CellFilter,
    datasets=st.lists(st.sampled_from(["set0", "set1"]), max_size=1),
    not_datasets=st.lists(st.sampled_from(["set0", "set1"]), max_size=1),
    patients=NAMES,
    slides=NAMES,
    not_patients=NAMES,
    not_slides=NAMES,
    splits=st.lists(st.sampled_from(["train", "val", "test"]), max_size=2),
    classes=st.lists(
        st.sampled_from(["neutrophil", "granulocyte", "lymphocyte", "myelocyte"]), max_size=2
    ),
    authors=st.lists(st.sampled_from(["import", "ana"]), max_size=1),
    not_cells=st.lists(st.integers(1, 130), max_size=3),
    labelled=st.sampled_from([None, True, False]),
    embedded_with=st.sampled_from([None, "m", "other"]),
    flagged=st.sampled_from([None, True, False]),
)


def within(atlas: Atlas, cell: Cell, present: str | None, wanted: CellFilter) -> bool:
    """The meaning of a filter, said plainly; ``present`` is the present label of the cell."""

    def called(name: str | None, names: tuple[str, ...]) -> bool:
        return name is not None and (name in names or f"{cell.dataset}/{name}" in names)

    author = "import" if present is not None else None
    embedded = {"m": True, "other": False}
    return (
        (not wanted.datasets or cell.dataset in wanted.datasets)
        and cell.dataset not in wanted.not_datasets
        and (not wanted.patients or called(cell.patient, wanted.patients))
        and (not wanted.slides or called(cell.slide, wanted.slides))
        and not called(cell.patient, wanted.not_patients)
        and not called(cell.slide, wanted.not_slides)
        and (not wanted.splits or cell.split in wanted.splits)
        and (
            not wanted.classes
            or (
                present is not None
                and any(atlas.taxonomy.is_within(present, code) for code in wanted.classes)
            )
        )
        and (not wanted.authors or author in wanted.authors)
        and cell.id not in wanted.not_cells
        and wanted.labelled in (None, present is not None)
        and (wanted.embedded_with is None or embedded[wanted.embedded_with])
        and wanted.flagged in (None, cell.flagged)
    )


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=FILTERS)
def test_filters_mean_what_they_say(filled: Atlas, wanted: CellFilter) -> None:
    if not filled.events():
        filled.set_flag(2, True, "ana")
        filled.add_class("rare", "Rare", "lymphocyte", "ana")
    present = filled.present_labels()
    expected = [
        cell.id for cell in filled.cells() if within(filled, cell, present.get(cell.id), wanted)
    ]
    assert filled.cell_ids(wanted).tolist() == expected
    assert filled.count(wanted) == len(expected)
    assert [cell.id for cell in filled.cells(wanted)] == expected
    assert filled.table(wanted)["id"].tolist() == expected
    assert filled.embeddings("m", wanted)[0].tolist() == expected
    assert filled.present_labels(wanted) == {
        each: present[each] for each in expected if each in present
    }
    assert isinstance(filled.cell_ids(wanted), np.ndarray)

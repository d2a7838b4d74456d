"""Decisions keep what was before, settle until something new is said, and can be taken back."""

from __future__ import annotations

import itertools
import sqlite3

import pytest

from index import Atlas, CellRecord, NewLabel
from index import reviewing as review
from index.errors import LabelError, RecordError, UnknownCellError, UnknownDatasetError


@pytest.fixture
def read(atlas: Atlas) -> Atlas:
    """Four cells; ann and bob disagree on the first, agree on the second, ann read the third."""
    atlas.add_dataset("lab", "/nowhere")
    atlas.add_cells("lab", [CellRecord(f"{i}.png", f"{i:064}", 9, 9) for i in range(4)])
    said = [(1, "neutrophil", "ann"), (1, "monocyte", "bob"), (2, "monocyte", "ann")]
    said += [(2, "monocyte", "bob"), (3, "basophil", "ann")]
    atlas.add_labels([NewLabel(cell, code, author, "single") for cell, code, author in said])
    return atlas


def third(code: str = "monocyte", author: str = "eve", cell: int = 1) -> NewLabel:
    return NewLabel(cell, code, author, "adjudicated")


def test_a_decision_keeps_all_former_labels(read: Atlas) -> None:
    assert read.disputed() == [1]
    before = read.history(1)
    decision, label = review.adjudicate(read, "disagreements", third())
    assert read.disputed() == []
    assert read.present_of([1]) == {1: "monocyte"}
    assert read.history(1)[:2] == before
    (kept,) = review.decisions_of(read, cell_id=1)
    assert (kept.id, kept.label_id, kept.verdict, kept.party) == (
        decision, label, "adjudicated", False,
    )  # fmt: skip
    assert [(each["author"], each["class_code"]) for each in kept.former] == [
        ("ann", "neutrophil"),
        ("bob", "monocyte"),
    ]


def test_whoever_labelled_before_is_no_third_reader(read: Atlas) -> None:
    review.adjudicate(read, "disagreements", third(author="ann"))
    assert review.decisions_of(read)[0].party is True


def test_both_cells_of_a_matter_are_decided_at_once_by_what_stood_before(read: Atlas) -> None:
    decision, label = review.adjudicate(read, "duplicates", third(cell=2), other=third(cell=3))
    assert read.present_of([2, 3]) == {2: "monocyte", 3: "monocyte"}
    other, kept = review.decisions_of(read)
    assert (kept.id, kept.label_id, kept.cell_id, kept.other_id) == (decision, label, 2, 3)
    assert (other.cell_id, other.other_id) == (3, 2)
    for each in (kept, other):
        assert each.party is False  # eve had labelled neither
        assert {one["author"] for one in each.former} == {"ann", "bob"}
    assert review.settled(read, "duplicates") == {(2, 3), (3, 2)}
    review.reopen(read, decision, "eve")
    assert read.present_of([2, 3]) == {2: "monocyte", 3: "basophil"}
    assert review.settled(read, "duplicates") == set()


def test_what_is_decided_of_two_cells_is_written_whole_or_not_at_all(
    read: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls = review._put, itertools.count(1)

    def fails(connection: object, row: dict) -> int:
        if next(calls) % 2 == 0:
            raise RuntimeError("the power went")
        return put(connection, row)

    def kept() -> tuple[list, list]:
        return review.decisions_of(read), list(read.log())

    before = kept()
    with monkeypatch.context() as broken:
        broken.setattr(review, "_put", fails)
        with pytest.raises(RuntimeError, match="the power went"):
            review.adjudicate(read, "duplicates", third(cell=2), other=third(cell=3))
    assert kept() == before
    decision, _ = review.adjudicate(read, "duplicates", third(cell=2), other=third(cell=3))
    before = kept()
    with monkeypatch.context() as broken:
        broken.setattr(review, "_put", fails)
        with pytest.raises(RuntimeError, match="the power went"):
            review.reopen(read, decision, "eve")
    assert kept() == before


def test_settled_until_a_new_label_comes(read: Atlas) -> None:
    review.settle(read, "suspects", "kept", "eve", 2, note="looked twice")
    review.settle(read, "duplicates", "different", "eve", 2, other_id=3)
    assert review.settled(read, "suspects") == {(2, None)}
    assert review.settled(read, "duplicates") == {(2, 3)}
    read.add_labels([NewLabel(3, "monocyte", "bob", "single")])
    assert review.settled(read, "duplicates") == set()
    assert review.settled(read, "suspects") == {(2, None)}


def test_a_decision_is_taken_back_once(read: Atlas) -> None:
    decision, _ = review.adjudicate(read, "disagreements", third())
    assert review.settled(read, "disagreements") == {(1, None)}
    assert review.reopen(read, decision, "eve").verdict == "reopened"
    assert review.settled(read, "disagreements") == set()
    assert read.disputed() == [1]
    assert [label.how for label in read.history(1)] == ["single", "single", "adjudicated", "undo"]
    with pytest.raises(RecordError, match="not one that stands"):
        review.reopen(read, decision, "eve")


def test_nothing_half_done_on_a_wrong_request(read: Atlas) -> None:
    with pytest.raises(UnknownCellError):
        review.adjudicate(read, "disagreements", third(cell=99))
    with pytest.raises(LabelError, match="'single'"):
        review.adjudicate(read, "disagreements", NewLabel(1, "monocyte", "eve", "single"))
    with pytest.raises(RecordError, match="verdict is 'maybe'"):
        review.settle(read, "suspects", "maybe", "eve", 1)
    assert review.decisions_of(read) == []
    assert len(read.history(1)) == 2


def test_decisions_are_append_only(read: Atlas) -> None:
    review.settle(read, "suspects", "kept", "eve", 2)
    connection = sqlite3.connect(read.path / "atlas.sqlite")
    for statement in ("UPDATE review_decisions SET author = 'x'", "DELETE FROM review_decisions"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_standing_labels_and_cells_read_by_several(read: Atlas) -> None:
    assert review.read_by_several(read) == [1, 2]
    read.undo(2, "bob")
    standing = review.standing_labels(read, [1, 3, 4])
    assert [label.author for label in standing[1]] == ["ann"]
    assert [label.class_code for label in standing[3]] == ["basophil"]
    assert 4 not in standing


def test_skipped_cells_outlive_the_atlas_in_memory(read: Atlas) -> None:
    for cell in (3, 1, 4):
        review.skip(read, "ann", cell)
    review.unskip(read, "ann", 1)
    review.unskip(read, "ann", 2)
    with Atlas.open(read.path) as again:
        assert sorted(review.skipped_cells(again, "ann")) == [3, 4]
        assert review.skipped_cells(again, "bob") == []


def test_pixel_sizes(read: Atlas) -> None:
    assert review.pixel_sizes_of(read) == {}
    review.set_pixel_size(read, "lab", 0.1, "ann")
    review.set_pixel_size(read, "lab", 0.2, "ann")
    assert review.pixel_sizes_of(read) == {"lab": 0.2}
    for wrong in (0.0, -1.0, 1000.0, float("nan")):
        with pytest.raises(RecordError, match="micrometres"):
            review.set_pixel_size(read, "lab", wrong, "ann")
    with pytest.raises(UnknownDatasetError, match="'lob'"):
        review.set_pixel_size(read, "lob", 0.1, "ann")

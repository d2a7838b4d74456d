"""Labels, skips, flags, and undo without limit: also over a restart."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.actions import Reader, Shown
from annotator.problems import NothingToUndoError
from annotator.proposals import Proposals
from annotator.queue import Queue
from index import Atlas
from index.errors import UnknownCellError, UnknownClassError


def reader_of(atlas: Atlas, author: str = "ann") -> Reader:
    return Reader(atlas, Queue(atlas, Proposals(atlas, k=5), order="imported"), author)


@pytest.fixture
def reader(opened: Atlas) -> Reader:
    return reader_of(opened)


def test_a_label_records_what_was_proposed(opened: Atlas, reader: Reader) -> None:
    reader.label(25, "platelet", Shown("neutrophil", 0.75, "model", False), "odd one")
    (label,) = opened.history(25)
    assert (label.class_code, label.author, label.how) == ("platelet", "ann", "single")
    assert (label.proposed_class, label.proposed_probability) == ("neutrophil", 0.75)
    assert (label.model_id, label.proposal_visible) == ("model", False)
    assert label.note == "odd one"


def test_undo_takes_everything_back_in_turn(opened: Atlas, reader: Reader) -> None:
    reader.label(25, "platelet", Shown())
    reader.label(25, "neutrophil", Shown())
    reader.flag(26, True)
    reader.skip(26)
    kinds = [reader.undo().kind for _ in range(4)]
    assert kinds == ["skip", "flag", "label", "label"]
    assert opened.present_of([25]) == {}
    assert not opened.cell(26).flagged
    assert reader.labelled == 0
    with pytest.raises(NothingToUndoError, match="ann has nothing left"):
        reader.undo()


def test_undo_of_a_second_label_brings_the_first_back(opened: Atlas, reader: Reader) -> None:
    reader.label(25, "platelet", Shown())
    reader.label(25, "neutrophil", Shown())
    assert opened.present_of([25]) == {25: "neutrophil"}
    reader.undo()
    assert opened.present_of([25]) == {25: "platelet"}


def test_undo_reaches_back_over_a_restart(opened: Atlas, reader: Reader) -> None:
    for cell in (25, 26, 27):
        reader.label(cell, "platelet", Shown())
    reader.undo()
    later = reader_of(opened)
    assert later.undo().cell_id == 26
    assert later.undo().cell_id == 25
    with pytest.raises(NothingToUndoError):
        later.undo()


def test_nobody_undoes_what_others_did(opened: Atlas, reader: Reader) -> None:
    reader.label(25, "platelet", Shown())
    with pytest.raises(NothingToUndoError):
        reader_of(opened, "bob").undo()


def test_what_fails_is_not_undone_later(opened: Atlas, reader: Reader) -> None:
    with pytest.raises(UnknownCellError):
        reader.label(999, "platelet", Shown())
    with pytest.raises(UnknownClassError):
        reader.label(25, "unicorn", Shown())
    with pytest.raises(UnknownCellError):
        reader.skip(999)
    with pytest.raises(NothingToUndoError):
        reader.undo()
    assert 25 in reader.queue.upcoming(100)


ACTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("label"),
            st.integers(25, 29),
            st.sampled_from(["neutrophil", "platelet", "band_neutrophil"]),
        ),
        st.tuples(st.just("flag"), st.integers(25, 29), st.booleans()),
        st.tuples(st.just("skip"), st.integers(25, 29), st.none()),
        st.tuples(st.just("undo"), st.none(), st.none()),
    ),
    max_size=25,
)


@given(acts=ACTS)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_mix_of_acts_equals_the_acts_not_undone(opened: Atlas, acts) -> None:
    reader = reader_of(opened, f"reader-{opened.count()}-{id(acts)}")
    for cell in range(25, 30):
        opened.set_flag(cell, False, "setup")
    stack: list[tuple] = []
    flags = dict.fromkeys(range(25, 30), False)
    for kind, cell, value in acts:
        if kind == "undo":
            if not stack:
                with pytest.raises(NothingToUndoError):
                    reader.undo()
                continue
            reader.undo()
            what, where, before = stack.pop()
            if what == "flag":
                flags[where] = before
        elif kind == "flag":
            stack.append((kind, cell, flags[cell]))
            reader.flag(cell, value)
            flags[cell] = value
        else:
            stack.append((kind, cell, value))
            if kind == "label":
                reader.label(cell, value, Shown())
            else:
                reader.skip(cell)
    mine: dict[int, str] = {}
    for what, where, value in stack:
        if what == "label":
            mine[where] = value
    for cell in range(25, 30):
        said = [e for e in opened.history(cell) if e.author == reader.author]
        gone = {e.retracts for e in said}
        standing = [e.class_code for e in said if e.how == "single" and e.id not in gone]
        assert (standing[-1] if standing else None) == mine.get(cell)
        assert opened.cell(cell).flagged == flags[cell]
    while stack:  # leave nothing standing for the next example
        reader.undo()
        stack.pop()

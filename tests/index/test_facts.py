"""Facts of labels: written with the label or not at all, and never changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import Atlas, CellRecord, NewLabel
from index.errors import LabelError
from index.facts import SHOWN, LabelFacts, add_labels, all_facts, cell_versions, facts_of


@pytest.fixture
def atlas(tmp_path):
    """Three cells without a label."""
    with Atlas.open(tmp_path / "a", create=True) as made:
        made.add_dataset("d", "/d")
        made.add_cells("d", [CellRecord(f"{n}.png", f"{n:064}", 9, 9) for n in range(3)])
        yield made


def label(cell: int = 1, author: str = "ann") -> NewLabel:
    return NewLabel(cell, "platelet", author, "single")


def test_facts_come_back_as_they_were_given(atlas) -> None:
    given = [
        LabelFacts(),
        LabelFacts("blind", "never", 7, 2.5, 3, True),
        LabelFacts("with_proposal", "always", None, 0.0, 0, False, asked_by="random"),
    ]
    ids = add_labels(atlas, [label(1), label(2), label(3)], given)
    assert facts_of(atlas, ids) == dict(zip(ids, given, strict=True)) == all_facts(atlas)
    assert facts_of(atlas, [99]) == {}
    assert cell_versions(atlas, [1, 2, 9]) == {1: ids[0], 2: ids[1], 9: 0}


@pytest.mark.parametrize(
    "bad", [LabelFacts(shown="peeked"), LabelFacts(seconds=-1), LabelFacts(seconds=float("nan"))]
)
def test_a_bad_fact_adds_nothing(atlas, bad) -> None:
    with pytest.raises(LabelError, match="allowed is"):
        add_labels(atlas, [label(), label(2)], [LabelFacts(), bad])
    with pytest.raises(LabelError, match="1 labels come with 0 facts"):
        add_labels(atlas, [label()], [])
    assert atlas.history(1) == []
    assert all_facts(atlas) == {}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE label_facts SET shown = 'blind'", "DELETE FROM label_facts",
     "INSERT OR REPLACE INTO label_facts (label_id) VALUES (1)"],
)  # fmt: skip
def test_facts_are_append_only(atlas, statement) -> None:
    add_labels(atlas, [label()], [LabelFacts(shown="with_proposal")])
    connection = atlas.database.connect()
    with pytest.raises(Exception, match="append-only"):
        connection.execute(statement)
    connection.close()


@settings(max_examples=50, deadline=None)
@given(shown=st.sampled_from([None, *SHOWN]), peers=st.sampled_from([None, True, False]))
def test_independent_is_what_rests_on_the_cell_alone(shown, peers) -> None:
    facts = LabelFacts(shown=shown, peers_visible=peers)
    assert facts.independent == (shown in ("blind", "after_own") and peers is not True)

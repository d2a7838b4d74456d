"""Proposals adapted to a data set while it is labelled."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import retrieval.laboratory
from annotator.adapting import Adapting
from annotator.adapting.due import Standing
from annotator.proposals import Proposals
from index import Atlas, NewLabel
from index.adaptations import adaptations_of
from index.errors import CellKinError

MODEL = "0123456789abcdef"
ABROAD = {"neutrophil", "lymphocyte", "eosinophil", "monocyte"}


@pytest.fixture
def atlas(abroad: Any) -> Iterator[Atlas]:
    with Atlas.open(abroad.path) as opened:
        yield opened


@pytest.fixture
def adapting() -> Iterator[Adapting]:
    made = Adapting(after=10, k=5)
    yield made
    made.close()


@pytest.fixture
def proposals(atlas: Atlas, adapting: Adapting) -> Proposals:
    return Proposals(atlas, k=5, adapting=adapting)


def right(abroad: Any, atlas: Atlas, proposals: Proposals, cells: list[int]) -> float:
    found = proposals.propose(cells)
    return float(np.mean([found[cell].class_code == abroad.truth(atlas, cell) for cell in cells]))


def settled(proposals: Proposals, adapting: Adapting, cells: list[int]) -> None:
    """Ask, and wait until what the question began is swapped in."""
    proposals.propose(cells)
    adapting.wait()


def test_without_labels_the_data_set_is_read_as_a_whole(
    abroad: Any, atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = abroad.cells(atlas)
    first = proposals.propose(cells[:3])
    assert all(each.adaptation is None for each in first.values())
    adapting.wait()
    second = proposals.propose(cells[:3])
    (entry,) = adaptations_of(atlas, "new")
    assert {each.adaptation for each in second.values()} == {entry.id}
    assert (entry.labels, entry.cells, entry.model_id) == ({}, 120, MODEL)
    assert all(len(each.evidence) == 5 for each in second.values())


def test_labels_adapt_and_put_right_what_neighbours_have_wrong(
    abroad: Any, atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = abroad.cells(atlas)
    assert right(abroad, atlas, Proposals(atlas, k=5), cells) < 0.1
    abroad.teach(atlas, cells[:12])
    rest = cells[12:]
    settled(proposals, adapting, rest[:1])
    assert right(abroad, atlas, proposals, rest) > 0.95
    entry = adaptations_of(atlas, "new")[-1]
    assert (entry.count, entry.sight) == (12, None)
    assert set(entry.labels) == ABROAD
    assert entry.accuracy is not None
    assert entry.accuracy > 0.9
    evidence = proposals.propose(rest[:1])[rest[0]].evidence
    distances = [each.distance for each in evidence]
    assert distances == sorted(distances)
    plain = Proposals(atlas, k=5).propose(rest[:1])[rest[0]].evidence
    assert distances != [each.distance for each in plain]  # measured in the adapted space


def test_few_labels_or_one_class_teach_nothing(
    abroad: Any, atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = abroad.cells(atlas)
    settled(proposals, adapting, cells[:1])
    abroad.teach(atlas, cells[:48:4])  # twelve, all of one class
    adapting.progress(atlas, "new").rests = 0.0
    settled(proposals, adapting, cells[50:51])
    assert [entry.count for entry in adaptations_of(atlas)] == [0]


def test_it_is_due_again_after_so_many_fresh_labels(
    abroad: Any, atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = abroad.cells(atlas)
    abroad.teach(atlas, cells[:12])
    for upto in (12, 21, 22):
        if upto > 12:
            abroad.teach(atlas, cells[21 if upto == 22 else 12 : upto])
        adapting.progress(atlas, "new").rests = 0.0
        settled(proposals, adapting, cells[-1:])
        counts = [entry.count for entry in adaptations_of(atlas, "new")]
        assert counts == ([12, 22] if upto == 22 else [12])


def test_after_one_it_rests_a_while(
    abroad: Any, atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = abroad.cells(atlas)
    abroad.teach(atlas, cells[:12])
    settled(proposals, adapting, cells[-1:])
    adapting.progress(atlas, "new").rests = float("inf")
    abroad.teach(atlas, cells[12:40])
    settled(proposals, adapting, cells[-1:])
    assert len(adaptations_of(atlas, "new")) == 1
    adapting.progress(atlas, "new").rests = 0.0
    settled(proposals, adapting, cells[-1:])
    assert [entry.count for entry in adaptations_of(atlas, "new")] == [12, 40]


def test_a_fresh_label_is_a_neighbour_at_once_and_its_own_cell_is_none(
    abroad: Any, atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = abroad.cells(atlas)
    abroad.teach(atlas, cells[:12])
    settled(proposals, adapting, cells[-1:])
    asked, other = cells[12], cells[16]  # of one class
    wide = Proposals(atlas, k=60, adapting=adapting)
    assert other not in [e.cell_id for e in wide.propose([asked])[asked].evidence]
    (label,) = atlas.add_labels([NewLabel(other, "basophil", "ann", "single")])
    held = adapting.held(atlas, "new", consider=False)
    assert held is not None
    evidence = proposals.alike(asked, "basophil", 3)
    assert [(e.cell_id, e.class_code, e.author) for e in evidence] == [(other, "basophil", "ann")]
    assert other not in [e.cell_id for e in proposals.propose([other])[other].evidence]
    atlas.undo(label, "ann")
    assert proposals.alike(asked, "basophil", 3) == ()


def test_fresh_labels_have_the_share_of_the_answer_that_they_have_of_the_vote(
    abroad: Any,
    atlas: Atlas,
) -> None:
    adapting = Adapting(after=10, k=40)
    proposals = Proposals(atlas, k=40, adapting=adapting)
    cells = abroad.cells(atlas)
    abroad.teach(atlas, cells[:12])
    settled(proposals, adapting, cells[-1:])
    before = proposals.propose(cells[12:13])[cells[12]]
    fresh = cells[16:60:4]  # all of its class; all called something else
    atlas.add_labels([NewLabel(cell, "monocyte", "ann", "single") for cell in fresh[:9]])
    after = proposals.propose(cells[12:13])[cells[12]]
    assert before.class_code == "neutrophil"
    assert after.probabilities["monocyte"] > before.probabilities["monocyte"]
    assert sum(after.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    if after.class_code != before.class_code:
        assert after.decision == "abstain"
        assert after.why_not == "fresh"
        assert after.class_code in after.prediction_set
    adapting.close()


def test_a_cell_whose_label_taught_is_not_answered_by_it(
    abroad: Any, atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = abroad.cells(atlas)
    labels = abroad.teach(atlas, cells[:12])
    settled(proposals, adapting, cells[-1:])
    assert proposals.propose(cells[:1])[cells[0]].adaptation is None
    atlas.undo(labels[0], "ann")  # and its own label, though taken back, does not speak either
    found = proposals.propose([cells[0], cells[-1]])
    assert found[cells[0]].adaptation is None
    assert cells[0] not in [e.cell_id for e in found[cells[-1]].evidence]


def test_one_at_a_time(abroad: Any, atlas: Atlas, adapting: Adapting, gate: Any) -> None:
    gate.open.set()
    other = Proposals(atlas, k=5, adapting=adapting)
    abroad.teach(atlas, abroad.cells(atlas)[:12])
    other.propose(abroad.cells(atlas)[-2:])
    adapting.now(atlas, "lab")
    adapting.now(atlas, "new")
    adapting.wait()
    assert gate.most == 1
    assert {entry.dataset for entry in adaptations_of(atlas)} == {"lab", "new"}


def test_all_share_one_pause_and_who_asks_does_not_wait(
    abroad: Any,
    atlas: Atlas,
    proposals: Proposals,
    adapting: Adapting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("annotator.adapting.keeper.PAUSE", 1e6)
    adapting.now(atlas, "lab")
    adapting.wait()
    proposals.propose(abroad.cells(atlas)[:1])
    assert adapting.progress(atlas, "new").state == "waiting"
    adapting.now(atlas, "new")
    adapting.wait()
    assert adapting.held(atlas, "new", consider=False) is not None


def test_what_goes_wrong_is_said_and_neighbours_go_on_voting(
    abroad: Any,
    atlas: Atlas,
    proposals: Proposals,
    adapting: Adapting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*given: Any, **more: Any) -> Any:
        raise CellKinError("it is too dark", "switch on the light")

    monkeypatch.setattr(retrieval.laboratory, "hold", fails)
    cells = abroad.cells(atlas)
    settled(proposals, adapting, cells[:1])
    found = adapting.progress(atlas, "new")
    assert (found.state, found.message) == ("failed", "it is too dark")
    assert proposals.propose(cells[:1])[cells[0]].adaptation is None


def test_closing_stops_it(abroad: Any, atlas: Atlas, gate: Any) -> None:
    made = Adapting(after=10, k=5)
    Proposals(atlas, k=5, adapting=made).propose(abroad.cells(atlas)[:1])
    assert gate.begun.wait(20)
    closing = threading.Thread(target=made.close)
    closing.start()
    gate.open.set()
    closing.join(20)
    assert not closing.is_alive()
    assert not adaptations_of(atlas)
    made.now(atlas, "new")
    made.wait()
    assert not adaptations_of(atlas)


def test_killed_in_the_middle_nothing_is_half_written(abroad: Any) -> None:
    program = f"""
import os
from index import Atlas
from retrieval.laboratory import hold
atlas = Atlas.open({str(abroad.path)!r})
hold(atlas, {MODEL!r}, "new", report=lambda stage: stage == "saving" and os._exit(9))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 9, run.stderr
    with Atlas.open(abroad.path) as atlas:
        assert not adaptations_of(atlas)
        adapting = Adapting(after=10, k=5)
        proposals = Proposals(atlas, k=5, adapting=adapting)
        settled(proposals, adapting, abroad.cells(atlas)[:1])
        assert len(adaptations_of(atlas)) == 1
        adapting.close()


def test_the_same_again_after_a_start_is_the_same_entry(abroad: Any, atlas: Atlas) -> None:
    abroad.teach(atlas, abroad.cells(atlas)[:12])
    numbers = []
    for _ in range(2):
        adapting = Adapting(after=10, k=5)
        proposals = Proposals(atlas, k=5, adapting=adapting)
        settled(proposals, adapting, abroad.cells(atlas)[-1:])
        (found,) = proposals.propose(abroad.cells(atlas)[-1:]).values()
        numbers.append(found.adaptation)
        adapting.close()
    assert numbers[0] is not None
    assert numbers[0] == numbers[1]


def test_memory_is_bounded_by_letting_the_oldest_go(
    atlas: Atlas, adapting: Adapting, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapting.now(atlas, "lab")
    adapting.wait()
    assert adapting.held(atlas, "lab", consider=False) is not None
    monkeypatch.setattr("annotator.adapting.keeper.MOST_BYTES", 1)
    adapting.now(atlas, "new")
    adapting.wait()
    assert adapting.held(atlas, "lab", consider=False) is None
    assert adapting.held(atlas, "new", consider=False) is not None


def test_what_is_let_go_is_held_by_nothing_else(
    abroad: Any, atlas: Atlas, proposals: Proposals, adapting: Adapting, monkeypatch: Any
) -> None:
    settled(proposals, adapting, abroad.cells(atlas)[:1])
    proposals.propose(abroad.cells(atlas)[:1])
    adapting.standing(atlas, "new")
    held = adapting.held(atlas, "new", consider=False)
    assert held is not None
    gone = weakref.ref(held)
    del held
    monkeypatch.setattr("annotator.adapting.keeper.MOST_BYTES", 1)
    adapting.now(atlas, "lab")
    adapting.wait()
    gc.collect()
    assert gone() is None


def test_who_asks_while_it_is_under_way_gets_the_labels_given_meanwhile(
    abroad: Any, atlas: Atlas, adapting: Adapting, monkeypatch: Any
) -> None:
    begun, hold = threading.Event(), retrieval.laboratory.hold
    on = threading.Event()

    def slow(*given: Any, **more: Any) -> Any:
        found = hold(*given, **more)
        begun.set()
        assert on.wait(20)
        return found

    monkeypatch.setattr(retrieval.laboratory, "hold", slow)
    adapting.now(atlas, "new")
    assert begun.wait(20)
    abroad.teach(atlas, abroad.cells(atlas)[:12])
    adapting.now(atlas, "new")
    on.set()
    adapting.wait()
    assert [entry.count for entry in adaptations_of(atlas, "new")] == [0, 12]


@pytest.mark.parametrize(
    ("labels", "fresh", "held", "unknown", "grown", "due"),
    [
        ({}, 0, None, False, False, False),
        ({"a": 10}, 10, None, False, False, False),  # one class
        ({"a": 9, "b": 1}, 10, None, False, False, False),  # one label shows nothing
        ({"a": 8, "b": 2}, 10, None, False, False, True),
        ({"a": 5, "b": 2}, 7, None, False, False, False),  # too few
        ({"a": 8, "b": 2}, 10, 0, False, False, True),  # read as a whole so far
        ({"a": 8, "b": 4}, 2, 10, False, False, False),
        ({"a": 8, "b": 4}, 2, 10, True, False, True),  # a class that it does not know
        ({"a": 8, "b": 4}, 2, 10, False, True, True),  # more cells
        ({"a": 9, "b": 9}, 10, 10, False, False, True),
    ],
)
def test_when_it_is_due(
    labels: dict[str, int], fresh: int, held: int | None, unknown: bool, grown: bool, due: bool
) -> None:
    assert Standing(labels, fresh, 10, held, unknown, grown).due is due

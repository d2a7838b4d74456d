"""Undo and redo against a plain model: after any actions the atlas is what its log says.

Beside the model stands a replay: the log of labels and the audit trail read from the beginning by
rules of a few lines, which the atlas's own derivations must agree with.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from annotator.actions import Action, Reader, Shown
from annotator.problems import NothingToRedoError
from annotator.proposals import Proposals
from annotator.queue import Queue
from index import Atlas, CellRecord, Label
from index.reviewing import skipped_cells

CELLS = range(1, 9)
CLASSES = ("monocyte", "neutrophil", "band_neutrophil", "platelet")


def replayed(log: Iterable[Label]) -> dict[int, str]:
    """The present class of each cell: the newest label that no standing undo takes back."""
    entries = list(log)
    gone: set[int] = set()
    for entry in reversed(entries):
        if entry.retracts is not None and entry.id not in gone:
            gone.add(entry.retracts)
    return {
        entry.cell_id: entry.class_code
        for entry in entries
        if entry.how != "undo" and entry.id not in gone
    }


class Undoing(RuleBasedStateMachine):
    """One reader at work; ``done`` and ``undone`` are what a person would remember."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cellkin-"))
        self.atlas = Atlas.open(self.folder / "atlas", create=True)
        self.atlas.add_dataset("d", str(self.folder))
        self.atlas.add_cells(
            "d", [CellRecord(f"{i}.png", f"{i:064x}", 9, 9) for i in range(1, len(CELLS) + 1)]
        )
        queue = Queue(self.atlas, Proposals(self.atlas, k=5), order="imported")
        self.reader = Reader(self.atlas, queue, "ann")
        self.done: list[Action] = []
        self.undone: list[Action] = []
        self.skipped: set[int] = set()

    def teardown(self) -> None:
        self.reader.queue.wait()
        self.atlas.close()
        shutil.rmtree(self.folder)

    def did(self, action: Action) -> None:
        self.done.append(action)
        self.undone.clear()

    @rule(cell=st.sampled_from(CELLS), code=st.sampled_from(CLASSES))
    def label(self, cell: int, code: str) -> None:
        self.did(self.reader.label(cell, code, Shown()))
        self.skipped.discard(cell)

    @rule(cell=st.sampled_from(CELLS))
    def skip(self, cell: int) -> None:
        self.did(self.reader.skip(cell))
        self.skipped.add(cell)

    @rule(cell=st.sampled_from(CELLS), flagged=st.booleans())
    def flag(self, cell: int, flagged: bool) -> None:
        self.did(self.reader.flag(cell, flagged))

    @precondition(lambda self: self.done)
    @rule()
    def undo(self) -> None:
        action = self.reader.undo()
        assert action == self.done.pop()
        self.undone.append(action)
        if action.kind in ("label", "skip"):
            self.skipped.discard(action.cell_id)

    @rule()
    def redo(self) -> None:
        if not self.undone:
            with pytest.raises(NothingToRedoError):
                self.reader.redo()
            return
        action = self.reader.redo()
        assert action == self.undone.pop()
        self.done.append(action)
        if action.kind == "skip":
            self.skipped.add(action.cell_id)
        elif action.kind == "label":
            self.skipped.discard(action.cell_id)

    @invariant()
    def the_atlas_is_what_was_done_and_not_undone(self) -> None:
        wanted = {a.cell_id: a.class_code for a in self.done if a.kind == "label"}
        assert self.atlas.present_of(CELLS) == wanted
        flags = {a.cell_id: a.kind == "flag" for a in self.done if a.kind in ("flag", "unflag")}
        assert {cell.id: cell.flagged for cell in self.atlas.cells() if cell.flagged} == {
            cell: True for cell, flagged in flags.items() if flagged
        }
        assert set(self.reader.queue.skipped) == self.skipped
        assert set(skipped_cells(self.atlas, "ann")) == self.skipped
        assert self.reader.labelled == sum(a.kind == "label" for a in self.done)

    @invariant()
    def the_atlas_is_the_replay_of_its_log(self) -> None:
        assert self.atlas.present_of(CELLS) == replayed(self.atlas.log())
        trail = [e for e in self.atlas.events() if e["action"] in ("flag", "unflag")]
        last = {event["cell_id"]: event["action"] == "flag" for event in trail}
        assert {cell.id for cell in self.atlas.cells() if cell.flagged} == {
            cell for cell, flagged in last.items() if flagged
        }


CALM = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def test_undo_and_redo_of_mixed_actions() -> None:
    run_state_machine_as_test(
        Undoing, settings=settings(max_examples=3, stateful_step_count=60, **CALM)
    )


@pytest.mark.slow
def test_undo_and_redo_of_a_thousand_mixed_actions() -> None:
    run_state_machine_as_test(
        Undoing, settings=settings(max_examples=1, stateful_step_count=1000, **CALM)
    )

"""Sheets against a plain model: checked, split, renamed, accepted, each step undone and redone.

One reader works on sheets and labels cells beside them. After any steps each sheet, each of its
cells and each label must be what follows from the steps that were done and not undone.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
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
from annotator.proposals import Proposals
from annotator.queue import Queue
from index import Atlas, CellRecord, NewLabel
from index import sheets as kept
from index.sheet_records import (
    ACCEPTED,
    DROPPED,
    FAILED,
    OPEN,
    OUT,
    PASSED,
    SKIPPED,
    SPLIT,
    TAKEN_OUT,
    UNDONE,
    Sheet,
    SheetCell,
)

CELLS = range(1, 11)
cells = st.sampled_from(CELLS)
classes = st.sampled_from(("monocyte", "neutrophil", "platelet"))


class Sheets(RuleBasedStateMachine):
    """One reader at sheets; ``done`` and ``undone`` are what a person would remember."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cellkin-"))
        self.atlas = Atlas.open(self.folder / "atlas", create=True)
        self.atlas.add_dataset("d", str(self.folder))
        records = [CellRecord(f"{i}.png", f"{i:064x}", 9, 9) for i in CELLS]
        self.atlas.add_cells("d", records)
        queue = Queue(self.atlas, Proposals(self.atlas, k=5), order="imported")
        self.reader = Reader(self.atlas, queue, "ann")
        self.done: list[Action] = []
        self.undone: list[Action] = []
        self.made: dict[int, object] = {}  # by sheet, the step that made it; None: no step of ours
        self.closed: dict[int, Action] = {}  # by sheet, the sheet put away whose return closed it
        self.given: dict[Action, dict[int, str]] = {}  # by acceptance, the classes given

    def teardown(self) -> None:
        self.reader.queue.wait()
        self.atlas.close()
        shutil.rmtree(self.folder)

    def did(self, action: Action) -> None:
        self.done.append(action)
        self.undone.clear()

    def sheets(self, *, waiting: bool) -> list[Sheet]:
        """The open sheets that wait for a check, or those that do not."""
        return [s for s in kept.open_sheets(self.atlas, "ann") if bool(s.waiting) == waiting]

    @property
    def own(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for each in self.done:
            if each.kind == "label":
                found[each.cell_id] = str(each.class_code)
            elif each.kind == "sheet":
                found |= self.given[each]
        return found

    def sheet(self, code: str, mine: list[SheetCell]) -> Sheet:
        return Sheet(code, "ann", "d", None, 0.99, 0.95, 0.7, tuple(mine))

    @rule(some=st.sets(cells, min_size=3, max_size=6), code=classes)
    def propose(self, some: set[int], code: str) -> None:
        mine = [SheetCell(each, checked=place < 2) for place, each in enumerate(sorted(some))]
        (number,) = kept.make(self.atlas, [self.sheet(code, mine)])
        self.made[number] = None

    @rule(cell=cells, code=classes)
    def label(self, cell: int, code: str) -> None:
        self.did(self.reader.label(cell, code, Shown()))

    @precondition(lambda self: self.sheets(waiting=True))
    @rule(data=st.data(), right=st.booleans(), code=classes)
    def answer_a_check(self, data: st.DataObject, right: bool, code: str) -> None:
        sheet = data.draw(st.sampled_from(self.sheets(waiting=True)))
        cell = data.draw(st.sampled_from(sheet.waiting))
        said = sheet.class_code if right else code
        label = NewLabel(cell, said, "ann", "single", proposal_visible=False)
        same = said == sheet.class_code
        label_id = kept.answer_check(self.atlas, sheet.id, label, same=same)
        self.did(self.reader.answered(cell, label_id, said, sheet.id))
        if not same:
            left = [c.cell_id for c in sheet.cells if c.verdict is None and c.cell_id != cell]
            mine = [SheetCell(each, checked=place < 1) for place, each in enumerate(left)]
            parts = [self.sheet(said, mine)] if mine else []
            for number in kept.split(self.atlas, sheet.id, parts):
                self.made[number] = label_id

    @precondition(lambda self: self.sheets(waiting=True))
    @rule(data=st.data())
    def skip_a_check(self, data: st.DataObject) -> None:
        sheet = data.draw(st.sampled_from(self.sheets(waiting=True)))
        cell = data.draw(st.sampled_from(sheet.waiting))
        instead = data.draw(st.sampled_from([None, *(each.cell_id for each in sheet.open_cells)]))
        self.did(self.reader.skip_check(cell, sheet.id, instead))

    @precondition(lambda self: self.sheets(waiting=False))
    @rule(data=st.data(), out=st.dictionaries(cells, st.none() | classes, max_size=3))
    def accept(self, data: st.DataObject, out: dict[int, str | None]) -> None:
        sheet = data.draw(st.sampled_from(self.sheets(waiting=False)))
        mine = [each.cell_id for each in sheet.open_cells]
        new = {each: code for each in mine if (code := out.get(each, sheet.class_code)) is not None}
        given = {each: code for each, code in new.items() if each not in self.own}
        labels = [NewLabel(each, code, "ann", "bulk") for each, code in new.items()]
        moved = data.draw(st.sets(st.sampled_from(sorted(out)))) if out else set()
        done = kept.accept(self.atlas, sheet.id, labels, out=out, moved=moved)
        assert len(done.labels) == len(given)
        action = self.reader.accepted(sheet.id, list(given), sheet.cells[0].cell_id)
        self.given[action] = given
        self.did(action)

    @precondition(lambda self: any(s.open_cells for s in kept.open_sheets(self.atlas, "ann")))
    @rule(data=st.data(), code=classes)
    def rename(self, data: st.DataObject, code: str) -> None:
        some = [each for each in kept.open_sheets(self.atlas, "ann") if each.open_cells]
        sheet = data.draw(st.sampled_from(some))
        left = [each.cell_id for each in sheet.open_cells]
        out = data.draw(st.sampled_from([None, *left[1:]]))
        mine = [
            SheetCell(each, checked=place < 1, draft=OUT if each == out else None)
            for place, each in enumerate(left)
        ]
        taken = {} if out is None else {out: None}
        number = kept.rename(self.atlas, sheet.id, self.sheet(code, mine), taken)
        action = self.reader.renamed(sheet.id, number, left[0])
        self.made[number] = action
        self.did(action)

    @property
    def alone(self) -> list[Sheet]:
        """Open sheets of which no cell lies on another: such as the program makes."""
        some = kept.open_sheets(self.atlas, "ann")
        on = Counter(cell.cell_id for each in some for cell in each.cells)
        return [each for each in some if all(on[cell.cell_id] == 1 for cell in each.cells)]

    @precondition(lambda self: self.alone)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        sheet = data.draw(st.sampled_from(self.alone))
        kept.drop(self.atlas, sheet.id)
        self.did(self.reader.dropped(sheet.id, sheet.cells[0].cell_id))

    @precondition(lambda self: self.done)
    @rule()
    def undo(self) -> None:
        action = self.done[-1]
        if action.kind == "drop":  # what was made of its cells since, and nobody began, closes
            mine = {cell.cell_id for cell in kept.sheet(self.atlas, action.sheet_id).cells}
            for other in kept.open_sheets(self.atlas, "ann"):
                if mine & {cell.cell_id for cell in other.cells}:
                    self.closed[other.id] = action
        assert self.reader.undo() == action
        self.undone.append(self.done.pop())
        assert not self.reader.split_stays

    @precondition(lambda self: self.undone)
    @rule()
    def redo(self) -> None:
        assert self.reader.redo() == self.undone[-1]
        self.done.append(self.undone.pop())
        self.closed = {n: drop for n, drop in self.closed.items() if drop != self.done[-1]}

    @invariant()
    def labels_are_what_was_done(self) -> None:
        assert self.atlas.present_of(CELLS) == self.own

    @invariant()
    def sheets_are_what_was_done(self) -> None:
        answers = {(a.sheet_id, a.cell_id): a for a in self.done if a.kind == "label"}
        skips = {(a.sheet_id, a.cell_id): a for a in self.done if a.kind == "skip"}
        renamed = {a.sheet_id for a in self.done if a.kind == "rename"}
        accepted = {a.sheet_id: a for a in self.done if a.kind == "sheet"}
        dropped = {a.sheet_id for a in self.done if a.kind == "drop"}
        there = {None, *(a.label_id for a in answers.values()), *self.done}
        for number, maker in self.made.items():
            sheet = kept.sheet(self.atlas, number)
            failed = False
            for cell in sheet.cells:
                key = (number, cell.cell_id)
                if cell.checked:
                    said = answers[key].class_code if key in answers else None
                    right = PASSED if said == sheet.class_code else FAILED
                    wanted = SKIPPED if key in skips else None
                    assert cell.verdict == (wanted if said is None else right)
                    failed |= cell.verdict == FAILED
                elif number in renamed:
                    assert cell.verdict == (TAKEN_OUT if cell.draft is None else None)
                else:
                    assert (cell.verdict is not None) == (number in accepted)
            state = UNDONE if maker not in there else OPEN
            state = UNDONE if number in self.closed else state
            state = DROPPED if number in dropped else state
            state = ACCEPTED if number in accepted else state
            assert sheet.state == (SPLIT if failed or number in renamed else state)


CALM = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def test_sheets_by_any_steps() -> None:
    run_state_machine_as_test(
        Sheets, settings=settings(max_examples=6, stateful_step_count=50, **CALM)
    )


@pytest.mark.slow
def test_sheets_by_many_steps() -> None:
    run_state_machine_as_test(
        Sheets, settings=settings(max_examples=8, stateful_step_count=200, **CALM)
    )

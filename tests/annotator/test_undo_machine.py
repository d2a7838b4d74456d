"""Undo and redo against a plain model: after any actions the atlas is what its log says.

One reader labels, skips and flags cells, accepts sheets, answers their checks and what is planted,
works on clusters, undoes and redoes; beside them a chief decides on cells and takes that back.
Beside the model stands a replay: the log of labels and the audit trail read from the beginning by
rules of a few lines, which the atlas's own derivations must agree with. What becomes of sheets in
all its ways has a machine of its own, ``test_sheet_machine``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
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
from index import Atlas, CellRecord, Label, NewLabel
from index import sheets as kept
from index.checks import GOLD, RUNNER_UP, SHEET, Check, open_checks, outcomes, plant, set_gold
from index.cluster_steps import Change, Move, take_step, undo_step
from index.clustering import add_clustering, cluster_of, list_clusters
from index.reviewing import adjudicate, decisions_of, reopen, skipped_cells
from index.sheet_records import (
    ACCEPTED,
    FAILED,
    FOLDED,
    OPEN,
    PASSED,
    SHOWN,
    SPLIT,
    UNDONE,
    Sheet,
    SheetCell,
)

CELLS = range(1, 9)
KNOWN = {9: "platelet", 10: "monocyte"}  # cells that are planted on sheets
GOLDEN = 11  # a known-answer cell
CLASSES = ("monocyte", "neutrophil", "band_neutrophil", "platelet")
cells = st.sampled_from(CELLS)
classes = st.sampled_from(CLASSES)


def replayed(log: Iterable[Label]) -> dict[int, str]:
    """The present class of each cell: of what no standing undo takes back, the newest decision of
    a review, else the newest label."""
    entries = list(log)
    gone: set[int] = set()
    for entry in reversed(entries):
        if entry.retracts is not None and entry.id not in gone:
            gone.add(entry.retracts)
    stands = [each for each in entries if each.how != "undo" and each.id not in gone]
    stands.sort(key=lambda each: (each.how == "adjudicated", each.id))
    return {entry.cell_id: entry.class_code for entry in stands}


class Undoing(RuleBasedStateMachine):
    """One reader at work; ``done`` and ``undone`` are what a person would remember."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cellkin-"))
        self.atlas = Atlas.open(self.folder / "atlas", create=True)
        self.atlas.add_dataset("d", str(self.folder))
        self.atlas.add_cells(
            "d",
            [
                CellRecord(f"{i}.png", f"{i:064x}", 9, 9, class_code=KNOWN.get(i))
                for i in range(1, GOLDEN + 1)
            ],
        )
        set_gold(self.atlas, {GOLDEN: "neutrophil"}, "olga")
        (self.folder / "model").write_bytes(b"no weights are read here")
        self.atlas.add_model("none", self.folder / "model", {})
        ids = np.array(CELLS)
        self.run = add_clustering(
            self.atlas, dataset="d", model_id="none", method="centres", parameters={},
            author="ann", cell_ids=ids, labels=ids % 2, strength=np.ones(len(ids)),
        )  # fmt: skip
        self.even, self.odd = (each.id for each in list_clusters(self.atlas, self.run))
        queue = Queue(self.atlas, Proposals(self.atlas, k=5), order="imported")
        self.reader = Reader(self.atlas, queue, "ann")
        self.done: list[Action] = []
        self.undone: list[Action] = []
        self.skipped: set[int] = set()
        self.judged: list[tuple[int, str, bool | None]] = []  # cell, kind of check, caught
        self.checked: dict[int, int | None] = {}  # sheet with checks, label that split its parent
        self.ruled: dict[int, list[str]] = {}  # by cell, decisions that stand, oldest first
        self.rulings: dict[int, int] = {}  # the decision on a cell that can be taken back
        self.homes = {cell: self.odd if cell % 2 else self.even for cell in CELLS}
        self.names: dict[int, str | None] = {self.even: None, self.odd: None}
        self.steps: list[tuple[dict[int, int], dict[int, str | None]]] = []

    def teardown(self) -> None:
        self.reader.queue.wait()
        self.atlas.close()
        shutil.rmtree(self.folder)

    def did(self, action: Action) -> None:
        self.done.append(action)
        self.undone.clear()

    @property
    def own(self) -> dict[int, str]:
        """The reader's labels that stand, by cell."""
        found: dict[int, str] = {}
        for each in self.done:
            if each.kind == "label":
                found[each.cell_id] = str(each.class_code)
            elif each.kind == "sheet" and each.sheet_id is not None:
                given = kept.sheet(self.atlas, each.sheet_id)
                found |= dict.fromkeys(each.cells, given.class_code)
        return found

    @rule(cell=cells, code=classes)
    def label(self, cell: int, code: str) -> None:
        check = open_checks(self.atlas, "ann").get(cell)
        action = self.reader.label(cell, code, Shown())
        if check is None or not self.answered(check, code, action):
            self.did(action)
        self.skipped.discard(cell)

    def answered(self, check: Check, code: str, action: Action) -> bool:
        """Note the answer to a check; whether what was planted went unnoticed."""
        below = self.atlas.taxonomy.descendants(str(check.shown_class))
        missed = code in {*below, check.shown_class}
        self.judged.append((check.cell_id, check.kind, not missed))
        assert action.kind == ("check" if missed or check.kind == GOLD else "label")
        return missed

    @rule(cell=cells, code=classes)
    def plant_a_proposal(self, cell: int, code: str) -> None:
        plant(self.atlas, "ann", cell, RUNNER_UP, code, None)

    @rule(code=classes)
    def answer_a_known_answer(self, code: str) -> None:
        check = plant(self.atlas, "ann", GOLDEN, GOLD, "platelet", None)
        self.answered(check, code, self.reader.label(GOLDEN, code, Shown()))

    @rule(
        some=st.sets(cells, min_size=1, max_size=5),
        out=st.dictionaries(cells, st.none() | classes, max_size=3),
        code=classes,
        known=st.sampled_from([None, *KNOWN]),
        noticed=st.booleans(),
    )
    def sheet(
        self,
        some: set[int],
        out: dict[int, str | None],
        code: str,
        known: int | None,
        noticed: bool,
    ) -> None:
        mine = [SheetCell(each, part=FOLDED if each % 3 else SHOWN) for each in sorted(some)]
        if known is not None:
            mine.append(SheetCell(known, planted=KNOWN[known], sure=False))
        sheet = Sheet(code, "ann", "d", None, 0.99, 0.95, 0.7, tuple(mine))
        (number,) = kept.make(self.atlas, [sheet])
        new = [
            NewLabel(each, given, "ann", "bulk")
            for each in sorted(some)
            if (given := out.get(each, code)) == code
        ]
        taken = {each for each in out if out[each] != code} | ({known} if noticed else set())
        before = self.own
        given = {each: out.get(each) for each in taken}
        done = kept.accept(self.atlas, number, new, out=given)
        labelled = [each.cell_id for each in new if each.cell_id not in before]
        assert len(done.labels) == len(labelled)
        if known is not None:
            self.judged.append((known, SHEET, noticed))
            assert done.noticed == ((known,) if noticed else ())
        self.did(self.reader.accepted(number, labelled))
        self.skipped.difference_update(labelled)

    @property
    def taken_back(self) -> list[Sheet]:
        """The sheets that were accepted, taken back, and not accepted anew since."""
        numbers = {a.sheet_id for a in self.undone if a.kind == "sheet" and a.sheet_id}
        return [kept.sheet(self.atlas, int(str(number))) for number in sorted(numbers, key=str)]

    @precondition(lambda self: self.taken_back)
    @rule(data=st.data(), out=st.dictionaries(cells, st.none() | classes, max_size=3))
    def accept_a_sheet_anew(self, data: st.DataObject, out: dict[int, str | None]) -> None:
        sheet = data.draw(st.sampled_from(self.taken_back))
        before = self.own
        new = [
            NewLabel(each.cell_id, sheet.class_code, "ann", "bulk")
            for each in sheet.open_cells
            if each.cell_id not in out
        ]
        done = kept.accept(self.atlas, sheet.id, new, out=out)
        assert (done.noticed, done.missed) == ((), ())  # judged by the first acceptance
        labelled = [each.cell_id for each in new if each.cell_id not in before]
        self.did(self.reader.accepted(sheet.id, labelled))
        self.skipped.difference_update(labelled)

    @rule(some=st.sets(cells, min_size=3, max_size=5), code=classes)
    def propose_a_sheet_with_checks(self, some: set[int], code: str) -> None:
        self.propose(sorted(some), code, None)

    def propose(self, some: list[int], code: str, split_by: int | None) -> None:
        mine = tuple(SheetCell(each, checked=place < 2) for place, each in enumerate(some))
        sheet = Sheet(code, "ann", "d", None, 0.99, 0.95, 0.7, mine)
        if split_by is None:
            (number,) = kept.make(self.atlas, [sheet])
        else:
            parent = next(a.sheet_id for a in self.done if a.label_id == split_by)
            (number,) = kept.split(self.atlas, int(str(parent)), [sheet])
        self.checked[number] = split_by

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), right=st.booleans(), code=classes)
    def answer_a_purity_check(self, data: st.DataObject, right: bool, code: str) -> None:
        sheet = kept.sheet(self.atlas, data.draw(st.sampled_from(self.waiting)))
        cell = data.draw(st.sampled_from(sheet.waiting))
        answer = sheet.class_code if right else code
        label = NewLabel(cell, answer, "ann", "single", proposal_visible=False)
        same = answer == sheet.class_code
        label_id = kept.answer_check(self.atlas, sheet.id, label, same=same)
        self.did(self.reader.answered(cell, label_id, answer, sheet.id))
        self.skipped.discard(cell)
        left = [each.cell_id for each in sheet.cells if each.cell_id != cell]
        if not same and left:
            self.propose(left, answer, label_id)
        elif not same:
            kept.split(self.atlas, sheet.id, [])

    @property
    def waiting(self) -> list[int]:
        """The open sheets that wait for an answer to a check."""
        return [each.id for each in kept.open_sheets(self.atlas, "ann") if each.waiting]

    @rule(cell=cells, code=classes)
    def decide(self, cell: int, code: str) -> None:
        label = NewLabel(cell, code, "chief", "adjudicated")
        self.rulings[cell], _ = adjudicate(self.atlas, "disagreements", label)
        self.ruled.setdefault(cell, []).append(code)

    @precondition(lambda self: self.rulings)
    @rule(data=st.data())
    def decide_otherwise(self, data: st.DataObject) -> None:
        cell = data.draw(st.sampled_from(sorted(self.rulings)))
        reopen(self.atlas, self.rulings.pop(cell), "chief")
        self.ruled[cell].pop()

    @rule(cell=cells, name=st.none() | st.sampled_from(["large", "small"]))
    def work_on_clusters(self, cell: int, name: str | None) -> None:
        self.steps.append((dict(self.homes), dict(self.names)))
        here = self.homes[cell]
        to = self.even if here == self.odd else self.odd
        change = Change(moves=(Move(cell, here, to),), names=((to, name, None),))
        take_step(self.atlas, self.run, "ann", "grow", change)
        self.homes[cell], self.names[to] = to, name

    @precondition(lambda self: self.steps)
    @rule()
    def undo_on_clusters(self) -> None:
        undo_step(self.atlas, self.run, "ann")
        self.homes, self.names = self.steps.pop()

    @rule(cell=cells)
    def skip(self, cell: int) -> None:
        if cell in open_checks(self.atlas, "ann"):
            self.judged.append((cell, RUNNER_UP, None))  # to pass over a check makes it void
        self.did(self.reader.skip(cell))
        self.skipped.add(cell)

    @rule(cell=cells, flagged=st.booleans())
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
        elif action.kind == "sheet":
            self.skipped.difference_update(action.cells)

    @invariant()
    def the_atlas_is_what_was_done_and_not_undone(self) -> None:
        ruled = {cell: codes[-1] for cell, codes in self.ruled.items() if codes}
        assert self.atlas.present_of(CELLS) == {**self.own, **ruled}
        flags = {a.cell_id: a.kind == "flag" for a in self.done if a.kind in ("flag", "unflag")}
        assert {cell.id: cell.flagged for cell in self.atlas.cells() if cell.flagged} == {
            cell: True for cell, flagged in flags.items() if flagged
        }
        assert set(self.reader.queue.skipped) == self.skipped
        assert set(skipped_cells(self.atlas, "ann")) == self.skipped
        assert self.reader.labelled == sum(
            len(a.cells) if a.kind == "sheet" else a.kind == "label" for a in self.done
        )
        assert cluster_of(self.atlas, self.run) == self.homes
        names = {each.id: each.name for each in list_clusters(self.atlas, self.run)}
        assert names == {each: self.names[each] for each in set(self.homes.values())}

    @invariant()
    def sheets_taken_back_stand_as_they_were(self) -> None:
        for sheet in self.taken_back:
            assert sheet.state == OPEN
            assert all(cell.verdict is None and cell.was is not None for cell in sheet.cells)
            kept_cells = {cell.cell_id for cell in sheet.cells if cell.given}
            assert kept_cells <= {c.cell_id for c in sheet.open_cells if c.draft is None}
        for action in self.done:
            if action.kind == "sheet" and action.sheet_id is not None:
                assert kept.sheet(self.atlas, action.sheet_id).state == ACCEPTED

    @invariant()
    def sheets_are_as_their_checks_say(self) -> None:
        answers = {(a.sheet_id, a.cell_id): a for a in self.done if a.kind == "label"}
        given = {action.label_id for action in answers.values()}
        for number, split_by in self.checked.items():
            sheet = kept.sheet(self.atlas, number)
            for cell in sheet.cells:
                answer = answers.get((number, cell.cell_id))
                same = answer is not None and answer.class_code == sheet.class_code
                assert cell.verdict == (None if answer is None else PASSED if same else FAILED)
            failed = any(cell.verdict == FAILED for cell in sheet.cells)
            there = split_by is None or split_by in given
            assert sheet.state == (SPLIT if failed else OPEN if there else UNDONE)
        outcomes = kept.outcomes(self.atlas, "d")
        counted = {
            verdict: sum(each.cells for each in outcomes if each.verdict == verdict)
            for verdict in (PASSED, FAILED)
        }
        assert sum(counted.values()) == sum(number is not None for number, _ in answers)

    @invariant()
    def the_atlas_is_the_replay_of_its_log(self) -> None:
        log = list(self.atlas.log())
        assert self.atlas.present_labels() == replayed(log)
        # What is planted is judged, once, and never labelled.
        judged = [(each.cell_id, each.kind, each.caught) for each in outcomes(self.atlas, "ann")]
        assert sorted(judged, key=str) == sorted(self.judged, key=str)
        planted = [(each.cell_id, each.author) for each in log if each.cell_id > max(CELLS)]
        assert planted == [(cell, "import") for cell in KNOWN]
        standing = {each.cell_id for each in decisions_of(self.atlas)}
        assert standing == set(self.ruled)
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

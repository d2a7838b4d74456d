"""What a reader does to cells: label, skip, flag, and undo of each without limit.

Labels are append-only and on disk before these functions return. The list of actions that undo
walks back is kept for the run; labels of earlier runs are undone from the atlas's own log, so
undo ends only where the author's first label is. Imports neither torch nor Flask.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.problems import NothingToRedoError, NothingToUndoError
from annotator.queue import Queue
from index import sheet_undo, sheets
from index.checks import RUNNER_UP
from index.facts import LabelFacts
from index.giving import give, pass_over
from index.records import NewLabel
from index.reviewing import skip, unskip
from index.sheet_undo import AnswerBack

if TYPE_CHECKING:
    from index.atlas import Atlas
    from index.checks import Check
    from index.records import Label

HOW = "single"


@dataclass(frozen=True)
class Shown:
    """The proposal a label answers: class, probability (0 to 1), model, whether it was seen, and
    the adaptation that made it (None: the vote of neighbours did)."""

    class_code: str | None = None
    probability: float | None = None
    model_id: str | None = None
    visible: bool | None = None
    adaptation_id: int | None = None


@dataclass(frozen=True)
class Action:
    """One thing done: ``kind`` is label, sheet, rename, drop, check, skip, flag or unflag.

    ``label_id`` and ``class_code`` are those of a label, ``before`` whether a cell that was
    flagged or unflagged had a flag before. ``check`` is the check that an answer was to (of kind
    "check" no label was kept), ``newer`` the labels of others that the reader did not know of.
    ``sheet_id`` is the sheet accepted, of which ``cell_id`` is one cell and ``cells`` are those
    labelled; or the sheet of which a label answered a check, or of which a check was skipped: then
    ``cells`` is the one that is checked in its place; or the sheet that was put away (drop), or
    renamed, by which the sheet ``part`` was made.
    """

    kind: str
    cell_id: int
    label_id: int | None = None
    class_code: str | None = None
    before: bool = False
    check: Check | None = None
    newer: tuple[int, ...] = ()
    sheet_id: int | None = None
    cells: tuple[int, ...] = ()
    part: int | None = None


# What undoing an action leaves to do it again by: of a label the undo that took it back, of a check
# what came of it, of a sheet that was put away the sheets that were closed for it.
Back = int | AnswerBack | tuple[int, ...] | None


class Reader:
    """One author at work on one queue; safe for several threads."""

    def __init__(self, atlas: Atlas, queue: Queue, author: str) -> None:
        self.author = author
        self.queue = queue
        self._atlas = atlas
        self._done: list[Action] = []
        # Actions taken back, oldest first, with what each needs to be done again.
        self._undone: list[tuple[Action, Back]] = []
        self._lock = threading.RLock()
        self.labelled = 0  # cells labelled in this run, less those undone

    def label(
        self,
        cell_id: int,
        class_code: str,
        shown: Shown,
        note: str | None = None,
        facts: LabelFacts | None = None,
    ) -> Action:
        """Record that ``author`` calls the cell ``class_code``; on disk when this returns."""
        new = NewLabel(
            cell_id=cell_id,
            class_code=class_code,
            author=self.author,
            how=HOW,
            proposed_class=shown.class_code,
            proposed_probability=shown.probability,
            model_id=shown.model_id,
            proposal_visible=shown.visible,
            note=note,
        )
        with self._lock:
            given = give(self._atlas, new, facts or LabelFacts())
            if given.label_id is None:
                # A planted proposal went unnoticed: the cell is still to be read.
                if given.check is not None and given.check.kind == RUNNER_UP:
                    unskip(self._atlas, self.author, cell_id)
                    self.queue.reopen(cell_id)
                return Action("check", cell_id, None, class_code, check=given.check)
            unskip(self._atlas, self.author, cell_id)
            self.queue.settle(cell_id)
            self.labelled += 1
            return self._did(
                Action(
                    "label",
                    cell_id,
                    given.label_id,
                    class_code,
                    check=given.check,
                    newer=given.newer,
                )
            )

    def skip(self, cell_id: int) -> Action:
        """Put the cell behind all others of the queue, in this run and the next."""
        self._atlas.cell(cell_id)
        with self._lock:
            pass_over(self._atlas, self.author, cell_id, behind=True)
            self.queue.skip(cell_id)
            return self._did(Action("skip", cell_id))

    def skip_check(self, cell_id: int, sheet_id: int, instead: int | None) -> Action:
        """Leave a check of a sheet without an answer, with another cell in its place."""
        with self._lock:
            sheets.skip_check(self._atlas, sheet_id, cell_id, self.author, instead)
            pass_over(self._atlas, self.author, cell_id)
            self.queue.skip(cell_id)
            cells = () if instead is None else (instead,)
            return self._did(Action("skip", cell_id, sheet_id=sheet_id, cells=cells))

    def flag(self, cell_id: int, flagged: bool, note: str | None = None) -> Action:
        """Mark the cell for a second look, or take the mark away."""
        with self._lock:
            before = self._atlas.cell(cell_id).flagged
            self._atlas.set_flag(cell_id, flagged, self.author, note)
            return self._did(Action("flag" if flagged else "unflag", cell_id, before=before))

    def answered(self, cell_id: int, label_id: int, class_code: str, sheet_id: int) -> Action:
        """A check of a sheet was answered: undo takes back what the answer did to the sheet too."""
        with self._lock:
            unskip(self._atlas, self.author, cell_id)
            self.queue.settle(cell_id)
            self.labelled += 1
            return self._did(Action("label", cell_id, label_id, class_code, sheet_id=sheet_id))

    @property
    def split_stays(self) -> bool:
        """Whether what was undone last had split a sheet that stays split: a part of it was worked
        on already."""
        with self._lock:
            back = self._undone[-1][1] if self._undone else None
            return isinstance(back, AnswerBack) and back.stays

    def accepted(self, sheet_id: int, cells: Sequence[int], one: int | None = None) -> Action:
        """The sheet was accepted and ``cells`` were labelled by it: undo takes it back whole.

        ``one`` is any of its cells, for where none was labelled.
        """
        with self._lock:
            self._settle_all(cells)
            first = cells[0] if cells else one or 0
            return self._did(Action("sheet", first, sheet_id=sheet_id, cells=tuple(cells)))

    def renamed(self, sheet_id: int, part: int, one: int) -> Action:
        """All cells of a sheet are of another class: the sheet ``part`` proposes them as that.
        ``one`` is any of them."""
        with self._lock:
            return self._did(Action("rename", one, sheet_id=sheet_id, part=part))

    def dropped(self, sheet_id: int, one: int) -> Action:
        """A sheet was put away. ``one`` is any of its cells."""
        with self._lock:
            return self._did(Action("drop", one, sheet_id=sheet_id))

    def undo(self) -> Action:
        """Take back the last thing done and return it. Raises NothingToUndoError."""
        with self._lock:
            action = self._done[-1] if self._done else self._earlier()
            back: Back = None
            if action.kind == "label" and action.label_id is not None:
                back = self._take_back(action, action.label_id)
                self.labelled = max(0, self.labelled - 1)
            elif action.kind == "sheet" and action.sheet_id is not None:
                sheet_undo.undo(self._atlas, action.sheet_id, self.author)
                self.labelled = max(0, self.labelled - len(action.cells))
                self.queue.release(action.cells)
            elif action.kind in ("rename", "drop") and action.sheet_id is not None:
                self._done.pop()  # where it cannot be taken back, what was before it still can
                if action.kind == "drop":
                    back = sheet_undo.undo_drop(self._atlas, action.sheet_id)
                else:
                    sheet_undo.undo_rename(self._atlas, action.sheet_id, action.part or 0)
                self._done.append(action)
            elif action.kind == "skip" and action.sheet_id is not None:
                instead = next(iter(action.cells), None)
                sheet_undo.undo_skip(self._atlas, action.sheet_id, action.cell_id, instead)
            elif action.kind in ("flag", "unflag"):
                self._atlas.set_flag(action.cell_id, action.before, self.author)
            if self._done:
                self._done.pop()
            if action.kind in ("label", "skip"):
                unskip(self._atlas, self.author, action.cell_id)
                self.queue.reopen(action.cell_id)
            self._undone.append((action, back))
            return action

    def redo(self) -> Action:
        """Do again what was undone last, and return it. Raises NothingToRedoError.

        The log only grows: a label comes back by an undo of its undo.
        """
        with self._lock:
            if not self._undone:
                raise NothingToRedoError(
                    f"{self.author} has undone nothing since the last action",
                    "undo something first",
                )
            action, back = self._undone[-1]
            if isinstance(back, tuple):
                sheet_undo.redo_drop(self._atlas, action.sheet_id or 0, back)
            elif back is not None:
                if isinstance(back, AnswerBack):
                    sheet_undo.redo_answer(
                        self._atlas, action.sheet_id or 0, action.cell_id, back, self.author
                    )
                else:
                    self._atlas.undo(back, self.author)
                unskip(self._atlas, self.author, action.cell_id)
                self.queue.settle(action.cell_id)
                self.labelled += 1
            elif action.kind == "sheet" and action.sheet_id is not None:
                sheet_undo.redo(self._atlas, action.sheet_id, self.author)
                self._settle_all(action.cells)
            elif action.kind == "rename":
                sheet_undo.redo_rename(self._atlas, action.sheet_id or 0, action.part or 0)
            elif action.kind == "skip":
                self._skip_again(action)
                self.queue.skip(action.cell_id)
            else:
                self._atlas.set_flag(action.cell_id, action.kind == "flag", self.author)
            self._undone.pop()
            self._done.append(action)
            return action

    def _skip_again(self, action: Action) -> None:
        if action.sheet_id is None:
            skip(self._atlas, self.author, action.cell_id)
            return
        instead = next(iter(action.cells), None)
        sheet_undo.redo_skip(self._atlas, action.sheet_id, action.cell_id, self.author, instead)

    def _take_back(self, action: Action, label_id: int) -> int | AnswerBack:
        if action.sheet_id is None:
            return self._atlas.undo(label_id, self.author)
        return sheet_undo.undo_answer(
            self._atlas, action.sheet_id, action.cell_id, label_id, self.author
        )

    def _settle_all(self, cells: Sequence[int]) -> None:
        """Cells were labelled by a sheet: whoever skipped one has named it now, as by a label."""
        for cell_id in set(self.queue.skipped).intersection(cells):
            unskip(self._atlas, self.author, cell_id)
        self.queue.settle_all(cells)
        self.labelled += len(cells)

    def _did(self, action: Action) -> Action:
        self._done.append(action)
        self._undone.clear()
        return action

    def _earlier(self) -> Action:
        """The author's last label, or sheet, of an earlier run that still stands."""
        label: Label | None = self._atlas.last_label(self.author, how=HOW)
        sheet = sheets.last_accepted(self._atlas, self.author)
        if sheet is not None and (label is None or sheets.is_newer(sheet, label)):
            cells = tuple(cell.cell_id for cell in sheet.cells if cell.given and not cell.checked)
            some = cells or tuple(cell.cell_id for cell in sheet.cells if cell.planted is None)
            return Action("sheet", some[0], sheet_id=sheet.id, cells=cells)
        if label is None:
            raise NothingToUndoError(
                f"{self.author} has nothing left to undo",
                "label a cell, then undo can take it back",
            )
        checked = sheet_undo.checked_by(self._atlas, label.id)
        return Action("label", label.cell_id, label.id, label.class_code, sheet_id=checked)

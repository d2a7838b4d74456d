"""Sheets as plain records: what stands on one, what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from index.errors import CellKinError

OPEN, ACCEPTED, SPLIT, UNDONE, DROPPED = "open", "accepted", "split", "undone", "dropped"
SHOWN, FOLDED = "shown", "folded"
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
KEPT, CORRECTED, TAKEN_OUT, MOVED, LEFT = "kept", "corrected", "taken_out", "moved", "left"
OUT = ""  # the draft of a cell that is taken out without a class


class SheetError(CellKinError):
    """A sheet is asked for something it is not in a state for."""


@dataclass(frozen=True)
class SheetCell:
    """One cell of a sheet.

    ``part`` is shown or folded (not displayed unless asked for), ``checked`` whether it is shown
    singly before the sheet counts, ``sure`` whether the proposal was sure of it, ``probability``
    (0 to 1) that of the sheet's class. ``verdict`` is what became of it, None while open: passed
    or failed (checked singly), skipped (a check without an answer), kept, corrected (another
    class), taken_out (no label), moved (taken out by the program, which proposed another class by
    then), left (it had a label from elsewhere when the sheet was accepted). ``label_id`` is the
    newest entry of the log by which the sheet spoke on the cell: its label, or the undo of that.
    ``planted`` is the known class of a cell that is there to see whether it is noticed; it never
    gets a label, and is taken_out (noticed) or left. ``draft`` is what the reader gave the cell: a
    class, OUT, or None where it was left ticked; ``was`` the verdict of an acceptance that was
    taken back, None otherwise.
    """

    cell_id: int
    part: str = SHOWN
    checked: bool = False
    sure: bool = True
    probability: float = 1.0
    verdict: str | None = None
    label_id: int | None = None
    planted: str | None = None
    was: str | None = None
    draft: str | None = None

    @property
    def given(self) -> bool:
        """Whether accepting the sheet gave the cell a label."""
        return (self.verdict or self.was) in (KEPT, CORRECTED) or (
            (self.verdict or self.was) == MOVED and self.label_id is not None
        )


@dataclass(frozen=True)
class Sheet:
    """A batch of cells proposed as one class; see ``docs/sheets.md`` for the states.

    ``target`` is the precision asked of accepted sheets, ``confidence`` how sure the bound is,
    ``catch_rate`` the share of foreign cells that the reader was taken to notice at a glance.
    ``adaptation_id`` is the entry in the log of adaptations of the one that had a part in the
    proposals, None where neighbours alone made them. ``wanted`` is when the reader last asked for
    this very sheet, ``selection_id`` the selection that it was made of. ``said``: its class is the
    word of a reader, whatever is proposed.
    """

    class_code: str
    author: str
    dataset: str | None
    model_id: str | None
    target: float
    confidence: float
    catch_rate: float
    cells: tuple[SheetCell, ...]
    parent_id: int | None = None
    id: int = 0
    state: str = OPEN
    made: str = ""
    decided: str | None = None
    adaptation_id: int | None = None
    wanted: str | None = None
    selection_id: str | None = None
    said: bool = False

    @property
    def waiting(self) -> tuple[int, ...]:
        """The cells that are still to be looked at singly, in the order of the sheet."""
        return tuple(c.cell_id for c in self.cells if c.checked and c.verdict is None)

    @property
    def open_cells(self) -> tuple[SheetCell, ...]:
        """The cells to be labelled with the sheet: not decided on, checked or planted."""
        return tuple(
            c for c in self.cells if c.verdict is None and not c.checked and c.planted is None
        )

    @property
    def displayed(self) -> tuple[SheetCell, ...]:
        """The cells that stand on the sheet for the reader, planted ones included."""
        return tuple(
            c for c in self.cells if c.verdict is None and not c.checked and c.part == SHOWN
        )

    @property
    def planted(self) -> tuple[SheetCell, ...]:
        """The cells that are there to see whether they are noticed."""
        return tuple(c for c in self.cells if c.planted is not None)


@dataclass(frozen=True)
class Outcome:
    """How many cells of a class had a verdict, by part and by how sure the proposal was."""

    class_code: str
    part: str
    sure: bool
    verdict: str
    cells: int


@dataclass(frozen=True)
class Accepted:
    """What accepting did: the ids of the labels, the cells left because labelled elsewhere, and
    the planted cells that were noticed and missed."""

    labels: tuple[int, ...]
    left: tuple[int, ...]
    noticed: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()

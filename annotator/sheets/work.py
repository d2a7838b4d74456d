"""Work with sheets: look at what is next, check, accept, split and undo. No Flask, no torch."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from annotator.sheets.forming import EDGE
from annotator.sheets.making import Maker
from index import sheet_undo
from index import sheets as kept
from index.records import NewLabel
from index.sheet_records import FAILED, OPEN, SHOWN, Accepted, Sheet, SheetError

FEW = 5  # cells to name singly where no sheet is due


@dataclass(frozen=True)
class Checked:
    """What a single answer did: the label, whether it bore the sheet out, the sheets it made."""

    label_id: int
    same: bool
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Round:
    """What lies before a reader: open sheets, and the cells to look at singly before them.

    ``singles`` mixes the checks of all sheets with doubtful cells of none, so that a cell does not
    tell by its place what it was proposed as. Without sheets it holds cells to be named singly:
    typical ones while labels are ``missing``, then those of which nothing sure can be said.
    """

    sheets: tuple[Sheet, ...]
    singles: tuple[int, ...]
    missing: int = 0

    def sheet_of(self, cell_id: int) -> Sheet | None:
        """The sheet that ``cell_id`` checks, None for another cell."""
        return next((each for each in self.sheets if cell_id in each.waiting), None)


class Sheets:
    """Sheets of one atlas; safe for several threads. All state is in the atlas."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self._atlas = maker.atlas
        self._lock = threading.RLock()

    # looking --------------------------------------------------------------------------------

    def round(self, author: str, dataset: str | None) -> Round:
        """The author's open sheets; where there is none, new ones, and none where none is due.

        What is left of a selection comes before sheets of what waits.
        """
        with self._lock:
            found = self._open(author, dataset)
            if not found:
                made = self.maker.follow(author, dataset) or self.maker.make(author, dataset)
                found = [kept.sheet(self._atlas, each) for each in made]
            if found:
                return Round(tuple(found), self._mixed(author, found, dataset))
            missing = self.maker.missing(dataset)
            order = "typical" if missing else "doubtful"
            count = min(missing, FEW) if missing else FEW
            singles = self.maker.first(order, author, dataset, count)
            return Round((), tuple(singles), missing)

    def checking(self, author: str, cell_id: int) -> Sheet | None:
        """The author's open sheet that waits for a check of a cell, or None."""
        found = kept.open_sheets(self._atlas, author)
        return next((sheet for sheet in found if cell_id in sheet.waiting), None)

    def _open(self, author: str, dataset: str | None) -> list[Sheet]:
        """The author's open sheets; one that a failed check left whole is split first."""
        found = [s for s in kept.open_sheets(self._atlas, author) if s.dataset == dataset]
        failed = [s for s in found if any(cell.verdict == FAILED for cell in s.cells)]
        for sheet in failed:
            self.maker.split(sheet)
        return self._open(author, dataset) if failed else found

    def _mixed(self, author: str, found: Sequence[Sheet], dataset: str | None) -> tuple[int, ...]:
        """The checks to answer before the first sheet is shown, with others mixed in.

        A sheet that was asked for does not wait for the checks of others.
        """
        first = [s for s in found if s.wanted is not None and s.wanted == found[0].wanted] or found
        checks = [cell for sheet in first for cell in sheet.waiting]
        if not checks:
            return ()
        scores = self.maker.free(author, dataset)
        doubtful = scores.ids[np.argsort(scores.sureness, kind="stable")]
        doubtful = doubtful[: int((scores.sureness < EDGE).sum())]
        others = [cell for sheet in found if sheet not in first for cell in sheet.waiting]
        few = -(-len(checks) // 2)
        fillers = [*others, *map(int, doubtful)][:few]
        draw = np.random.default_rng((self.maker.settings.seed, found[0].id))
        return tuple(int(cell) for cell in draw.permutation(checks + fillers))

    def judge_all(self, sheets: Sequence[Sheet]) -> None:
        """Work out at once what ``moved`` asks of each of ``sheets``."""
        for dataset in {sheet.dataset for sheet in sheets}:
            cells = [c.cell_id for s in sheets if s.dataset == dataset for c in s.displayed]
            self.maker.pool.judge(cells, dataset)

    def moved(self, sheet: Sheet) -> dict[int, tuple[str, float]]:
        """The displayed cells that are by now proposed as another class: class and probability.

        Labels given since the sheet was made may say so. Where a reader said of what class the
        cells are, only those that were proposed surely as that can have moved.
        """
        some = (c for c in sheet.displayed if c.planted is None and (c.sure or not sheet.said))
        cells = [cell.cell_id for cell in some]
        scores = self.maker.pool.judge(cells, sheet.dataset)
        top, sureness = scores.top, scores.sureness
        return {
            int(cell): (scores.classes[top[row]], float(sureness[row]))
            for row, cell in enumerate(scores.ids.tolist())
            if scores.classes and scores.classes[top[row]] != sheet.class_code
        }

    # deciding -------------------------------------------------------------------------------

    def answer(self, sheet_id: int, label: NewLabel, *, seconds: float | None = None) -> Checked:
        """Take the single, blind label of a cell that is checked; a failed check splits the sheet.

        Raises SheetError where the cell does not wait for a check.
        """
        with self._lock:
            sheet = kept.sheet(self._atlas, sheet_id)
            below = self._atlas.taxonomy.descendants(sheet.class_code)
            same = label.class_code in below | {sheet.class_code}
            label_id = kept.answer_check(self._atlas, sheet_id, label, same=same, seconds=seconds)
            parts = () if same else self.maker.split(kept.sheet(self._atlas, sheet_id))
            return Checked(label_id, same, tuple(parts))

    def instead(self, sheet: Sheet) -> int | None:
        """The cell to look at singly in the place of a check that is skipped, drawn at random among
        those that could have been drawn for it; None where no other is left."""
        left = [cell for cell in sheet.open_cells if cell.draft is None]
        some = [cell.cell_id for cell in left if cell.sure] or [cell.cell_id for cell in left]
        checked = sum(cell.checked for cell in sheet.cells)
        draw = np.random.default_rng((self.maker.settings.seed, sheet.id, checked))
        return int(draw.choice(some)) if some else None

    def accept(
        self, sheet_id: int, author: str, out: Mapping[int, str | None], *,
        moved: Iterable[int] = (), blocked: Iterable[int] = (), seconds: float | None = None,
    ) -> Accepted:  # fmt: skip
        """Label the sheet's cells as its class; those in ``out`` by the class given, None: not.

        ``moved`` are those of ``out`` that the page took out by itself: they count for nothing as
        far as another class is proposed for them indeed. Cells of ``blocked``, which no longer wait
        for the author, are left as they are. Raises SheetError unless the sheet is open and all its
        checks are answered, UnknownClassError.
        """
        with self._lock:
            sheet = kept.sheet(self._atlas, sheet_id)
            if any(cell.verdict == FAILED for cell in sheet.cells):
                raise SheetError(f"a check of sheet {sheet_id} failed", "ask for the next sheet")
            labels = [
                NewLabel(
                    cell_id=cell.cell_id,
                    class_code=code,
                    author=author,
                    how="single" if cell.cell_id in out else "bulk",
                    proposed_class=sheet.class_code,
                    proposed_probability=cell.probability,
                    model_id=sheet.model_id,
                    # Nobody has seen a folded cell, so nobody saw the proposal on it.
                    proposal_visible=cell.part == SHOWN,
                )
                for cell in sheet.open_cells
                if (code := out.get(cell.cell_id, sheet.class_code)) is not None
            ]
            claimed = set(moved)
            return kept.accept(
                self._atlas,
                sheet_id,
                labels,
                out=out,
                moved=claimed.intersection(self.moved(sheet)) if claimed else (),
                blocked=blocked,
                seconds=seconds,
            )

    def rename(self, sheet: Sheet, code: str, out: Mapping[int, str | None]) -> int:
        """All that is ticked on a sheet is of class ``code``: a sheet of that class takes its
        place, its purity to be checked like any other's. ``out`` are the cells taken out.

        Returns the number of the new sheet. Raises SheetError where it is of that class already, or
        nothing is ticked.
        """
        with self._lock:
            ticked = [c for c in sheet.displayed if c.planted is None and c.cell_id not in out]
            if code == sheet.class_code or not ticked:
                raise SheetError(
                    f"{len(ticked)} ticked cells of sheet {sheet.id} cannot become {code}",
                    "tick some, and name another class than that of the sheet",
                )
            renamed = self.maker.renamed(sheet, code, out)
            return kept.rename(self._atlas, sheet.id, renamed, out)

    def unfold(self, sheet_id: int) -> None:
        """Note that the reader has looked at the cells folded away on an open sheet."""
        kept.unfold(self._atlas, sheet_id)

    def undo(self, sheet_id: int, author: str) -> list[int]:
        """Take back all that accepting a sheet did, as one action. Raises SheetError."""
        with self._lock:
            return sheet_undo.undo(self._atlas, sheet_id, author)

    def redo(self, sheet_id: int, author: str) -> list[int]:
        """Bring back what ``undo`` took back. Raises SheetError."""
        with self._lock:
            return sheet_undo.redo(self._atlas, sheet_id, author)

    def drop(self, sheet_id: int) -> None:
        """Put a sheet away without labels. Raises SheetError."""
        with self._lock:
            kept.drop(self._atlas, sheet_id)

    def own(self, sheet_id: int, author: str) -> Sheet:
        """The open sheet of that number, which must be the author's. Raises SheetError."""
        found = kept.sheet(self._atlas, sheet_id)
        if found.author != author:
            raise SheetError(
                f"sheet {sheet_id} is another reader's", "go on with the sheets of your own"
            )
        if found.state != OPEN:
            raise SheetError(f"sheet {sheet_id} is {found.state}", "ask for the next sheet")
        return found

"""Work with sheets: make them, check them, accept, split and undo them. No Flask, no torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from annotator.sheets.forming import EDGE, form, halves, planted, ready
from annotator.sheets.plan import CATCH_RATE, Aim, Plan, Record, plan
from annotator.sheets.pool import Pool, Waiting
from annotator.sheets.scores import VOTERS, Scores
from index import sheets as kept
from index.records import NewLabel
from index.sheet_records import Accepted, Sheet

if TYPE_CHECKING:
    from index.atlas import Atlas

ROUND = 3  # sheets of different classes whose checks are mixed
COLD = 30  # labels of the data set, typical cells first, before the first sheet
HELD = timedelta(hours=1)  # for which the cells of an open sheet are kept from other readers
PLANTED = 0.01  # cells on sheets that are known and of another class, as a share of those shown


@dataclass(frozen=True)
class Checked:
    """What a single answer did: the label, whether it bore the sheet out, the sheets it made."""

    label_id: int
    same: bool
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Round:
    """What lies before a reader: open sheets, and the cells to look at singly before them.

    ``singles`` mixes the checks of all sheets with doubtful cells of none (``fillers``), so that
    a cell does not tell by its place what it was proposed as.
    """

    sheets: tuple[Sheet, ...]
    singles: tuple[int, ...]
    fillers: frozenset[int]

    def sheet_of(self, cell_id: int) -> Sheet | None:
        """The sheet that ``cell_id`` checks, None for a filler."""
        return next((each for each in self.sheets if cell_id in each.waiting), None)


class Sheets:
    """Sheets of one atlas; safe for several threads. All state is in the atlas.

    ``seen`` is the atlas as the reader may see it, by default all of it; ``waiting`` says which
    cells wait for the reader, by default those without a label. ``catch_rate`` says which share
    of foreign cells a reader notices at a glance, 0 to 1 (see ``catching``); without it CATCH_RATE
    is assumed. With ``fold`` off every cell of a sheet is displayed. ``planted`` is the share of
    cells shown that are known and of another class.
    """

    def __init__(
        self,
        atlas: Atlas,
        *,
        aim: Aim | None = None,
        catch_rate: Callable[[str], float] | None = None,
        fold: bool = True,
        planted: float = PLANTED,
        seen: Atlas | None = None,
        waiting: Waiting | None = None,
        k: int = VOTERS,
        seed: int = 0,
    ) -> None:
        self._atlas = atlas
        self.aim = aim or Aim()
        self.pool = Pool(seen or atlas, waiting=waiting, k=k, seed=seed)
        self._catch_rate = catch_rate or (lambda author: CATCH_RATE)
        self._fold = fold
        self._planted = planted
        self._seed = seed
        self._lock = threading.RLock()

    # making ---------------------------------------------------------------------------------

    def round(self, author: str, dataset: str | None) -> Round:
        """The author's open sheets; where there is none, new ones, and none where none is due."""
        with self._lock:
            found = [s for s in kept.open_sheets(self._atlas, author) if s.dataset == dataset]
            if not found:
                made = self._make(author, dataset)
                found = [kept.sheet(self._atlas, each) for each in made]
            return self._mixed(author, found, dataset)

    def record(self, dataset: str | None) -> Record:
        """What the sheets of a data set have shown so far."""
        return Record.of(kept.outcomes(self._atlas, dataset))

    def plan(
        self,
        author: str,
        code: str,
        dataset: str | None,
        *,
        careful: bool = False,
        pending: int = 0,
    ) -> Plan:
        """What the record allows the author's next sheet of a class.

        ``pending`` cells are folded away on sheets that are open.
        """
        rate = self._catch_rate(author)
        record = self.record(dataset)
        return plan(code, record, self.aim, rate, careful=careful, fold=self._fold, pending=pending)

    def free(self, author: str, dataset: str | None) -> Scores:
        """The cells that wait for the author and lie on no open sheet."""
        since = (datetime.now(UTC) - HELD).isoformat(timespec="microseconds")
        return self.pool.scores(dataset).without(kept.reserved(self._atlas, author, since))

    def _make(self, author: str, dataset: str | None) -> list[int]:
        known = self.pool.known(dataset)
        if known.own < COLD:
            return []
        scores = self.free(author, dataset)
        draw = np.random.default_rng((self._seed, len(scores), known.own))
        made: list[Sheet] = []
        pending = kept.pending(self._atlas, dataset)
        for code, rows in list(ready(scores, self.aim.sure).items())[:ROUND]:
            wanted = self.plan(author, code, dataset, pending=pending)
            cells = form(scores, rows, wanted, self.aim, draw)
            share = 2 * self._planted if wanted.wary else self._planted
            cells = planted(cells, code, known, scores, share, draw)
            pending += sum(cell.part == kept.FOLDED for cell in cells)
            made.append(self._sheet(author, dataset, code, cells, wanted.catch_rate))
        return kept.make(self._atlas, made)

    def _sheet(
        self,
        author: str,
        dataset: str | None,
        code: str,
        cells: Sequence[kept.SheetCell],
        catch_rate: float,
    ) -> Sheet:
        return Sheet(
            class_code=code,
            author=author,
            dataset=dataset,
            model_id=self.pool.model_id,
            target=self.aim.target,
            confidence=self.aim.confidence,
            catch_rate=catch_rate,
            cells=tuple(cells),
        )

    def _mixed(self, author: str, found: Sequence[Sheet], dataset: str | None) -> Round:
        checks = [cell for sheet in found for cell in sheet.waiting]
        if not checks:
            return Round(tuple(found), (), frozenset())
        scores = self.free(author, dataset)
        doubtful = scores.ids[np.argsort(scores.sureness, kind="stable")]
        few = min(-(-len(checks) // 2), int((scores.sureness < EDGE).sum()))
        fillers = [int(cell) for cell in doubtful[:few]]
        mixed = np.random.default_rng((self._seed, found[0].id)).permutation(checks + fillers)
        return Round(tuple(found), tuple(int(c) for c in mixed), frozenset(fillers))

    # deciding -------------------------------------------------------------------------------

    def answer(self, sheet_id: int, label: NewLabel, *, seconds: float | None = None) -> Checked:
        """Take the single, blind label of a cell that is checked; a failed check splits the sheet.

        Raises SheetError where the cell does not wait for a check.
        """
        with self._lock:
            sheet = kept.sheet(self._atlas, sheet_id)
            same = self._same(label.class_code, sheet.class_code)
            label_id = kept.answer_check(self._atlas, sheet_id, label, same=same, seconds=seconds)
            parts = () if same else tuple(self._split(sheet, label.cell_id))
            return Checked(label_id, same, parts)

    def _same(self, given: str, proposed: str) -> bool:
        return given in self._atlas.taxonomy.descendants(proposed) | {proposed}

    def _split(self, sheet: Sheet, failed: int) -> list[int]:
        left = [c.cell_id for c in sheet.cells if c.verdict is None and c.cell_id != failed]
        scores = self.pool.judge(left, sheet.dataset)
        draw = np.random.default_rng((self._seed, sheet.id))
        parts = halves(
            scores,
            sheet.class_code,
            self.plan(sheet.author, sheet.class_code, sheet.dataset, careful=True),
            self.aim,
            draw,
        )
        return kept.split(
            self._atlas,
            sheet.id,
            [
                self._sheet(sheet.author, sheet.dataset, sheet.class_code, cells, sheet.catch_rate)
                for cells in parts
            ],
        )

    def accept(
        self, sheet_id: int, author: str, out: Mapping[int, str | None], *,
        blocked: Iterable[int] = (), seconds: float | None = None,
    ) -> Accepted:  # fmt: skip
        """Label the sheet's cells as its class; those in ``out`` by the class given, None: not.

        Cells of ``blocked``, which no longer wait for the author, are left as they are.
        Raises SheetError unless all its checks are answered, UnknownClassError.
        """
        with self._lock:
            sheet = kept.sheet(self._atlas, sheet_id)
            labels = []
            for cell in sheet.open_cells:
                code = out.get(cell.cell_id, sheet.class_code)
                if code is None:
                    continue
                labels.append(
                    NewLabel(
                        cell_id=cell.cell_id,
                        class_code=code,
                        author=author,
                        how="bulk" if cell.cell_id not in out else "single",
                        proposed_class=sheet.class_code,
                        proposed_probability=cell.probability,
                        model_id=sheet.model_id,
                        # Nobody has seen a folded cell, so nobody saw the proposal on it.
                        proposal_visible=cell.part == kept.SHOWN,
                    )
                )
            return kept.accept(
                self._atlas, sheet_id, labels, out=out, blocked=blocked, seconds=seconds
            )

    def undo(self, sheet_id: int, author: str) -> list[int]:
        """Take back all that accepting a sheet did, as one action. Raises SheetError."""
        with self._lock:
            return kept.undo(self._atlas, sheet_id, author)

    def redo(self, sheet_id: int, author: str) -> list[int]:
        """Bring back what ``undo`` took back. Raises SheetError."""
        with self._lock:
            return kept.redo(self._atlas, sheet_id, author)

    def drop(self, sheet_id: int) -> None:
        """Put a sheet away without labels. Raises SheetError."""
        with self._lock:
            kept.drop(self._atlas, sheet_id)

"""Making sheets: of what waits, of what a reader has selected, and of what a failed one leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import numpy as np

from annotator.problems import AnnotatorError, BadRequestError
from annotator.queues import ORDERS, Candidates
from annotator.sheets.forming import form, gathered, halves, ready, renamed
from annotator.sheets.plan import CATCH_RATE, FEWEST, PAGE, SMALLEST, Aim, Plan, Record, plan
from annotator.sheets.planting import Planter, Planting
from annotator.sheets.pool import Pool, Waiting
from annotator.sheets.scores import VOTERS, Scores
from index import sheets as kept
from index.exploring import Selection, selection
from index.moment import now
from index.reviewing import skipped_cells
from index.sheet_records import FAILED, FOLDED, OUT, Sheet, SheetCell
from index.sheet_selections import begun_selection, placed

if TYPE_CHECKING:
    from index.atlas import Atlas

ROUND = 3  # sheets of different classes whose checks are mixed
COLD = 30  # labels of the data set, typical cells first, before the first sheet
HELD = timedelta(hours=1)  # for which the cells of an open sheet are kept from other readers
REFERENCES = 6  # labelled cells of its class that stand above a sheet
PLANTED = 0.02  # cells on sheets that are known and of another class, as a share of those shown


class NoClassError(AnnotatorError):
    """A sheet of selected cells is asked for of which no class is known."""

    status = HTTPStatus.CONFLICT


def _everything(cell_ids: Sequence[int]) -> Iterable[int]:
    return cell_ids


@dataclass(frozen=True)
class Settings:
    """How sheets are made for a reader.

    ``catch_rate`` says which share of foreign cells a reader notices at a glance, 0 to 1 (see
    ``plan.catching``). ``proposable`` picks the cells of which the reader may see the proposal.
    With ``fold`` off every cell of a sheet is displayed. ``planted`` is the share of cells shown
    that are known and of another class; 0: none ever are.
    """

    aim: Aim = field(default_factory=Aim)
    catch_rate: Callable[[str], float] = lambda author: CATCH_RATE
    proposable: Callable[[Sequence[int]], Iterable[int]] = _everything
    fold: bool = True
    planted: float = PLANTED
    k: int = VOTERS
    seed: int = 0


class Maker:
    """Makes sheets for the readers of one atlas.

    ``seen`` is the atlas as the reader may see it, by default all of it; ``waiting`` says which
    cells wait for the reader, by default those without a label.
    """

    def __init__(
        self,
        atlas: Atlas,
        settings: Settings | None = None,
        *,
        seen: Atlas | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        self.atlas = atlas
        self.settings = settings or Settings()
        seed = self.settings.seed
        self.pool = Pool(seen or atlas, waiting=waiting, k=self.settings.k, seed=seed)
        self._planter = Planter(atlas, self.pool, self.settings.planted, seed)

    @property
    def aim(self) -> Aim:
        """What is asked of accepted sheets."""
        return self.settings.aim

    def record(self, dataset: str | None) -> Record:
        """What the sheets of a data set have shown so far."""
        return Record.of(kept.outcomes(self.atlas, dataset))

    def plan(
        self, author: str, code: str, dataset: str | None, *, careful: bool = False,
        pending: int = 0,
    ) -> Plan:  # fmt: skip
        """What the record allows the author's next sheet of a class.

        ``pending`` cells are folded away on sheets that are open.
        """
        return plan(
            code,
            self.record(dataset),
            self.aim,
            self.settings.catch_rate(author),
            careful=careful,
            fold=self.settings.fold,
            pending=pending,
        )

    def free(self, author: str, dataset: str | None) -> Scores:
        """The cells that wait for the author, lie on no open sheet and were not skipped.

        Whoever could not name a cell alone is not asked to name it among many.
        """
        return self._waiting(author, dataset).without(set(skipped_cells(self.atlas, author)))

    def _waiting(self, author: str, dataset: str | None) -> Scores:
        taken = kept.reserved(self.atlas, author, self._since())
        return self.pool.scores(dataset).without(taken)

    def missing(self, dataset: str | None) -> int:
        """How many cells are still to be named singly before the first sheet of a data set."""
        return max(COLD - self.pool.known(dataset).own, 0)

    def first(self, order: str, author: str, dataset: str | None, count: int) -> list[int]:
        """The first ``count`` cells that wait for the author, by an order of the queue.

        Those that the author has skipped come last, the one skipped longest ago first.
        """
        scores = self.free(author, dataset)
        known = self.pool.known(dataset)
        found = Candidates(
            ids=scores.ids,
            classes=scores.classes,
            probabilities=scores.probabilities,
            vectors=scores.vectors,
            labelled=known.vectors,
            counts=Counter(known.codes),
            seed=self.settings.seed,
        )
        ranked = [int(found.ids[row]) for row in ORDERS[order].rank(found)[:count]]
        if len(ranked) < count:
            left = set(self._waiting(author, dataset).ids.tolist())
            ranked += [cell for cell in skipped_cells(self.atlas, author) if cell in left]
        return ranked[:count]

    def references(self, author: str, dataset: str | None, code: str) -> list[int]:
        """Up to REFERENCES labelled cells of a class to compare with, the most typical first.

        Those of the data set come before others; none that is planted on an open sheet of the
        author, as it would be known again there.
        """
        known = self.pool.known(dataset)
        wanted = self.atlas.taxonomy.at_level(code, "class") or code
        rows = np.flatnonzero(np.asarray(known.codes, dtype=str) == wanted)
        if not len(rows):
            return []
        planted = {cell.cell_id for s in kept.open_sheets(self.atlas, author) for cell in s.planted}
        typical = known.vectors[rows] @ known.vectors[rows].mean(axis=0)
        order = rows[np.lexsort((-typical, rows >= known.own))]
        return [int(c) for c in known.ids[order] if int(c) not in planted][:REFERENCES]

    def make(self, author: str, dataset: str | None) -> list[int]:
        """Up to ROUND new sheets of different classes; none where none is due. Their ids."""
        if self.missing(dataset):
            return []
        known = self.pool.known(dataset)
        scores = self._proposable(self.free(author, dataset))
        draw = np.random.default_rng((self.settings.seed, len(scores), known.own))
        made: list[Sheet] = []
        pending = kept.pending(self.atlas, dataset)
        planting = self._planter.begin(author, dataset, draw)
        due = ready(scores, self.aim.sure, self.record(dataset))
        by = self.pool.log(scores, dataset) if due else None
        for code, rows in list(due.items())[:ROUND]:
            wanted = self.plan(author, code, dataset, pending=pending)
            cells = form(scores, rows, wanted, self.aim, draw)
            cells = planting.on(cells, code, scores, wanted)
            pending += sum(cell.part == FOLDED for cell in cells)
            made.append(self._sheet(author, dataset, code, cells, by))
        return kept.make(self.atlas, made)

    def select(
        self, author: str, dataset: str | None, chosen: Selection, code: str | None = None
    ) -> list[int]:
        """Sheets of those of a selection that wait for the author; their ids.

        PAGE cells at most on each, ROUND sheets at a time; the rest comes with ``follow``. ``code``
        None takes the class that the selection names, else on each sheet the one that most of its
        cells are proposed as. Every cell is displayed. Raises BadRequestError where none waits, or
        NoClassError where nothing says which class it may be.
        """
        made = self._of_selection(author, dataset, chosen, code or chosen.class_code, set())
        if not made:
            raise BadRequestError(
                "none of the cells selected waits for a label of yours",
                "select cells that are not labelled yet",
            )
        return made

    def follow(self, author: str, dataset: str | None) -> list[int]:
        """The next sheets of the selection that the author began; none where all were made."""
        begun = begun_selection(self.atlas, author, dataset)
        if begun is None:
            return []
        chosen = selection(self.atlas, begun)
        ever = placed(self.atlas, author, begun).ever
        if ever.issuperset(chosen.cell_ids):
            return []
        return self._of_selection(author, dataset, chosen, chosen.class_code, set(ever))

    def coming(self, author: str, dataset: str | None, chosen: Selection) -> tuple[int, int]:
        """How many cells of a selection wait on a sheet or for one, and how many will be on none:
        they have a label, lie on another sheet, or nothing can be proposed for them."""
        there = placed(self.atlas, author, chosen.id)
        free = self.pool.embedded(dataset) - there.ever
        free -= kept.reserved(self.atlas, author, self._since())
        left = len(free.intersection(chosen.cell_ids))
        return len(there.waiting) + left, len(chosen.cell_ids) - len(there.ever) - left

    def _of_selection(
        self, author: str, dataset: str | None, chosen: Selection, code: str | None, done: set[int]
    ) -> list[int]:
        done = done | kept.reserved(self.atlas, author, self._since())
        waiting = self.pool.embedded(dataset) - done
        allowed = set(self.settings.proposable([c for c in chosen.cell_ids if c in waiting]))
        left = [cell for cell in chosen.cell_ids if cell in allowed]
        wanted, made = now(), []
        planting: Planting | None = None
        for part in np.array_split(np.array(left), -(-len(left) // PAGE) or 1)[:ROUND]:
            scores = self.pool.judge(part.tolist(), dataset)
            if not len(scores):
                continue
            of_class = code or self._likeliest(scores)
            wanted_plan = self.plan(author, of_class, dataset)
            draw = np.random.default_rng((self.settings.seed, len(scores), int(scores.ids[0])))
            cells = gathered(scores, of_class, wanted_plan, self.aim, draw)
            if len(cells) >= SMALLEST:  # among a few picked by hand one more is conspicuous
                planting = planting or self._planter.begin(author, dataset, draw)
                cells = planting.on(cells, of_class, scores, wanted_plan)
            by = self.pool.log(scores, dataset)
            sheet = self._sheet(author, dataset, of_class, cells, by)
            said = code is not None
            made.append(replace(sheet, wanted=wanted, selection_id=chosen.id, said=said))
        return kept.make(self.atlas, made)

    @staticmethod
    def _likeliest(scores: Scores) -> str:
        if not scores.classes:
            raise NoClassError(
                "nothing is labelled yet, so no class can be proposed for the cells selected",
                "say which class they are, or name some cells singly first",
            )
        return scores.classes[int(np.bincount(scores.top).argmax())]

    def split(self, sheet: Sheet) -> list[int]:
        """Two smaller sheets in the place of one whose check failed; the ids of what is left.

        What a reader has selected stays together: as a sheet of the class that the check was given.
        """
        left = [c.cell_id for c in sheet.open_cells]
        left += [c.cell_id for c in sheet.cells if c.checked and c.verdict is None]
        draw = np.random.default_rng((self.settings.seed, sheet.id))
        author, dataset, code = sheet.author, sheet.dataset, sheet.class_code
        scores = self.pool.judge(sorted(left), dataset)
        wanted = self.plan(author, code, dataset, careful=True)
        planting = self._planter.begin(author, dataset, draw)
        if sheet.selection_id is None:
            parts = halves(scores, code, wanted, self.aim, draw)
        else:
            code = self._answered(sheet)
            wanted = self.plan(author, code, dataset, careful=True)
            enough = len(scores) >= FEWEST
            parts = [gathered(scores, code, wanted, self.aim, draw)] if enough else []
        by = self.pool.log(scores, dataset) if parts else None
        said = sheet.selection_id is not None
        children = [
            replace(
                self._sheet(author, dataset, code, planting.on(cells, code, scores, wanted), by),
                said=said,
            )
            for cells in parts
        ]
        return kept.split(self.atlas, sheet.id, children)

    def _answered(self, sheet: Sheet) -> str:
        """The class that the failed check of a sheet was given, at the level of classes."""
        failed = next(cell for cell in sheet.cells if cell.verdict == FAILED)
        history = self.atlas.history(failed.cell_id)
        given = next(each.class_code for each in history if each.id == failed.label_id)
        return self.atlas.taxonomy.at_level(given, "class") or given

    def renamed(self, sheet: Sheet, code: str, out: Mapping[int, str | None]) -> Sheet:
        """What is displayed of a sheet as a sheet of class ``code``, checked anew, to be kept."""
        author, dataset = sheet.author, sheet.dataset
        cells = [
            replace(each, draft=(out[each.cell_id] or OUT) if each.cell_id in out else None)
            for each in sheet.displayed
            if each.planted is None
        ]
        scores = self.pool.judge(sorted(each.cell_id for each in cells), dataset)
        wanted = self.plan(author, code, dataset, careful=True)
        draw = np.random.default_rng((self.settings.seed, sheet.id, len(cells)))
        made = renamed(cells, scores, code, wanted, self.aim, draw)
        if len(made) >= SMALLEST:
            made = self._planter.begin(author, dataset, draw).on(made, code, scores, wanted)
        by = self.pool.log(scores, dataset)
        return replace(self._sheet(author, dataset, code, made, by), said=True)

    @staticmethod
    def _since() -> str:
        return (datetime.now(UTC) - HELD).isoformat(timespec="microseconds")

    def _proposable(self, scores: Scores) -> Scores:
        allowed = np.fromiter(self.settings.proposable(scores.ids.tolist()), dtype=np.int64)
        return scores.rows(np.flatnonzero(np.isin(scores.ids, allowed)))

    def _sheet(
        self,
        author: str,
        dataset: str | None,
        code: str,
        cells: Sequence[SheetCell],
        adaptation_id: int | None,
    ) -> Sheet:
        return Sheet(
            class_code=code,
            author=author,
            dataset=dataset,
            model_id=self.pool.model_id,
            target=self.aim.target,
            confidence=self.aim.confidence,
            catch_rate=self.settings.catch_rate(author),
            cells=tuple(cells),
            adaptation_id=adaptation_id,
        )

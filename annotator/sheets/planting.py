"""Known cells of another class mixed in among those of a sheet, to see whether they are noticed.

Which they are, how many and how often; what became of them is written with the acceptance of the
sheet (``index.sheets``). Imports neither torch nor Flask.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annotator.sheets.plan import Plan
from annotator.sheets.pool import Known, Pool
from annotator.sheets.scores import Scores
from index.checks import SHEET, gold_left, last_made
from index.checks import gold_answers as known_answers
from index.planting import met_by, sheets_without
from index.sheet_records import SHOWN, SheetCell

if TYPE_CHECKING:
    from index.atlas import Atlas

LONGEST = 2  # sheets without a planted cell, at most; how many is drawn anew each time
WARY = 2.0  # times as many for a reader who notices few
LOOKED_THROUGH = 200  # known cells of a class of which the clear ones are looked for


@dataclass(frozen=True)
class Stock:
    """Cells that may be planted for one reader: ids and class-level codes, and what they are drawn
    from again when all of a class have been met."""

    fresh: dict[str, list[int]]
    met: dict[str, list[int]]


class Planter:
    """Plants on the sheets of one atlas, ``share`` (0 to 1) of the cells in sight on average.

    However small the sheets are, no more than LONGEST in a row go without: else whoever reads few
    cells would never be checked. All state is in the atlas.
    """

    def __init__(self, atlas: Atlas, pool: Pool, share: float, seed: int) -> None:
        self._atlas = atlas
        self._pool = pool
        self._share = share
        self._seed = seed

    def begin(self, author: str, dataset: str | None, draw: np.random.Generator) -> Planting:
        """The sheets of one round for ``author``."""
        since, last = sheets_without(self._atlas, author) if self._share else (0, 0)
        return Planting(self, author, dataset, draw, since, last)

    def least(self, author: str, last: int, since: int) -> int:
        """1 where the next sheet must have a planted cell, ``since`` sheets after that of ``last``.

        After one that went unnoticed the next comes with the next sheet but one, at the latest.
        """
        if not self._share:
            return 0
        drawn = random.Random(f"{self._seed}/{author}/{last}").randint(0, LONGEST)
        check = last_made(self._atlas, author)
        missed = check is not None and check.kind == SHEET and check.caught is False
        return int(since >= (min(drawn, 1) if missed else drawn))

    def count(self, shown: int, plan: Plan, draw: np.random.Generator) -> int:
        """How many of ``shown`` cells in sight are planted besides: the share, rounded by lot."""
        return int(self._share * shown * (WARY if plan.wary else 1.0) + draw.random())

    def stock(self, author: str, code: str, cells: Collection[int], dataset: str | None) -> Stock:
        """The cells that may stand on a sheet of class ``code`` with ``cells`` and are known to be
        of another class.

        Known answers that an owner drew come first: their labels are hidden everywhere. All are of
        the data sets of ``cells``, so that neither number, name nor stain sets them apart.
        """
        here = {each.dataset for each in self._atlas.cells_by_id(cells).values()}
        met = met_by(self._atlas, author)
        answers = known_answers(self._atlas)
        left = set(gold_left(self._atlas, author))
        golden = self._foreign({each: answers[each] for each in answers}, code, here, cells)
        if any(each in left for ids in golden.values() for each in ids):
            return Stock(_among(golden, left), {})
        found = self._foreign(self._clear(self._pool.known(dataset), code), code, here, cells)
        every = {each for ids in found.values() for each in ids}
        return Stock(_among(found, every - met), found)

    def _foreign(
        self, answers: dict[int, str], code: str, datasets: set[str], cells: Collection[int]
    ) -> dict[str, list[int]]:
        """Of known cells those of a class that rules ``code`` out, by class-level code."""
        tree = self._atlas.taxonomy
        inside = set(cells)
        where = self._atlas.cells_by_id(answers)
        found: dict[str, list[int]] = {}
        for each, answer in sorted(answers.items()):
            known = each in where and where[each].dataset in datasets and each not in inside
            if known and tree.agreed([answer, code]) is None:
                found.setdefault(tree.at_level(answer, "class") or answer, []).append(each)
        return found

    def _clear(self, known: Known, code: str) -> dict[int, str]:
        """Labelled cells whose nearest labelled cell has the same class, some of each class.

        A label that its neighbours do not bear out may be wrong, and a reader who leaves such a
        cell on the sheet may be right.
        """
        codes = np.asarray(known.codes, dtype=str)
        drawn = np.random.default_rng((self._seed, len(codes)))
        found: dict[int, str] = {}
        for each in sorted(set(known.codes) - {code}):
            rows = np.flatnonzero(codes == each)
            if len(rows) > LOOKED_THROUGH:
                rows = np.sort(drawn.choice(rows, LOOKED_THROUGH, replace=False))
            similar = known.vectors[rows] @ known.vectors.T
            similar[np.arange(len(rows)), rows] = -np.inf
            clear = rows[codes[similar.argmax(axis=1)] == each] if len(codes) > 1 else rows[:0]
            found.update((int(known.ids[row]), each) for row in clear)
        return found


class Planting:
    """Planting on the sheets of one round, which are kept together when all are made."""

    def __init__(
        self,
        planter: Planter,
        author: str,
        dataset: str | None,
        draw: np.random.Generator,
        since: int,
        last: int,
    ) -> None:
        self._planter = planter
        self._author = author
        self._dataset = dataset
        self._draw = draw
        self._since = since
        self._last = last
        self._used: set[int] = set()

    def on(
        self, cells: Sequence[SheetCell], code: str, scores: Scores, plan: Plan
    ) -> tuple[SheetCell, ...]:
        """The cells of a sheet of class ``code``, with known cells of another class slipped in.

        Of the class that is next most probable among ``cells``, as what goes wrong unplanted
        would be. ``scores`` hold at least these cells.
        """
        planter, draw = self._planter, self._draw
        shown = sum(cell.part == SHOWN and not cell.checked for cell in cells)
        count = planter.count(shown, plan, draw)
        count = max(count, planter.least(self._author, self._last, self._since))
        drawn = self._draw_known(cells, code, scores, count) if count else []
        if not drawn:
            self._since += 1
            return tuple(cells)
        # Which sheet it was is not known before all are kept: any new number draws anew.
        self._since, self._last = 0, self._last + 1
        self._used.update(each for each, _ in drawn)
        more = (SheetCell(each, planted=known, sure=False) for each, known in drawn)
        mixed = [*cells, *more]
        return tuple(mixed[place] for place in _slipped(len(cells), len(drawn), draw))

    def _draw_known(
        self, cells: Sequence[SheetCell], code: str, scores: Scores, count: int
    ) -> list[tuple[int, str]]:
        """Up to ``count`` known cells of one class: id and class."""
        mine = [cell.cell_id for cell in cells]
        stock = self._planter.stock(self._author, code, mine, self._dataset)
        inside = np.isin(scores.ids, mine)
        chances = scores.probabilities[inside].mean(axis=0) if inside.any() else np.zeros(0)
        likely = [scores.classes[column] for column in np.argsort(-chances, kind="stable")]
        for known in (stock.fresh, stock.met):
            for each in (*likely, *sorted(set(known) - set(likely))):
                free = sorted(set(known.get(each, ())) - self._used)
                if free:
                    some = self._draw.choice(free, min(count, len(free)), replace=False)
                    return [(int(cell), each) for cell in some]
        return []


def _among(found: dict[str, list[int]], wanted: Collection[int]) -> dict[str, list[int]]:
    kept = {code: [each for each in ids if each in wanted] for code, ids in found.items()}
    return {code: ids for code, ids in kept.items() if ids}


def _slipped(n: int, more: int, draw: np.random.Generator) -> list[int]:
    """The places 0 to n - 1 in order, with those from n on slipped in anywhere."""
    order = list(range(n))
    for place in range(n, n + more):
        order.insert(int(draw.integers(len(order) + 1)), place)
    return order

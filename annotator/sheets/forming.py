"""Which cells make the next sheet: alike ones of one class, the doubtful at the edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.cluster import KMeans

from annotator.sheets.plan import FEWEST, Aim, Plan, Record
from annotator.sheets.scores import Integers, Scores
from index.sheet_records import FOLDED, SHOWN, SheetCell

EDGE = 0.6  # below it a cell is for one-by-one, not for a sheet
PIECE = 0.5  # of the foreign cells that a sheet may hold, the share left to its doubtful cells


def ready(scores: Scores, sure: float, record: Record) -> dict[str, Integers]:
    """The rows fit for a sheet of each class that has FEWEST sure ones.

    First comes the class of which most cells wait for each that was looked at, so that every class
    has shown itself by the time that cells may be folded away. ``sure`` is the probability from
    which a cell counts so.
    """
    top, sureness = scores.top, scores.sureness
    found = {}
    for column, code in enumerate(scores.classes):
        mine = np.flatnonzero((top == column) & (sureness >= EDGE))
        if (sureness[mine] >= sure).sum() >= FEWEST:
            found[code] = mine
    return dict(
        sorted(found.items(), key=lambda item: -len(item[1]) / (1 + record.of_class(item[0]).seen))
    )


def form(
    scores: Scores, rows: Integers, plan: Plan, aim: Aim, draw: np.random.Generator
) -> tuple[SheetCell, ...]:
    """The cells of a sheet from ``rows`` of one class, in the order in which they stand.

    A cell is drawn among the sure ones; those most like it go with it, and as many doubtful ones
    as leave the sheet within its target when the reader misses some.
    """
    sureness = scores.sureness
    sure = rows[sureness[rows] >= aim.sure]
    unsure = rows[sureness[rows] < aim.sure]
    seed = scores.vectors[draw.choice(sure if len(sure) else rows)]
    doubtful = _affordable(sureness, unsure, seed, scores, plan, aim)
    room = max(plan.total - len(doubtful), FEWEST)
    near = sure[np.argsort(-(scores.vectors[sure] @ seed), kind="stable")[:room]]
    shown = near
    if plan.folds and len(near) > plan.shown:
        shown = draw.choice(near, plan.shown, replace=False)
    in_sight = {*shown.tolist(), *doubtful.tolist()}
    cells = [
        SheetCell(
            cell_id=int(scores.ids[row]),
            part=SHOWN if row in in_sight else FOLDED,
            sure=bool(sureness[row] >= aim.sure),
            probability=float(sureness[row]),
        )
        for row in _in_order(scores, near, doubtful)
    ]
    return _checked(cells, plan.checks, draw)


def _affordable(
    sureness: np.ndarray, unsure: Integers, seed: np.ndarray, scores: Scores, plan: Plan, aim: Aim
) -> Integers:
    """The surest of ``unsure`` that the sheet may take in."""
    budget = PIECE * aim.allowed * plan.total
    order = unsure[np.argsort(-sureness[unsure], kind="stable")]
    slipping = np.cumsum(1.0 - sureness[order]) * (1.0 - plan.catch_rate)
    found: Integers = order[slipping <= budget][: plan.shown]
    return found


def _in_order(scores: Scores, sure: Integers, doubtful: Integers) -> list[int]:
    """Doubtful cells at both ends, between them the sure ones so that like stands by like."""
    chain = _chain(scores.vectors[sure])
    middle = [int(sure[place]) for place in chain]
    rising = doubtful[np.argsort(scores.sureness[doubtful], kind="stable")].tolist()
    return [*rising[::2], *middle, *reversed(rising[1::2])]


def _chain(vectors: np.ndarray) -> list[int]:
    """An order of N vectors along the direction in which they differ most."""
    if len(vectors) < 3:
        return list(range(len(vectors)))
    centred = vectors - vectors.mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    return np.argsort(centred @ direction, kind="stable").tolist()


def _checked(
    cells: Sequence[SheetCell], checks: int, draw: np.random.Generator
) -> tuple[SheetCell, ...]:
    """The cells, ``checks`` of the sure ones drawn to be shown singly, each equally likely.

    The doubtful ones are all in sight, and a foreign one among them is no surprise.
    """
    sure = [place for place, cell in enumerate(cells) if cell.sure] or list(range(len(cells)))
    drawn = set(draw.choice(sure, min(checks, len(sure)), replace=False).tolist())
    return tuple(
        replace(cell, checked=True) if i in drawn else cell for i, cell in enumerate(cells)
    )


def gathered(
    scores: Scores, code: str, plan: Plan, aim: Aim, draw: np.random.Generator
) -> tuple[SheetCell, ...]:
    """All of N cells as a sheet of class ``code``, as somebody has gathered them."""
    column = scores.classes.index(code) if code in scores.classes else None
    chance = np.zeros(len(scores)) if column is None else scores.probabilities[:, column]
    sure = np.flatnonzero(chance >= aim.sure)
    rest = np.flatnonzero(chance < aim.sure)
    cells = [
        SheetCell(
            int(scores.ids[row]), sure=bool(chance[row] >= aim.sure), probability=float(chance[row])
        )
        for row in _in_order(scores, sure, rest)
    ]
    return _checked(cells, plan.checks, draw)


def renamed(
    cells: Sequence[SheetCell],
    scores: Scores,
    code: str,
    plan: Plan,
    aim: Aim,
    draw: np.random.Generator,
) -> tuple[SheetCell, ...]:
    """The N cells of a sheet as cells of one of class ``code``, in their places, checked anew.

    ``scores`` are those of the cells. What a reader says of many at once is checked on any of them
    that the reader left ticked, each equally likely, whatever is proposed.
    """
    column = scores.classes.index(code) if code in scores.classes else None
    chances = np.zeros(len(scores)) if column is None else scores.probabilities[:, column]
    chance = dict(zip(scores.ids.tolist(), chances.tolist(), strict=True))
    ticked = [each.cell_id for each in cells if each.draft is None]
    drawn = set(draw.choice(ticked, min(plan.checks, len(ticked)), replace=False).tolist())
    return tuple(
        SheetCell(
            each.cell_id,
            checked=each.cell_id in drawn,
            sure=chance.get(each.cell_id, 0.0) >= aim.sure,
            probability=chance.get(each.cell_id, 0.0),
            draft=each.draft,
        )
        for each in cells
    )


def halves(
    scores: Scores, code: str, plan: Plan, aim: Aim, draw: np.random.Generator
) -> list[tuple[SheetCell, ...]]:
    """Two sheets of the cells of one that failed, alike within; cells no longer fit stay out.

    ``scores`` are the cells left, judged anew with the label that showed the sheet to be impure.
    """
    if code not in scores.classes or len(scores) < 2 * FEWEST:
        return []
    column = scores.classes.index(code)
    sureness = scores.sureness
    fit = np.flatnonzero((scores.top == column) & (sureness >= aim.sure))
    if len(fit) < 2 * FEWEST:
        return []
    parts = KMeans(2, n_init=3, random_state=int(draw.integers(2**31))).fit_predict(
        scores.vectors[fit]
    )
    found = []
    for part in (0, 1):
        mine = fit[parts == part]
        mine = mine[np.argsort(-sureness[mine], kind="stable")[: plan.shown]]
        if len(mine) < FEWEST:
            continue
        cells = [
            SheetCell(int(scores.ids[row]), probability=float(sureness[row]))
            for row in _in_order(scores, mine, mine[:0])
        ]
        found.append(_checked(cells, plan.checks, draw))
    return found

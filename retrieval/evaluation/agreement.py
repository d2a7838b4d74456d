"""How far readers agree beyond chance, on arrays: Cohen, Fleiss, Krippendorff, with intervals.

Letters: N cells, R readers, C classes. Ratings are int64 [N, R]: the number 0..C-1 of the class
that a reader gave a cell, or NONE where the reader has not read it. Every figure follows from sums
over cells, so that one bootstrap over cells (or over patients) serves all of them.

A disagreement costs what ``disagreement`` says: 1 for any (nominal), or the distance of two classes
that stand in order (linear), or its square (quadratic).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from retrieval.evaluation.errors import EvaluationError
from retrieval.evaluation.intervals import ClusterBootstrap, Interval

NONE = -1
WEIGHTS = ("nominal", "linear", "quadratic")


@dataclass(frozen=True)
class Agreement:
    """One figure of agreement.

    value: 1 is full agreement, 0 what chance would give, below 0 less than that; None where it is
    undefined: nothing was read twice, or all ratings are of one class. interval: of ``value``, None
    where it cannot be said. same: share 0..1 of pairs of ratings that are equal. cells: how many
    cells with two ratings or more it rests on. ratings: how many ratings of them.
    """

    value: float | None
    interval: Interval | None
    same: float | None
    cells: int
    ratings: int


def disagreement(classes: int, weights: str) -> np.ndarray:
    """What a disagreement costs, float64 [C, C], 0 on the diagonal, at most 1.

    For "linear" and "quadratic" the classes stand in order, at equal distances (Cohen 1968).
    """
    if weights not in WEIGHTS:
        raise EvaluationError(
            f"weights are {weights!r}, allowed is one of {', '.join(WEIGHTS)}", "give one of these"
        )
    if weights == "nominal":
        return 1.0 - np.eye(classes)
    place = np.arange(classes) / max(1, classes - 1)
    apart = np.abs(place[:, None] - place[None, :])
    return apart if weights == "linear" else apart**2


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    classes: int,
    *,
    weights: str = "nominal",
    groups: ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Agreement of two readers (Cohen 1960; weighted: Cohen 1968).

    first, second: [N] class numbers or NONE; cells that both have read count. Equals
    scikit-learn's ``cohen_kappa_score``. groups: [N] what is drawn for the interval, each cell by
    itself where left out; ``draws`` 0 leaves the interval out.
    """
    pair = _checked(np.column_stack([np.asarray(first), np.asarray(second)]), classes)
    rows = np.flatnonzero((pair != NONE).all(axis=1))
    cost = disagreement(classes, weights).ravel()
    cell = pair[rows, 0] * classes + pair[rows, 1]
    table = sparse.csr_array(
        (np.ones(len(rows)), (np.arange(len(rows)), cell)), shape=(len(rows), classes * classes)
    )

    def kappa(sums: np.ndarray) -> np.ndarray:
        counts = sums.reshape(-1, classes, classes)
        total = counts.sum(axis=(1, 2))
        chance = counts.sum(axis=2)[:, :, None] * counts.sum(axis=1)[:, None, :]
        expected = chance.reshape(len(sums), -1) @ cost
        # observed / N over expected / N^2
        return _beyond_chance((sums @ cost) * total, expected)

    same = float((pair[rows, 0] == pair[rows, 1]).mean()) if len(rows) else None
    return _agreement(table, kappa, rows, groups, draws, seed, same, 2 * len(rows))


def fleiss_kappa(
    ratings: ArrayLike,
    classes: int,
    *,
    groups: ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Agreement of several readers, any of whom may have read a cell (Fleiss 1971).

    ratings: [N, R]. Cells with two ratings or more count; where their number differs, each cell's
    share of agreeing pairs weighs the same and a class's share is that of all ratings.
    """
    count, rows = _counts(ratings, classes)
    each = count.sum(axis=1)
    pairs = (count * (count - 1)).sum(axis=1) / (each * (each - 1))
    table = np.column_stack([pairs, np.ones(len(rows)), count])

    def kappa(sums: np.ndarray) -> np.ndarray:
        cells = np.where(sums[:, 1] > 0, sums[:, 1], np.nan)
        every = sums[:, 2:].sum(axis=1)
        share = sums[:, 2:] / np.where(every > 0, every, np.nan)[:, None]
        return _beyond_chance(1 - sums[:, 0] / cells, 1 - (share**2).sum(axis=1))

    same = float(pairs.mean()) if len(rows) else None
    return _agreement(table, kappa, rows, groups, draws, seed, same, int(each.sum()))


def krippendorff_alpha(
    ratings: ArrayLike,
    classes: int,
    *,
    weights: str = "nominal",
    groups: ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Agreement of any number of readers with any gaps (Krippendorff 2011).

    ratings: [N, R]. "quadratic" is his interval metric, "linear" takes the plain distance.
    """
    table = _checked(ratings, classes)
    table = table[rows := np.flatnonzero((table != NONE).sum(axis=1) >= 2)]
    each = (table != NONE).sum(axis=1)
    # coincidences: every ordered pair of ratings of a cell of m ratings counts 1 / (m - 1)
    cell, first, second = np.nonzero(
        (table != NONE)[:, :, None]
        & (table != NONE)[:, None, :]
        & ~np.eye(table.shape[1], dtype=bool)
    )
    a, b = table[cell, first], table[cell, second]
    shape = (len(rows), classes * classes)
    pairs = sparse.csr_array((1.0 / (each[cell] - 1), (cell, a * classes + b)), shape=shape)
    cost = disagreement(classes, weights).ravel()

    def alpha(sums: np.ndarray) -> np.ndarray:
        margin = sums.reshape(-1, classes, classes).sum(axis=2)
        chance = (margin[:, :, None] * margin[:, None, :]).reshape(len(sums), -1) @ cost
        return _beyond_chance((sums @ cost) * (margin.sum(axis=1) - 1), chance)

    alike = np.bincount(cell, weights=(a == b) / (each * (each - 1))[cell], minlength=len(rows))
    same = float(alike.mean()) if len(rows) else None
    return _agreement(pairs, alpha, rows, groups, draws, seed, same, int(each.sum()))


def _beyond_chance(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """1 - observed / expected [B]; NaN where chance leaves nothing to disagree on."""
    undefined = np.full(observed.shape, np.nan)
    return 1 - np.divide(observed, expected, out=undefined, where=expected > 1e-12)


def _counts(ratings: ArrayLike, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Ratings a class, float64 [M, C], of the M cells rated twice or more, and their rows."""
    table = _checked(ratings, classes)
    rows = np.flatnonzero((table != NONE).sum(axis=1) >= 2)
    # the extra column takes what is missing
    count = np.zeros((len(rows), classes + 1))
    np.add.at(count, (np.arange(len(rows))[:, None], table[rows]), 1.0)
    return count[:, :classes], rows


def _checked(ratings: ArrayLike, classes: int) -> np.ndarray:
    table = np.asarray(ratings, dtype=np.int64)
    if table.ndim != 2 or classes < 1:
        raise EvaluationError(
            f"ratings have shape {table.shape} and {classes} classes, "
            "allowed are [N, R] and 1 class or more",
            "give one row a cell and one column a reader",
        )
    if table.size and not NONE <= table.min() <= table.max() < classes:
        raise EvaluationError(
            f"ratings run from {table.min()} to {table.max()}, allowed is -1 to {classes - 1}",
            "number the classes from 0, -1 where nothing was read",
        )
    return table


def _agreement(
    table: np.ndarray | sparse.sparray,
    figure: Callable[[np.ndarray], np.ndarray],
    rows: np.ndarray,
    groups: ArrayLike | None,
    draws: int,
    seed: int,
    same: float | None,
    ratings: int,
) -> Agreement:
    """``figure`` of the sums over cells of ``table`` [M, S], with its bootstrap interval."""
    if not len(rows):
        return Agreement(None, None, None, 0, 0)
    value = float(figure(np.asarray(table.sum(axis=0), dtype=np.float64).reshape(1, -1))[0])
    interval = None
    if draws and np.isfinite(value):
        drawn = rows if groups is None else np.asarray(groups)[rows]
        boot = ClusterBootstrap(drawn, draws=draws, seed=seed)
        interval = boot.of_sums(table, lambda sums: {"value": figure(sums)})["value"]
    return Agreement(value if np.isfinite(value) else None, interval, same, len(rows), ratings)

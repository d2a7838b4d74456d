"""Is a set of unlabelled cells like any laboratory known so far?

Each known laboratory is compared with the new set by a two-sample test. The p-value is that of the
maximum mean discrepancy (Gretton et al., "A kernel two-sample test", JMLR 2012) under permutations
that exchange cells of the same answer only, and known cells are drawn so that answers are as
frequent as in the new set: other classes alone raise no alarm. The distance, an effect size that
does not grow with the number of cells, says how well a linear classifier tells the two apart on
cells it was not taught (classifier two-sample test: Lopez-Paz and Oquab, ICLR 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.stats import rankdata
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from retrieval.answers.voting import Floats, Integers
from retrieval.trust.errors import TrustError
from retrieval.trust.probability import folds_of

LEAST = 20  # cells of either side below which nothing is said
MOST = 300  # cells of either side that are compared
MATCHED = 2  # known cells drawn for each new cell of the same answer, at most
DIRECTIONS = 24  # main directions that are compared
PERMUTATIONS = 199
LEVEL = 0.01  # of the test
APART = 0.4  # distance below which two laboratories are taken for one


@dataclass(frozen=True)
class Laboratory:
    """Cells of one laboratory, no label needed.

    features: [N, E], of a network that was not taught these cells where there is one (frozen).
    answers: [N] class numbers that were answered, or none.
    """

    name: str
    features: NDArray[np.floating]
    answers: Integers | None = None

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Likeness:
    """Of the new set to laboratory ``name``: p of the test, distance 0 (one) to 1 (always told
    apart), and cells compared on either side."""

    name: str
    p: float
    distance: float
    cells: tuple[int, int]

    @property
    def p_in_words(self) -> str:
        """The p, with a sign where no permutation came near."""
        least = 1 / (PERMUTATIONS + 1)
        return f"p {'≤' if self.p <= least else '='} {self.p:.3f}"

    @property
    def unlike(self) -> bool:
        """Whether the two differ, by chance alone hardly, and by more than a little."""
        return self.p <= LEVEL and self.distance >= APART


@dataclass(frozen=True)
class Alarm:
    """unlike: whether the set is unlike every known laboratory; None where too few cells say
    nothing. likenesses: nearest first."""

    unlike: bool | None
    likenesses: tuple[Likeness, ...] = field(default=())

    @property
    def nearest(self) -> Likeness | None:
        """The laboratory that is most alike."""
        return self.likenesses[0] if self.likenesses else None

    def words(self) -> str:
        """In a sentence."""
        near = self.nearest
        if self.unlike is None or near is None:
            return f"too few cells to compare with known laboratories ({LEAST} are needed)"
        facts = f"nearest {near.name}: {near.p_in_words}, distance {near.distance:.2f} of 1"
        if self.unlike:
            return f"unlike any known laboratory ({facts})"
        return f"like {near.name} ({facts})"


def sound_alarm(new: Laboratory, known: Sequence[Laboratory], *, seed: int = 0) -> Alarm:
    """Compare ``new`` with every laboratory of ``known`` that has LEAST cells.

    Costs about .3 s a laboratory. Raises TrustError where widths differ.
    """
    found = []
    for one in known:
        if len(new) >= LEAST and len(one) >= LEAST:
            found.append(_compare(new, one, np.random.default_rng(seed)))
    found.sort(key=lambda likeness: (likeness.unlike, likeness.distance))
    return Alarm(all(each.unlike for each in found) if found else None, tuple(found))


def _compare(new: Laboratory, known: Laboratory, rng: np.random.Generator) -> Likeness:
    mine, theirs, strata = _matched(new, known, rng)
    a = np.asarray(new.features[mine], dtype=np.float64)
    b = np.asarray(known.features[theirs], dtype=np.float64)
    if a.shape[1] != b.shape[1]:
        raise TrustError(
            f"{new.name} has {a.shape[1]} values a cell and {known.name} {b.shape[1]}",
            "describe both with the same model",
        )
    points = _directions(np.concatenate([a, b]))
    side = np.repeat([True, False], [len(a), len(b)])
    p = _permuted(points, side, strata, rng)
    return Likeness(known.name, p, _apart(points, side), (len(a), len(b)))


def _matched(
    new: Laboratory, known: Laboratory, rng: np.random.Generator
) -> tuple[Integers, Integers, Integers]:
    """Rows of new and of known cells to compare, and the stratum of each, new ones first."""
    mine = rng.permutation(len(new))[:MOST]
    theirs = rng.permutation(len(known))
    if new.answers is None or known.answers is None:
        theirs = theirs[:MOST]
        return mine, theirs, np.zeros(len(mine) + len(theirs), dtype=np.int64)
    asked, had = new.answers[mine], known.answers[theirs]
    rows = [theirs[had == c][: MATCHED * int((asked == c).sum())] for c in np.unique(asked)]
    chosen = rng.permutation(np.concatenate(rows))[:MOST]
    shared = np.isin(asked, known.answers[chosen])
    if len(chosen) < LEAST or shared.sum() < LEAST:
        theirs = theirs[:MOST]
        return mine, theirs, np.zeros(len(mine) + len(theirs), dtype=np.int64)
    mine = mine[shared]
    return mine, chosen, np.concatenate([new.answers[mine], known.answers[chosen]])


def _directions(points: Floats) -> Floats:
    """[N, DIRECTIONS] main directions of the pooled cells, each of unit spread."""
    centred = points - points.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    count = min(DIRECTIONS, len(points) // 4, int((values > 1e-6 * values[0]).sum()))
    # the square root of the spread: main directions count more, but do not drown the others
    result: Floats = left[:, :count] * np.sqrt(len(points)) * np.sqrt(values[:count] / values[0])
    return result


def _permuted(points: Floats, side: ArrayLike, strata: Integers, rng: np.random.Generator) -> float:
    """p of the squared MMD, Gaussian kernel of median width, under permutations within strata."""
    squared = cdist(points, points, "sqeuclidean")
    kernel = np.exp(-squared / max(float(np.median(squared)), 1e-12))
    np.fill_diagonal(kernel, 0.0)
    sides = np.empty((PERMUTATIONS + 1, len(points)), dtype=bool)
    sides[:] = np.asarray(side)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        sides[1:, rows] = rng.permuted(sides[1:, rows], axis=1)
    one = sides.astype(np.float64)
    many, few = one.sum(axis=1), (1 - one).sum(axis=1)
    to_one = one @ kernel
    within = (to_one * one).sum(axis=1)
    across = (to_one * (1 - one)).sum(axis=1)
    others = kernel.sum() - within - 2 * across
    value = (
        within / np.maximum(many * (many - 1), 1)
        + others / np.maximum(few * (few - 1), 1)
        - 2 * across / np.maximum(many * few, 1)
    )
    return float((value >= value[0] - 1e-12).mean())


def _apart(points: Floats, side: ArrayLike) -> float:
    """2 AUC - 1 of a linear discriminant on cells it was not taught, at least 0."""
    truth = np.asarray(side, dtype=bool)
    fold = folds_of(len(truth), 5, seed=1)
    said = np.empty(len(truth))
    for number in np.unique(fold):
        held = fold == number
        if len(np.unique(truth[~held])) < 2:
            return 0.0
        judge = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        judge.fit(points[~held], truth[~held])
        said[held] = judge.decision_function(points[held])
    ranks = rankdata(said)
    ones, zeros = int(truth.sum()), int((~truth).sum())
    auc = (ranks[truth].sum() - ones * (ones + 1) / 2) / (ones * zeros)
    return max(2 * float(auc) - 1, 0.0)

"""How much better answers get with more labels: the classifier on parts of what is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import GroupShuffleSplit

from retrieval.answers.knn import NeighbourClassifier
from retrieval.evaluation.errors import EvaluationError

FIRST = 10  # labels at which a curve begins
MOST_HELD = 1000  # cells on which each point is measured, at most
FEWEST = 20  # labelled cells below which nothing is measured


@dataclass(frozen=True)
class Point:
    """Accuracy 0..1 with ``labels`` references: mean, lowest and highest of the repeats."""

    labels: int
    mean: float
    low: float
    high: float


def learning_curve(
    vectors: ArrayLike,
    classes: Sequence[str] | np.ndarray,
    *,
    groups: Sequence[str] | np.ndarray | None = None,
    k: int = 15,
    repeats: int = 5,
    seed: int = 0,
) -> list[Point]:
    """Accuracy of the nearest-neighbour answer against the number of labelled references.

    vectors: float [N, D]; classes: [N]; groups: [N], cells of one (a patient) are never on both
    sides. A third is held out at each repeat, references are drawn from the rest, about doubling
    from FIRST on. Empty with fewer than FEWEST cells, two classes or three groups. Raises
    EvaluationError where the lengths differ.
    """
    points, names = np.asarray(vectors, dtype=np.float64), np.asarray(classes, dtype=object)
    which = np.arange(len(points)) if groups is None else np.asarray(groups, dtype=object)
    if not len(points) == len(names) == len(which):
        raise EvaluationError(
            f"{len(points)} vectors, {len(names)} classes and {len(which)} groups, "
            "as many of each are needed",
            "give one class and one group a vector",
        )
    distinct, numbers = np.unique(which.astype(str), return_inverse=True)
    if len(points) < FEWEST or len(set(names)) < 2 or len(distinct) < 3:
        return []
    split = GroupShuffleSplit(n_splits=repeats, test_size=1 / 3, random_state=seed)
    measured: dict[int, list[float]] = {}
    for turn, (learn, held) in enumerate(split.split(points, groups=numbers)):
        rng = np.random.default_rng([seed, turn])
        order, held = rng.permutation(learn), rng.permutation(held)[:MOST_HELD]
        for size in sizes(len(order)):
            part = order[:size]
            if len(set(names[part])) < 2:
                right = names[held] == names[part][0]
            else:
                model = NeighbourClassifier(min(k, size)).fit(points[part], names[part].astype(str))
                right = model.predict(points[held]) == names[held].astype(str)
            measured.setdefault(size, []).append(float(np.mean(right)))
    return [
        Point(size, float(np.mean(found)), min(found), max(found))
        for size, found in sorted(measured.items())
        if len(found) == repeats or size == max(measured)
    ]


def sizes(most: int) -> list[int]:
    """10, 20, 50, 100, 200 ... up to ``most``."""
    found = []
    for power in range(1, 7):
        found += [step * 10**power for step in (1, 2, 5) if step * 10**power <= most]
    return found

"""Closed-form classifiers: class-balanced ridge regression on few or many labelled rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from retrieval.folder.graph import shares
from retrieval.folder.space import Floats, Integers

STEEPNESS = 3.0  # a ridge's scores lie about -1..1; softmax(3 s) makes probabilities of them
MIDWAY = 0.6  # of the way from the laboratory's middle to that of its labels
ABSENT = -3.0  # score of a class that no labelled row has


def class_weights(labels: Integers, classes: int) -> NDArray[np.float64]:
    """[n] weights with which every class present weighs the same; they sum to n."""
    counts = np.bincount(labels, minlength=classes)
    present = int((counts > 0).sum())
    result: NDArray[np.float64] = (len(labels) / np.maximum(counts, 1) / max(present, 1))[labels]
    return result


@dataclass(frozen=True)
class Linear:
    """Scores of rows: ``weights`` [E, C] and ``offset`` [C], float32."""

    weights: Floats
    offset: Floats

    def scores(self, rows: Floats) -> Floats:
        """[N, C] of rows [N, E]."""
        result: Floats = rows @ self.weights + self.offset
        return result


def ridge(
    rows: Floats,
    labels: Integers,
    classes: int,
    penalty: float,
    weights: NDArray[np.float64] | None = None,
) -> Linear:
    """Weighted least squares to targets -1 and 1, with penalty ``penalty`` on the weights.

    rows: [n, E], about the middle of their laboratory. A few labels of each class do not lie about
    that middle, where some classes are rare, and what they all share then says nothing: the rows
    are taken about a point MIDWAY to their own weighted mean. The smaller of the two forms is
    solved (E x E, or n x n).
    """
    weight = class_weights(labels, classes) if weights is None else weights
    middle = MIDWAY * (weight / weight.sum()) @ rows.astype(np.float64)
    root = np.sqrt(weight)[:, None]
    x, y = (rows - middle) * root, (np.eye(classes)[labels] * 2 - 1) * root
    n, width = x.shape
    if n < width:
        factor = cho_factor(x @ x.T + penalty * np.eye(n), lower=True, check_finite=False)
        solution = x.T @ cho_solve(factor, y, check_finite=False)
    else:
        factor = cho_factor(x.T @ x + penalty * np.eye(width), lower=True, check_finite=False)
        solution = cho_solve(factor, x.T @ y, check_finite=False)
    return Linear(solution.astype(np.float32), (-middle @ solution).astype(np.float32))


def soft(
    scores: NDArray[np.floating],
    present: NDArray[np.bool_] | None = None,
    steepness: float = STEEPNESS,
) -> Floats:
    """[N, C] probabilities of a ridge's scores; classes that are not ``present`` get next to 0."""
    s = np.asarray(scores, dtype=np.float32)
    if present is not None:
        s = np.where(present[None, :], s, np.float32(ABSENT))
    return shares(np.exp(steepness * (s - s.max(axis=1, keepdims=True))))

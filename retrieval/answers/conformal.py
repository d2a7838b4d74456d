"""Prediction sets with a coverage that holds on average, whatever the network does.

Split conformal prediction with the score 1 - p(true class), calibrated class by class: Sadinle,
Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error Levels", JASA 2019.
A class with too few calibration cells for its own quantile takes that of all cells together, the
"null cluster" of Ding et al., "Class-Conditional Conformal Prediction with Many Classes", NeurIPS
2023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from retrieval.answers.voting import Booleans, Integers


@dataclass(frozen=True)
class PredictionSets:
    """Which classes a cell may well be.

    coverage: the share of cells whose set shall hold their class, in each class that has its own
    quantile. thresholds: [C] a class is in the set where 1 - probability is at most this; empty
    while nothing is calibrated. own: [C] whether the class has its own quantile.
    """

    coverage: float
    thresholds: tuple[float, ...] = ()
    own: tuple[bool, ...] = ()

    @classmethod
    def learn(cls, probabilities: ArrayLike, truth: ArrayLike, coverage: float) -> PredictionSets:
        """From probabilities [N, C] of calibration cells and their class numbers [N]."""
        p = np.asarray(probabilities, dtype=np.float64)
        true = np.asarray(truth, dtype=np.int64)
        scores = 1.0 - p[np.arange(len(p)), true]
        together = conformal_quantile(scores, coverage)
        least = cells_needed(coverage)
        thresholds, own = [], []
        for column in range(p.shape[1]):
            of_class = scores[true == column]
            own.append(len(of_class) >= least)
            thresholds.append(conformal_quantile(of_class, coverage) if own[-1] else together)
        return cls(coverage, tuple(thresholds), tuple(own))

    def members(self, probabilities: ArrayLike, top: Integers) -> Booleans:
        """[N, C] which classes are in each cell's set; the answer itself, ``top`` [N], always is.

        Without calibration: the most probable classes that together reach the coverage.
        """
        p = np.asarray(probabilities, dtype=np.float64)
        if self.thresholds:
            inside = (1.0 - p) <= np.asarray(self.thresholds)[None, :]
        else:
            order = np.argsort(-p, axis=1, kind="stable")
            ordered = np.take_along_axis(p, order, axis=1)
            before = np.cumsum(ordered, axis=1) - ordered
            inside = np.empty(p.shape, dtype=bool)
            np.put_along_axis(inside, order, before < self.coverage, axis=1)
        inside[np.arange(len(p)), top] = True
        return inside


def cells_needed(coverage: float) -> int:
    """The fewest calibration cells that can carry ``coverage``: 19 for 0.95."""
    return math.ceil(coverage / (1.0 - coverage) - 1e-9)


def conformal_quantile(scores: ArrayLike, coverage: float) -> float:
    """The ceil((n + 1) * coverage)-th smallest score; 1 (every class) where n is too small."""
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    rank = math.ceil((len(ordered) + 1) * coverage - 1e-9)
    return float(ordered[rank - 1]) if rank <= len(ordered) else 1.0

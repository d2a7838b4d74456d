"""The accuracy to expect in a laboratory of which no cell is labelled.

Four signals, each an estimate of the accuracy in itself:

- confidence: mean probability of the answers, plus the gap between it and the accuracy on known
  cells (average confidence; difference of confidences: Guillory et al., ICCV 2021);
- above: share of cells surer than a threshold above which as many known cells lie as are right
  (average thresholded confidence: Garg et al., ICLR 2022);
- agreement: share of cells on which independent read-outs agree (generalisation disagreement:
  Jiang et al., ICLR 2022);
- certainty: 1 less the mean entropy of the probabilities, over that of even ones.

They are joined by a regression on the logit whose weights were learned across laboratories
(``python -m benchmarks.trust`` measures them, each laboratory left out in turn).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from retrieval.answers.voting import Floats

LEAST = 20  # cells below which nothing is said
WEIGHTS = (0.0, 0.25, 0.25, 0.25, 0.25)
"""Constant, then one a signal, on logits."""
SPREAD = 0.7
"""Standard deviation of the logit about the estimate, across laboratories left out."""
HALF_LABELS = 4.0
SLOPE = 0.75
"""Wrong answers after k labels a class: those before times (1 + k / HALF_LABELS) ** -SLOPE."""
MOST_LABELS = 200


@dataclass(frozen=True)
class Signals:
    """Estimates of the accuracy, each 0..1; see the module."""

    confidence: float
    above: float
    agreement: float
    certainty: float


@dataclass(frozen=True)
class Expectation:
    """accuracy: about this share of answers is right; low, high: a 90% interval across
    laboratories. signals: what it rests on. cells: how many cells were looked at."""

    accuracy: float
    low: float
    high: float
    signals: Signals
    cells: int

    def labels_for(self, accuracy: float) -> int | None:
        """Labels a class after which about ``accuracy`` is to be expected; None for out of reach
        (more than MOST_LABELS)."""
        wanted, now = 1 - accuracy, 1 - self.accuracy
        if now <= wanted:
            return 0
        if wanted <= 0:
            return None
        needed = HALF_LABELS * ((now / wanted) ** (1 / SLOPE) - 1)
        return int(np.ceil(needed)) if needed <= MOST_LABELS else None

    def words(self) -> str:
        """In a sentence, with the labels that would raise it."""
        said = f"expected accuracy about {self.accuracy:.0%} ({self.low:.0%} to {self.high:.0%})"
        for goal in (0.9, 0.95, 0.97):
            if goal - self.accuracy < 0.03:
                continue
            labels = self.labels_for(goal)
            if labels is not None:
                return f"{said}; label about {labels} cells a class to reach {goal:.0%}"
        return said


def signals_of(
    readings: Sequence[ArrayLike], known: ArrayLike | None = None, truth: ArrayLike | None = None
) -> Signals:
    """The signals of N cells.

    readings: probabilities [N, C], the best first, then those of other read-outs or trunks. known,
    truth: calibrated probabilities [M, C] of labelled known cells and their class numbers [M], the
    scale of the confidence; without them confidence is taken as it is.
    """
    tables = [np.asarray(reading, dtype=np.float64) for reading in readings]
    first = tables[0]
    surest = first.max(axis=1)
    gap, above = 0.0, float((surest >= 0.7).mean())
    if known is not None and truth is not None and len(np.asarray(known)):
        at_home = np.asarray(known, dtype=np.float64)
        right = at_home.argmax(axis=1) == np.asarray(truth)
        gap = float(right.mean() - at_home.max(axis=1).mean())
        threshold = np.quantile(at_home.max(axis=1), 1 - right.mean())
        above = float((surest >= threshold).mean())
    answers = [table.argmax(axis=1) for table in tables]
    pairs = [float((one == other).mean()) for one, other in combinations(answers, 2)]
    entropy = -(first * np.log(np.maximum(first, 1e-12))).sum(axis=1).mean()
    certainty = 1 - float(entropy) / np.log(max(first.shape[1], 2))
    return Signals(
        float(surest.mean()) + gap, above, float(np.mean(pairs)) if pairs else certainty, certainty
    )


def expect_accuracy(signals: Signals, cells: int) -> Expectation | None:
    """The accuracy to expect from the ``signals`` of ``cells`` cells; None for too few of them."""
    if cells < LEAST:
        return None
    logit = float(np.dot(WEIGHTS, design(signals)))
    # few cells: the signals themselves are uncertain
    spread = float(norm.ppf(0.95)) * np.hypot(SPREAD, 2 / np.sqrt(cells))
    middle, low, high = (float(1 / (1 + np.exp(-logit - d))) for d in (0.0, -spread, spread))
    return Expectation(middle, low, high, signals, cells)


def design(signals: Signals) -> Floats:
    """[5] one, then the logit of each signal."""
    held = np.clip(astuple(signals), 0.02, 0.985)
    result: Floats = np.concatenate([[1.0], np.log(held / (1 - held))])
    return result

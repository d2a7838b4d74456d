"""Answering only where it is shown to be safe: thresholds with a bound on the risk.

The risk of a threshold is the share of wrong answers among the cells whose score reaches it. Its
upper bound is that of Clopper and Pearson (Biometrika 1934). Thresholds are tried from strict to
lax in an order fixed beforehand, and the search ends at the first whose bound is too high: such
fixed-sequence testing keeps the confidence although many are tried (Angelopoulos et al., "Learn
then Test", 2021, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta

RISK = 0.005  # of the answers given, at most this share may be wrong ...
CONFIDENCE = 0.95  # ... with this confidence
STEPS = 40
START = 0.66  # share of the cells that the strictest threshold tried answers at most


@dataclass(frozen=True)
class Threshold:
    """A learned threshold: answer where the score is at least ``value``; never where it is None.

    cells, wrong: calibration cells answered at it, and how many of these answers were wrong.
    bound: upper bound of the risk, at confidence CONFIDENCE. proven: whether that meets RISK.
    """

    value: float | None = None
    cells: int = 0
    wrong: int = 0
    bound: float = 1.0
    proven: bool = False


def risk_bound(wrong: int, cells: int, confidence: float = CONFIDENCE) -> float:
    """One-sided Clopper–Pearson upper bound of a rate of which ``wrong`` in ``cells`` were seen."""
    if wrong >= cells:
        return 1.0
    return float(beta.ppf(confidence, wrong + 1, cells - wrong))


@cache
def cells_to_prove(risk: float = RISK, wrong: int = 0, confidence: float = CONFIDENCE) -> int:
    """The fewest answers among which ``wrong`` errors still prove ``risk``: 598 without an error,
    947 with one."""
    cells = max(wrong + 1, math.ceil(math.log(1 - confidence) / math.log(1 - risk)))
    while risk_bound(wrong, cells, confidence) > risk:
        cells += 1
    return cells


def learn_threshold(
    scores: ArrayLike,
    wrong_at: Callable[[float], np.ndarray],
    *,
    risk: float = RISK,
    confidence: float = CONFIDENCE,
) -> Threshold:
    """The laxest threshold on ``scores`` [N] whose risk is shown to be at most ``risk``.

    wrong_at: gives [N] bool, which answers would be wrong at a threshold. See ``first_tried`` for
    the strictest threshold tried.
    """
    score = np.asarray(scores, dtype=np.float64)
    ordered = np.sort(score[np.isfinite(score)])[::-1]
    least = cells_to_prove(risk, 0, confidence)
    if len(ordered) < least:
        return Threshold()
    start = first_tried(len(ordered), risk, confidence)
    best = Threshold()
    for cells in np.unique(np.linspace(start, len(ordered), STEPS).astype(int)):
        tried = _measure(score, float(ordered[cells - 1]), wrong_at, confidence)
        if tried.bound > risk:
            break
        best = Threshold(tried.value, tried.cells, tried.wrong, tried.bound, True)
    return best


def first_tried(cells: int, risk: float = RISK, confidence: float = CONFIDENCE) -> int:
    """How many of ``cells`` the strictest threshold tried answers: half, or more to allow errors.

    It may have as many wrong answers as START of the cells can carry: a mislabelled cell among the
    surest shall not forbid every answer. It depends on the number of cells alone, so it is fixed
    beforehand as the test wants it. At least what proves the risk without an error.
    """
    wrong = 0
    while cells_to_prove(risk, wrong + 1, confidence) <= START * cells:
        wrong += 1
    return max(cells // 2, cells_to_prove(risk, wrong, confidence))


def measure_threshold(
    scores: ArrayLike, value: float, wrong_at: Callable[[float], np.ndarray]
) -> Threshold:
    """What a threshold set without proof does on the calibration cells at hand."""
    return _measure(np.asarray(scores, dtype=np.float64), value, wrong_at, CONFIDENCE)


def _measure(
    score: np.ndarray, value: float, wrong_at: Callable[[float], np.ndarray], confidence: float
) -> Threshold:
    answered = score >= value
    cells = int(answered.sum())
    wrong = int((wrong_at(value) & answered).sum())
    return Threshold(value, cells, wrong, risk_bound(wrong, cells, confidence))

"""The accuracy to expect in a laboratory of which no cell is labelled.

Two estimates, whose mean is taken where a folder is read as a whole:

- the certainty: 1 less the mean entropy of the raw probabilities, in units of eight even classes.
  A folder's entropy also says how far neighbours in the features contradict each other. A line on
  logits, fitted across laboratories, turns it into an accuracy (regression on unlabelled sets: Deng
  and Zheng, CVPR 2021);
- the difference of confidences: the mean probability of the answers, and the gap between that and
  the accuracy on known cells (Guillory et al., ICCV 2021), which needs no fitted line.

Of single cells the first alone is taken: their confidence hardly falls where accuracy does.
Measured beside them and not taken: average thresholded confidence (Garg et al., ICLR 2022) and
agreement of read-outs (Jiang et al., ICLR 2022); ``python -m benchmarks.trust`` has all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

LEAST = 20  # cells below which nothing is said
EIGHT = float(np.log(8))  # entropy of eight even classes, those the lines were fitted with
AS_FOLDER = (1.06, 1.64)  # constant and slope on the logit of the certainty
AS_SINGLE = (-1.59, 2.09)
SPREAD_FOLDER, SPREAD_SINGLE = 0.50, 0.61
"""Standard deviation of the logit about the line, each laboratory left out in turn."""
NEVER_SEEN = 0.72
"""Share of right answers in a laboratory never seen: mean of four, `python -m benchmarks.trust`."""
HALF_LABELS, SLOPE = 4.0, 0.75
"""Wrong answers after k labels a class: those before times (1 + k / HALF_LABELS) ** -SLOPE."""
MOST_LABELS = 200
GOALS = (0.9, 0.95, 0.97)


@dataclass(frozen=True)
class Expectation:
    """accuracy: about this share of answers is right; low, high: a 90% interval across
    laboratories. certainty: what it rests on, 0..1. cells: how many cells were looked at."""

    accuracy: float
    low: float
    high: float
    certainty: float
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

    def next_goal(self) -> tuple[float, int] | None:
        """An accuracy clearly above this one, and the labels a class that would bring it."""
        for goal in GOALS:
            labels = self.labels_for(goal)
            if goal - self.accuracy >= 0.03 and labels is not None:
                return goal, labels
        return None

    def words(self, labelled: bool = False) -> str:
        """In a sentence, with the labels that would raise it.

        labelled: whether some cells of the laboratory are labelled already, and the answers rest
        on them; the labels named are then needed besides.
        """
        said = f"expected accuracy about {self.accuracy:.0%} ({self.low:.0%} to {self.high:.0%})"
        more = "more " if labelled else ""
        goal = self.next_goal()
        if goal is not None:
            said += f"; label about {goal[1]} {more}cells a class to reach {goal[0]:.0%}"
        return said


def certainty_of(probabilities: ArrayLike) -> float:
    """1 less the mean entropy of probabilities [N, C], in units of EIGHT; .02 to .985."""
    p = np.asarray(probabilities, dtype=np.float64)
    entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1).mean()
    return float(np.clip(1 - entropy / EIGHT, 0.02, 0.985))


def expect_accuracy(
    probabilities: ArrayLike, *, single: bool = False, gap: float | None = None
) -> Expectation | None:
    """The accuracy to expect of answers with raw ``probabilities`` [N, C].

    They are those of ``retrieval.folder`` as they come, not calibrated: of the folder as a whole,
    or of each cell by itself (``single``). gap: accuracy less mean probability of the answers on
    known cells that were read the same way. None for fewer than LEAST cells.
    """
    cells = len(np.asarray(probabilities))
    if cells < LEAST:
        return None
    certainty = certainty_of(probabilities)
    logit = _line(certainty, single)
    if gap is not None and not single:
        mean = float(np.asarray(probabilities, dtype=np.float64).max(axis=1).mean()) + gap
        both = (1 / (1 + np.exp(-logit)) + np.clip(mean, 0.02, 0.995)) / 2
        logit = float(np.log(both / (1 - both)))
    # of few cells the certainty itself is uncertain
    spread = np.hypot(SPREAD_SINGLE if single else SPREAD_FOLDER, 2 / np.sqrt(cells))
    reach = float(norm.ppf(0.95) * spread)
    accuracy, low, high = (float(1 / (1 + np.exp(-logit - d))) for d in (0.0, -reach, reach))
    return Expectation(accuracy, low, high, certainty, cells)


def cautious_accuracy(probabilities: ArrayLike, *, single: bool = False) -> float:
    """What to count on, 0..1, where cells are too few to tell their laboratory: N < LEAST or so.

    The estimate of ``expect_accuracy`` weighs as N cells, NEVER_SEEN as LEAST, on logits.
    """
    cells = len(np.asarray(probabilities))
    prior = float(np.log(NEVER_SEEN / (1 - NEVER_SEEN)))
    own = _line(certainty_of(probabilities), single) if cells else prior
    return float(1 / (1 + np.exp(-(cells * own + LEAST * prior) / (cells + LEAST))))


def _line(certainty: float, single: bool) -> float:
    """Logit of the accuracy at a certainty."""
    constant, slope = AS_SINGLE if single else AS_FOLDER
    return constant + slope * float(np.log(certainty / (1 - certainty)))

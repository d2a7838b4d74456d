"""The shares of the classes in a set, re-estimated from its unlabelled cells, with a guard.

Expectation maximisation (Saerens, Latinne, Decaestecker, "Adjusting the outputs of a classifier to
new a priori probabilities", Neural Computation 2002). It is known to run away where probabilities
are not calibrated: it empties one class into another. So it is held by a Dirichlet prior, it is
believed only in a set that is large enough, whose probabilities are calibrated well enough, where
it explains the cells clearly better, and it may not move a share by more than a factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from retrieval.answers.voting import Floats

ROUNDS = 200
PSEUDO = 2.0  # cells of each class that the given shares are worth
LEAST_CELLS = 50
LEAST_CONFIDENCE = 0.7  # mean probability of the answers below which nothing is believed
MOST = 4.0  # a share moves by at most this factor
EVIDENCE = 0.01  # level of the likelihood-ratio test


@dataclass(frozen=True)
class PriorEstimate:
    """shares: [C] summing to 1. believed: whether the guard let the estimate pass; the shares are
    the given ones where it did not. why: in words."""

    shares: Floats
    believed: bool
    why: str

    def apply(self, probabilities: ArrayLike, given: ArrayLike) -> Floats:
        """[N, C] probabilities re-weighted from the ``given`` [C] shares to these."""
        p = np.asarray(probabilities, dtype=np.float64)
        return _weighted(p, self.shares, np.asarray(given, dtype=np.float64))


def estimate_prior(probabilities: ArrayLike, given: ArrayLike | None = None) -> PriorEstimate:
    """The class shares of a set from calibrated probabilities [N, C] of its cells.

    given: [C] the shares that the probabilities stand for (those of the cells they were calibrated
    on); even ones by default.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    count = p.shape[1]
    old = np.full(count, 1 / count) if given is None else np.asarray(given, dtype=np.float64)
    old = np.maximum(old, 1e-4) / np.maximum(old, 1e-4).sum()
    if len(p) < LEAST_CELLS:
        return PriorEstimate(old, False, f"only {len(p)} cells, {LEAST_CELLS} are needed")
    if p.max(axis=1).mean() < LEAST_CONFIDENCE:
        return PriorEstimate(old, False, "the answers are too unsure to count classes by them")
    shares = old.copy()
    for _ in range(ROUNDS):
        expected = _weighted(p, shares, old).sum(axis=0) + PSEUDO * count * old
        fresh = expected / expected.sum()
        moved = float(np.abs(fresh - shares).max())
        shares = fresh
        if moved < 1e-6:
            break
    gain = 2 * float(np.log(np.maximum(p @ (shares / old), 1e-12)).sum())
    if gain < chi2.ppf(1 - EVIDENCE, count - 1):
        return PriorEstimate(old, False, "the cells do not speak clearly for other shares")
    held = np.clip(shares, old / MOST, old * MOST)
    return PriorEstimate(held / held.sum(), True, "estimated from the unlabelled cells")


def _weighted(p: Floats, new: Floats, old: Floats) -> Floats:
    raised = p * (new / np.maximum(old, 1e-9))
    result: Floats = raised / np.maximum(raised.sum(axis=1, keepdims=True), 1e-300)
    return result

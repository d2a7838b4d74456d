"""Synthetic laboratories: cells of known classes, probabilities wrong in a known way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from index.taxonomy import shipped_taxonomy
from retrieval.answers.tree import Ancestry

CODES = ("neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte")


@dataclass(frozen=True)
class Bench:
    """Draws cells of five classes."""

    ancestry: Ancestry

    def draw(
        self,
        n: int,
        *,
        seed: int,
        signal: float = 4.0,
        sharp: float = 1.0,
        tilt: float = 0.0,
        shares: tuple[float, ...] = (0.2,) * 5,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities [n, 5] and classes [n].

        They are honest for even shares where ``sharp`` is 1 and ``tilt`` 0: ``sharp`` multiplies
        the logits (over-confidence), ``tilt`` favours the first class.
        """
        rng = np.random.default_rng(seed)
        truth = rng.choice(5, n, p=shares)
        # Gaussian evidence: these logits are the exact log-likelihoods
        logits = signal * np.eye(5)[truth] + rng.normal(0, np.sqrt(signal), (n, 5))
        logits = logits * sharp
        logits[:, 0] += tilt
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True), truth


@pytest.fixture(scope="session")
def bench() -> Bench:
    """The synthetic laboratories."""
    return Bench(Ancestry.of(shipped_taxonomy(), CODES))

"""One direction to search in from examples of what is wanted and of what is not."""

from __future__ import annotations

import numpy as np

from index.errors import VectorError

# Weights of wanted and unwanted examples: Manning, Raghavan and Schütze 2008, chapter 9.
WANTED, UNWANTED = 0.75, 0.25


def rocchio(wanted: np.ndarray, unwanted: np.ndarray) -> np.ndarray:
    """A unit vector float32 [D] towards ``wanted`` [P, D] and away from ``unwanted`` [M, D].

    0.75 times the mean of the wanted less 0.25 times that of the unwanted (Rocchio 1971), scaled to
    length 1. P must be at least 1; M may be 0. Where both cancel, the wanted alone count. Raises
    VectorError.
    """
    wanted, unwanted = np.atleast_2d(wanted), np.atleast_2d(unwanted)
    if wanted.ndim != 2 or not wanted.size:
        raise VectorError(
            f"wanted examples have shape {wanted.shape}, allowed is [P, D] with P of at least 1",
            "give at least one example of what is wanted",
        )
    towards = wanted.mean(axis=0, dtype=np.float64)
    found = WANTED * towards
    if unwanted.size:
        if unwanted.shape[1] != wanted.shape[1]:
            raise VectorError(
                f"wanted examples are {wanted.shape[1]} wide, unwanted {unwanted.shape[1]}",
                "give embeddings of one model",
            )
        found = found - UNWANTED * unwanted.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(found))
    if length < 1e-6:
        found, length = towards, max(float(np.linalg.norm(towards)), 1e-12)
    return (found / length).astype(np.float32)

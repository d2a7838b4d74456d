"""Whether a stated probability is met by the share that is right."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from retrieval.evaluation.errors import EvaluationError

SMALLEST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class ReliabilityBin:
    """Cells of one bin of stated probability: how many, the mean stated, the share right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class CalibrationMetrics:
    """ECE in 0..1, Brier score in 0..2, NLL in nats; smaller is better for each.

    ``bins`` are the equal-mass bins that a reliability diagram draws; ``per_cell`` holds ``brier``,
    ``nll`` and the number of the ``equal_mass`` and ``equal_width`` bin of each cell, [N].
    """

    ece_equal_mass: float
    ece_equal_width: float
    brier: float
    nll: float
    mean_confidence: float
    bins: tuple[ReliabilityBin, ...] = field(repr=False)
    per_cell: dict[str, np.ndarray] = field(repr=False, compare=False)


def calibration_metrics(
    probabilities: np.ndarray,
    true: np.ndarray,
    *,
    confidence: np.ndarray | None = None,
    correct: np.ndarray | None = None,
    bins: int = 15,
) -> CalibrationMetrics:
    """Calibration of ``probabilities`` [N, C] (rows in 0..1 that sum to 1) for ``true`` [N].

    ``true`` holds columns, -1 where the true class has none: probability 0 was given to it.
    ``confidence`` [N] and ``correct`` [N] default to the largest probability and whether its column
    is the true one; give them where the answer is not the largest. ECE: the mean over cells of
    |share right - mean stated| of their bin (Naeini et al. 2015), with ``bins`` bins of equal width
    and with as many of equal mass (adaptive: Nguyen and O'Connor 2015). Brier: the squared distance
    to the one-hot truth summed over classes (Brier 1950). NLL: -ln of the probability of the truth,
    floored at 1e-6.
    """
    probabilities, true = np.asarray(probabilities, np.float64), np.asarray(true)
    if probabilities.ndim != 2 or len(probabilities) != len(true) or not len(true):
        raise EvaluationError(
            f"probabilities have shape {probabilities.shape} for {len(true)} true classes, "
            "allowed is [N, C] with N of at least 1",
            "give one row of probabilities for each cell",
        )
    total = probabilities.sum(axis=1)
    if probabilities.min() < -1e-6 or probabilities.max() > 1 + 1e-6 or abs(total - 1).max() > 1e-3:
        raise EvaluationError(
            f"probabilities span {probabilities.min():.3g} to {probabilities.max():.3g}, rows "
            f"sum to {total.min():.3g} to {total.max():.3g}; allowed are 0 to 1 and a sum of 1",
            "give calibrated probabilities, not scores",
        )
    known = true >= 0
    given = np.where(known, probabilities[np.arange(len(true)), np.where(known, true, 0)], 0.0)
    brier = (probabilities**2).sum(axis=1) - 2 * given + 1
    confidence = probabilities.max(axis=1) if confidence is None else np.asarray(confidence)
    correct = probabilities.argmax(axis=1) == true if correct is None else np.asarray(correct)
    nll = -np.log(np.maximum(given, SMALLEST_PROBABILITY))
    mass, width = equal_mass_places(confidence, bins), equal_width_places(confidence, bins)
    filled = _filled(confidence, correct, mass)
    return CalibrationMetrics(
        ece_equal_mass=expected_calibration_error(filled),
        ece_equal_width=expected_calibration_error(_filled(confidence, correct, width)),
        brier=float(brier.mean()),
        nll=float(nll.mean()),
        mean_confidence=float(confidence.mean()),
        bins=tuple(filled),
        per_cell={"brier": brier, "nll": nll, "equal_mass": mass, "equal_width": width},
    )


def equal_mass_places(confidence: np.ndarray, bins: int = 15) -> np.ndarray:
    """The bin of each cell, int [N]: of about equally many cells; equal confidences share one."""
    confidence = np.asarray(confidence, np.float64)
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, confidence, side="left")


def equal_width_places(confidence: np.ndarray, bins: int = 15) -> np.ndarray:
    """The bin (i/bins, (i+1)/bins] of each cell, int [N]."""
    place = np.ceil(np.asarray(confidence, np.float64) * bins).astype(np.int64) - 1
    return np.clip(place, 0, bins - 1)


def equal_mass_bins(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15
) -> list[ReliabilityBin]:
    """At most ``bins`` bins of about equally many cells; equal confidences share a bin."""
    return _filled(confidence, correct, equal_mass_places(confidence, bins))


def equal_width_bins(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15
) -> list[ReliabilityBin]:
    """Bins (i/bins, (i+1)/bins] that hold at least one cell."""
    return _filled(confidence, correct, equal_width_places(confidence, bins))


def expected_calibration_error(bins: list[ReliabilityBin]) -> float:
    """Mean over cells of the gap between share right and mean stated probability of their bin."""
    total = sum(entry.count for entry in bins)
    return sum(entry.count * abs(entry.accuracy - entry.confidence) for entry in bins) / total


def _filled(confidence: np.ndarray, correct: np.ndarray, place: np.ndarray) -> list[ReliabilityBin]:
    """The bins that hold cells, lowest first."""
    confidence = np.asarray(confidence, np.float64)
    correct = np.asarray(correct, np.float64)
    found = []
    for which in np.unique(place):
        inside = place == which
        found.append(
            ReliabilityBin(
                float(confidence[inside].min()),
                float(confidence[inside].max()),
                int(inside.sum()),
                float(confidence[inside].mean()),
                float(correct[inside].mean()),
            )
        )
    return found

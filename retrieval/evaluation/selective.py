"""What is gained by leaving the doubtful cells to a person."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from retrieval.evaluation.errors import EvaluationError


@dataclass(frozen=True)
class SelectiveMetrics:
    """Risk is the share of wrong answers among the accepted, coverage the share accepted; 0..1.

    ``aurc`` is the area under the risk–coverage curve, ``excess_aurc`` what of it a perfect order
    of the same answers would save (Geifman, Uziel and El-Yaniv 2019). ``coverage_at_risk`` is the
    largest coverage whose risk stays at or below each key. ``coverage`` and ``risk`` are the curve,
    float64 [T], one point a distinct confidence, surest first.
    """

    aurc: float
    excess_aurc: float
    coverage_at_risk: dict[float, float]
    coverage: np.ndarray = field(repr=False, compare=False)
    risk: np.ndarray = field(repr=False, compare=False)


def selective_metrics(
    confidence: np.ndarray,
    correct: np.ndarray,
    *,
    risks: tuple[float, ...] = (0.005, 0.01, 0.02, 0.05),
) -> SelectiveMetrics:
    """Risk–coverage figures of answers with ``confidence`` [N] (larger is surer), ``correct`` [N].

    Answers of equal confidence are accepted together: the curve has no point between them, and the
    area takes their errors as evenly spread, so no figure depends on the order of the rows.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, bool)
    if len(confidence) != len(correct) or not len(correct) or not np.isfinite(confidence).all():
        raise EvaluationError(
            f"{len(confidence)} confidences for {len(correct)} answers, "
            "as many finite ones and at least one are needed",
            "give one confidence for each answer",
        )
    order = np.argsort(-confidence, kind="stable")
    wrong = ~correct[order]
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True)) + 1
    errors = np.cumsum(wrong)[ends - 1]
    coverage, risk = ends / len(correct), errors / ends
    aurc = _area(ends, errors)
    total = int(wrong.sum())
    ideal = _area(
        np.array([len(correct) - total, len(correct)]) if total < len(correct) else ends[-1:],
        np.array([0, total]) if total < len(correct) else errors[-1:],
    )
    return SelectiveMetrics(
        aurc=aurc,
        excess_aurc=max(aurc - ideal, 0.0),
        coverage_at_risk={
            limit: float(coverage[risk <= limit].max(initial=0.0)) for limit in risks
        },
        coverage=coverage,
        risk=risk,
    )


def _area(ends: np.ndarray, errors: np.ndarray) -> float:
    """Mean over n = 1..N of the risk of the surest n, errors evenly spread between ``ends``."""
    rank = np.arange(1, ends[-1] + 1)
    expected = np.interp(rank, np.append(0, ends), np.append(0, errors))
    return float((expected / rank).mean())


def weighted_aurc(confidence: np.ndarray, correct: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AURC [B] of the answers under many ``weights`` [B, N]; equal confidences share errors."""
    order = np.argsort(-confidence, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(confidence[order]) != 0))
    length = np.diff(np.append(starts, len(order)))
    drawn = weights[:, order]
    held = np.add.reduceat(drawn, starts, axis=1)
    wrong = np.add.reduceat(drawn * ~np.asarray(correct, bool)[order], starts, axis=1)
    share = np.divide(wrong, held, out=np.zeros_like(held), where=held > 0)
    reached = np.cumsum(drawn, axis=1)
    errors = np.cumsum(drawn * np.repeat(share, length, axis=1), axis=1)
    risk = np.divide(errors, reached, out=np.zeros_like(errors), where=reached > 0)
    area: np.ndarray = (risk * drawn).sum(axis=1) / drawn.sum(axis=1)
    return area


@dataclass(frozen=True)
class DecisionFigures:
    """What one decision (accept, back_off, abstain) was given to, and how often it was right."""

    count: int
    share: float
    correct: int
    risk: float | None


def decision_figures(
    decisions: np.ndarray, correct: np.ndarray, names: tuple[str, ...]
) -> dict[str, DecisionFigures]:
    """Share and risk of each decision; ``correct`` [N] judges the answer that the decision gives.

    ``risk`` is None where no cell got the decision.
    """
    decisions, correct = np.asarray(decisions), np.asarray(correct, bool)
    found = {}
    for name in names:
        given = decisions == name
        count, right = int(given.sum()), int(correct[given].sum())
        found[name] = DecisionFigures(
            count, count / max(len(decisions), 1), right, 1 - right / count if count else None
        )
    return found

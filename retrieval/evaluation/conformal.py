"""Whether prediction sets hold the truth as often as they promise, and how large they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.evaluation.errors import EvaluationError


@dataclass(frozen=True)
class ConformalMetrics:
    """Coverage is the share of sets that hold the true class, over all and by true class; 0..1.

    ``mean_size`` counts classes a set; ``single`` and ``empty`` are the shares of sets of one class
    and of none; ``single_correct`` is the share of right ones among sets of one (None: no such).
    """

    coverage: float
    mean_size: float
    single: float
    empty: float
    single_correct: float | None
    per_class: dict[str, float]
    sizes: dict[int, int]


def conformal_metrics(sets: Sequence[Collection[str]], true: Sequence[str]) -> ConformalMetrics:
    """Figures of prediction ``sets`` [N] of class codes against ``true`` [N]."""
    if len(sets) != len(true) or not len(true):
        raise EvaluationError(
            f"{len(sets)} prediction sets for {len(true)} true classes, "
            "as many of each and at least one are needed",
            "give one set for each cell",
        )
    truth = np.asarray(true, dtype=str)
    held = np.array([code in members for members, code in zip(sets, true, strict=True)])
    size = np.array([len(members) for members in sets])
    single = size == 1
    return ConformalMetrics(
        coverage=float(held.mean()),
        mean_size=float(size.mean()),
        single=float(single.mean()),
        empty=float((size == 0).mean()),
        single_correct=float(held[single].mean()) if single.any() else None,
        per_class={code: float(held[truth == code].mean()) for code in sorted(set(truth))},
        sizes={int(value): int((size == value).sum()) for value in np.unique(size)},
    )

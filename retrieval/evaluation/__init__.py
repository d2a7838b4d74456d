"""Measuring: retrieval, classification, calibration, selection and conformal sets, on arrays.

Names are imported when asked for: measuring retrieval needs torch, most else does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.evaluation.calibration import (
        CalibrationMetrics,
        ReliabilityBin,
        calibration_metrics,
        equal_mass_bins,
        equal_width_bins,
        expected_calibration_error,
    )
    from retrieval.evaluation.classification import (
        ClassFigures,
        ClassificationMetrics,
        classification_metrics,
        confusion_figures,
    )
    from retrieval.evaluation.conformal import ConformalMetrics, conformal_metrics
    from retrieval.evaluation.errors import EvaluationError
    from retrieval.evaluation.intervals import ClusterBootstrap, Interval, wilson_interval
    from retrieval.evaluation.metrics import (
        RetrievalMetrics,
        average_precision_lenient,
        retrieval_metrics,
    )
    from retrieval.evaluation.selective import (
        DecisionFigures,
        SelectiveMetrics,
        decision_figures,
        selective_metrics,
    )

_HOMES = {
    "calibration": (
        "CalibrationMetrics",
        "ReliabilityBin",
        "calibration_metrics",
        "equal_mass_bins",
        "equal_width_bins",
        "expected_calibration_error",
    ),
    "classification": (
        "ClassFigures",
        "ClassificationMetrics",
        "classification_metrics",
        "confusion_figures",
    ),
    "conformal": (
        "ConformalMetrics",
        "conformal_metrics",
    ),
    "errors": ("EvaluationError",),
    "intervals": (
        "ClusterBootstrap",
        "Interval",
        "wilson_interval",
    ),
    "metrics": (
        "RetrievalMetrics",
        "average_precision_lenient",
        "retrieval_metrics",
    ),
    "selective": (
        "DecisionFigures",
        "SelectiveMetrics",
        "decision_figures",
        "selective_metrics",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CalibrationMetrics",
    "ClassFigures",
    "ClassificationMetrics",
    "ClusterBootstrap",
    "ConformalMetrics",
    "DecisionFigures",
    "EvaluationError",
    "Interval",
    "ReliabilityBin",
    "RetrievalMetrics",
    "SelectiveMetrics",
    "average_precision_lenient",
    "calibration_metrics",
    "classification_metrics",
    "conformal_metrics",
    "confusion_figures",
    "decision_figures",
    "equal_mass_bins",
    "equal_width_bins",
    "expected_calibration_error",
    "retrieval_metrics",
    "selective_metrics",
    "wilson_interval",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

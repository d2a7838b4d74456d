"""Measuring: retrieval, classification, calibration, selection and conformal sets, on arrays."""

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

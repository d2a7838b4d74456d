"""Measuring: retrieval, classification, calibration, selection and conformal sets, on arrays."""

from retrieval.evaluation.metrics import (
    RetrievalMetrics,
    average_precision_lenient,
    retrieval_metrics,
)

__all__ = ["RetrievalMetrics", "average_precision_lenient", "retrieval_metrics"]

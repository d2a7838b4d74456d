"""What can be wrong with what is to be measured."""

from __future__ import annotations

from index.errors import CellKinError


class EvaluationError(CellKinError):
    """The cells, labels or answers given cannot be measured."""

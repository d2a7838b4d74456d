"""Errors of this part."""

from __future__ import annotations

from index.errors import CellKinError


class TrustError(CellKinError):
    """How far to trust answers cannot be said from what was given."""

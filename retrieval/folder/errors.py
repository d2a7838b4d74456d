"""What can go wrong when a folder or a laboratory is read as a whole."""

from __future__ import annotations

from index.errors import CellKinError


class FolderError(CellKinError):
    """Cells that cannot be read together."""


class AdaptError(CellKinError):
    """A laboratory that cannot be adapted to."""

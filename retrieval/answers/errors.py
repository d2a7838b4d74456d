"""What can go wrong while answering."""

from __future__ import annotations

from index.errors import CellKinError


class AnswerError(CellKinError):
    """An answer that cannot be given, or not written."""


class NoReferencesError(AnswerError):
    """No labelled and embedded cell may vote."""


class NothingToClassifyError(AnswerError):
    """A source without one readable picture."""

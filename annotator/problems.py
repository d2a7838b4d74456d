"""Errors that the annotator's logic raises; each knows the HTTP status it leaves with."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from index.errors import CellKinError


class AnnotatorError(CellKinError):
    """A problem of the annotator that its user can act on.

    ``more`` is told beside the error where an answer says more than what went wrong.
    """

    status = HTTPStatus.BAD_REQUEST
    more: Mapping[str, Any] = MappingProxyType({})


class BadRequestError(AnnotatorError):
    """A field of a request is missing or has a value that is not allowed."""


class StaleProposalError(AnnotatorError):
    """A label refers to a proposal that this run of the annotator did not make."""

    status = HTTPStatus.CONFLICT


class NothingToUndoError(AnnotatorError):
    """The author has done nothing that could be undone."""

    status = HTTPStatus.CONFLICT


class NothingToRedoError(AnnotatorError):
    """Nothing was undone since the author did something last."""

    status = HTTPStatus.CONFLICT


class BadTableError(AnnotatorError):
    """An imported table cannot be read or lacks a column."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class MissingPackageError(AnnotatorError):
    """A format needs a package that is not installed."""

    status = HTTPStatus.NOT_IMPLEMENTED


class ExportError(AnnotatorError):
    """An export cannot be written as asked."""


class PortInUseError(AnnotatorError):
    """Another program listens on the port."""


class AddressError(AnnotatorError):
    """The annotator cannot listen on the address."""


class ForeignHostError(AnnotatorError):
    """The annotator was reached under a name that is not its own."""

    status = HTTPStatus.MISDIRECTED_REQUEST


class CrossSiteError(AnnotatorError):
    """A change was asked for by something other than the annotator's own pages."""

    status = HTTPStatus.FORBIDDEN


class NotSignedInError(AnnotatorError):
    """An annotator with accounts was asked for something by nobody it knows."""

    status = HTTPStatus.UNAUTHORIZED


class WrongPasswordError(AnnotatorError):
    """Name and password do not belong together."""

    status = HTTPStatus.UNAUTHORIZED


class TooManyAttemptsError(AnnotatorError):
    """Somebody tried too often to sign in."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, message: str, remedy: str, wait: int) -> None:
        super().__init__(message, remedy)
        self.wait = wait  # seconds


class NotAllowedError(AnnotatorError):
    """The role of the account does not reach that far."""

    status = HTTPStatus.FORBIDDEN


class NotAssignedError(AnnotatorError):
    """The cell is for another reader to read."""

    status = HTTPStatus.FORBIDDEN


class LabelConflictError(AnnotatorError):
    """Somebody else labelled the cell since the page was loaded; both labels are kept."""

    status = HTTPStatus.CONFLICT

    def __init__(self, message: str, remedy: str, more: Mapping[str, Any]) -> None:
        super().__init__(message, remedy)
        self.more = more

"""Errors that the annotator's logic raises; each knows the HTTP status it leaves with."""

from __future__ import annotations

from http import HTTPStatus

from index.errors import CellKinError


class AnnotatorError(CellKinError):
    """A problem of the annotator that its user can act on."""

    status = HTTPStatus.BAD_REQUEST


class BadRequestError(AnnotatorError):
    """A field of a request is missing or has a value that is not allowed."""


class StaleProposalError(AnnotatorError):
    """A label refers to a proposal that this run of the annotator did not make."""

    status = HTTPStatus.CONFLICT


class NothingToUndoError(AnnotatorError):
    """The author has done nothing that could be undone."""

    status = HTTPStatus.CONFLICT


class BadTableError(AnnotatorError):
    """An imported table cannot be read or lacks a column."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


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

"""Errors of the annotator, and the one shape in which they leave it.

Every route below ``/api`` answers a failure with::

    {"error": {"type": "unknown_cell", "message": "...", "remedy": "..."}}

and every page with the same words in HTML.
"""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from annotator.language import gettext as _
from annotator.language import mark
from annotator.problems import AnnotatorError, TooManyAttemptsError
from annotator.rewording import reworded
from index.clustering import StaleClusterError, UnknownClusterError
from index.errors import (
    AccountError,
    AssignmentError,
    AtlasBusyError,
    AtlasReadOnlyError,
    CellKinError,
    DiskFullError,
    UnknownCellError,
    UnknownClassError,
    UnknownDatasetError,
    UnknownUserError,
)
from index.exploring import UnknownSelectionError
from index.sheet_records import SheetError

log = logging.getLogger("cellkin.annotator")


# Errors of the layers below that are not simply a bad request.
STATUS: dict[type[CellKinError], HTTPStatus] = {
    UnknownCellError: HTTPStatus.NOT_FOUND,
    UnknownDatasetError: HTTPStatus.NOT_FOUND,
    UnknownUserError: HTTPStatus.NOT_FOUND,
    UnknownClusterError: HTTPStatus.NOT_FOUND,
    UnknownSelectionError: HTTPStatus.NOT_FOUND,
    StaleClusterError: HTTPStatus.CONFLICT,
    AccountError: HTTPStatus.CONFLICT,
    AssignmentError: HTTPStatus.CONFLICT,
    UnknownClassError: HTTPStatus.UNPROCESSABLE_ENTITY,
    AtlasBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    AtlasReadOnlyError: HTTPStatus.SERVICE_UNAVAILABLE,
    DiskFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    SheetError: HTTPStatus.CONFLICT,
}

# What to say of the failures that the web framework finds by itself.
HTTP_WORDS = {
    400: (mark("the request could not be read"), mark("see docs/api.md for what this route takes")),
    404: (mark("there is nothing at {path}"), mark("start from the annotator's first page")),
    405: (
        mark("{method} is not possible at {path}, possible is {allowed}"),
        mark("use one of the methods named, see docs/api.md"),
    ),
    413: (
        mark("what was sent is larger than the {limit} that are accepted"),
        mark("split the file, or use 'cellkin import'"),
    ),
    415: (
        mark("the body is not JSON"),
        mark("send JSON with the header 'Content-Type: application/json'"),
    ),
}


# The heading of a page that says what went wrong.
PHRASES = {
    400: mark("Bad Request"),
    401: mark("Unauthorized"),
    403: mark("Forbidden"),
    404: mark("Not Found"),
    409: mark("Conflict"),
    500: mark("Internal Server Error"),
}


def error_type(error: CellKinError) -> str:
    """``UnknownCellError`` becomes ``unknown_cell``."""
    name = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def status_of(error: CellKinError) -> int:
    """The HTTP status for an error raised on purpose."""
    if isinstance(error, AnnotatorError):
        return int(error.status)
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return int(status)
    return int(HTTPStatus.BAD_REQUEST)


def answer(
    status: int, kind: str, message: str, remedy: str, **more: Any
) -> tuple[Response | str, int]:
    """The failure as JSON below ``/api``, with ``more`` beside it, else as a page."""
    if request.path.startswith("/api/") or request.path == "/api":
        return jsonify(error={"type": kind, "message": message, "remedy": remedy}, **more), status
    phrase = _(PHRASES.get(status, HTTPStatus(status).phrase))
    return (
        render_template("error.html", status=status, phrase=phrase, message=message, remedy=remedy),
        status,
    )


def _on_purpose(error: CellKinError) -> tuple[Response | str, int]:
    more = error.more if isinstance(error, AnnotatorError) else {}
    message, remedy = reworded(error)
    body, status = answer(status_of(error), error_type(error), message, remedy, **more)
    if isinstance(error, TooManyAttemptsError):
        response = make_response(body, status)
        response.headers["Retry-After"] = str(error.wait)
        return response, status
    return body, status


def _by_framework(error: HTTPException) -> tuple[Response | str, int] | HTTPException:
    code = error.code or 500
    if code < 400:
        return error  # a redirect is not a failure
    allowed = sorted(getattr(error, "valid_methods", None) or ())
    if code in HTTP_WORDS:
        words, remedy = HTTP_WORDS[code]
        remedy = _(remedy)
        words = _(words).format(
            path=request.path,
            method=request.method,
            allowed=", ".join(allowed) or "none",
            limit=f"{(request.max_content_length or 0) / 1048576:g} MiB",
        )
    else:
        words, remedy = error.name.lower(), _("see docs/api.md")
    kind = re.sub(r"[^a-z]+", "_", HTTPStatus(code).phrase.lower()).strip("_")
    body, status = answer(code, kind, words, remedy)
    if allowed and isinstance(body, Response):
        body.headers["Allow"] = ", ".join(allowed)
    return body, status


def _unexpected(error: Exception) -> tuple[Response | str, int]:
    log.exception("internal error at %s %s", request.method, request.path)
    return answer(
        500,
        "internal",
        _("internal error: %(kind)s", kind=type(error).__name__),
        _("labels shown as saved are saved; the server's log says where it happened, report it"),
    )


def handle_errors(app: Flask) -> None:
    """Give every failure of ``app`` its one shape."""
    app.register_error_handler(CellKinError, _on_purpose)
    app.register_error_handler(HTTPException, _by_framework)
    app.register_error_handler(Exception, _unexpected)

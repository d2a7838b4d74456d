"""What keeps other web pages and other machines out: host check, CSRF token, response headers."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, request, session

from annotator.config import LOOPBACK, AnnotatorConfig
from annotator.identity import by_program, identify
from annotator.problems import CrossSiteError, ForeignHostError

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# No 'unsafe-inline' anywhere: styles and scripts are files of this server and nothing else.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def csrf_token() -> str:
    """The token of this browser's session; made at the first call."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(32)
    return str(session["csrf"])


def host_name(netloc: str) -> str:
    """The name in ``name:port`` or ``[address]:port``, in lower case; empty if it is malformed."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").lower()
    except ValueError:
        return ""


def check_host(config: AnnotatorConfig) -> None:
    """Refuse a request that reached a loopback address under another name.

    A page of another site can have its own name resolved to 127.0.0.1 (DNS rebinding) and would
    then count as the same origin as the annotator.
    """
    if not config.is_local:
        return
    name = host_name(request.headers.get("Host", ""))
    if name not in LOOPBACK and name != config.host:
        raise ForeignHostError(
            f"this annotator was asked for under the name {name[:80]!r}, it answers to "
            "localhost and 127.0.0.1 only",
            "open the address that 'cellkin annotate' printed, or start it with --host to let "
            "other machines in",
        )


def check_origin() -> None:
    """Refuse a change that comes from a page of another site or carries no token of ours."""
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        raise CrossSiteError(
            f"a page of {origin[:80]} tried to change this atlas",
            "use the annotator's own pages",
        )
    given = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    known = session.get("csrf", "")
    if not known or not hmac.compare_digest(given.encode(), str(known).encode()):
        raise CrossSiteError(
            f"the request carries no valid token (header {CSRF_HEADER} or field {CSRF_FIELD})",
            "load the page again; a program reads the token from /api/v1/session",
        )


def protect(app: Flask, config: AnnotatorConfig) -> None:
    """Install the checks before, and the headers after, every request of ``app``."""

    @app.before_request
    def check() -> None:
        check_host(config)

    identify(app, config)

    @app.before_request
    def check_source() -> None:
        if not by_program():
            check_origin()

    @app.after_request
    def harden(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response

    app.jinja_env.globals["csrf_token"] = csrf_token

"""Who sends a request: by the browser's session, by a program's token, or the one at this machine.

The session cookie is a random secret of which the atlas keeps the hash, so that it outlives the
server, can be ended from there, and is of no use to who reads the database.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from annotator.config import AnnotatorConfig
from annotator.desk import Desk
from annotator.problems import NotAllowedError, NotSignedInError
from annotator.rooms import READER, ROLES, may_enter
from annotator.viewer import Person, set_viewer
from index.accounts import of_session, of_token
from index.records import User

OPEN = ("/static/", "/language/", "/login", "/join/", "/classes.css")
SESSION_DAYS = 14


def cookie_name() -> str:
    """Cookies are shared by all ports of a host: each atlas has its own."""
    return f"{current_app.config['SESSION_COOKIE_NAME']}_account"


def bearer() -> str | None:
    """The token that a program sent, or None."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def by_program() -> bool:
    """True where a program's token, which no other site can make a browser send, says who asks."""
    return bool(g.get("by_program"))


def _person(user: User) -> Person:
    return Person(user.name, user.role if user.role in ROLES else READER, account=True)


def find_person(config: AnnotatorConfig) -> Person | None:
    """Who sends the request; None for nobody known. Raises NotSignedInError on a bad token."""
    if not config.accounts:
        return Person(config.author)
    atlas = _desk().whole
    secret = bearer()
    if secret is not None:
        user = of_token(atlas, secret)
        if user is None:
            raise NotSignedInError(
                "the token sent is unknown or revoked", "make one on your account page"
            )
        g.by_program = True
        return _person(user)
    secret = request.cookies.get(cookie_name(), "")
    user = of_session(atlas, secret) if secret else None
    return None if user is None else _person(user)


def _desk() -> Desk:
    held: Desk = current_app.extensions["desk"]
    return held


def check_entry(person: Person | None) -> BaseResponse | None:
    """Let nobody in who is unknown or whose role does not reach; a page leads to the sign-in.

    Raises NotSignedInError, NotAllowedError.
    """
    path = request.path
    if path.startswith(OPEN):
        return None
    if person is None:
        if path.startswith("/api/") or request.method != "GET":
            raise NotSignedInError(
                "nobody is signed in", "sign in at /login, or send a token as 'Bearer TOKEN'"
            )
        back = request.full_path.rstrip("?")
        return redirect(url_for("people.login", next=None if back == "/" else back), 303)
    if not may_enter(person.role, path, request.blueprint):
        raise NotAllowedError(
            f"{person.name} has the role {person.role}, which does not reach {path}",
            "ask an owner of this atlas",
        )
    return None


def identify(app: Flask, config: AnnotatorConfig) -> None:
    """Ask before every request of ``app`` who sends it."""

    @app.before_request
    def enter() -> BaseResponse | None:
        set_viewer(None)
        person = find_person(config)
        set_viewer(person)
        return check_entry(person)

    @app.teardown_request
    def leave(error: BaseException | None) -> None:
        set_viewer(None)


def remember(response: Response | BaseResponse, secret: str) -> None:
    """Give the browser its session."""
    response.set_cookie(
        cookie_name(),
        secret,
        max_age=86400 * SESSION_DAYS,
        httponly=True,
        samesite="Strict",
        secure=request.is_secure,
    )

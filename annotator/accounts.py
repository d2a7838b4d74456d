"""Signing in, joining by invitation, and the rules for names and passwords. Imports no Flask."""

from __future__ import annotations

import math
import unicodedata
from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

from annotator.problems import BadRequestError, TooManyAttemptsError, WrongPasswordError
from annotator.rooms import OWNER, ROLES
from index import accounts
from index.accounts import CLOSED
from index.atlas import Atlas
from index.auditing import note
from index.records import User

WINDOW = 15 * 60.0  # seconds in which failed attempts count
MOST_NAME = 8  # failed attempts at one account within it
MOST_ADDRESS = 60  # attempts from one address: a whole laboratory may share it
INVITE_HOURS = 7 * 24
LEAST_PASSWORD, MOST_PASSWORD, MOST_LETTERS = 10, 1000, 80


@cache
def _nobody() -> str:
    """The hash of no password: an unknown name takes as long as a wrong password."""
    return generate_password_hash("")


def sign_in(atlas: Atlas, name: str, password: str, address: str, days: float) -> str:
    """The secret of a new session. Raises WrongPasswordError, TooManyAttemptsError.

    The attempt is noted before it is tried, so that many at once do not pass together.
    """
    name = clean(name)
    places = [f"name:{name.lower()}", f"address:{address}"]
    counts, age = accounts.failures(atlas, places, WINDOW)
    if counts.get(places[0], 0) >= MOST_NAME or counts.get(places[1], 0) >= MOST_ADDRESS:
        wait = max(1, math.ceil(WINDOW - age))
        raise TooManyAttemptsError(
            "there were too many attempts to sign in", f"wait {math.ceil(wait / 60)} minutes", wait
        )
    noted = accounts.note_attempt(atlas, places, WINDOW)
    user = accounts.user(atlas, name)
    closed = user is None or user.password_hash is None or user.role == CLOSED
    kept = _nobody() if closed or user is None else str(user.password_hash)
    right = check_password_hash(kept, password[: MOST_PASSWORD + 1])
    if not right or closed or user is None:
        note(atlas, name[:MOST_LETTERS] or "nobody", "failed sign in", {"address": address})
        raise WrongPasswordError(
            "name and password do not belong together",
            "try again, or ask an owner for a new invitation",
        )
    accounts.forget_attempts(atlas, noted, places[0])
    return accounts.begin_session(atlas, user.name, days)


def clean(name: str) -> str:
    """A name as it is kept: composed letters, single spaces."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def check_name(name: str) -> str:
    """``name`` as it is kept. Raises BadRequestError."""
    kept = clean(name)
    if not kept or len(kept) > MOST_LETTERS or not kept.isprintable():
        raise BadRequestError(
            f"the name is {name[:40]!r}, allowed are 1 to {MOST_LETTERS} printable letters",
            "choose the name that your labels shall carry",
        )
    return kept


def hashed(password: str, name: str) -> str:
    """The salted scrypt hash of a password. Raises BadRequestError on a bad one."""
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise BadRequestError(
            f"the password has {len(password)} letters, allowed are {LEAST_PASSWORD} to "
            f"{MOST_PASSWORD}",
            "a sentence of some words makes a good one",
        )
    if password.lower() == name.lower():
        raise BadRequestError("the password is the name", "choose another password")
    return generate_password_hash(password)


def join(atlas: Atlas, secret: str, name: str, full_name: str, password: str) -> User:
    """Take up an invitation. Raises BadRequestError, AccountError."""
    found = accounts.invitation(atlas, secret)
    kept = found.name if found is not None and found.name is not None else check_name(name)
    return accounts.join(atlas, secret, kept, clean(full_name)[:200], hashed(password, kept))


def invite(atlas: Atlas, role: str, author: str, name: str | None = None) -> str:
    """The path of a new invitation: to an account with ``role``, or to a new password for
    ``name``. Raises BadRequestError, UnknownUserError, AccountError."""
    check_role(role)
    return f"/join/{accounts.invite(atlas, role, author, INVITE_HOURS, name)}"


def invite_first(atlas: Atlas, author: str) -> str | None:
    """The path of an invitation to the first owner; None where there is an owner already."""
    return None if has_owner(atlas) else invite(atlas, OWNER, author)


def has_owner(atlas: Atlas) -> bool:
    """Whether the atlas has accounts: whether somebody could sign in as owner."""
    return accounts.count_role(atlas, OWNER) > 0


def check_role(role: str) -> str:
    """``role``, if it is one. Raises BadRequestError."""
    if role not in ROLES:
        raise BadRequestError(
            f"role is {role!r}, allowed is one of {', '.join(ROLES)}", "give one of these"
        )
    return role


def set_role(atlas: Atlas, name: str, role: str, author: str) -> None:
    """Give an account another role, or close it. Raises BadRequestError, AccountError."""
    if role != CLOSED:
        check_role(role)
    accounts.set_role(atlas, name, role, author, OWNER)


def change_password(atlas: Atlas, name: str, old: str, new: str) -> None:
    """Give an account another password. Raises WrongPasswordError, BadRequestError."""
    user = accounts.user(atlas, name)
    kept = user.password_hash if user is not None and user.password_hash else _nobody()
    if not check_password_hash(kept, old[: MOST_PASSWORD + 1]):
        raise WrongPasswordError("the present password is another", "try again")
    accounts.set_password(atlas, name, hashed(new, name))

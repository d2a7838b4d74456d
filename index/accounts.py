"""Accounts of an atlas: who may sign in, by which session or token, and who was invited.

Whoever reads the database learns no secret: of sessions, invitations and tokens only the SHA-256
is kept (they are random and long, so a slow hash would add nothing), of passwords what the caller
made of them.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from index.errors import AccountError, UnknownUserError
from index.moment import now
from index.part import Part, record
from index.people_tables import attempts, invites, sessions, tokens
from index.records import User
from index.schema import users

CLOSED = "closed"  # the role of an account that may no longer sign in; its labels stay


@dataclass(frozen=True)
class Invite:
    """An invitation: to a new account with ``role``, or to a new password for account ``name``."""

    role: str
    name: str | None
    author: str


@dataclass(frozen=True)
class Token:
    """A token by which a program acts for ``name``; ``revoked`` is when it ended."""

    id: int
    name: str
    title: str
    added: str
    revoked: str | None


def digest(secret: str) -> str:
    """What is kept of a session, an invitation or a token."""
    return hashlib.sha256(secret.encode()).hexdigest()


def user(atlas: Part, name: str) -> User | None:
    """The account called ``name``, or None."""
    with atlas.database.read() as connection:
        row = connection.execute(select(users).where(users.c.name == name)).first()
    return None if row is None else User(**row._mapping)


def count_role(atlas: Part, role: str) -> int:
    """How many accounts have ``role``."""
    with atlas.database.read() as connection:
        return int(
            connection.execute(select(func.count()).where(users.c.role == role)).scalar_one()
        )


# invitations -----------------------------------------------------------------------------------


def invite(atlas: Part, role: str, author: str, hours: float, name: str | None = None) -> str:
    """Make an invitation that ``hours`` from now no longer counts; returns its secret.

    Raises UnknownUserError, AccountError where ``name`` is closed.
    """
    secret = secrets.token_urlsafe(24)
    row = {
        "token": digest(secret),
        "role": role,
        "name": name,
        "author": author,
        "added": now(),
        "expires": time.time() + 3600 * hours,
    }
    with atlas.database.write() as connection:
        if name is not None and _known(connection, name).role == CLOSED:
            raise AccountError(f"the account {name!r} is closed", "give it a role first")
        connection.execute(insert(invites).values(**row))
        record(connection, author, "invite", {"role": role, "name": name})
    return secret


def invitation(atlas: Part, secret: str) -> Invite | None:
    """The invitation of that secret, if it can still be taken up."""
    with atlas.database.read() as connection:
        return _invitation(connection, secret)


def _invitation(connection: Connection, secret: str) -> Invite | None:
    row = connection.execute(
        select(invites).where(
            invites.c.token == digest(secret),
            invites.c.used_by.is_(None),
            invites.c.expires > time.time(),
        )
    ).first()
    return None if row is None else Invite(row.role, row.name, row.author)


def join(atlas: Part, secret: str, name: str, full_name: str, password_hash: str) -> User:
    """Take up an invitation, once: make the account, or give it its new password.

    Raises AccountError when the invitation does not count or the name is taken.
    """
    with atlas.database.write() as connection:
        found = _invitation(connection, secret)
        if found is None:
            raise AccountError(
                "this invitation is unknown, used up or out of date",
                "ask an owner of the atlas for a new one",
            )
        if found.name is not None:
            name = found.name
            values: dict[str, Any] = {"password_hash": password_hash}
            connection.execute(update(users).where(users.c.name == name).values(**values))
            _end_sessions(connection, name)
            record(connection, name, "new password", {"by": "invitation"})
        else:
            # Names that differ in case alone are one, or a reader could pass for another. SQLite's
            # own lower() knows the letters of English only.
            if name.casefold() in map(str.casefold, connection.scalars(select(users.c.name))):
                raise AccountError(f"the name {name!r} is taken", "choose another name")
            values = {"role": found.role, "password_hash": password_hash, "full_name": full_name}
            connection.execute(insert(users).values(name=name, added=now(), **values))
            record(connection, name, "join", {"role": found.role, "invited_by": found.author})
        connection.execute(
            update(invites).where(invites.c.token == digest(secret)).values(used_by=name)
        )
        row = connection.execute(select(users).where(users.c.name == name)).one()
    return User(**row._mapping)


def _known(connection: Connection, name: str) -> Any:
    row = connection.execute(select(users).where(users.c.name == name)).first()
    if row is None:
        names = connection.execute(select(users.c.name)).scalars().all()
        raise UnknownUserError(
            f"there is no account {name!r}, there are {', '.join(names) or 'none yet'}",
            "name one of these",
        )
    return row


# changes of an account -------------------------------------------------------------------------


def set_role(atlas: Part, name: str, role: str, author: str, last: str) -> None:
    """Give an account another role; CLOSED also ends its sessions, tokens and links to a password.

    The only account with role ``last``, which invites, keeps it; the invitations of another that
    loses it count no longer. Raises UnknownUserError, AccountError.
    """
    with atlas.database.write() as connection:
        before = _known(connection, name).role
        others = select(func.count()).where(users.c.role == last, users.c.name != name)
        if before == last and role != last and not connection.execute(others).scalar_one():
            raise AccountError(
                f"{name!r} is the only {last} of this atlas", f"make somebody else {last} first"
            )
        connection.execute(update(users).where(users.c.name == name).values(role=role))
        if role == CLOSED:
            _end_sessions(connection, name)
            mine = (tokens.c.name == name) & tokens.c.revoked.is_(None)
            connection.execute(update(tokens).where(mine).values(revoked=now()))
            _end_invitations(connection, invites.c.name == name)
        if before == last and role != last:
            _end_invitations(connection, invites.c.author == name)
        record(connection, author, "role", {"name": name, "from": before, "to": role})


def _end_invitations(connection: Connection, which: Any) -> None:
    """Let the open ones of ``which`` count no longer, or one could come back by one's own link."""
    open_ = invites.c.used_by.is_(None)
    connection.execute(update(invites).where(which, open_).values(expires=0.0))


def set_password(atlas: Part, name: str, password_hash: str) -> None:
    """Give an account another password and end its sessions. Raises UnknownUserError."""
    with atlas.database.write() as connection:
        _known(connection, name)
        values = {"password_hash": password_hash}
        connection.execute(update(users).where(users.c.name == name).values(**values))
        _end_sessions(connection, name)
        record(connection, name, "new password", {"by": "account page"})


# sessions --------------------------------------------------------------------------------------


def begin_session(atlas: Part, name: str, days: float) -> str:
    """Sign ``name`` in; returns the secret for the browser. Sessions that ended are forgotten."""
    secret = secrets.token_urlsafe(32)
    moment = time.time()
    with atlas.database.write() as connection:
        connection.execute(delete(sessions).where(sessions.c.expires <= moment))
        row = {"token": digest(secret), "name": name, "added": now()}
        connection.execute(insert(sessions).values(**row, expires=moment + 86400 * days))
        record(connection, name, "sign in", {})
    return secret


def end_session(atlas: Part, secret: str) -> None:
    """Sign out; nothing happens where the session is unknown."""
    with atlas.database.write() as connection:
        found = sessions.c.token == digest(secret)
        name = connection.execute(select(sessions.c.name).where(found)).scalar()
        if name is not None:
            connection.execute(delete(sessions).where(found))
            record(connection, name, "sign out", {})


def _end_sessions(connection: Connection, name: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.name == name))


def of_session(atlas: Part, secret: str) -> User | None:
    """Who is signed in by that secret, or None."""
    valid = (sessions.c.token == digest(secret)) & (sessions.c.expires > time.time())
    return _through(atlas, sessions, valid)


# tokens of programs ----------------------------------------------------------------------------


def make_token(atlas: Part, name: str, title: str) -> str:
    """A new token by which a program acts for ``name``; this is the only time it is seen."""
    secret = f"ck_{secrets.token_urlsafe(32)}"
    row = {"token": digest(secret), "name": name, "title": title, "added": now()}
    with atlas.database.write() as connection:
        connection.execute(insert(tokens).values(**row))
        record(connection, name, "make token", {"title": title})
    return secret


def revoke_token(atlas: Part, name: str, token_id: int) -> None:
    """End one of the tokens of ``name``. Raises AccountError without such a token."""
    mine = (tokens.c.id == token_id) & (tokens.c.name == name) & tokens.c.revoked.is_(None)
    with atlas.database.write() as connection:
        changed = connection.execute(update(tokens).where(mine).values(revoked=now()))
        if changed.rowcount == 0:
            raise AccountError(f"there is no token {token_id} of {name}", "see the account page")
        record(connection, name, "revoke token", {"token": token_id})


def tokens_of(atlas: Part, name: str) -> list[Token]:
    """The tokens of an account, newest first; the revoked included."""
    names = ("id", "name", "title", "added", "revoked")
    query = select(*(tokens.c[each] for each in names)).where(tokens.c.name == name)
    with atlas.database.read() as connection:
        return [Token(*row) for row in connection.execute(query.order_by(tokens.c.id.desc()))]


def of_token(atlas: Part, secret: str) -> User | None:
    """For whom a program acts by that token, or None."""
    return _through(atlas, tokens, (tokens.c.token == digest(secret)) & tokens.c.revoked.is_(None))


def _through(atlas: Part, table: Any, valid: Any) -> User | None:
    query = select(users).join(table, table.c.name == users.c.name).where(valid)
    with atlas.database.read() as connection:
        row = connection.execute(query.where(users.c.role != CLOSED)).first()
    return None if row is None else User(**row._mapping)


# attempts to sign in ---------------------------------------------------------------------------


def failures(atlas: Part, places: list[str], seconds: float) -> tuple[dict[str, int], float]:
    """Attempts at each of ``places`` within the last ``seconds``, and the oldest's age."""
    since = time.time() - seconds
    query = (
        select(attempts.c.place, func.count(), func.min(attempts.c.moment))
        .where(attempts.c.place.in_(places), attempts.c.moment > since)
        .group_by(attempts.c.place)
    )
    with atlas.database.read() as connection:
        rows = connection.execute(query).fetchall()
    oldest = min((row[2] for row in rows), default=time.time())
    return {row[0]: int(row[1]) for row in rows}, time.time() - oldest


def note_attempt(atlas: Part, places: list[str], seconds: float) -> list[int]:
    """Note an attempt at each of ``places``; those older than ``seconds`` are forgotten.

    Returns the numbers under which they are noted.
    """
    moment = time.time()
    with atlas.database.write() as connection:
        connection.execute(delete(attempts).where(attempts.c.moment <= moment - seconds))
        new = insert(attempts).returning(attempts.c.id)
        rows = [{"place": place, "moment": moment} for place in places]
        return list(connection.execute(new, rows).scalars())


def forget_attempts(atlas: Part, numbers: list[int], place: str) -> None:
    """Forget the attempts ``numbers`` and all at ``place``, after one that succeeded."""
    gone = attempts.c.id.in_(numbers) | (attempts.c.place == place)
    with atlas.database.write() as connection:
        connection.execute(delete(attempts).where(gone))

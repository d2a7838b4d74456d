"""Who is at work on the request under way. Imports neither torch nor Flask.

The person is kept beside the request, so that whatever is read for it, in whatever room, is read
through that person's eyes (see ``annotator.sights``). Threads of their own have no viewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from annotator.rooms import OWNER, READER, REVIEWERS


@dataclass(frozen=True)
class Person:
    """Who asks: the name labels are recorded under, and the role. ``account`` is False in an
    annotator without accounts, where the one who started it may do everything."""

    name: str
    role: str = OWNER
    account: bool = False

    @property
    def reviews(self) -> bool:
        """True for who may decide between readers, and so sees all labels."""
        return self.role in REVIEWERS

    @property
    def is_reader(self) -> bool:
        """True for an account that only reads."""
        return self.account and self.role == READER


_VIEWER: ContextVar[Person | None] = ContextVar("viewer", default=None)


def viewer() -> Person | None:
    """Who asks; None outside a request and on pages before the sign-in."""
    return _VIEWER.get()


def set_viewer(person: Person | None) -> None:
    """From now on, in this thread, it is ``person`` who asks."""
    _VIEWER.set(person)


@contextmanager
def seen_by(person: Person | None) -> Iterator[None]:
    """Within the block it is ``person`` who asks; None sees everything."""
    token = _VIEWER.set(person)
    try:
        yield
    finally:
        _VIEWER.reset(token)

"""What the routes of exploring share."""

from __future__ import annotations

import threading

from flask import current_app

from annotator.api import desk
from annotator.explore.room import Exploring

_lock = threading.Lock()


def exploring() -> Exploring:
    """What the exploring pages of this annotator hold; made at the first request."""
    held = current_app.extensions.get("exploring")
    if held is None:
        with _lock:
            held = current_app.extensions.setdefault("exploring", Exploring(desk()))
    found: Exploring = held
    return found

"""The time as the atlas writes it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The present time, ISO 8601 in UTC with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")

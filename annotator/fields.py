"""Fields of requests, read and checked; what is wrong is named with what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotator.language import mark
from annotator.problems import BadRequestError
from index.records import CellFilter

LONGEST_TEXT = 2000
LARGEST = 2**53  # the largest whole number that a script's numbers hold


def is_whole(text: str) -> bool:
    """Whether ``text`` is a whole number from 0 to LARGEST, in plain digits."""
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST))
    return plain and int(text) <= LARGEST


def whole_number(given: Mapping[str, str], name: str, least: int = 0) -> int | None:
    """The whole number in field ``name``, None where it is absent or empty."""
    text = given.get(name, "").strip()
    if not text:
        return None
    if not is_whole(text) or int(text) < least:
        raise BadRequestError(
            f"{name} is {text[:40]!r}, allowed is a whole number from {least}",
            f"give {name} such a number or leave it out",
        )
    return int(text)


def optional_text(sent: Mapping[str, Any], name: str) -> str | None:
    """The text in field ``name``, stripped; None where it is absent, null or empty."""
    value = sent.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise BadRequestError(
            f"{name} is {str(value)[:40]!r}, allowed is text of at most {LONGEST_TEXT} letters",
            f"send {name} as text or leave it out",
        )
    return value.strip() or None


def optional_number(sent: Mapping[str, Any], name: str) -> float | None:
    """The number from 0 in field ``name``; None where it is absent or null."""
    value = sent.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST:
        raise BadRequestError(
            f"{name} is {str(value)[:40]!r}, allowed is a number from 0",
            f"send {name} as a number or leave it out",
        )
    return value


def optional_bool(sent: Mapping[str, Any], name: str) -> bool | None:
    """The true or false in field ``name``; None where it is absent or null."""
    value = sent.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise BadRequestError(
        f"{name} is {str(value)[:40]!r}, allowed is true or false", f"send {name} as one of these"
    )


def required_bool(sent: Mapping[str, Any], name: str) -> bool:
    """The true or false in field ``name``, which must be there."""
    value = optional_bool(sent, name)
    if value is None:
        raise BadRequestError(f"the field {name!r} is missing", f"send {name} as true or false")
    return value


def choice(given: Mapping[str, str], name: str, allowed: Mapping[str, Any], default: str) -> str:
    """The value of field ``name``, one of ``allowed``."""
    value = given.get(name, "") or default
    if value not in allowed:
        raise BadRequestError(
            f"{name} is {value[:40]!r}, allowed is one of {', '.join(allowed)}",
            "give one of these",
        )
    return value


# What the browsing page can be limited to, beyond data set, class and author.
STATES: dict[str, str] = {
    "labelled": mark("labelled"),
    "unlabelled": mark("not labelled yet"),
    "flagged": mark("flagged"),
    "disputed": mark("disputed"),
    "all": mark("all cells"),
}


def page_filter(given: Mapping[str, str]) -> tuple[CellFilter, str, str]:
    """Filter, state and searched text of a browsing request."""
    state = choice(given, "state", STATES, "labelled")
    labelled = {"labelled": True, "unlabelled": False}.get(state)
    wanted = CellFilter(
        datasets=_one(given, "dataset"),
        classes=_one(given, "class"),
        authors=_one(given, "author"),
        labelled=labelled,
        flagged=True if state == "flagged" else None,
    )
    return wanted, state, given.get("text", "").strip()[:LONGEST_TEXT]


def _one(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    value = given.get(name, "").strip()
    return (value,) if value else ()

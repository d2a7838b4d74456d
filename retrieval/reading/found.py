"""What reading yields: a picture found, or a file passed over and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Found:
    """One picture (one page, one row of an array, one box of a field) and what is known of it.

    ``file`` is its name as the source gives it: relative to the source with ``/``, or as the
    table spells it. ``path`` is where it lies. ``class_text`` and ``subclass_text`` are the
    source's own words, not yet looked up in a taxonomy; None where it says nothing. ``whole``
    says that every page of the file is meant, each a cell (see ``pages``).
    """

    file: str
    path: Path
    frame: int = 0
    member: str | None = None
    class_text: str | None = None
    subclass_text: str | None = None
    patient: str | None = None
    slide: str | None = None
    stain: str | None = None
    scanner: str | None = None
    field: str | None = None
    box: tuple[int, int, int, int] | None = None
    split: str | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file, folder or row of a table that gave no cell, and why."""

    file: str
    reason: str


SPLITS = {
    "train": "train", "training": "train", "tr": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "ts": "test", "testa": "test", "testb": "test",
}  # fmt: skip


def split_of(text: str | None) -> str | None:
    """train, val or test for the names data sets give them; other names stay as they are."""
    if not text:
        return None
    plain = text.strip().lower().replace("-", "").replace("_", "").replace(" ", "")
    return SPLITS.get(plain, text.strip())

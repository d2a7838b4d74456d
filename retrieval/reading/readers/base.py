"""What a reader is: it knows one layout of folders or files and says what lies in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Protocol

from retrieval.reading.decode import TIFF_SUFFIXES
from retrieval.reading.found import Found, PassedOver
from retrieval.reading.walk import Entry, walk


@dataclass(frozen=True)
class Request:
    """What is to be read. ``known`` says whether a text names a class, under any alias."""

    source: Path
    labels: Path | None
    known: Callable[[str], bool]

    def walk(self) -> Iterator[Entry | PassedOver]:
        """The pictures below the source; its own table of labels is left out without a word."""
        skip: frozenset[str] = frozenset()
        if self.labels is not None:
            root, labels = self.source.resolve(), self.labels.resolve()
            if labels.is_relative_to(root):
                skip = frozenset({labels.relative_to(root).as_posix()})
        return walk(self.source, skip=skip)


class Reader(Protocol):
    """One layout. ``name`` is what ``--reader`` takes, ``summary`` says what it reads."""

    name: str
    summary: str

    def recognises(self, request: Request) -> bool:
        """Whether the source has this layout, told from few names and no pixels."""
        ...

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """Every picture of the source, in a fixed order, and every file passed over."""
        ...


def found(entry: Entry, **known: str | None) -> Found:
    """A Found of ``entry``; a TIFF stands for all its pages."""
    suffix = entry.file[entry.file.rfind(".") :].lower()
    made = Found(entry.file, Path(entry.path), whole=suffix in TIFF_SUFFIXES)
    return replace(made, **known) if known else made  # type: ignore[arg-type]


def subfolders(folder: Path) -> list[Path]:
    """The visible folders directly below, sorted; empty when ``folder`` is none."""
    try:
        return sorted(
            each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")
        )
    except OSError:
        return []


def first_names(folder: Path, most: int) -> list[str]:
    """Some visible names in the folder; empty when it cannot be listed."""
    try:
        visible = (each.name for each in folder.iterdir() if not each.name.startswith("."))
        return list(islice(visible, most))
    except OSError:
        return []


def once(function: Callable[[str], bool]) -> Callable[[str], bool]:
    """``function`` remembered for each text: folder names repeat for every file in them."""
    return cache(function)

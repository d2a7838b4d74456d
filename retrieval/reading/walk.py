"""Walk a folder of pictures: sorted, each folder once, nothing silently left out."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retrieval.reading.decode import SUFFIXES
from retrieval.reading.errors import SourceError
from retrieval.reading.found import PassedOver

# Written by operating systems and viewers beside pictures; naming each would bury the report.
LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
MASKS = frozenset({"mask", "masks"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that may be a picture: its name relative to the root with ``/``, and its path."""

    file: str
    path: str

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders between the root and the file, outermost first."""
        return tuple(self.file.split("/")[:-1])

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.file.rsplit("/", 1)[-1]


def walk(
    root: Path, suffixes: frozenset[str] = SUFFIXES, *, skip: frozenset[str] = frozenset()
) -> Iterator[Entry | PassedOver]:
    """Yield the files below ``root`` whose suffix says picture; others as PassedOver.

    Links to files and folders are followed, a folder is read once however many links lead to it.
    ``skip`` holds files (relative to root) to leave out without a word.

    Raises SourceError when ``root`` is missing or no folder.
    """
    check_folder(root)
    yield from _walk(str(root), "", suffixes, skip, set())


def check_folder(root: Path) -> None:
    """Raise SourceError unless ``root`` is a folder that can be listed."""
    try:
        os.scandir(root).close()
    except FileNotFoundError as error:
        raise SourceError(f"no folder {root}", "check the path") from error
    except NotADirectoryError as error:
        raise SourceError(f"{root} is no folder", "give the folder it lies in") from error
    except OSError as error:
        raise SourceError(
            f"folder {root} cannot be read: {error.strerror}", "allow reading it"
        ) from error


def _walk(
    folder: str,
    prefix: str,
    suffixes: frozenset[str],
    skip: frozenset[str],
    seen: set[tuple[int, int]],
) -> Iterator[Entry | PassedOver]:
    try:
        status = os.stat(folder)  # noqa: PTH116 - strings are three times as fast here
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield PassedOver(prefix.rstrip("/"), f"folder cannot be read: {error.strerror}")
        return
    if (status.st_dev, status.st_ino) in seen:
        yield PassedOver(prefix.rstrip("/"), "a link to a folder already read")
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        name = entry.name
        file = prefix + name
        try:
            name.encode()
        except UnicodeEncodeError:
            yield PassedOver(readable(file), "its name is not UTF-8")
            continue
        if name.lower() in LITTER:
            continue
        try:
            folder_inside = entry.is_dir()
        except OSError as error:  # a link to itself, or a folder that may be listed but not entered
            yield PassedOver(file, f"cannot be read: {error.strerror}")
            continue
        if folder_inside:
            if name.startswith("."):
                yield PassedOver(file, "hidden folder")
            elif name.lower() in MASKS:
                yield PassedOver(file, "folder of masks, not of cells")
            else:
                yield from _walk(entry.path, file + "/", suffixes, skip, seen)
        elif file not in skip:
            yield _judge(entry, file, suffixes)


def _judge(entry: os.DirEntry[str], file: str, suffixes: frozenset[str]) -> Entry | PassedOver:
    if entry.name.startswith("."):
        return PassedOver(file, "hidden file")
    suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
    if suffix not in suffixes:
        return PassedOver(file, f"no picture by its name ({suffix or 'no suffix'})")
    if not entry.is_file():
        broken = entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110
        return PassedOver(file, "a link to nothing" if broken else "no regular file")
    return Entry(file, entry.path)


def readable(name: str) -> str:
    """``name`` with bytes that are no UTF-8 written as ``\\xNN``, so that it can be printed."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def plain(name: str) -> str:
    """A file name to compare by: ``/`` between folders, composed accents, no leading ``./``."""
    name = unicodedata.normalize("NFC", name.strip().replace("\\", "/"))
    while name.startswith("./"):
        name = name[2:]
    return name

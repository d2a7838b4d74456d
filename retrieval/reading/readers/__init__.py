"""The one registry of readers, in the order in which a source is tried.

A new layout is a class with ``name``, ``summary``, ``recognises`` and ``read`` (see ``base``), a
line here, a test and a row in docs/reading.md.
"""

from __future__ import annotations

import difflib

from retrieval.reading.errors import SourceError, UnknownReaderError
from retrieval.reading.readers.base import Reader, Request
from retrieval.reading.readers.bccd import BCCD
from retrieval.reading.readers.folders import ClassFolders, Flat
from retrieval.reading.readers.medmnist import MedMNIST
from retrieval.reading.readers.published import JHU, PBC, Munich, Raabin
from retrieval.reading.readers.single import Single
from retrieval.reading.readers.table import TableReader

_ALL: tuple[Reader, ...] = (
    TableReader(), MedMNIST(), Single(), JHU(), Raabin(), Munich(), PBC(), BCCD(), ClassFolders(),
    Flat(),
)  # fmt: skip

READERS: dict[str, Reader] = {reader.name: reader for reader in _ALL}

__all__ = ["READERS", "Reader", "Request", "detect", "reader_named"]


def detect(request: Request) -> Reader:
    """The first reader that recognises the source. Raises SourceError."""
    if not request.source.exists():
        raise SourceError(f"no file or folder {request.source}", "check the path")
    for reader in READERS.values():
        if reader.recognises(request):
            return reader
    raise SourceError(
        f"{request.source} is no folder, table, picture or array file",
        "give a folder of pictures, a .csv, an .npz of MedMNIST, or one picture",
    )


def reader_named(name: str) -> Reader:
    """The reader called ``name``. Raises UnknownReaderError with the list."""
    if name in READERS:
        return READERS[name]
    close = difflib.get_close_matches(name, READERS, n=1)
    raise UnknownReaderError(
        f"reader is {name!r}, allowed is one of {', '.join(READERS)}",
        f"did you mean {close[0]}" if close else "leave --reader out to have it found",
    )

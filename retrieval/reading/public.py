"""The public data sets there is an address for; the table is ``datasets.toml``."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from retrieval.reading.errors import FetchError

TABLE = Path(__file__).with_name("datasets.toml")


@dataclass(frozen=True)
class RemoteFile:
    """One file to download. ``checksum`` is (md5 or sha256, hexadecimal), None: not published.

    ``size`` is in bytes, None where only the server knows it; ``about`` says it in words.
    ``inside`` is the one folder of an archive that is wanted, "" for all.
    """

    name: str
    url: str
    size: int | None = None
    checksum: tuple[str, str] | None = None
    about: str = ""
    inside: str = ""


@dataclass(frozen=True)
class Listing:
    """An address that lists a record's files; ``kind`` is mendeley or figshare."""

    kind: str
    url: str
    wanted: tuple[str, ...]


@dataclass(frozen=True)
class PublicSet:
    """A public data set, with what must be said of it before it is downloaded."""

    name: str
    title: str
    holds: str
    reader: str
    page: str
    licence: str
    citation: str
    files: tuple[RemoteFile, ...] = ()
    listing: Listing | None = None


@cache
def public_sets() -> dict[str, PublicSet]:
    """All sets by name."""
    with TABLE.open("rb") as file:
        rows = tomllib.load(file)
    return {name: _set(name, {**rows.get(row.get("like", ""), {}), **row})
            for name, row in rows.items()}  # fmt: skip


def public_set(name: str) -> PublicSet:
    """The set called ``name``. Raises FetchError with the names there are."""
    sets = public_sets()
    if name in sets:
        return sets[name]
    close = difflib.get_close_matches(name, sets, n=1)
    raise FetchError(
        f"data set is {name!r}, allowed is one of {', '.join(sets)}",
        f"did you mean {close[0]}" if close else "see 'cellkin fetch' for what each holds",
    )


def _set(name: str, row: dict[str, Any]) -> PublicSet:
    listing = row.get("listing")
    return PublicSet(
        name=name,
        title=row["title"],
        holds=row["holds"],
        reader=row["reader"],
        page=row["page"],
        licence=row["licence"],
        citation=row["citation"],
        files=tuple(_file(each) for each in row.get("files", ())),
        listing=Listing(listing["kind"], listing["url"], tuple(listing["wanted"]))
        if listing
        else None,
    )


def _file(row: dict[str, Any]) -> RemoteFile:
    kinds = [kind for kind in ("md5", "sha256") if kind in row]
    return RemoteFile(
        row["name"],
        row["url"],
        row.get("size"),
        (kinds[0], row[kinds[0]]) if kinds else None,
        row.get("about", ""),
        row.get("inside", ""),
    )

"""Fetch a public data set: look up its files, download, verify, unpack, write down the source."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from retrieval.reading.download import checksum_words, download, read_json
from retrieval.reading.errors import FetchError
from retrieval.reading.public import PublicSet, RemoteFile, public_set
from retrieval.reading.unpack import ARCHIVES, unpack

RECORD = "SOURCE.json"


@dataclass
class FetchReport:
    """What lies where. ``source`` is what to give to ``cellkin import``."""

    name: str
    folder: str
    source: str
    reader: str
    files: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return asdict(self)


def fetch(
    name: str | PublicSet,
    to: str | Path,
    *,
    before: Callable[[PublicSet, list[RemoteFile]], None] | None = None,
    pause: float = 1.0,
) -> FetchReport:
    """Bring a public data set into folder ``to/NAME``; what is there already is left alone.

    ``before`` is called with the set and its files before the first byte, to show licence, size
    and citation. SOURCE.json in the folder records addresses and SHA-256 of what was received.
    Raises FetchError.
    """
    chosen = public_set(name) if isinstance(name, str) else name
    folder = Path(to) / chosen.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FetchError(
            f"folder {folder} cannot be made: {error.strerror}", "give another folder with --to"
        ) from error
    files = list_files(chosen, folder)
    if before is not None:
        before(chosen, files)
    record = _read_record(folder)
    report = FetchReport(chosen.name, str(folder), str(folder), chosen.reader)
    for file in files:
        target = folder / file.name
        sha256 = download(file, target, pause=pause)
        row = {
            "name": file.name,
            "url": file.url,
            "size": target.stat().st_size,
            "sha256": sha256,
            "checked_against": checksum_words(file),
            "unpacked": record.get(file.name, {}).get("unpacked", []),
        }
        gone = not row["unpacked"] or not all((folder / each).exists() for each in row["unpacked"])
        if target.suffix.lower() in ARCHIVES and gone:
            row["unpacked"] = unpack(target, folder, inside=file.inside)
        report.files.append(row)
        _write_record(folder, chosen, report)
    if chosen.reader == "medmnist" and files:
        report.source = str(folder / files[0].name)
    return report


def list_files(chosen: PublicSet, folder: Path) -> list[RemoteFile]:
    """The files of a set with the size and checksum the publisher gives now.

    Where the list cannot be read and the table has addresses, those are used, without a checksum.
    Raises FetchError.
    """
    if chosen.listing is None:
        return list(chosen.files)
    try:
        rows = read_json(chosen.listing.url, folder / chosen.listing.wanted[0])
        parse = {"mendeley": _mendeley, "figshare": _figshare}[chosen.listing.kind]
        files = [
            file
            for file in parse(rows)
            if any(fnmatch(file.name, pattern) for pattern in chosen.listing.wanted)
        ]
    except (KeyError, TypeError, AttributeError) as error:
        if chosen.files:
            return list(chosen.files)
        raise _by_hand(chosen, folder, "its list of files has an unknown form") from error
    except FetchError as error:
        if chosen.files:
            return list(chosen.files)
        raise _by_hand(chosen, folder, error.message) from error
    if not files and not chosen.files:
        raise _by_hand(chosen, folder, "its list of files is empty")
    return files or list(chosen.files)


def _by_hand(chosen: PublicSet, folder: Path, why: str) -> FetchError:
    return FetchError(
        f"the files of {chosen.name} cannot be looked up: {why}",
        f"get them by hand from {chosen.page}, unpack them in {folder}, then import that folder",
    )


def _mendeley(rows: Any) -> list[RemoteFile]:
    files = []
    for row in rows:
        details = row["content_details"]
        sha256 = details.get("sha256_hash")
        files.append(
            RemoteFile(
                _safe(row["filename"]),
                details["download_url"],
                details.get("size"),
                ("sha256", sha256) if sha256 else None,
            )
        )
    return files


def _figshare(rows: Any) -> list[RemoteFile]:
    files = []
    for row in rows["files"]:
        md5 = row.get("computed_md5") or row.get("supplied_md5")
        files.append(
            RemoteFile(
                _safe(row["name"]),
                row["download_url"],
                row.get("size"),
                ("md5", md5) if md5 else None,
            )
        )
    return files


def _safe(name: str) -> str:
    """The bare name: a list of files must not choose the folder."""
    bare = PurePosixPath(name.replace("\\", "/")).name
    if bare in ("", ".", ".."):
        raise FetchError(f"a file called {name!r} is listed", "get the files by hand")
    return bare


def _read_record(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        rows = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return {row["name"]: row for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # it is written again below


def _write_record(folder: Path, chosen: PublicSet, report: FetchReport) -> None:
    value = {
        "name": chosen.name,
        "title": chosen.title,
        "page": chosen.page,
        "licence": chosen.licence,
        "citation": chosen.citation,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": report.files,
    }
    part = folder / (RECORD + ".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / RECORD)


def moved(chosen: PublicSet, url: str) -> PublicSet:
    """The set with all its files below ``url``: a mirror, or a server of one's own."""
    files = tuple(replace(each, url=f"{url.rstrip('/')}/{each.name}") for each in chosen.files)
    return replace(chosen, files=files, listing=None)

"""Download one file: resumable, verified, in place only when whole."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from index.progress import progress_bar
from retrieval.reading.errors import FetchError
from retrieval.reading.public import RemoteFile

BLOCK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte
TRIES = 5  # in a row without a byte more
# Mendeley Data answers 403 to the library's own name.
AGENT = "Mozilla/5.0 (compatible; CellKin; research)"


def download(file: RemoteFile, target: Path, *, pause: float = 1.0) -> str:
    """Bring ``file`` to ``target`` and return its SHA-256 in hexadecimal.

    What is there already and right is left alone. An interrupted download lies beside as
    ``.part`` and is gone on with. ``pause`` is the first wait in seconds before trying again,
    doubled each time. Raises FetchError; ``target`` is either whole and verified or not there.
    """
    if target.exists():
        return _verify(file, target, keep=True)
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    _receive(file, part, target, pause)
    sha256 = _verify(file, part, keep=False)
    part.replace(target)
    _note(part).unlink(missing_ok=True)
    return sha256


class _AnsweredError(Exception):
    """The server answered with a status that is no success."""

    def __init__(self, code: int, content_range: str) -> None:
        super().__init__(f"HTTP {code}")
        self.code = code
        self.content_range = content_range


def _open(url: str, headers: dict[str, str]) -> Any:
    """The answer to a request. Raises _AnsweredError, OSError or HTTPException."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(f"{url} is no web address", "give an address of http or https")
    request = urllib.request.Request(url, headers={"User-Agent": AGENT, **headers})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            raise _AnsweredError(error.code, error.headers.get("Content-Range") or "") from error


def read_json(url: str, target: Path) -> Any:
    """The JSON document at ``url``. Raises FetchError."""
    try:
        with _open(url, {}) as answer:
            return json.loads(answer.read(1 << 24))
    except _AnsweredError as error:
        raise _refused(url, error.code, target) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error, target) from error
    except ValueError as error:
        raise FetchError(
            f"{url} answers with something that is no JSON", _by_hand(url, target)
        ) from error


def checksum_words(file: RemoteFile) -> str:
    """The checksum as shown before the download."""
    return f"{file.checksum[0]} {file.checksum[1]}" if file.checksum else "not published"


def _receive(file: RemoteFile, part: Path, target: Path, pause: float) -> None:
    """Append to ``part`` until it is whole, going on after broken connections."""
    failed = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _receive_once(file, part, target):
                return
            problem: Exception = ConnectionResetError("the connection broke off")
        except _AnsweredError as error:
            if error.code < 500 and error.code != 429:
                raise _refused(file.url, error.code, target) from error
            problem = error
        except (OSError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) == 28:
                raise FetchError(
                    f"the disk is full: {part} cannot grow", "make room and repeat; it goes on"
                ) from error
            problem = error
        grown = (part.stat().st_size if part.exists() else 0) > before
        failed = 1 if grown else failed + 1
        if failed >= TRIES or (not part.exists() and _no_network(problem)):
            raise _unreachable(file.url, problem, target) from problem
        time.sleep(pause * 2 ** (failed - 1))


def _receive_once(file: RemoteFile, part: Path, target: Path) -> bool:
    """One connection; whether the file is whole afterwards."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        version = _version(part)
        if version:
            headers["If-Range"] = version
    try:
        answer = _open(file.url, headers)
    except _AnsweredError as error:
        if error.code == 416 and have:  # nothing beyond what is here, or the file has changed
            if error.content_range.endswith(f"/{have}"):
                return True
            part.unlink()
            return False
        raise
    with answer:
        length: str = answer.headers.get("Content-Length") or ""
        resumed = answer.status == 206 and _start(answer.headers.get("Content-Range")) == have
        have = have if resumed else 0
        total: int | None = file.size if not length.isdigit() else have + int(length)
        _check_room(part, total, have, target)
        _remember(part, answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")
        with (
            part.open("ab" if resumed else "wb") as sink,
            progress_bar(total, f"fetch {target.name}", "byte") as bar,
        ):
            bar.unit, bar.unit_scale = "B", True
            bar.update(have)
            while block := answer.read(BLOCK):
                sink.write(block)
                bar.update(len(block))
            sink.flush()
            os.fsync(sink.fileno())
    return total is None or part.stat().st_size >= total


def _verify(file: RemoteFile, path: Path, *, keep: bool) -> str:
    """SHA-256 of a file that is proved right; a wrong one is removed unless ``keep``."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            sha256.update(block)
            if file.checksum and file.checksum[0] == "md5":
                md5.update(block)
    size = path.stat().st_size
    got = None
    if file.checksum is not None:
        kind, wanted = file.checksum
        found = (md5 if kind == "md5" else sha256).hexdigest()
        if found != wanted.lower():
            got = f"{kind} {found}, expected is {wanted}"
    elif file.size is not None and size != file.size:
        got = f"size {size}, expected is {file.size}"
    if got is None:
        return sha256.hexdigest()
    if keep:
        raise FetchError(f"{path} is another file: {got}", "move it away and fetch again")
    path.unlink()
    _note(path).unlink(missing_ok=True)
    raise FetchError(
        f"{file.name} arrived with {got}; it was removed",
        "fetch again; if it stays wrong, the publisher has changed the file",
    )


def _check_room(part: Path, total: int | None, have: int, target: Path) -> None:
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - have > free:
        raise FetchError(
            f"{target.name} needs {(total - have) / 1e6:,.0f} MB, free are {free / 1e6:,.0f} MB",
            "make room or give another folder with --to",
        )


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".version")


def _remember(part: Path, version: str) -> None:
    """Keep the server's name for this version: a changed file must not be glued to an old start."""
    if version and not version.startswith("W/"):
        _note(part).write_text(version, encoding="utf-8")
    else:
        _note(part).unlink(missing_ok=True)


def _version(part: Path) -> str:
    note = _note(part)
    return note.read_text(encoding="utf-8") if note.exists() else ""


def _start(content_range: str | None) -> int:
    """The first byte of ``bytes 100-199/200``; -1 when it says something else."""
    words = (content_range or "").removeprefix("bytes ").split("-")
    return int(words[0]) if words[0].isdigit() else -1


def _no_network(problem: Exception) -> bool:
    """Whether trying again at once is pointless: no such host, no route, nothing listens."""
    reason = getattr(problem, "reason", problem)
    passing = (TimeoutError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
    return isinstance(reason, OSError) and not isinstance(reason, passing)


def _by_hand(url: str, target: Path) -> str:
    return f"get it by hand from {url}, save it as {target}, then run the same command again"


def _unreachable(url: str, error: BaseException, target: Path) -> FetchError:
    reason = getattr(error, "reason", None) or error
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return FetchError(f"{urlsplit(url).netloc} cannot be reached: {words}", _by_hand(url, target))


def _refused(url: str, code: int, target: Path) -> FetchError:
    return FetchError(f"{urlsplit(url).netloc} refuses {url}: HTTP {code}", _by_hand(url, target))

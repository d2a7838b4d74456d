"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from index.errors import CellKinError


class WriteError(CellKinError):
    """A result could not be written where it was asked for."""


def check_file(out: Path, what: str = "a CSV file", option: str = "--out") -> None:
    """Raise WriteError unless ``out`` can be the name of a new file, before any work is done.

    ``what`` is the kind of file: "a PNG file" must be named so. ``option`` is what named it.
    """
    if what == "a PNG file" and out.suffix.lower() != ".png":
        raise WriteError(f"{option} is {out}, allowed is a name ending in .png", "add .png")
    if out.is_dir():
        raise WriteError(f"{out} is a folder", f"give {option} the name of {what}")
    if not out.parent.is_dir():
        raise WriteError(
            f"there is no folder {out.parent}", f"make it, or give {option} another place"
        )
    _check_writable(out, out.parent)


def check_folder(out: Path, what: str) -> None:
    """Raise WriteError unless ``out`` can be the folder of ``what``, before any work is done.

    Folders that are not there yet are made when it is written.
    """
    above = out
    while not above.exists() and above.parent != above:
        above = above.parent
    if not above.is_dir():
        raise WriteError(
            f"{above} is a file, {what} is written into a folder",
            "give --out the path of a folder, new or of an earlier one",
        )
    _check_writable(out, above)


def _check_writable(out: Path, folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WriteError(
            f"{out} cannot be written: the folder {folder} is write-protected",
            "give a place that can be written",
        )


def write_whole(path: Path, content: bytes | str) -> None:
    """Write ``content`` (text as UTF-8) to ``path``, replacing what was there in one step.

    It is written beside and synced first: a full disk or a crash leaves the old file as it was.
    Folders above are made. Raises WriteError.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise WriteError(
            f"{path} cannot be written: {error.strerror or error}",
            "give a place that can be written and has room",
        ) from error

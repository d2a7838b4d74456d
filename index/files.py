"""Files that are either whole or absent, and the named errors of the file system."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.errors import AtlasError, AtlasReadOnlyError, DiskFullError, StorageError


def named_os_error(error: OSError, what: Path) -> AtlasError:
    """The named error of a failure to write ``what``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"no room left to write {what}",
            "free some disk space and run the command again; what was acknowledged is kept",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return AtlasReadOnlyError(
            f"{what} may not be written",
            "make the folder and its files writable, or choose one where you may write",
        )
    return StorageError(
        f"{what} cannot be written ({error.strerror or error})", "check the path and the disk"
    )


@contextmanager
def writing_beside(target: Path) -> Iterator[Path]:
    """A path beside ``target`` that takes its place when the block ends, or is removed.

    The block leaves a file there; it is flushed to disk before it takes the place.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield beside
        flush(beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file so that ``target`` is either whole or absent. Raises OSError."""
    with writing_beside(target) as beside:
        shutil.copyfile(source, beside)


def flush(file: Path) -> None:
    """Wait until a file is on disk."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())

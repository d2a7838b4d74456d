"""Unpack an archive without trusting it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from index.progress import track
from retrieval.reading.errors import FetchError

ARCHIVES = frozenset({".zip", ".rar"})
# An archive of pictures hardly shrinks them; one that grows more than this is built to fill disks.
LARGEST_GROWTH = 100
# RAR has no reader in Python's library; these do, if one is installed.
TOOLS: dict[str, tuple[str, ...]] = {
    "unar": ("-quiet", "-no-directory", "-output-directory", "{to}", "{archive}"),
    "bsdtar": ("-x", "-f", "{archive}", "-C", "{to}"),
    "7z": ("x", "-y", "-bd", "-o{to}", "{archive}"),
    "unrar": ("x", "-y", "-idq", "{archive}", "{to}/"),
}


def unpack(archive: Path, folder: Path, *, inside: str = "") -> list[str]:
    """Unpack ``archive`` into ``folder`` and return the names that appear there.

    Everything is unpacked beside first and moved in when whole. ``inside`` is the one folder of
    the archive that is wanted. A member that would land outside ``folder``, or is a link, makes
    the whole archive refused. Raises FetchError.
    """
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as scratch:
        into = Path(scratch)
        if archive.suffix.lower() == ".zip":
            _unzip(archive, into)
        else:
            _with_tool(archive, into)
        _refuse_links(archive, into)
        shutil.rmtree(into / "__MACOSX", ignore_errors=True)
        top = _find(into, inside) if inside else into
        if top is None:
            raise FetchError(
                f"{archive} holds no folder {inside}", "the publisher has changed the archive"
            )
        made = [top] if inside else sorted(top.iterdir())
        for each in made:
            target = folder / each.name
            if target.is_dir():
                shutil.rmtree(target)
            each.replace(target)
        return [each.name for each in made]


def _unzip(archive: Path, into: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as packed:
            members = packed.infolist()
            for member in members:
                _check_name(archive, member.filename)
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise _hostile(archive, member.filename, "is a link")
            size = sum(member.file_size for member in members)
            if size > LARGEST_GROWTH * max(archive.stat().st_size, 1 << 20):
                raise _hostile(archive, f"{size / 1e9:.0f} GB", "would fill the disk")
            _check_room(archive, into, size)
            for member in track(members, len(members), f"unpack {archive.name}", "file"):
                packed.extract(member, into)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FetchError(
            f"{archive} is no whole zip archive: {error}", "remove it and fetch again"
        ) from error


def _check_name(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]:
        raise _hostile(archive, name, "would land outside the folder")


def _check_room(archive: Path, into: Path, size: int) -> None:
    free = shutil.disk_usage(into).free
    if size > free:
        raise FetchError(
            f"unpacking {archive.name} needs {size / 1e6:,.0f} MB, free are {free / 1e6:,.0f} MB",
            "make room, then run the same command again",
        )


def _with_tool(archive: Path, into: Path) -> None:
    for tool, arguments in TOOLS.items():
        program = shutil.which(tool)
        if program is None:
            continue
        filled = [part.format(to=into, archive=archive.absolute()) for part in arguments]
        done = subprocess.run([program, *filled], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        said = (done.stderr or done.stdout).strip().splitlines()
        raise FetchError(
            f"{tool} cannot unpack {archive}: {said[-1] if said else done.returncode}",
            "remove the archive and fetch again",
        )
    raise FetchError(
        f"{archive} is whole, but nothing here unpacks {archive.suffix}",
        f"install one of {', '.join(TOOLS)} and run the same command again",
    )


def _refuse_links(archive: Path, into: Path) -> None:
    for folder, folders, files in os.walk(into):
        for name in (*folders, *files):
            if (Path(folder) / name).is_symlink():
                raise _hostile(archive, name, "is a link")


def _find(into: Path, name: str) -> Path | None:
    return next((path for path in sorted(into.rglob(name)) if path.is_dir()), None)


def _hostile(archive: Path, what: str, why: str) -> FetchError:
    return FetchError(
        f"{archive} is refused: {what} in it {why}", "tell the publisher; unpack it by hand"
    )

"""Pictures that are rows of an array inside an ``.npz`` file; never unpickled."""

from __future__ import annotations

import shutil
import tempfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import IO

import numpy as np

from retrieval.reading.errors import ImageMissingError, ImageUnreadableError

KEPT_OPEN = 6  # the three splits of two files

_lock = threading.Lock()
_open: OrderedDict[tuple[str, int, int, str], np.ndarray] = OrderedDict()


def open_array(path: Path, member: str) -> np.ndarray:
    """The array ``member`` of the ``.npz`` file, mapped from a temporary file, not held in memory.

    Raises ImageMissingError or ImageUnreadableError.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ImageMissingError(f"no file {path}", "check the path") from error
    key = (str(path), status.st_mtime_ns, status.st_size, member)
    with _lock:
        if key in _open:
            _open.move_to_end(key)
            return _open[key]
        array = _map_member(path, member)
        _open[key] = array
        while len(_open) > KEPT_OPEN:
            _open.popitem(last=False)
        return array


def array_row(path: Path, member: str, row: int) -> np.ndarray:
    """Row ``row`` as uint8 [H, W, 3]; rows are uint8 [H, W], [H, W, 1] or [H, W, 3]."""
    array = open_array(path, member)
    if not 0 <= row < len(array):
        raise ImageUnreadableError(
            f"{path} has no row {row} in {member}, it holds {len(array)}", "give a row it holds"
        )
    picture = np.array(array[row])
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[:, :, 0]
    channels = picture.shape[2:]
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or channels not in ((), (3,)):
        raise ImageUnreadableError(
            f"a row of {member} in {path} is {picture.dtype} {list(picture.shape)}, "
            "allowed is uint8 [height, width] or [height, width, 3]",
            "convert the array first",
        )
    return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture


def member_names(path: Path) -> list[str]:
    """The names of the arrays inside, without reading them; empty when ``path`` is no such file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
    except (OSError, zipfile.BadZipFile):
        return []


def _map_member(path: Path, member: str) -> np.ndarray:
    # A row deep in a compressed array can only be reached by unpacking all before it, so the
    # array is unpacked once, to a nameless temporary file that goes away with the process.
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as packed:
            return _map(packed)
    except KeyError as error:
        raise ImageUnreadableError(
            f"{path} holds no array {member}", "give a file of the layout the reader expects"
        ) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ImageUnreadableError(
            f"{path}: array {member} cannot be read: {error}", "download the file again"
        ) from error


def _map(packed: IO[bytes]) -> np.ndarray:
    with tempfile.TemporaryFile() as file:  # the map holds a handle of its own
        shutil.copyfileobj(packed, file, 1 << 20)
        file.seek(0)
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        if dtype.hasobject:
            raise ValueError("it holds pickled objects, which are never read")
        if 0 in shape:
            return np.zeros(shape, dtype)
        return np.memmap(
            file, dtype, "r", offset=file.tell(), shape=shape, order="F" if fortran else "C"
        )

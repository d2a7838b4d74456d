"""Copies of pictures inside an atlas, named by their pixels."""

from __future__ import annotations

import io
import os
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from index.errors import CellKinError, DiskFullError

FOLDER = "images"


def store(atlas: Path, sha256: str, rgb: np.ndarray, original: Path | None) -> str:
    """Keep a picture as ``images/ab/abcd….suffix``; returns that path, relative to the atlas.

    ``original`` is copied byte for byte; without it (a page, a row, a box) the pixels, uint8
    [H, W, 3], are written as PNG. A copy that is there already is left alone.
    """
    suffix = original.suffix.lower() if original is not None else ".png"
    name = f"{FOLDER}/{sha256[:2]}/{sha256}{suffix}"
    target = atlas / name
    if target.exists():
        return name
    if original is not None:
        data = original.read_bytes()
    else:
        buffer = io.BytesIO()
        Image.fromarray(rgb).save(buffer, "PNG", compress_level=3)
        data = buffer.getvalue()
    # Two threads may hold the same picture: each writes its own file, the last rename wins.
    part = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        kind = DiskFullError if error.errno == 28 else CellKinError
        raise kind(
            f"a copy cannot be written to {target}: {error.strerror}",
            "make room or allow writing, then repeat the import",
        ) from error
    return name

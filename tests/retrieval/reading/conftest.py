"""Small pictures for the tests of reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def blob(seed: int, height: int = 12, width: int = 16) -> np.ndarray:
    """Seeded uint8 [height, width, 3], different for every seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def picture() -> Callable[..., np.ndarray]:
    """``picture(seed)``: the pixels that ``paint`` writes for that seed."""
    return blob


@pytest.fixture
def paint() -> Callable[..., Path]:
    """``paint(path, seed)`` writes a lossless picture and the folders above it."""

    def write(path: Path, seed: int = 0, **size: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = "TIFF" if path.suffix.lower() in (".tif", ".tiff") else "PNG"
        Image.fromarray(blob(seed, **size)).save(path, kind)
        return path

    return write

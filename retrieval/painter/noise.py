"""Smooth random texture, cheap enough to be used for every cell.

Filtering fresh noise for each cell would cost more than everything else. A few large tiles that
wrap around are made once a process from a fixed seed; a texture is a crop at a random place, in one
of eight orientations. The tiles are the same everywhere, so a seed paints the same cell everywhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.floating[Any]]

TILE = 512
_TILE_SEED = 20200410


@lru_cache(maxsize=64)
def _tile(grain: float) -> Floats:
    """A tile float32 [512, 512] of mean 0 and variance 1, smooth over about ``grain`` pixels."""
    rng = np.random.Generator(np.random.PCG64([_TILE_SEED, round(grain * 100)]))
    white = rng.standard_normal((TILE, TILE))
    smooth = ndimage.gaussian_filter(white, grain, mode="wrap") if grain > 0 else white
    smooth -= smooth.mean()
    smooth /= smooth.std()
    tile: Floats = smooth.astype(np.float32)
    tile.flags.writeable = False
    return tile


def texture(rng: np.random.Generator, height: int, width: int, grain: float) -> Floats:
    """A random texture float32 [height, width], mean about 0 and variance about 1.

    ``grain`` is the standard deviation in pixels of the smoothing, rounded to a tenth; 0 is white
    noise. Textures larger than the tile of 512 pixels repeat.
    """
    tile = _tile(round(max(grain, 0.0), 1))
    turn, top, left = (int(rng.integers(n)) for n in (8, TILE, TILE))
    if turn & 1:
        tile = tile[::-1]
    if turn & 2:
        tile = tile[:, ::-1]
    if turn & 4:
        tile = tile.T
    bottom, right = top + height, left + width
    if bottom > TILE or right > TILE:
        rows = np.arange(top, bottom) % TILE
        columns = np.arange(left, right) % TILE
        return np.ascontiguousarray(tile[np.ix_(rows, columns)])
    return np.ascontiguousarray(tile[top:bottom, left:right])

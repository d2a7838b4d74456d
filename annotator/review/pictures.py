"""How alike two pictures are, whatever their size and however they are turned."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from retrieval.reading.errors import ImageError

if TYPE_CHECKING:
    from annotator.pictures import Pictures
    from annotator.review.matters import Look
    from index.atlas import Atlas

SIDE = 32  # pixels a side at which pictures are compared
ALIKE = 0.9  # correlation from which two pictures count as nearly the same, see docs/review.md
CENTRED = 0.85  # the same for two cells as the network sees them: centred, at one scale
SHIFT = 2  # pixels of SIDE by which the middle of a cell may be found apart in two pictures of it


def detail(picture: np.ndarray) -> np.ndarray:
    """What makes a picture this one and no other: float32 [S, S], mean 0 and variance 1.

    picture: uint8 [S, S, 3]. Its smooth part, what depends on the distance from the middle alone,
    is taken off: two dark cells on a light ground are not alike by that.
    """
    grey = picture.astype(np.float64).mean(axis=2)
    y, x = np.mgrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j]
    radius = (x**2 + y**2).ravel()
    smooth = np.column_stack([radius**power for power in range(4)])
    flat = grey.ravel()
    rest = flat - smooth @ np.linalg.lstsq(smooth, flat, rcond=None)[0]
    rest -= rest.mean()
    spread = rest.std()
    return (rest / (spread if spread > 1e-9 else 1.0)).reshape(grey.shape).astype(np.float32)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """The largest correlation of detail ``one`` with the eight turns and mirrorings of ``other``.

    Both float32 [S, S] as of ``detail``. 1 is the same but for brightness and contrast.
    """
    turned = [np.rot90(way, turns) for way in (other, other[:, ::-1]) for turns in range(4)]
    return max(float((one * each).mean()) for each in turned)


def aligned(one: np.ndarray, other: np.ndarray, shift: int = SHIFT) -> float:
    """The largest correlation of the middles of two details, ``other`` moved by up to ``shift``.

    Both float32 [S, S] as of ``detail``. Not turned: one cell cropped twice is not turned.
    """
    inner = slice(shift, one.shape[0] - shift)
    middle = _standard(one[inner, inner])
    steps = range(2 * shift + 1)
    size = one.shape[0] - 2 * shift
    moved = (other[y : y + size, x : x + size] for y in steps for x in steps)
    return max(float((middle * _standard(each)).mean()) for each in moved)


def _standard(values: np.ndarray) -> np.ndarray:
    spread = float(values.std())
    standard: np.ndarray = (values - values.mean()) / (spread if spread > 1e-9 else 1.0)
    return standard


class Details:
    """The details of an atlas's pictures, each read once."""

    def __init__(self, atlas: Atlas, pictures: Pictures) -> None:
        self._atlas = atlas
        self._pictures = pictures
        self._held: dict[int, np.ndarray | None] = {}

    def of(self, cell_id: int) -> np.ndarray | None:
        """``detail`` of a cell's picture; None where the picture is gone."""
        if cell_id not in self._held:
            try:
                data = self._pictures.thumbnail(self._atlas.cell(cell_id))
            except ImageError:
                self._held[cell_id] = None
            else:
                with Image.open(io.BytesIO(data)) as image:
                    square = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
                self._held[cell_id] = detail(np.asarray(square))
        return self._held[cell_id]

    def alike(self, one: int, other: int) -> float | None:
        """The likeness of two cells, 0 to 1; None below ALIKE, or where a picture is gone."""
        first, second = self.of(one), self.of(other)
        if first is None or second is None:
            return None
        found = likeness(first, second)
        return min(found, 1.0) if found >= ALIKE else None


class CentredDetails:
    """The details of an atlas's cells as the network sees them, each made once.

    ``view`` gives the cell found, centred and scaled, uint8 [S, S, 3]; so a copy that was shifted
    or cropped otherwise looks as its original does.
    """

    def __init__(self, atlas: Atlas, view: Look) -> None:
        self._atlas = atlas
        self._view = view
        self._held: dict[int, np.ndarray | None] = {}

    def of(self, cell_id: int) -> np.ndarray | None:
        """``detail`` of a cell's view, float16 to save room; None where there is no picture."""
        if cell_id not in self._held:
            try:
                seen = Image.fromarray(self._view(self._atlas.cell(cell_id)))
            except ImageError:
                self._held[cell_id] = None
            else:
                square = seen.resize((SIDE, SIDE), Image.Resampling.BOX)
                self._held[cell_id] = detail(np.asarray(square)).astype(np.float16)
        return self._held[cell_id]

    def alike(self, one: int, other: int) -> float | None:
        """The likeness of two cells, 0 to 1; None below CENTRED, or where a picture is gone."""
        first, second = self.of(one), self.of(other)
        if first is None or second is None:
            return None
        found = aligned(first.astype(np.float32), second.astype(np.float32))
        return min(found, 1.0) if found >= CENTRED else None

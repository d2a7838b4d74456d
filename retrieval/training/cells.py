"""Training pictures under the cell view: found, centred, scaled, with room to turn and move.

Beside each picture stand a soft mask of the cell, so that its background can be replaced, and how
much its own scale differs from the one it has half from its laboratory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from index import Cell
from index.errors import CellKinError
from index.progress import progress_bar
from index.settings import setting
from retrieval.cellview import CellFinder, CellView, Finding, laboratory_diameter
from retrieval.cellview.finder import WORKING, working

AROUND = 1.35  # how many times the view's side is kept
LIKELY = 0.43  # of the cell's map: from here on a pixel is the cell's
SPREAD = 5  # pixels of a square by which the mask is widened, so that pale rims stay
SOFT = 1.5  # standard deviation in pixels of the mask's edge
FEWEST = 60  # pixels of a mask; below, the whole picture counts as cell
OWN_SCALE = (0.7, 1.35)  # limits of what the cell's own scale may differ by
CHUNK = 64


@dataclass
class CellPictures:
    """Pictures uint8 [N, F, F, 3] and masks uint8 [N, F, F], both mapped from files.

    own: float32 [N], the side of the cell's own scale over the side that was taken. failed: why
    a row has no picture.
    """

    pictures: np.ndarray
    masks: np.ndarray
    own: np.ndarray
    failed: dict[int, str]


def kept_side(view: CellView) -> int:
    """Side F of the pictures that are kept for training under ``view``, in pixels."""
    return round(view.input_size * AROUND)


def read_cell_pictures(
    cells: Sequence[Cell],
    read: Callable[[Cell], np.ndarray],
    view: CellView,
    finder: CellFinder,
    folder: Path,
) -> CellPictures:
    """Find every cell, then cut it at the scale of its data set, into files in ``folder``.

    Two passes over the pictures: a data set's median diameter is known when all are found.
    """
    side = kept_side(view)
    shape = (len(cells), side, side)
    pictures = np.lib.format.open_memmap(
        folder / "pictures.npy", mode="w+", dtype=np.uint8, shape=(*shape, 3)
    )
    masks = np.lib.format.open_memmap(folder / "masks.npy", mode="w+", dtype=np.uint8, shape=shape)
    found: dict[int, Finding] = {}
    failed: dict[int, str] = {}
    for rows, images in _read(cells, read, failed, "finding cells"):
        found |= zip(rows, finder.find(images), strict=True)
    typical = {
        dataset: laboratory_diameter(
            found[row] for row, cell in enumerate(cells) if cell.dataset == dataset and row in found
        )
        for dataset in {cell.dataset for cell in cells}
    }
    wide = replace(view, input_size=side, filled=view.filled * view.input_size / side)
    own = np.ones(len(cells), np.float32)
    for rows, images in _read(cells, read, failed, "reading"):
        for row, image in zip(rows, images, strict=True):
            usual = typical[cells[row].dataset]
            pictures[row] = wide.picture(image, found[row], usual)
            if usual and found[row].found:
                own[row] = np.clip(np.sqrt(found[row].diameter / usual), *OWN_SCALE)
        usuals = [typical[cells[row].dataset] for row in rows]
        maps = _maps(finder, wide, images, [found[row] for row in rows], usuals)
        for row, one in zip(rows, maps, strict=True):
            masks[row] = soft_mask(one, side)
    return CellPictures(pictures, masks, own, failed)


def soft_mask(cell: np.ndarray, side: int) -> np.ndarray:
    """A map of the cell [S, S] in 0..1 as a mask uint8 [side, side] with soft edges.

    All 255 where the map shows next to nothing: a cell that is not seen is not cut away.
    """
    larger = ndimage.zoom(cell, side / cell.shape[0], order=1)
    widened = ndimage.binary_dilation(larger > LIKELY, np.ones((SPREAD, SPREAD)))
    mask = ndimage.gaussian_filter(widened.astype(np.float32), SOFT)
    if mask.sum() < FEWEST:
        return np.full((side, side), 255, np.uint8)
    found: np.ndarray = (mask * 255).astype(np.uint8)
    return found


def _maps(
    finder: CellFinder,
    view: CellView,
    images: Sequence[np.ndarray],
    findings: Sequence[Finding],
    usuals: Sequence[float | None],
) -> np.ndarray:
    """Maps of the cell [N, 96, 96] in the squares that ``view`` takes."""
    x, y, sides = (np.empty(len(images), np.float32) for _ in range(3))
    for number, (image, finding, usual) in enumerate(zip(images, findings, usuals, strict=True)):
        height, width = image.shape[:2]
        whole = max(height, width)
        pixel = WORKING / whole
        x[number] = (finding.x + (whole - width) // 2) * pixel
        y[number] = (finding.y + (whole - height) // 2) * pixel
        sides[number] = view.side(finding, usual, whole) * pixel
    return finder.masks(np.stack([working(image) for image in images]), x, y, sides)[..., 0]


def _read(
    cells: Sequence[Cell], read: Callable[[Cell], np.ndarray], failed: dict[int, str], what: str
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """The pictures of ``cells`` in chunks, with their rows; what cannot be read is ``failed``."""

    def picture_or_reason(row: int) -> np.ndarray | str:
        try:
            return read(cells[row])
        except CellKinError as error:
            return str(error)

    with (
        ThreadPoolExecutor(max(1, int(setting("workers")))) as pool,
        progress_bar(len(cells), what) as bar,
    ):
        for start in range(0, len(cells), CHUNK):
            chunk = range(start, min(start + CHUNK, len(cells)))
            rows, images = [], []
            for row, result in zip(chunk, pool.map(picture_or_reason, chunk), strict=True):
                if isinstance(result, str):
                    failed[row] = result
                elif row not in failed:
                    rows.append(row)
                    images.append(result)
            bar.update(len(chunk))
            if rows:
                yield rows, images

"""Pictures and masks that the finder of cells is taught on: PBC's train cells and TXL's fields.

No mask is drawn by hand. A mask of PBC is made of a given box: inside the ellipse of the box what
is denser than the ground is cell, and what is densest in red is nucleus (Otsu's threshold).
Platelets have no box: the dense spot nearest the middle is taken. A cell of a field is cut out with
2.6 times its size around it, and every white cell that shows is in the mask.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from retrieval.cellview.finder import WORKING, working
from retrieval.reading.decode import decode

PER_CLASS = 260  # cells of PBC a class
NATIVE = 360  # side of PBC's pictures in the pixels of its boxes
DENSE, DENSE_IN_FIELD = 0.08, 0.06  # optical density from which a pixel is cell
PLATELET = 0.18  # the same in red, of a platelet
NUCLEUS = 0.25  # least optical density in red of a nucleus
AROUND = 2.6  # side of a cut-out of a field, in cell sizes


@dataclass(frozen=True)
class FinderData:
    """N pictures uint8 [N, 192, 192, 3] and masks of cell and nucleus uint8 [N, 192, 192, 2].

    The first ``cells`` are of PBC, the rest cut out of fields. sha256: of all of it.
    """

    pictures: np.ndarray
    masks: np.ndarray
    cells: int
    sha256: str


def finder_data(folder: Path) -> FinderData:
    """Everything, from the folder of real images, in a fixed order."""
    cells = list(pbc_cells(folder / "pbc"))
    fields = list(field_cells(folder / "txl_fields"))
    pictures = np.stack([picture for picture, _ in cells + fields])
    masks = np.stack([mask for _, mask in cells + fields])
    digest = hashlib.sha256(pictures.tobytes())
    digest.update(masks.tobytes())
    return FinderData(pictures, masks, len(cells), digest.hexdigest())


def density(picture: np.ndarray) -> np.ndarray:
    """Optical density [S, S, 3] against the picture's bright quarter, smoothed a little."""
    green = picture[..., 1].astype(np.float32)
    bright = picture[green >= np.percentile(green, 75)].astype(np.float32)
    ground = np.median(bright, 0)
    raw = -np.log((picture.astype(np.float32) + 2) / (ground + 2))
    smooth: np.ndarray = ndimage.gaussian_filter(raw, (1, 1, 0))
    return smooth


def otsu(values: np.ndarray) -> float:
    """The threshold that parts ``values`` (0..2) best: Otsu, IEEE Trans. SMC 9(1), 1979."""
    counts, edges = np.histogram(values, 128, (0, 2))
    centres = (edges[:-1] + edges[1:]) / 2
    below, total = counts.cumsum(), counts.sum()
    sums = (counts * centres).cumsum()
    above = total - below
    between = np.zeros(128)
    both = (below > 0) & (above > 0)
    apart = sums[both] / below[both] - (sums[-1] - sums[both]) / above[both]
    between[both] = below[both] * above[both] * apart**2
    return float(centres[between.argmax()])


def mask_in_box(
    picture: np.ndarray, box: tuple[float, float, float, float], dense: float = DENSE
) -> np.ndarray:
    """Mask uint8 [192, 192, 2] of the cell in ``box`` (left, top, width, height, in pixels)."""
    left, top, width, height = box
    rows, columns = np.mgrid[:WORKING, :WORKING]
    across = (columns - left - width / 2) / (width / 2)
    along = (rows - top - height / 2) / (height / 2)
    inside = across**2 + along**2 <= 1
    mask = np.zeros((WORKING, WORKING, 2), np.uint8)
    if not inside.any():
        return mask
    stain = density(picture)
    cell = ndimage.binary_closing((stain.max(2) > dense) & inside, np.ones((7, 7))) & inside
    red = stain[..., 0]
    mask[..., 0] = cell
    mask[..., 1] = (red > max(otsu(np.clip(red[inside], 0, 1.99)), NUCLEUS)) & inside
    return mask


def platelet_mask(picture: np.ndarray) -> np.ndarray | None:
    """Mask of the dense spot nearest the middle; None where there is none of a platelet's size."""
    spots, count = ndimage.label(density(picture)[..., 0] > PLATELET, np.ones((3, 3)))
    if not count:
        return None
    numbers = np.arange(1, count + 1)
    areas = np.bincount(spots.ravel(), minlength=count + 1)[1:]
    centres = np.array(ndimage.center_of_mass(spots > 0, spots, numbers))
    away = np.hypot(*(centres - WORKING / 2).T)
    away[(areas <= 40) | (away >= 30)] = np.inf
    nearest = int(away.argmin())
    if not np.isfinite(away[nearest]) or areas[nearest] > 3500:
        return None
    mask = np.zeros((WORKING, WORKING, 2), np.uint8)
    mask[..., 0] = ndimage.binary_dilation(spots == nearest + 1, np.ones((3, 3)))
    return mask


def pbc_cells(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Up to PER_CLASS train cells of each class of PBC with their masks."""
    rows = pd.read_csv(folder / "labels.csv")
    boxes = pd.read_csv(folder / "cell_boxes_native_px.csv").set_index("path")
    rows = rows.rename(columns={"class": "code"}).sample(frac=1, random_state=0)
    rows = rows[(rows["split"] == "train") & (rows["acquisition"] == "A_360x363")]
    taken: Counter[str] = Counter()
    for row in rows.itertuples():
        boxed = row.path in boxes.index
        if taken[row.code] >= PER_CLASS or not (boxed or row.code == "platelet"):
            continue
        picture = working(decode(folder / "images" / row.path))
        if boxed:
            x, y, w, h = (boxes.loc[row.path, ["x", "y", "w", "h"]] * WORKING / NATIVE).tolist()
            mask = mask_in_box(picture, (x, y, w, h))
        else:
            found = platelet_mask(picture)
            if found is None:
                continue
            mask = found
        taken[row.code] += 1
        yield picture, mask


def field_cells(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The whole white cells of the fields, each cut out with its surroundings, and the mask."""
    for file in sorted((folder / "labels").glob("*.txt")):
        image = folder / "images" / f"{file.stem}.jpg"
        told = np.array([line.split() for line in file.read_text().splitlines()], float)
        if not image.exists() or not len(told):
            continue
        field = decode(image)
        height, width = field.shape[:2]
        white = told[told[:, 0] == 0, 1:] * [width, height, width, height]
        white[:, :2] -= white[:, 2:] / 2
        for x, y, w, h in white:
            whole = x >= 2 and y >= 2 and x + w <= width - 2 and y + h <= height - 2
            side = int(np.sqrt(w * h) * AROUND)
            if not whole or max(w, h) / min(w, h) > 1.6 or side >= min(height, width):
                continue
            yield _cut(field, white, int(x + w / 2 - side / 2), int(y + h / 2 - side / 2), side)


def _cut(
    field: np.ndarray, white: np.ndarray, left: int, top: int, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """The square of ``field`` at (left, top), mirrored beyond the border, and the mask in it."""
    padded = np.pad(field, ((side, side), (side, side), (0, 0)), mode="reflect")
    square = padded[top + side : top + 2 * side, left + side : left + 2 * side]
    image = Image.fromarray(square).resize((WORKING, WORKING), Image.Resampling.BICUBIC)
    picture, scale = np.asarray(image), WORKING / side
    mask = np.zeros((WORKING, WORKING, 2), np.uint8)
    for x, y, w, h in white:
        box = (x - left) * scale, (y - top) * scale, w * scale, h * scale
        shows = box[0] <= 185 and box[1] <= 185 and box[0] + box[2] >= 7 and box[1] + box[3] >= 7
        if shows:
            mask |= mask_in_box(picture, box, DENSE_IN_FIELD)
    return picture, mask

"""Where the cell of a picture is, how large it is, and what the background's colour is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import nn
from torch.nn import functional

from retrieval.cellview.doublets import split
from retrieval.cellview.network import SIDE
from retrieval.view import square

WORKING = 192  # side the squared picture is brought to before it is searched, in pixels
FILLED = 0.62  # share of the second crop's side that the cell's diameter takes
SMALLEST, LARGEST = 0.12, 1.6  # of the picture's side: limits of a crop's side
CENTRAL = 0.22  # how fast a cell's claim falls with its distance from the centre, in sides
FEWEST = 60  # pixels of a map that are still a cell
WELL_SEEN = (0.38, 0.85)  # share of the side at which one look is enough
AT_ONCE = 8  # pictures in one pass: the maps of more leave the processor's cache
OFF_CENTRE = 0.12  # share of the side beyond which a second look is taken
WHITE = 245.0  # what a picture's background is brought to, of 255
FLAT = 5.0  # standard deviation of 255 below which a picture shows nothing; cells have 20
BRIGHT = 80  # percentile of brightness above which pixels outside the cell are background


@dataclass(frozen=True)
class Finding:
    """The cell in one picture. Lengths are in pixels of the picture as decoded.

    x, y: centre. diameter: of the disc of the cell's area. nucleus: share of the cell's area that
    is nucleus, 0..1. background: RGB 0..255. found: False where no cell was seen; the rest is
    then the whole picture's. others: how many more cells stand in the picture.
    """

    x: float
    y: float
    diameter: float
    nucleus: float
    background: tuple[float, float, float]
    found: bool
    others: int


def unfound(picture: np.ndarray) -> Finding:
    """The finding for ``picture`` [H, W, 3] none was looked for: the whole of it."""
    return _whole(picture.shape[0], picture.shape[1], (WHITE - 2,) * 3)


def _whole(height: int, width: int, background: tuple[float, float, float]) -> Finding:
    diameter = max(height, width) * FILLED
    return Finding(width / 2, height / 2, diameter, 0.0, background, False, 0)


def as_tensor(array: np.ndarray) -> torch.Tensor:
    """``array`` as a tensor, sharing its memory unless that may not be written."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


@dataclass
class _Look:
    """One pass over a picture: the frame in working pixels, and what was seen in it."""

    x: float
    y: float
    side: float
    diameter: float = 0.0
    nucleus: float = 0.0
    others: int = 0
    seen: bool = False


def crops(
    pictures: torch.Tensor, x: np.ndarray, y: np.ndarray, side: np.ndarray, size: int, fill: str
) -> torch.Tensor:
    """Squares [N, C, size, size] about x, y [N] of ``side`` [N] pixels out of [N, C, S, S]."""
    count, channels, height, _ = pictures.shape
    matrix = np.zeros((count, 2, 3), np.float32)
    matrix[:, 0, 0] = matrix[:, 1, 1] = side / height
    matrix[:, 0, 2] = 2 * x / height - 1
    matrix[:, 1, 2] = 2 * y / height - 1
    grid = functional.affine_grid(
        torch.from_numpy(matrix), [count, channels, size, size], align_corners=False
    )
    return functional.grid_sample(pictures, grid, padding_mode=fill, align_corners=False)


def _central(
    cell: np.ndarray, nucleus: np.ndarray
) -> tuple[np.ndarray, float, float, int, int] | None:
    """The cell that the picture is of: mask, centre (x, y), area, how many others; None if none.

    ``cell`` and ``nucleus`` are probability maps [S, S]. Of the connected parts the one of largest
    sqrt(area) × exp(-(distance / .22 side)²) is taken, so that a neighbour at the border does not
    win by its size; where cells touch, that of the cells that the part is split into.
    """
    mask = _opened(cell > 0.5)
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    if not count:
        return None
    areas, centres = _measured(parts, count)
    best = _most_central(areas, centres, len(cell))
    others = int((areas > areas[best] / 4).sum()) - 1
    part = parts == best + 1
    cells = split(part, nucleus > 0.5)
    if len(cells) > 1:
        numbered = sum(each * number for number, each in enumerate(cells, 1))
        areas, centres = _measured(np.asarray(numbered), len(cells))
        others += len(cells) - 1
        best = _most_central(areas, centres, len(cell))
        part = cells[best]
    y, x = centres[best]
    return part, float(x), float(y), int(areas[best]), others


def _opened(mask: np.ndarray) -> np.ndarray:
    """``mask`` [S, S] without what no square of 3 x 3 fits into; outside is empty."""
    for join in (np.logical_and, np.logical_or):
        wide = np.pad(mask, 1)
        rows = join(join(wide[:-2], wide[1:-1]), wide[2:])
        mask = join(join(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return mask


def _measured(parts: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Areas [count] and centres (row, column) [count, 2] of the parts numbered 1 to ``count``."""
    rows, columns = np.nonzero(parts)
    numbers = parts[rows, columns]
    areas = np.bincount(numbers, minlength=count + 1)[1:]
    centres = [np.bincount(numbers, each, count + 1)[1:] / areas for each in (rows, columns)]
    return areas, np.stack(centres, 1) + 0.5


def _most_central(areas: np.ndarray, centres: np.ndarray, side: int) -> int:
    away = np.hypot(*(centres - side / 2).T) / side
    return int(np.argmax(np.sqrt(areas) * np.exp(-((away / CENTRAL) ** 2))))


def background_of(picture: np.ndarray, cell: np.ndarray) -> tuple[float, float, float]:
    """Median colour of the brightest fifth of ``picture`` [S, S, 3] outside ``cell`` [S, S]."""
    outside = picture[~cell].astype(np.float32)
    if len(outside) < FEWEST:
        outside = picture.reshape(-1, 3).astype(np.float32)
    light = outside.sum(1)
    red, green, blue = np.median(outside[light >= np.percentile(light, BRIGHT)], 0)
    return float(red), float(green), float(blue)


class CellFinder:
    """Finds the cell in pictures with a trained ``CellUNet``, plain or folded."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval().to(memory_format=torch.channels_last)

    def find(self, pictures: Sequence[np.ndarray]) -> list[Finding]:
        """A finding for each of ``pictures``, RGB uint8 [H, W, 3] of any size."""
        if not pictures:
            return []
        small = np.stack([working(picture) for picture in pictures])
        return self.find_working(small, [picture.shape[:2] for picture in pictures])

    def find_working(self, small: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[Finding]:
        """The same of pictures that ``working`` made small, uint8 [N, 192, 192, 3].

        shapes: (height, width) of each picture before.
        """
        return [
            _placed(shape[0], shape[1], look, background)
            for shape, look, background in zip(shapes, *self._search(small), strict=True)
        ]

    def masks(
        self, small: np.ndarray, x: np.ndarray, y: np.ndarray, side: np.ndarray
    ) -> np.ndarray:
        """Maps of cell and nucleus, float32 [N, 96, 96, 2] in 0..1, in squares of working pixels.

        small: uint8 [N, 192, 192, 3]; x, y, side: [N], the squares' centres and sides.
        """
        batch = as_tensor(small).permute(0, 3, 1, 2).float() / 255
        return self._maps(batch, x, y, side)

    def _maps(
        self, batch: torch.Tensor, x: np.ndarray, y: np.ndarray, side: np.ndarray
    ) -> np.ndarray:
        found = np.empty((len(batch), SIDE, SIDE, 2), np.float32)
        with torch.inference_mode():
            for start in range(0, len(batch), AT_ONCE):
                some = slice(start, start + AT_ONCE)
                seen = (
                    crops(batch[some], x[some], y[some], side[some], SIDE, "border") - 0.5
                ) / 0.25
                maps = self._network(seen.contiguous(memory_format=torch.channels_last))
                found[some] = maps.float().sigmoid().permute(0, 2, 3, 1).numpy()
        return found

    def _search(self, small: np.ndarray) -> tuple[list[_Look], list[tuple[float, float, float]]]:
        batch = as_tensor(small).permute(0, 3, 1, 2).float() / 255
        middle = np.full(len(small), WORKING / 2, np.float32)
        maps = self._maps(batch, middle, middle, 2 * middle)
        some = small[:, ::2, ::2]  # the network sees cells on an empty ground too
        blank = some.std((1, 2), dtype=np.float32).max(1) < FLAT
        whole = [_Look(WORKING / 2, WORKING / 2, WORKING) for _ in small]
        looks = [
            whole[row] if blank[row] else _seen(maps[row], whole[row]) for row in range(len(small))
        ]
        scale = WORKING // SIDE
        backgrounds = [
            background_of(small[row, ::scale, ::scale], maps[row, ..., 0] > 0.16)
            for row in range(len(small))
        ]
        again = [row for row, look in enumerate(looks) if _needs_another(look)]
        if again:
            frames = [_frame(looks[row]) for row in again]
            closer = self._maps(
                batch[again],
                np.array([frame.x for frame in frames], np.float32),
                np.array([frame.y for frame in frames], np.float32),
                np.array([frame.side for frame in frames], np.float32),
            )
            for row, frame, seen in zip(again, frames, closer, strict=True):
                second = _seen(seen, frame)
                if second.seen:
                    second.others = max(second.others, looks[row].others)
                    looks[row] = second
        return looks, backgrounds


def working(picture: np.ndarray) -> np.ndarray:
    whole = square(picture)
    if whole.shape[0] == WORKING:
        return whole
    image = Image.fromarray(whole)
    return np.asarray(image.resize((WORKING, WORKING), Image.Resampling.BILINEAR))


def _seen(maps: np.ndarray, frame: _Look) -> _Look:
    """What ``maps`` [96, 96, 2] of the square ``frame`` show, in working pixels."""
    central = _central(maps[..., 0], maps[..., 1])
    if central is None or central[3] < FEWEST:
        return frame
    mask, x, y, area, others = central
    pixel = frame.side / SIDE
    return _Look(
        frame.x + (x - SIDE / 2) * pixel,
        frame.y + (y - SIDE / 2) * pixel,
        frame.side,
        2 * float(np.sqrt(area / np.pi)) * pixel,
        float((maps[..., 1][mask] > 0.5).mean()),
        others,
        True,
    )


def _needs_another(look: _Look) -> bool:
    filled = look.diameter / look.side
    away = np.hypot(look.x - WORKING / 2, look.y - WORKING / 2) / WORKING
    return look.seen and not (WELL_SEEN[0] <= filled <= WELL_SEEN[1] and away <= OFF_CENTRE)


def _frame(look: _Look) -> _Look:
    side = float(np.clip(look.diameter / FILLED, SMALLEST * WORKING, LARGEST * WORKING))
    return _Look(look.x, look.y, side)


def _placed(
    height: int, width: int, look: _Look, background: tuple[float, float, float]
) -> Finding:
    """``look`` in pixels of the picture as it was before it was squared and resized."""
    side = max(height, width)
    pixel = side / WORKING
    left, top = (side - width) // 2, (side - height) // 2
    if not look.seen:
        return _whole(height, width, background)
    return Finding(
        look.x * pixel - left,
        look.y * pixel - top,
        look.diameter * pixel,
        look.nucleus,
        background,
        True,
        look.others,
    )

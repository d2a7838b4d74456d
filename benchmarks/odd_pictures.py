"""Pictures that are no white cell of a known kind, and white cells on another cell's background.

Cut and made in memory from the development data; nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from benchmarks.report import data_folder
from retrieval.cellview import CellFinder
from retrieval.described import Described
from retrieval.embedding import describe_images
from retrieval.finding import find_source
from retrieval.model import Model
from retrieval.reading.decode import decode

SIDE = 192
ODD = 150  # pictures of each kind


def red_cells(count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Squares of smear fields, as large as a white cell's box and a quarter, that hold two red
    cells or more and touch no box of a white cell or platelet."""
    rng = np.random.default_rng(seed)
    folder = data_folder() / "txl_fields"
    made = 0
    for file in rng.permutation(sorted(str(path) for path in (folder / "images").iterdir())):
        picture = decode(Path(file))
        boxes = np.loadtxt(folder / "labels" / f"{Path(file).stem}.txt", ndmin=2).reshape(-1, 5)
        found = _without_white(picture, boxes, rng)
        if found is not None:
            yield found
            made += 1
        if made >= count:
            return


def _without_white(
    picture: np.ndarray, boxes: np.ndarray, rng: np.random.Generator
) -> np.ndarray | None:
    height, width = picture.shape[:2]
    scale = np.array([width, height, width, height])
    kind, place = boxes[:, 0], boxes[:, 1:] * scale
    white = place[kind == 0]
    side = int(1.25 * white[:, 2].max()) if len(white) else width // 4
    side = min(side, height, width)
    for _ in range(30):
        corner = rng.integers(0, [width - side + 1, height - side + 1])
        away = np.abs(place[:, :2] - (corner + side / 2))
        touches = (away < (place[:, 2:] + side) / 2).all(axis=1)
        inside = (away < side / 2).all(axis=1)
        if not touches[kind != 1].any() and inside[kind == 1].sum() >= 2:
            x, y = corner
            return np.ascontiguousarray(picture[y : y + side, x : x + side])
    return None


def corners(count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """The upper left third of val pictures of PBC: red cells of the same stain and camera."""
    for picture in val_pictures(count, seed)[0]:
        yield np.ascontiguousarray(picture[: SIDE // 3, : SIDE // 3])


def junk(count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Plain colour, noise, and clouds of two grains, in turn."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        if number % 4 == 0:
            yield np.full((SIDE, SIDE, 3), rng.integers(180, 250, 3), np.uint8)
        else:
            grain = (SIDE, 6, 12)[number % 4 - 1]
            cloud = rng.integers(0, 255, (grain, grain, 3)).astype(np.uint8)
            whole = Image.fromarray(cloud).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            yield np.asarray(whole)


def kept_out(class_name: str, count: int) -> Iterator[np.ndarray]:
    """JHU pictures of a class that PBC has not, such as smudge_cells or blast_no_lineage_spec."""
    folder = data_folder() / "jhu"
    labels = pd.read_csv(folder / "labels.csv", dtype=str)
    chosen = labels[(labels["class"] == class_name) & (labels["truncated"] == "0")]
    for file in chosen.sample(min(count, len(chosen)), random_state=0)["file"]:
        yield decode(folder / "images" / file)


def val_pictures(count: int, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """Pictures of PBC's split val, without duplicates, drawn by ``seed``; and their classes."""
    folder = data_folder() / "pbc"
    labels = pd.read_csv(folder / "labels.csv", dtype=str)
    labels = labels[(labels["split"] == "val") & labels["dup_group"].isna()]
    chosen = labels.sample(min(count, len(labels)), random_state=seed)
    pictures = [decode(folder / "images" / path) for path in chosen["path"]]
    return pictures, chosen["class"].tolist()


def swapped(
    finder: CellFinder, pictures: Sequence[np.ndarray], classes: Sequence[str], same: bool
) -> list[np.ndarray]:
    """Each cell on the background of another picture, of another class or of the ``same``.

    The cell is cut out by the finder's map, widened a little and softly; where the donor's own
    cell was, its background's usual colour stands. Pasting alone changes a picture, so the swap
    within a class is the control for that between classes.
    """
    rng = np.random.default_rng(0)
    names = np.asarray(classes)
    whole = np.stack([_squared(picture) for picture in pictures])
    middle, side = np.full(len(whole), SIDE / 2, np.float32), np.full(len(whole), SIDE, np.float32)
    maps = np.concatenate(
        [
            finder.masks(whole[part], middle[part], middle[part], side[part])[..., 0]
            for part in (slice(at, at + 32) for at in range(0, len(whole), 32))
        ]
    )
    result = []
    for row, (picture, name) in enumerate(zip(whole, names, strict=True)):
        others = np.flatnonzero((names == name) == same)
        donor = int(rng.choice(others[others != row]))
        mine, theirs = _soft(maps[row]), _soft(maps[donor])
        outside = whole[donor][theirs[..., 0] < 0.02]
        usual = np.median(outside, axis=0) if len(outside) else np.full(3, 230.0)
        ground = whole[donor] * (1 - theirs) + usual * theirs
        result.append(np.round(picture * mine + ground * (1 - mine)).astype(np.uint8))
    return result


def _squared(picture: np.ndarray) -> np.ndarray:
    if picture.shape[:2] == (SIDE, SIDE):
        return picture
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _soft(cell: np.ndarray) -> np.ndarray:
    """[192, 192, 1] the map [96, 96] widened by some pixels, with a soft rim, 0..1."""
    large = ndimage.zoom(cell, SIDE / cell.shape[0], order=1) > 0.4
    parts, count = ndimage.label(large)
    if count > 1:  # the cell in the middle alone: neighbours are background
        centres = np.array(ndimage.center_of_mass(large, parts, np.arange(1, count + 1)))
        sizes = np.bincount(parts.ravel())[1:]
        claim = np.sqrt(sizes) * np.exp(-((np.hypot(*(centres - SIDE / 2).T) / 42) ** 2))
        large = parts == int(claim.argmax()) + 1
    wide = ndimage.binary_dilation(large, np.ones((5, 5)))
    soft: np.ndarray = ndimage.gaussian_filter(wide.astype(np.float32), 1.5)[..., None]
    return soft


def describe(model: Model, pictures: Iterable[np.ndarray]) -> Described:
    """What ``model`` says of pictures in memory, as one laboratory."""
    given = list(pictures)
    findings = find_source(model, range(len(given)), lambda n: given[n])
    numbers = range(len(given))
    said = describe_images(
        model, numbers, lambda n: given[n], finding=findings.of, typical=findings.typical
    )
    return Described.joined([each for _, each in said if isinstance(each, Described)])


def strange_pictures(model: Model) -> dict[str, Described]:
    """Described pictures of no known white cell."""
    return {
        "JHU blasts": describe(model, kept_out("blast_no_lineage_spec", ODD)),
        "JHU smudge cells": describe(model, kept_out("smudge_cells", ODD)),
        "red cells of other smears": describe(model, red_cells(ODD)),
        "red cells of PBC": describe(model, corners(ODD)),
        "plain colour, noise, clouds": describe(model, junk(ODD)),
    }

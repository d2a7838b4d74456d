"""Cells that touch and were marked as one are told apart, by their outline or by their nuclei."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy import ndimage

OBLONG = 1.35  # area over that of the largest disc inside, above which a part may be two cells
LONG = 1.6  # the same, above which two nuclei far apart are enough to tell
NECK = 0.72  # share of the smaller cell's radius that a neck between two cells is narrower than
SMALLEST = 0.3  # share of the largest radius below which a bulge is no cell
NUCLEUS = 0.08  # share of a part's area that a nucleus takes at least
APART = 0.62  # of a part's diameter: nuclei that lie farther apart are of two cells
TOGETHER = 0.42  # nuclei nearer than this are lobes of one


def split(part: np.ndarray, nuclei: np.ndarray) -> list[np.ndarray]:
    """The cells that make up ``part``: masks bool [S, S], one where there is nothing to split.

    part: mask of a connected part of the map of cells. nuclei: mask of nucleus, bool [S, S].
    """
    rim = part[0].any() or part[-1].any() or part[:, 0].any() or part[:, -1].any()
    # a cell that the border cuts goes on beyond it: its rest alone looks too thin for a cell
    margin = len(part) // 4 if rim else 0
    wide, dark = (np.pad(mask, margin, mode="edge") for mask in (part, nuclei))
    [box] = ndimage.find_objects(wide.astype(np.uint8))
    markers = _markers(wide[box], dark[box])
    if markers is None:
        return [part]
    # each pixel goes to the cell whose marker is nearest: straight borders between discs
    nearest = ndimage.distance_transform_edt(
        markers == 0, return_distances=False, return_indices=True
    )
    owners = np.zeros(wide.shape, np.intp)
    owners[box] = markers[tuple(nearest)]
    within = slice(margin, margin + len(part))
    cells = [part & (owners[within, within] == each) for each in range(1, markers.max() + 1)]
    return [cell for cell in cells if cell.any()]


def _markers(part: np.ndarray, nuclei: np.ndarray) -> np.ndarray | None:
    """A mark in each of the cells of ``part``, numbered from 1, int [H, W]; None for one cell."""
    whole = ndimage.binary_fill_holes(part)
    depth = ndimage.distance_transform_edt(np.pad(whole, 1))[1:-1, 1:-1]
    oblong = whole.sum() / (np.pi * depth.max() ** 2)
    if oblong <= OBLONG:
        return None
    markers = _by_outline(depth)
    if markers is None and oblong > LONG:
        markers = _by_nuclei(part, nuclei)
    return markers


def _by_outline(depth: np.ndarray) -> np.ndarray | None:
    """Markers int [S, S] of cells between which the outline is drawn in; None without."""
    largest = depth.max()
    best: tuple[int, np.ndarray] | None = None
    for level in np.arange(1.0, largest, 1.0):
        cores, count = ndimage.label(depth > level)
        if count < 2:
            continue
        radii = np.asarray(ndimage.maximum(depth, cores, range(1, count + 1)))
        cells = np.flatnonzero((level <= NECK * radii) & (radii >= SMALLEST * largest)) + 1
        if len(cells) > 1 and (best is None or len(cells) > best[0]):
            best = len(cells), _numbered(cores, cells)
    return None if best is None else best[1]


def _by_nuclei(part: np.ndarray, nuclei: np.ndarray) -> np.ndarray | None:
    """Markers of nuclei so far apart that they are of different cells; None without."""
    found, count = ndimage.label(ndimage.binary_opening(nuclei & part, np.ones((3, 3))))
    numbers = np.arange(1, count + 1)
    areas = np.bincount(found.ravel(), minlength=count + 1)[1:]
    numbers = numbers[areas >= NUCLEUS * part.sum()]
    if len(numbers) < 2:
        return None
    diameter = 2 * np.sqrt(part.sum() / np.pi)
    centres = dict(zip(numbers, ndimage.center_of_mass(part, found, numbers), strict=True))
    group = {number: number for number in numbers}
    widest = 0.0
    for one, other in combinations(numbers, 2):
        distance = np.hypot(*np.subtract(centres[one], centres[other])) / diameter
        widest = max(widest, distance)
        if distance < TOGETHER:
            gone, kept = group[other], group[one]
            group = {number: kept if owner == gone else owner for number, owner in group.items()}
    if widest < APART or len(set(group.values())) < 2:
        return None
    owners = np.zeros(count + 1, np.intp)
    for number, owner in group.items():
        owners[number] = owner
    return _numbered(owners[found], np.unique(list(group.values())))


def _numbered(labels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """``labels`` with those of ``kept`` numbered from 1 and the others 0."""
    numbers = np.zeros(labels.max() + 1, np.intp)
    numbers[kept] = np.arange(1, len(kept) + 1)
    marked: np.ndarray = numbers[labels]
    return marked

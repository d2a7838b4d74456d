"""The canvas: how much of each stain lies over every pixel, and the shapes drawn on it.

Light is absorbed by what lies in its way, so overlapping cells add up in concentration, not in
colour. Everything is drawn as concentration and turned into light once, by the laboratory.
Lengths are in units: a cell picture is 192 units wide, about the scale of a 100x objective where a
red cell measures 38.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from retrieval.painter.noise import Floats, texture

UNITS = 192.0
NUCLEAR, AZURE, EOSIN, HAEM, AZUROPHIL = range(5)
COMPONENTS = 5


@dataclass
class Canvas:
    """Concentrations float32 [5, H, W] of the stain components, drawn with ``rng``.

    ``scale`` is pixels a unit. ``warp`` float32 [H, W] bends every outline a little.
    """

    height: int
    width: int
    scale: float
    rng: np.random.Generator
    layers: Floats = field(init=False)
    warp: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.layers = np.zeros((COMPONENTS, self.height, self.width), np.float32)
        self.warp = texture(self.rng, self.height, self.width, 9 * self.scale)

    def patch(self, x: float, y: float, reach: float) -> Patch | None:
        """The part of the canvas within ``reach`` units of (x, y); None where nothing is left."""
        left, right = (round((x + side * reach) * self.scale) for side in (-1, 1))
        top, bottom = (round((y + side * reach) * self.scale) for side in (-1, 1))
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.width), min(bottom, self.height)
        if right - left < 2 or bottom - top < 2:
            return None
        columns = ((np.arange(left, right) + 0.5) / self.scale - x).astype(np.float32)
        rows = ((np.arange(top, bottom) + 0.5) / self.scale - y).astype(np.float32)
        return Patch(self, slice(top, bottom), slice(left, right), columns[None], rows[:, None])


@dataclass
class Patch:
    """A window of the canvas with its coordinates in units, (0, 0) at the shape's middle."""

    canvas: Canvas
    rows: slice
    columns: slice
    x: Floats
    y: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.y.shape[0], self.x.shape[1]

    @property
    def warp(self) -> Floats:
        """The canvas's bend within this window."""
        return self.canvas.warp[self.rows, self.columns]

    def add(self, component: int, amount: Floats) -> None:
        """Lay ``amount`` float32 [h, w] of a stain component over what is there."""
        self.canvas.layers[component, self.rows, self.columns] += amount

    def texture(self, grain: float) -> Floats:
        """A random texture of ``grain`` units over the window, mean 0, variance 1."""
        return texture(self.canvas.rng, *self.shape, grain * self.canvas.scale)

    def edge(self, distance: Floats, softness: float) -> Floats:
        """Coverage 0..1 of a shape from its signed distance in units, negative inside."""
        soft = max(softness, 0.7 / self.canvas.scale)
        return smoothstep(0.5 - distance / (2 * soft))

    def discs(self, discs: Floats, blend: float) -> Floats:
        """Signed distance float32 [h, w] to a union of discs float32 [n, 3] of x, y, radius.

        ``blend`` in units is how far neighbouring discs melt into one another.
        """
        total = np.zeros(self.shape, np.float32)
        for x, y, radius in discs:
            away = np.sqrt((self.x - x) ** 2 + (self.y - y) ** 2) - radius
            total += np.exp(np.clip(away * (-1.0 / blend), -60, 60))
        return -blend * np.log(total + 1e-26)

    def dots(self, x: Floats, y: Floats, radius: Floats) -> Floats:
        """Round dots as coverage float32 [h, w], adding up where they overlap.

        x, y, radius: float32 [n] in units. Dots are stamped together; a loop over two hundred
        granules would take longer than the rest of the cell.
        """
        height, width = self.shape
        scale = self.canvas.scale
        if not len(x):
            return np.zeros(self.shape, np.float32)
        column = (x - self.x[0, 0]) * scale
        row = (y - self.y[0, 0]) * scale
        reach = int(np.ceil(radius.max() * scale)) + 1
        steps = np.arange(-reach, reach + 1)
        at_row = np.rint(row).astype(np.int64)[:, None, None] + steps[None, :, None]
        at_column = np.rint(column).astype(np.int64)[:, None, None] + steps[None, None, :]
        away = np.sqrt(
            (at_row - row[:, None, None]) ** 2 + (at_column - column[:, None, None]) ** 2
        )
        stamp = np.clip(radius[:, None, None] * scale - away + 0.5, 0, 1)
        inside = (at_row >= 0) & (at_row < height) & (at_column >= 0) & (at_column < width)
        where = (at_row * width + at_column)[inside]
        summed = np.bincount(where, weights=stamp[inside], minlength=height * width)
        return summed.reshape(height, width).astype(np.float32)


def smoothstep(value: Floats) -> Floats:
    """0 below 0, 1 above 1, and a smooth step between."""
    clipped = np.clip(value, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)

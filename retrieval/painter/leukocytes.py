"""Cells with a nucleus, painted after their recipe."""

from __future__ import annotations

import numpy as np

from retrieval.painter.canvas import AZURE, AZUROPHIL, NUCLEAR, Canvas, Patch, smoothstep
from retrieval.painter.noise import Floats
from retrieval.painter.nuclei import PLANS
from retrieval.painter.recipes import Granules, Range, Recipe


def drawn_radius(recipe: Recipe, rng: np.random.Generator) -> float:
    """A radius in units for a cell of ``recipe``."""
    mean, deviation = recipe.diameter
    return float(np.clip(rng.normal(mean, deviation), mean * 0.72, mean * 1.4)) / 2


def paint_leukocyte(canvas: Canvas, recipe: Recipe, x: float, y: float, radius: float) -> None:
    """Paint a cell of ``recipe`` with ``radius`` units about (x, y)."""
    patch = canvas.patch(x, y, radius * 1.5 + 4)
    if patch is None:
        return
    rng = canvas.rng
    outside = _outline(patch, recipe, radius)
    cell = patch.edge(outside, 0.8)
    nuclear_distance = _nucleus_distance(patch, recipe, radius)
    nucleus = np.minimum(patch.edge(nuclear_distance, 0.8), cell)
    free = np.ones(patch.shape, np.float32)
    if recipe.vacuoles[1]:
        free = 1 - 0.85 * _vacuoles(patch, recipe, radius, outside)
    _paint_cytoplasm(patch, recipe, cell * (1 - 0.85 * nucleus) * free, outside)
    _paint_chromatin(patch, recipe, nucleus * (0.5 + 0.5 * free), nuclear_distance)
    for granules in recipe.granules:
        shows = cell * (1 - (1 - granules.over) * nucleus) * free
        _paint_granules(patch, granules, shows, outside, radius, rng)


def _outline(patch: Patch, recipe: Recipe, radius: float) -> Floats:
    """Signed distance to the cell's border."""
    rng = patch.canvas.rng
    stretch = 1 + abs(rng.normal(0, recipe.stretch))
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along = (patch.x * cos + patch.y * sin) / stretch
    across = (patch.y * cos - patch.x * sin) * stretch
    ragged = rng.uniform(*recipe.ragged)
    bend = patch.texture(11) * ragged * 1.2 + patch.texture(3.0) * ragged * 0.3
    bend += patch.texture(1.2) * recipe.fringe
    return np.sqrt(along**2 + across**2) - radius + bend


def _nucleus_distance(patch: Patch, recipe: Recipe, radius: float) -> Floats:
    """Signed distance to the nucleus's border."""
    rng = patch.canvas.rng
    discs = PLANS[str(rng.choice(recipe.nucleus))](rng)
    share = rng.uniform(*recipe.nucleus_size)
    turn = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    turned = discs @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]], np.float32)
    turned *= np.float32(share * radius)
    away = rng.uniform(*recipe.offset) * (1 - share) * radius
    where = rng.uniform(0, 2 * np.pi)
    turned[:, 0] += away * np.cos(where)
    turned[:, 1] += away * np.sin(where)
    distance = patch.discs(turned.astype(np.float32), blend=0.9)
    return distance + patch.texture(4) * 0.55 + patch.texture(1.5) * 0.25


def _paint_cytoplasm(patch: Patch, recipe: Recipe, cover: Floats, outside: Floats) -> None:
    """The body of the cell, a little denser towards its border."""
    rng = patch.canvas.rng
    mottle = 1 + recipe.mottle * (patch.texture(3.5) * 0.7 + patch.texture(1.0) * 0.6)
    border = 1 + 0.22 * np.exp(-(((outside + 1.2) / 1.6) ** 2))
    body = cover * np.clip(mottle, 0.2, 2) * border
    for component, span in recipe.cytoplasm.items():
        patch.add(component, body * rng.uniform(*span))


def _paint_chromatin(patch: Patch, recipe: Recipe, nucleus: Floats, distance: Floats) -> None:
    """Chromatin in clumps with paler ground between, a dark border, and nucleoli if any."""
    rng = patch.canvas.rng
    grain, contrast = recipe.clumps
    # Dense clumps, and between them a net of pale channels where the finer texture crosses zero.
    channels = np.exp(-((patch.texture(grain * 1.2) / 0.42) ** 2))
    mix = patch.texture(grain) * 0.8 + patch.texture(grain * 3) * 0.7
    clumps = np.clip(1.15 + contrast * (0.8 * np.tanh(mix) - 1.0 * channels), 0.3, 1.6)
    border = 1 + 0.22 * np.exp(-(((distance + 1.3) / 1.3) ** 2))
    amount = rng.uniform(*recipe.density) * clumps * border
    count = _whole(rng, recipe.nucleoli)
    if count:
        deep = np.argwhere(distance < distance.min() * 0.35)
        picks = deep[rng.integers(0, len(deep), count)]
        pale = np.zeros(patch.shape, np.float32)
        for row, column in picks:
            away = np.hypot(patch.x - patch.x[0, column], patch.y - patch.y[row, 0])
            pale = np.maximum(pale, patch.edge(away - rng.uniform(3.0, 5.5), 1.6))
        amount = amount * (1 - 0.32 * pale)
        patch.add(AZURE, pale * nucleus * 0.25)
    patch.add(NUCLEAR, nucleus * amount)


def _paint_granules(
    patch: Patch, granules: Granules, shows: Floats, outside: Floats, radius: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Granules where ``shows`` is above 0, one by one or as a fine texture."""
    strength = rng.uniform(*granules.strength)
    if granules.fine:
        points = smoothstep((patch.texture(rng.uniform(*granules.radius)) - 0.5) / 1.6)
        patch.add(granules.component, shows * points * strength)
        return
    count = _whole(rng, granules.count)
    turn = rng.uniform(0, 2 * np.pi, count)
    away = np.sqrt(rng.uniform(0, 1, count)) * radius * 1.05
    x, y = away * np.cos(turn), away * np.sin(turn)
    dots = patch.dots(x, y, rng.uniform(*granules.radius, count))
    patch.add(granules.component, shows * (1 - np.exp(-1.4 * dots)) * strength)


def _vacuoles(patch: Patch, recipe: Recipe, radius: float, outside: Floats) -> Floats:
    """Coverage 0..1 of round empty spaces, more of them towards the border."""
    rng = patch.canvas.rng
    count = _whole(rng, recipe.vacuoles) if rng.random() < 0.6 else 0
    turn = rng.uniform(0, 2 * np.pi, count)
    away = rng.uniform(0.25, 0.95, count) ** 0.6 * radius
    dots = patch.dots(away * np.cos(turn), away * np.sin(turn), rng.uniform(0.8, 2.4, count))
    return np.minimum(dots, 1)


def _whole(rng: np.random.Generator, span: Range) -> int:
    """A whole number from ``span``, both ends included."""
    return int(rng.integers(int(span[0]), int(span[1]) + 1))


def paint_smudge(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """A smudge cell: a burst nucleus drawn out in strands, without cytoplasm."""
    patch = canvas.patch(x, y, radius * 1.7 + 4)
    if patch is None:
        return
    rng = canvas.rng
    discs = PLANS["burst"](rng) * np.float32(radius * 1.1)
    distance = patch.discs(discs, blend=3.0) + patch.texture(5) * 4.0
    cover = patch.edge(distance, 4.5)
    strands = np.clip(1 + 0.45 * patch.texture(1.6) + 0.35 * patch.texture(4.5), 0.1, 2)
    patch.add(NUCLEAR, cover * strands * rng.uniform(0.28, 0.5))
    patch.add(AZUROPHIL, cover * strands * rng.uniform(0.1, 0.3))


def paint_precipitate(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """An artifact: a heap of stain precipitate over a diffuse blot."""
    patch = canvas.patch(x, y, radius * 1.6 + 4)
    if patch is None:
        return
    rng = canvas.rng
    count = int(rng.integers(40, 160))
    px, py = rng.normal(0, radius * 0.42, (2, count))
    dots = patch.dots(px, py, rng.uniform(0.7, 3.2, count) * rng.uniform(0.7, 1.3))
    patch.add(NUCLEAR, (1 - np.exp(-dots)) * rng.uniform(0.7, 1.2))
    away = np.hypot(patch.x, patch.y) + patch.texture(6) * 5
    patch.add(AZUROPHIL, patch.edge(away - radius * 0.6, 7.0) * rng.uniform(0.05, 0.4))

"""What lies around a white cell: red cells, platelets, dirt."""

from __future__ import annotations

import numpy as np

from retrieval.painter.canvas import AZURE, AZUROPHIL, EOSIN, HAEM, NUCLEAR, Canvas, smoothstep
from retrieval.painter.noise import Floats
from retrieval.painter.stains import Slide

# x, y and radius in units of what red cells and platelets keep clear of
Occupied = list[tuple[float, float, float]]


def scatter_red_cells(canvas: Canvas, slide: Slide, occupied: Occupied) -> None:
    """Strew red cells over the canvas, beside ``occupied`` and sometimes over one another."""
    rng = canvas.rng
    wide, high = canvas.width / canvas.scale, canvas.height / canvas.scale
    margin = slide.red_size / 2
    area = (wide + 2 * margin) * (high + 2 * margin)
    wanted = round(slide.crowding * 0.62 * area / slide.red_size**2)
    kept = np.array([(x, y, radius) for x, y, radius in occupied] or [(-1e6, -1e6, 0.0)])
    placed = 0
    fixed = len(kept)
    for _ in range(wanted * 5):
        if placed == wanted:
            break
        x = rng.uniform(-margin, wide + margin)
        y = rng.uniform(-margin, high + margin)
        radius = margin * float(np.clip(rng.normal(1, 0.09), 0.72, 1.3))
        gap = np.hypot(kept[:, 0] - x, kept[:, 1] - y) - kept[:, 2]
        overlap = 0.55 if rng.random() < 0.12 else 0.06
        if gap[:fixed].min() < 0.93 * radius or gap[fixed:].min(initial=1e6) < radius * (
            1 - 2 * overlap
        ):
            continue
        kept = np.vstack([kept, (x, y, radius)])
        placed += 1
        paint_red_cell(canvas, slide, x, y, radius)


def paint_red_cell(canvas: Canvas, slide: Slide, x: float, y: float, radius: float) -> None:
    """One red cell: a biconcave disc, thinner and so paler in the middle."""
    rng = canvas.rng
    patch = canvas.patch(x, y, radius * 1.35 + 2)
    if patch is None:
        return
    stretch = 1 + abs(rng.normal(0, 0.06))
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along = (patch.x * cos + patch.y * sin) / stretch
    across = (patch.y * cos - patch.x * sin) * stretch
    away = np.sqrt(along**2 + across**2)
    away += patch.warp * (slide.red_wobble * radius / 19)
    body = patch.edge(away - radius, 1.1)
    pallor = float(np.clip(slide.pallor + rng.normal(0, 0.22), 0, 1))
    hollow = 1 - smoothstep((away / radius - rng.uniform(0.12, 0.34)) / rng.uniform(0.12, 0.34))
    rim = np.exp(-(((away - radius * 0.86) / (radius * 0.16)) ** 2))
    thickness = body * (0.88 - 0.84 * pallor * hollow + 0.22 * rim)
    patch.add(HAEM, thickness * float(np.exp(rng.normal(0, 0.1))))


def scatter_platelets(canvas: Canvas, slide: Slide, occupied: Occupied, count: int) -> None:
    """A few platelets between the cells."""
    rng = canvas.rng
    wide, high = canvas.width / canvas.scale, canvas.height / canvas.scale
    for _ in range(count):
        x, y = rng.uniform(4, wide - 4), rng.uniform(4, high - 4)
        radius = rng.uniform(3.5, 8.0)
        if all(np.hypot(x - a, y - b) > r + radius + 3 for a, b, r in occupied):
            paint_platelet(canvas, x, y, radius)


def paint_platelet(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """One platelet: purple granules in a pale blue-grey body with a ragged border."""
    rng = canvas.rng
    patch = canvas.patch(x, y, radius * 1.6 + 3)
    if patch is None:
        return
    stretch = 1 + abs(rng.normal(0, 0.10))
    away = np.sqrt((patch.x / stretch) ** 2 + (patch.y * stretch) ** 2)
    # The pale border frays into hairs, the granular middle is rounder.
    border = away + patch.texture(1.3) * (0.5 + 0.05 * radius) + patch.texture(3.5) * 0.8
    body = patch.edge(border - radius, 1.4)
    strength = rng.uniform(0.6, 1.2)
    patch.add(AZURE, body * 0.32 * strength)
    patch.add(AZUROPHIL, body * 0.06)
    share = rng.uniform(0.70, 0.98)
    middle = patch.edge(away + patch.texture(2.5) * 0.9 - radius * share, 0.10 * radius + 0.6)
    grain = smoothstep((patch.texture(0.8) + rng.uniform(0.4, 1.4)) / 2.2)
    amount = middle * (0.25 + 0.75 * grain)
    red = rng.uniform(0.3, 1.0)
    patch.add(AZUROPHIL, amount * 0.72 * strength * red)
    patch.add(NUCLEAR, amount * 0.70 * strength * (1.15 - red))


def strew_dirt(canvas: Canvas, slide: Slide, amount: float) -> None:
    """Stain precipitate: small dark points, more of it on a stippled slide."""
    rng = canvas.rng
    count = int(rng.poisson(amount))
    patch = canvas.patch(
        canvas.width / canvas.scale / 2,
        canvas.height / canvas.scale / 2,
        max(canvas.width, canvas.height) / canvas.scale,
    )
    if count and patch is not None:
        x = rng.uniform(patch.x.min(), patch.x.max(), count)
        y = rng.uniform(patch.y.min(), patch.y.max(), count)
        radius = rng.uniform(0.25, 1.0, count)
        patch.add(NUCLEAR, patch.dots(x, y, radius) * 0.8)


def tint_plasma(canvas: Canvas) -> None:
    """A faint uneven film of plasma proteins."""
    height, width = canvas.height, canvas.width
    film = _film(canvas, height, width)
    canvas.layers[EOSIN] += film * 0.012
    canvas.layers[HAEM] += film * 0.03


def _film(canvas: Canvas, height: int, width: int) -> Floats:
    """A smooth field, 0 and above."""
    return np.clip(canvas.warp * 0.5 + 0.4, 0, 2)[:height, :width]

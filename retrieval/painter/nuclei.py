"""Outlines of nuclei as discs that melt together.

Each plan returns float32 [n, 3]: x, y and radius, where the whole nucleus fits into a circle of
radius 1 about (0, 0). The painter scales and turns it. One registry: PLANS.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from retrieval.painter.noise import Floats

Plan = Callable[[np.random.Generator], Floats]


def round_nucleus(rng: np.random.Generator) -> Floats:
    """Round or a little oval, at times with a shallow notch."""
    spread = rng.uniform(0.0, 0.22)
    return _fitted([(-spread, 0, 1 - spread), (spread, rng.normal(0, 0.06), 1 - spread)])


def dense_round_nucleus(rng: np.random.Generator) -> Floats:
    """Nearly a circle."""
    return _fitted([(0, 0, 1), (rng.normal(0, 0.05), rng.normal(0, 0.05), 1)])


def kidney_nucleus(rng: np.random.Generator) -> Floats:
    """A thick short arc: indented to about half its width."""
    return _arc(rng, sweep=rng.uniform(1.5, 2.3), thick=rng.uniform(0.40, 0.5), bend=0.52)


def folded_nucleus(rng: np.random.Generator) -> Floats:
    """Broad, bent and lumpy: horseshoe, fold or lobulated."""
    sweep = rng.uniform(1.2, 3.2)
    return _arc(rng, sweep=sweep, thick=rng.uniform(0.4, 0.5), bend=0.5, lumps=0.10)


def band_nucleus(rng: np.random.Generator) -> Floats:
    """A band of even width, C-, U- or S-shaped."""
    thick = rng.uniform(0.25, 0.33)
    if rng.random() < 0.2:
        steps = np.linspace(-1, 1, 11)
        bend = rng.uniform(0.35, 0.55)
        discs = [(step * 0.75, bend * np.sin(step * 2.8), thick) for step in steps]
        return _fitted(discs)
    return _arc(rng, sweep=rng.uniform(3.0, 4.4), thick=thick, bend=0.68, lumps=0.03)


def lobed_nucleus(rng: np.random.Generator) -> Floats:
    """Three to five lobes on a bent line, joined by thin threads."""
    return _lobes(rng, int(rng.choice([3, 4, 5], p=[0.5, 0.38, 0.12])))


def two_lobed_nucleus(rng: np.random.Generator) -> Floats:
    """Two, seldom three plump lobes on a thread."""
    return _lobes(rng, int(rng.choice([2, 3], p=[0.72, 0.28])))


def clover_nucleus(rng: np.random.Generator) -> Floats:
    """Blurred, broad lobes about a middle, as in basophils."""
    count = int(rng.integers(2, 5))
    turns = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2 * np.pi / count
    reach = rng.uniform(0.42, 0.55)
    discs = [(reach * np.cos(t), reach * np.sin(t), rng.uniform(0.42, 0.55)) for t in turns]
    return _fitted([*discs, (0, 0, 0.35)])


def burst_nucleus(rng: np.random.Generator) -> Floats:
    """Smeared out of all shape."""
    count = 9
    x = rng.normal(0, 0.55, count)
    y = rng.normal(0, 0.4, count)
    return _fitted(list(zip(x, y, rng.uniform(0.25, 0.6, count), strict=True)))


PLANS: dict[str, Plan] = {
    "round": round_nucleus,
    "dense_round": dense_round_nucleus,
    "kidney": kidney_nucleus,
    "folded": folded_nucleus,
    "band": band_nucleus,
    "lobed": lobed_nucleus,
    "two_lobed": two_lobed_nucleus,
    "clover": clover_nucleus,
    "burst": burst_nucleus,
}


def _arc(
    rng: np.random.Generator, *, sweep: float, thick: float, bend: float, lumps: float = 0.04
) -> Floats:
    """Discs along an arc of ``sweep`` radians with radius ``bend``."""
    turns = np.linspace(-sweep / 2, sweep / 2, 9)
    squeeze = rng.uniform(0.75, 1.1)
    radii = thick * (1 + rng.normal(0, lumps, len(turns)))
    radii[3:6] *= rng.uniform(0.82, 1.0)
    return _fitted(
        [
            (bend * np.cos(t), bend * squeeze * np.sin(t), r)
            for t, r in zip(turns, radii, strict=True)
        ]
    )


def _lobes(rng: np.random.Generator, count: int) -> Floats:
    """``count`` lobes on a bent line with threads between them."""
    size = {2: 0.50, 3: 0.40, 4: 0.34, 5: 0.31}[count]
    turn, x, y = rng.uniform(0, 2 * np.pi), 0.0, 0.0
    hand = rng.choice([-1, 1])
    discs: list[tuple[float, float, float]] = []
    for lobe in range(count):
        radius = size * rng.uniform(0.85, 1.12)
        longer = rng.uniform(0.0, 0.45) * radius
        lean = turn + rng.normal(0, 0.8)
        if lobe:
            step = (discs[-1][2] + radius) * rng.uniform(0.98, 1.28)
            before = (x, y)
            x, y = x + step * np.cos(turn), y + step * np.sin(turn)
            for part in np.linspace(0.25, 0.75, 4):
                discs.append(
                    (before[0] + part * (x - before[0]), before[1] + part * (y - before[1]), 0.06)
                )
        discs.append((x - longer * np.cos(lean), y - longer * np.sin(lean), radius * 0.9))
        discs.append((x + longer * np.cos(lean), y + longer * np.sin(lean), radius * 0.9))
        turn += hand * rng.uniform(0.9, 1.9)
    return _fitted(discs)


def _fitted(discs: list[tuple[float, float, float]]) -> Floats:
    """``discs`` moved and scaled to fit the unit circle."""
    table = np.asarray(discs, np.float64)
    low = (table[:, :2] - table[:, 2:]).min(axis=0)
    high = (table[:, :2] + table[:, 2:]).max(axis=0)
    table[:, :2] -= (low + high) / 2
    reach = (np.hypot(table[:, 0], table[:, 1]) + table[:, 2]).max()
    return (table / reach).astype(np.float32)

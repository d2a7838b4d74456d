"""Augmentation in documented levels: geometry, stain and camera, on batches of pictures.

Stain is varied where it acts: in optical density (Beer-Lambert), by a gain of the whole, a gain
of each channel and a mix of channels (Tellez et al., "Quantifying the effects of data
augmentation and stain color normalization", Medical Image Analysis 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from index.errors import CellKinError

WHITE = 245 / 255  # what the cell view brings backgrounds to


@dataclass(frozen=True)
class Level:
    """How far pictures are varied. Shares are of pictures, ranges are half-widths."""

    scale: float  # zoom by exp(±scale)
    shift: float  # moved by ± this share of the side
    turn: bool  # any rotation and mirror image
    stain: float  # 0..1: strength of the optical-density variation
    contrast: float  # contrast and brightness by ± this share
    grey: float  # share of pictures turned grey
    blur: float  # share of pictures blurred
    noise: float  # largest standard deviation of the noise, in 0..1
    coarse: float  # share of pictures brought down to a part of their side and up again
    coarse_to: tuple[float, float] = (0.35, 0.8)  # that part
    stretch: float = 0.0  # one axis longer by exp(±stretch), the other shorter


LEVELS: dict[str, Level] = {
    "none": Level(0, 0, False, 0, 0, 0, 0, 0, 0),
    "mild": Level(0.10, 0.04, True, 0.12, 0.08, 0, 0.1, 0.01, 0),
    "medium": Level(0.15, 0.05, True, 0.35, 0.15, 0.03, 0.2, 0.02, 0.2),
    "strong": Level(0.20, 0.06, True, 1.0, 0.25, 0.2, 0.4, 0.05, 0.5),
    # what another stain, scanner or camera may do to a cell that was found and centred
    "laboratory": Level(
        0.17, 0.06, True, 1.0, 0.25, 0.1, 0.4, 0.05, 0.5, coarse_to=(0.23, 0.64), stretch=0.06
    ),
}


def level(name: str) -> Level:
    """The augmentation level ``name``; CellKinError with the list otherwise."""
    if name not in LEVELS:
        raise CellKinError(
            f"unknown augmentation {name!r}, allowed is one of {', '.join(LEVELS)}",
            "give --augment one of these",
        )
    return LEVELS[name]


def vary_geometry(
    whole: torch.Tensor,
    size: int,
    crop: float,
    how: Level,
    rng: np.random.Generator,
    own: np.ndarray | None = None,
) -> torch.Tensor:
    """Crops [B, C, size, size] out of whole pictures [B, C, F, F]: turned, mirrored, zoomed, moved.

    With no variation this is the central share ``crop``, what the view takes at inference. own:
    [B], a factor on the side of each crop.
    """
    count, channels = whole.shape[:2]
    angle = rng.uniform(0, 2 * np.pi, count) if how.turn else np.zeros(count)
    mirror = rng.choice([-1.0, 1.0], count) if how.turn else np.ones(count)
    side = crop * np.exp(rng.uniform(-how.scale, how.scale, count))
    if own is not None:
        side = side * own
    moved = 2 * rng.uniform(-how.shift, how.shift, (count, 2))
    longer = np.exp(rng.uniform(-how.stretch, how.stretch, count)) if how.stretch else 1.0
    matrix = np.empty((count, 2, 3), np.float32)
    matrix[:, 0, 0] = np.cos(angle) * mirror * side * longer
    matrix[:, 0, 1] = -np.sin(angle) * side / longer
    matrix[:, 1, 0] = np.sin(angle) * mirror * side * longer
    matrix[:, 1, 1] = np.cos(angle) * side / longer
    matrix[:, :, 2] = moved
    grid = functional.affine_grid(
        torch.from_numpy(matrix), [count, channels, size, size], align_corners=False
    )
    return functional.grid_sample(whole, grid, padding_mode="reflection", align_corners=False)


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))


def _coarsen(pictures: torch.Tensor, how: Level, rng: np.random.Generator) -> torch.Tensor:
    chosen = np.flatnonzero(rng.random(len(pictures)) < how.coarse)
    size = pictures.shape[-1]
    for part in np.array_split(rng.permutation(chosen), 4):
        if not len(part):
            continue
        small = max(8, int(size * rng.uniform(*how.coarse_to)))
        kind = "bicubic" if rng.random() < 0.5 else "bilinear"
        coarse = functional.interpolate(pictures[part], size=(small, small), mode="area")
        pictures[part] = functional.interpolate(
            coarse, size=(size, size), mode=kind, align_corners=False
        ).clamp(0, 1)
    return pictures


def vary_stain(pictures: torch.Tensor, strength: float, rng: np.random.Generator) -> torch.Tensor:
    """Pictures [B, 3, S, S] in 0..1 with their optical density changed, background tinted."""
    count = len(pictures)
    density = -torch.log(pictures.clamp(0.012, 1))
    gain = torch.exp(
        _uniform(rng, -0.6, 0.6, count, 1, 1, 1) * strength
        + _uniform(rng, -0.5, 0.5, count, 3, 1, 1) * strength
    )
    mix = torch.eye(3) + _uniform(rng, -0.25, 0.25, count, 3, 3) * strength
    mixed = torch.einsum("bij,bjhw->bihw", mix, density * gain).clamp(min=0)
    tinted = torch.from_numpy((rng.random((count, 1, 1, 1)) < 0.5).astype(np.float32))
    tint = _uniform(rng, 0, 0.25, count, 3, 1, 1) * strength * tinted
    return torch.exp(-(mixed + tint))


def vary_camera(pictures: torch.Tensor, how: Level, rng: np.random.Generator) -> torch.Tensor:
    """Pictures [B, 3, S, S] in 0..1 with contrast, brightness, colour, focus and noise changed."""
    count = len(pictures)
    contrast = 1 + _uniform(rng, -how.contrast, how.contrast, count, 1, 1, 1)
    brightness = _uniform(rng, -how.contrast / 2.5, how.contrast / 2.5, count, 1, 1, 1)
    pictures = (pictures - 0.5) * contrast + 0.5 + brightness
    grey = np.flatnonzero(rng.random(count) < how.grey)
    if len(grey):
        pictures[grey] = pictures[grey].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    blurred = np.flatnonzero(rng.random(count) < how.blur)
    if len(blurred):
        radius = int(rng.integers(1, 3))
        padded = functional.pad(pictures[blurred], (radius,) * 4, mode="replicate")
        pictures[blurred] = functional.avg_pool2d(padded, 2 * radius + 1, 1)
    if how.noise:
        noise = torch.from_numpy(rng.standard_normal(pictures.shape, np.float32))
        pictures = pictures + noise * _uniform(rng, 0, how.noise, count, 1, 1, 1)
    return pictures.clamp(0, 1)


def replace_background(
    pictures: torch.Tensor, masks: torch.Tensor, share: float, rng: np.random.Generator
) -> torch.Tensor:
    """Pictures [B, 3, S, S] in 0..1, a ``share`` of them with all but the cell made one colour.

    masks: [B, 1, S, S] in 0..1, the cell's. The colour is the view's white, or any from mid-grey
    up: what stands around a cell must not tell its class.
    """
    count = len(pictures)
    plain = _uniform(rng, 0.5, 1.0, count, 3, 1, 1)
    white = torch.from_numpy(rng.random((count, 1, 1, 1)) < 0.5)
    colour = torch.where(white, torch.tensor(WHITE), plain)
    chosen = torch.from_numpy(rng.random((count, 1, 1, 1)) < share)
    return torch.where(chosen, pictures * masks + colour * (1 - masks), pictures)


@dataclass(frozen=True)
class Surroundings:
    """What is known of cells under the cell view, for a batch of B.

    masks: uint8 [B, F, F], the cell's share of each pixel. own: float32 [B], the side of the
    cell's own scale over the side taken. background: share of pictures whose background goes.
    """

    masks: np.ndarray
    own: np.ndarray
    background: float


def augment(
    whole: np.ndarray,
    size: int,
    crop: float,
    how: Level,
    rng: np.random.Generator,
    around: Surroundings | None = None,
) -> torch.Tensor:
    """Training pictures float32 [B, 3, size, size] in 0..1 from whole ones uint8 [B, F, F, 3]."""
    batch = torch.from_numpy(whole).permute(0, 3, 1, 2).float().div_(255)
    if around is None:
        pictures = vary_geometry(batch, size, crop, how, rng)
    else:
        masks = torch.from_numpy(around.masks)[:, None].float().div_(255)
        # a quarter is seen at the cell's own scale, as a picture that comes alone will be
        own = np.where(rng.random(len(batch)) < 0.25, around.own, 1.0)
        turned = vary_geometry(torch.cat([batch, masks], 1), size, crop, how, rng, own)
        pictures = replace_background(turned[:, :3], turned[:, 3:], around.background, rng)
    if how.coarse:
        pictures = _coarsen(pictures, how, rng)
    if how.stain:
        pictures = vary_stain(pictures, how.stain, rng)
    if how.contrast or how.blur or how.noise or how.grey:
        pictures = vary_camera(pictures, how, rng)
    return pictures

"""Augmentation in documented levels: geometry, stain and camera, on batches of pictures.

Stain is varied where it acts: in optical density (Beer-Lambert), by a gain of the whole, a gain
of each channel and a mix of channels (Tellez et al., "Quantifying the effects of data
augmentation and stain color normalization", Medical Image Analysis 2019); or by its dyes, each
made stronger, weaker, of another hue. Everything runs where the pictures are, also on a GPU; what
is drawn comes from one numpy generator, noise on a GPU aside.
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
    dyes: float = 0.0  # share of pictures whose dyes are varied instead of their channels
    filtered: float = 0.0  # share of pictures seen through a random filter


LEVELS: dict[str, Level] = {
    "none": Level(0, 0, False, 0, 0, 0, 0, 0, 0),
    "mild": Level(0.10, 0.04, True, 0.12, 0.08, 0, 0.1, 0.01, 0),
    "medium": Level(0.15, 0.05, True, 0.35, 0.15, 0.03, 0.2, 0.02, 0.2),
    "strong": Level(0.20, 0.06, True, 1.0, 0.25, 0.2, 0.4, 0.05, 0.5),
    # what another stain, scanner or camera may do to a cell that was found and centred
    "laboratory": Level(
        0.17, 0.06, True, 1.0, 0.25, 0.1, 0.4, 0.05, 0.5, coarse_to=(0.23, 0.64), stretch=0.06
    ),
    # the same, and half the pictures as if other dyes had been bought, or stood longer
    "dyes": Level(0.17, 0.06, True, 1.0, 0.25, 0.1, 0.4, 0.05, 0.5, (0.23, 0.64), 0.06, dyes=0.5),
    # and a quarter with grain and colours that no stain has, so that shape must tell
    "filters": Level(
        0.17,
        0.06,
        True,
        1.0,
        0.25,
        0.1,
        0.4,
        0.05,
        0.5,
        (0.23, 0.64),
        0.06,
        dyes=0.5,
        filtered=0.25,
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
        torch.from_numpy(matrix).to(whole.device),
        [count, channels, size, size],
        align_corners=False,
    )
    return functional.grid_sample(whole, grid, padding_mode="reflection", align_corners=False)


class Dice:
    """Random values from ``rng``, as tensors on a device."""

    def __init__(self, rng: np.random.Generator, device: torch.device) -> None:
        self.rng, self.device = rng, device

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Between low and high."""
        values = self.rng.uniform(low, high, shape).astype(np.float32)
        return torch.from_numpy(values).to(self.device)

    def normal(self, *shape: int) -> torch.Tensor:
        """Of mean 0 and deviation 1; many of them are drawn where they are needed."""
        if self.device.type != "cpu":
            return torch.randn(shape, device=self.device)
        return torch.from_numpy(self.rng.standard_normal(shape, np.float32))

    def some(self, share: float, count: int) -> torch.Tensor:
        """Row numbers of about a ``share`` of ``count``."""
        return torch.from_numpy(np.flatnonzero(self.rng.random(count) < share)).to(self.device)

    def yes(self, share: float, count: int) -> torch.Tensor:
        """bool [count, 1, 1, 1], True for about a ``share``."""
        return torch.from_numpy(self.rng.random((count, 1, 1, 1)) < share).to(self.device)


def _coarsen(pictures: torch.Tensor, how: Level, rng: np.random.Generator) -> torch.Tensor:
    chosen = np.flatnonzero(rng.random(len(pictures)) < how.coarse)
    size = pictures.shape[-1]
    for rows in np.array_split(rng.permutation(chosen), 4):
        if not len(rows):
            continue
        part = torch.from_numpy(rows).to(pictures.device)
        small = max(8, int(size * rng.uniform(*how.coarse_to)))
        kind = "bicubic" if rng.random() < 0.5 else "bilinear"
        coarse = functional.interpolate(pictures[part], size=(small, small), mode="area")
        pictures[part] = functional.interpolate(
            coarse, size=(size, size), mode=kind, align_corners=False
        ).clamp(0, 1)
    return pictures


DYES = ((0.834750, 0.513556, 0.196330), (0.092789, 0.954111, 0.283111))
"""Optical density by channel of methylene blue and eosin in a Giemsa stain, as in ImageJ's colour
deconvolution (Ruifrok and Johnston, Analyt. Quant. Cytol. Histol. 23, 2001)."""


def _dyes(device: torch.device) -> torch.Tensor:
    """[3, 3] unit rows: blue, red, and what neither explains."""
    blue, red = (functional.normalize(torch.tensor(each), dim=0) for each in DYES)
    rest = functional.normalize(torch.linalg.cross(blue, red), dim=0)
    return torch.stack([blue, red, rest]).to(device)


def vary_dyes(density: torch.Tensor, strength: float, dice: Dice) -> torch.Tensor:
    """Optical density [B, 3, S, S] as of a stain whose dyes are stronger, weaker, of another hue.

    The density is parted into the dyes; each gets a gain exp(±.9 strength), a response
    exp(±.35 strength) (its strong parts gain more or less than its weak ones) and a vector turned
    by noise of deviation .12 strength.
    """
    count = len(density)
    vectors = _dyes(density.device)
    amounts = torch.einsum("bchw,cd->bdhw", density, torch.linalg.inv(vectors))
    gain = torch.exp(dice.uniform(-0.9, 0.9, count, 3, 1, 1) * strength)
    bend = torch.exp(dice.uniform(-0.35, 0.35, count, 3, 1, 1) * strength)
    bent = amounts.sign() * (amounts.abs() + 1e-4) ** bend
    turned = vectors + 0.12 * strength * torch.stack([dice.normal(3, 3) for _ in range(count)])
    turned = functional.normalize(turned, dim=2)
    return torch.einsum("bdhw,bdc->bchw", bent * gain, turned).clamp(0, 4.5)


def vary_stain(
    pictures: torch.Tensor, strength: float, rng: np.random.Generator, dyes: float = 0.0
) -> torch.Tensor:
    """Pictures [B, 3, S, S] in 0..1 with their optical density changed, background tinted.

    dyes: share of pictures in which the dyes are varied instead of gain and mix of channels.
    """
    count = len(pictures)
    dice = Dice(rng, pictures.device)
    density = -torch.log(pictures.clamp(0.012, 1))
    gain = torch.exp(
        dice.uniform(-0.6, 0.6, count, 1, 1, 1) * strength
        + dice.uniform(-0.5, 0.5, count, 3, 1, 1) * strength
    )
    mix = torch.eye(3, device=pictures.device) + dice.uniform(-0.25, 0.25, count, 3, 3) * strength
    mixed = torch.einsum("bij,bjhw->bihw", mix, density * gain).clamp(min=0)
    if dyes:
        rows = dice.some(dyes, count)
        mixed[rows] = vary_dyes(density[rows], strength, dice)
    tint = dice.uniform(0, 0.25, count, 3, 1, 1) * strength * dice.yes(0.5, count)
    return torch.exp(-(mixed + tint))


def filter_some(pictures: torch.Tensor, share: float, rng: np.random.Generator) -> torch.Tensor:
    """A ``share`` of pictures [B, 3, S, S] mixed with themselves through a random 3x3 filter.

    Xu et al., "Robust and generalizable visual representation learning via random convolutions",
    ICLR 2021; each keeps the mean and deviation of its channels, so that it stays a picture.
    """
    dice = Dice(rng, pictures.device)
    rows = dice.some(share, len(pictures))
    count = len(rows)
    if not count:
        return pictures
    chosen = pictures[rows]
    weights = torch.stack([dice.normal(3, 3, 3, 3) for _ in range(count)]).flatten(0, 1)
    sides = [chosen.shape[-2], chosen.shape[-1]]
    padded = functional.pad(chosen, (1, 1, 1, 1), mode="replicate")
    seen = functional.conv2d(padded.flatten(0, 1)[None], weights, groups=count)
    seen = seen.reshape(count, 3, *sides)
    axes = (2, 3)
    level_of = [
        (each.mean(axes, keepdim=True), each.std(axes, keepdim=True)) for each in (chosen, seen)
    ]
    (mean, std), (own, spread) = level_of
    seen = (seen - own) / (spread + 1e-4) * std + mean
    part = dice.uniform(0.2, 0.8, count, 1, 1, 1)
    pictures = pictures.clone()
    pictures[rows] = (chosen * (1 - part) + seen * part).clamp(0, 1)
    return pictures


def vary_camera(pictures: torch.Tensor, how: Level, rng: np.random.Generator) -> torch.Tensor:
    """Pictures [B, 3, S, S] in 0..1 with contrast, brightness, colour, focus and noise changed."""
    count = len(pictures)
    dice = Dice(rng, pictures.device)
    contrast = 1 + dice.uniform(-how.contrast, how.contrast, count, 1, 1, 1)
    brightness = dice.uniform(-how.contrast / 2.5, how.contrast / 2.5, count, 1, 1, 1)
    pictures = (pictures - 0.5) * contrast + 0.5 + brightness
    grey = dice.some(how.grey, count)
    if len(grey):
        pictures[grey] = pictures[grey].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    blurred = dice.some(how.blur, count)
    if len(blurred):
        radius = int(rng.integers(1, 3))
        padded = functional.pad(pictures[blurred], (radius,) * 4, mode="replicate")
        pictures[blurred] = functional.avg_pool2d(padded, 2 * radius + 1, 1)
    if how.noise:
        noise = dice.normal(*pictures.shape)
        pictures = pictures + noise * dice.uniform(0, how.noise, count, 1, 1, 1)
    return pictures.clamp(0, 1)


def replace_background(
    pictures: torch.Tensor, masks: torch.Tensor, share: float, rng: np.random.Generator
) -> torch.Tensor:
    """Pictures [B, 3, S, S] in 0..1, a ``share`` of them with all but the cell made one colour.

    masks: [B, 1, S, S] in 0..1, the cell's. The colour is the view's white, or any from mid-grey
    up: what stands around a cell must not tell its class.
    """
    count = len(pictures)
    dice = Dice(rng, pictures.device)
    plain = dice.uniform(0.5, 1.0, count, 3, 1, 1)
    white = torch.tensor(WHITE, device=pictures.device)
    colour = torch.where(dice.yes(0.5, count), white, plain)
    chosen = dice.yes(share, count)
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
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Training pictures float32 [B, 3, size, size] in 0..1 from whole ones uint8 [B, F, F, 3].

    They are varied, and stay, on ``device``.
    """
    batch = torch.from_numpy(whole).to(device).permute(0, 3, 1, 2).float().div_(255)
    masks = None
    if around is not None:
        masks = torch.from_numpy(around.masks).to(device)[:, None].float().div_(255)
    own = around.own if around is not None else None
    background = around.background if around is not None else 0.0
    return vary(batch, masks, own, background, size, crop, how, rng)


def vary(
    batch: torch.Tensor,
    masks: torch.Tensor | None,
    own: np.ndarray | None,
    background: float,
    size: int,
    crop: float,
    how: Level,
    rng: np.random.Generator,
) -> torch.Tensor:
    """``augment`` of pictures [B, 3, F, F] and masks [B, 1, F, F] in 0..1 that are tensors already.

    own, background: as of ``Surroundings``; not used where masks is None.
    """
    if masks is None or own is None:
        pictures = vary_geometry(batch, size, crop, how, rng)
    else:
        # a quarter is seen at the cell's own scale, as a picture that comes alone will be
        own = np.where(rng.random(len(batch)) < 0.25, own, 1.0)
        turned = vary_geometry(torch.cat([batch, masks], 1), size, crop, how, rng, own)
        pictures = replace_background(turned[:, :3], turned[:, 3:], background, rng)
    if how.coarse:
        pictures = _coarsen(pictures, how, rng)
    if how.stain:
        pictures = vary_stain(pictures, how.stain, rng, how.dyes)
    if how.filtered:
        pictures = filter_some(pictures, how.filtered, rng)
    if how.contrast or how.blur or how.noise or how.grey:
        pictures = vary_camera(pictures, how, rng)
    return pictures

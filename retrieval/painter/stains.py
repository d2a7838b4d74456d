"""Laboratories and slides: how concentrations become light, and light becomes a picture.

Beer-Lambert: the light through a stain of concentration c and absorbance vector e is
``ground * 10^(-c e)``, written here with natural logarithms. A laboratory has its absorbance
vectors, its ground colour and its camera; each slide (one a patient) varies around them, as stain
batches and smear thickness do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from index.errors import CellKinError
from retrieval.painter.canvas import COMPONENTS, HAEM, Canvas
from retrieval.painter.noise import Floats, texture

STRAY = 0.09


class LaboratoryError(CellKinError):
    """A laboratory that the painter does not have."""


@dataclass(frozen=True)
class Laboratory:
    """One laboratory's stain and camera.

    ground: RGB 0..255 of clear plasma. absorbance: natural-log absorbance [5][3] of one unit of
    nuclear violet, azure blue, eosin, haemoglobin and azurophil purple in R, G and B.
    magnification: against a picture in which a red cell is a fifth of the side. blur: radius in
    units. noise: standard deviation of the sensor in grey levels. vignette: share of light lost in
    the corners. variation: spread between slides. pallor: mean depth of the red cells' pale middle.
    """

    code: str
    name: str
    ground: tuple[float, float, float]
    absorbance: tuple[tuple[float, float, float], ...]
    magnification: float = 1.0
    blur: float = 0.0
    noise: float = 1.5
    vignette: float = 0.0
    variation: float = 0.08
    pallor: float = 0.7
    sharpen: int = 0


LABORATORIES: dict[str, Laboratory] = {
    lab.code: lab
    for lab in (
        Laboratory(
            "a",
            "May-Grünwald-Giemsa, automated microscope, warm ground",
            (255, 231, 205),
            (
                (1.30, 2.30, 0.46),
                (0.58, 0.48, 0.08),
                (0.27, 0.80, 0.36),
                (0.20, 0.29, 0.20),
                (0.72, 1.65, 0.50),
            ),
            sharpen=60,
        ),
        Laboratory(
            "b",
            "May-Grünwald-Giemsa, second camera, cool grey ground",
            (235, 225, 236),
            (
                (1.25, 2.10, 0.46),
                (0.66, 0.50, 0.05),
                (0.16, 0.62, 0.42),
                (0.17, 0.28, 0.16),
                (0.62, 1.60, 0.38),
            ),
            blur=0.5,
            noise=1.0,
            variation=0.06,
        ),
        Laboratory(
            "c",
            "Giemsa, telephone on the eyepiece, uneven light",
            (212, 190, 180),
            (
                (0.80, 2.10, 0.85),
                (0.45, 0.50, 0.15),
                (0.10, 0.55, 0.35),
                (0.26, 0.32, 0.20),
                (0.45, 1.40, 0.40),
            ),
            magnification=1.15,
            blur=0.6,
            noise=3.0,
            vignette=0.16,
            variation=0.14,
            pallor=0.45,
        ),
        Laboratory(
            "d",
            "Wright stain, magenta nuclei, grey-green red cells",
            (212, 215, 200),
            (
                (0.33, 2.50, 0.34),
                (0.35, 0.22, 0.02),
                (0.05, 0.50, 0.25),
                (0.25, 0.23, 0.18),
                (0.30, 1.60, 0.30),
            ),
            magnification=1.25,
            blur=0.5,
            noise=2.0,
            vignette=0.05,
            variation=0.12,
            pallor=0.6,
        ),
        Laboratory(
            "e",
            "rapid stain, brown-red nuclei on a yellow ground",
            (247, 228, 118),
            (
                (0.80, 2.00, 1.20),
                (0.28, 0.26, 0.02),
                (0.08, 0.36, 0.45),
                (0.03, 0.13, 0.26),
                (0.50, 1.20, 0.70),
            ),
            magnification=1.5,
            blur=1.2,
            noise=3.0,
            variation=0.12,
            pallor=0.4,
        ),
        Laboratory(
            "f",
            "blue-violet stain, small sensor, cool ground",
            (196, 204, 202),
            (
                (0.56, 0.88, 0.02),
                (0.35, 0.30, 0.00),
                (0.02, 0.34, 0.12),
                (0.05, 0.20, 0.25),
                (0.32, 0.56, 0.02),
            ),
            magnification=1.5,
            blur=1.5,
            noise=2.0,
            variation=0.10,
            pallor=0.2,
        ),
    )
}


def laboratory_of(code: str) -> Laboratory:
    """The laboratory named ``code``. Raises LaboratoryError."""
    if code not in LABORATORIES:
        raise LaboratoryError(
            f"laboratory is {code!r}, allowed is one of {', '.join(LABORATORIES)}",
            "give one of these letters",
        )
    return LABORATORIES[code]


@dataclass(frozen=True)
class Slide:
    """One slide of one patient: the laboratory's stain as it came out that day.

    ground [3], absorbance [5, 3], crowding (red cells against the usual number), pallor, red_size
    (red cells' diameter in units), stippling (dirt and precipitate, 0..1).
    """

    laboratory: Laboratory
    ground: Floats
    absorbance: Floats
    crowding: float
    pallor: float
    red_size: float
    red_wobble: float
    stippling: float


def make_slide(laboratory: Laboratory, rng: np.random.Generator) -> Slide:
    """Draw a slide of ``laboratory``."""
    spread = laboratory.variation
    strength = np.exp(rng.normal(0, spread, (COMPONENTS, 1)))
    tint = np.exp(rng.normal(0, spread * 0.4, (COMPONENTS, 3)))
    absorbance = np.asarray(laboratory.absorbance) * strength * tint
    ground = np.asarray(laboratory.ground) * np.exp(rng.normal(0, spread * 0.12, 3))
    return Slide(
        laboratory=laboratory,
        ground=np.minimum(ground, 255).astype(np.float32),
        absorbance=absorbance.astype(np.float32),
        crowding=float(np.clip(rng.normal(1.0, 0.22), 0.5, 1.5)),
        pallor=float(np.clip(rng.normal(laboratory.pallor, 0.28), 0.0, 1.0)),
        red_size=float(np.clip(rng.normal(37, 2.2), 31, 43)),
        red_wobble=float(rng.uniform(0.25, 1.2)),
        stippling=float(rng.uniform(0, 1) ** 3),
    )


def develop(canvas: Canvas, slide: Slide, rng: np.random.Generator) -> Image.Image:
    """Turn a canvas into the picture this slide's camera takes of it."""
    laboratory = slide.laboratory
    height, width = canvas.height, canvas.width
    depth = np.tensordot(canvas.layers, slide.absorbance, axes=(0, 0))
    # Cells that lie over one another are pressed thinner there: the overlap is less than twofold.
    excess = np.maximum(canvas.layers[HAEM] - 0.95, 0)
    depth -= (0.55 * excess)[..., None] * slide.absorbance[HAEM]
    # Some light strays past the stain into every pixel, so that nothing is quite black.
    light = slide.ground * (STRAY + (1 - STRAY) * np.exp(depth * (-1 / (1 - STRAY))))
    if laboratory.vignette:
        rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        columns = np.linspace(-1, 1, width, dtype=np.float32)[None]
        lean = rng.normal(0, 0.35, 2)
        fall = (rows - lean[0]) ** 2 + (columns - lean[1]) ** 2
        light *= (1 - laboratory.vignette * 0.5 * fall)[..., None]
    picture = to_picture(light)
    if laboratory.blur:
        radius = laboratory.blur * canvas.scale * float(rng.uniform(0.7, 1.4))
        picture = picture.filter(ImageFilter.GaussianBlur(radius))
    if laboratory.sharpen:
        picture = picture.filter(
            ImageFilter.UnsharpMask(1.2 * canvas.scale, laboratory.sharpen, threshold=2)
        )
    grain = np.stack([texture(rng, height, width, 0.5) for _ in range(3)], axis=2)
    return to_picture(np.asarray(picture, np.float32) + laboratory.noise * grain)


def to_picture(light: Floats) -> Image.Image:
    """An 8-bit RGB picture of light float32 [H, W, 3] in 0..255; values outside are clipped."""
    return Image.fromarray(np.clip(np.rint(light), 0, 255).astype(np.uint8), "RGB")

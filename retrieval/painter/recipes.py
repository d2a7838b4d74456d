"""What a cell of each class looks like, as data.

Sizes come from boxes measured on public pictures; colours and textures from haematology atlases.
One registry: RECIPES. Diameters are in units (192 to a picture), ranges are drawn uniformly,
(mean, deviation) pairs from a normal distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.painter.canvas import AZURE, AZUROPHIL, EOSIN, HAEM, NUCLEAR

Range = tuple[float, float]


@dataclass(frozen=True)
class Granules:
    """Granules of one stain: how many, how large (radius in units), how strong.

    ``fine`` paints them as a texture rather than one by one. ``over`` is the share of their
    strength that shows over the nucleus.
    """

    component: int
    count: Range
    radius: Range
    strength: Range
    over: float = 0.0
    fine: bool = False


@dataclass(frozen=True)
class Recipe:
    """A class's looks.

    nucleus: a plan of retrieval.painter.nuclei. nucleus_size: radius of its circle against the
    cell's. density: concentration of nuclear stain. clumps: grain of the chromatin in units and
    its contrast. cytoplasm: concentration range by stain component. offset: how far the nucleus
    lies off the middle, as a share of the free space. ragged: deviation of the outline in
    units, slow along it; fringe: the same, quick along it.
    """

    class_code: str
    subclass: str
    diameter: Range
    nucleus: tuple[str, ...]
    nucleus_size: Range
    density: Range
    clumps: tuple[float, float]
    cytoplasm: dict[int, Range]
    granules: tuple[Granules, ...] = ()
    vacuoles: Range = (0, 0)
    nucleoli: Range = (0, 0)
    offset: Range = (0.0, 0.5)
    ragged: Range = (0.5, 1.2)
    stretch: float = 0.05
    mottle: float = 0.12
    fringe: float = 0.2


def _neutrophil(subclass: str, nucleus: str, size: Range) -> Recipe:
    return Recipe(
        "neutrophil", subclass, (78, 5.5), (nucleus,), size, (0.92, 1.08), (1.2, 0.32),
        {EOSIN: (0.06, 0.16), HAEM: (0.22, 0.45), AZURE: (0.08, 0.20), AZUROPHIL: (0.02, 0.07)},
        granules=(
            Granules(AZUROPHIL, (0, 0), (0.5, 0.7), (0.10, 0.30), fine=True),
            Granules(AZUROPHIL, (10, 60), (0.5, 0.9), (0.25, 0.5)),
        ),
    )  # fmt: skip


def _immature(
    subclass: str, diameter: Range, nucleus: tuple[str, ...], size: Range, blue: Range,
    granules: tuple[Granules, ...], nucleoli: Range = (0, 0), contrast: float = 0.40,
) -> Recipe:  # fmt: skip
    return Recipe(
        "immature_granulocyte", subclass, diameter, nucleus, size, (0.68, 0.90),
        (1.2, contrast),
        {AZURE: blue, EOSIN: (0.02, 0.08), HAEM: (0.3, 0.5), AZUROPHIL: (0.06, 0.18)},
        granules=granules, nucleoli=nucleoli, offset=(0.4, 1.0), vacuoles=(0, 2), stretch=0.09,
        ragged=(0.6, 2.4), fringe=0.25,
    )  # fmt: skip


_RECIPES = (
    _neutrophil("segmented_neutrophil", "lobed", (0.72, 0.88)),
    _neutrophil("band_neutrophil", "band", (0.66, 0.80)),
    Recipe(
        "eosinophil", "", (76, 5.5), ("two_lobed",), (0.78, 0.92), (0.70, 0.90), (1.2, 0.38),
        {EOSIN: (0.46, 0.64), HAEM: (0.0, 0.1), AZURE: (0.08, 0.28)},
        granules=(
            Granules(EOSIN, (240, 420), (1.2, 1.9), (0.36, 0.58), over=0.12),
            Granules(AZUROPHIL, (30, 120), (0.6, 1.0), (0.15, 0.35)),
        ),
        offset=(0.5, 1.0),
    ),
    Recipe(
        "basophil", "", (70, 6), ("clover",), (0.78, 0.94), (0.6, 0.85), (1.1, 0.34),
        {AZUROPHIL: (0.12, 0.32), EOSIN: (0.03, 0.1), HAEM: (0.3, 0.6), AZURE: (0.0, 0.25)},
        granules=(Granules(NUCLEAR, (180, 480), (1.0, 1.7), (0.40, 0.75), over=0.55),
                  Granules(AZUROPHIL, (40, 140), (0.9, 1.6), (0.3, 0.6), over=0.4)),
        ragged=(0.8, 2.0), stretch=0.08,
    ),
    Recipe(
        "lymphocyte", "", (58, 6), ("round", "round", "dense_round"), (0.78, 0.93), (0.78, 1.0),
        (1.2, 0.36), {AZURE: (0.3, 0.8), HAEM: (0.2, 0.45), AZUROPHIL: (0.0, 0.12)},
        granules=(Granules(AZUROPHIL, (0, 5), (0.6, 1.0), (0.3, 0.5)),),
        offset=(0.3, 1.0), ragged=(0.5, 2.6), stretch=0.10, mottle=0.3, fringe=0.35,
    ),
    Recipe(
        "monocyte", "", (88, 9), ("folded", "folded", "kidney"), (0.74, 0.90), (0.58, 0.78),
        (1.2, 0.46), {AZURE: (0.32, 0.52), HAEM: (0.2, 0.5), AZUROPHIL: (0.02, 0.12)},
        granules=(Granules(AZUROPHIL, (0, 0), (0.5, 0.7), (0.05, 0.16), fine=True),),
        vacuoles=(0, 24), offset=(0.0, 0.8), ragged=(0.8, 4.0), stretch=0.14, mottle=0.24,
        fringe=0.35,
    ),
    Recipe(
        "erythroblast", "", (56, 7), ("dense_round",), (0.48, 0.74), (0.98, 1.2),
        (1.3, 0.32), {AZURE: (0.1, 0.6), HAEM: (0.5, 1.0), AZUROPHIL: (0.02, 0.14)},
        offset=(0.0, 0.7), ragged=(0.6, 2.2), stretch=0.07, fringe=0.3,
    ),
    _immature("promyelocyte", (86, 9), ("round",), (0.74, 0.88), (0.30, 0.55),
              (Granules(AZUROPHIL, (90, 320), (0.7, 1.2), (0.4, 0.7), over=0.5),),
              nucleoli=(0, 3), contrast=0.36),
    _immature("myelocyte", (78, 8), ("round", "round", "kidney"), (0.66, 0.80), (0.15, 0.4),
              (Granules(AZUROPHIL, (0, 0), (0.5, 0.7), (0.2, 0.55), fine=True),
               Granules(AZUROPHIL, (60, 260), (0.6, 1.0), (0.3, 0.6), over=0.2))),
    _immature("metamyelocyte", (76, 7), ("kidney",), (0.68, 0.80), (0.06, 0.22),
              (Granules(AZUROPHIL, (0, 0), (0.5, 0.7), (0.15, 0.45), fine=True),
               Granules(AZUROPHIL, (30, 160), (0.6, 0.9), (0.25, 0.5), over=0.1))),
    Recipe(
        "blast", "", (78, 9), ("round",), (0.84, 0.93), (0.62, 0.82), (0.8, 0.2),
        {AZURE: (0.6, 1.0), HAEM: (0.1, 0.3)}, nucleoli=(1, 4), offset=(0.2, 0.9),
        ragged=(0.6, 2.0),
    ),
    Recipe(
        "lymphocyte", "variant_lymphocyte", (80, 8), ("round", "folded"), (0.55, 0.70),
        (0.82, 1.0), (2.0, 0.18), {AZURE: (0.4, 0.9), HAEM: (0.1, 0.3)}, nucleoli=(0, 1),
        offset=(0.3, 1.0), ragged=(1.5, 4.0), stretch=0.14, mottle=0.25,
    ),
)  # fmt: skip

RECIPES: dict[str, Recipe] = {recipe.subclass or recipe.class_code: recipe for recipe in _RECIPES}

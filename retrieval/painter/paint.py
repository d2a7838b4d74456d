"""Paint cells, data sets and fields: seeded, the same on every machine."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from index.errors import CellKinError
from index.progress import track
from retrieval.painter.canvas import UNITS, Canvas
from retrieval.painter.leukocytes import (
    drawn_radius,
    paint_leukocyte,
    paint_precipitate,
    paint_smudge,
)
from retrieval.painter.recipes import RECIPES
from retrieval.painter.stains import Slide, develop, laboratory_of, make_slide
from retrieval.painter.surroundings import (
    Occupied,
    paint_platelet,
    scatter_platelets,
    scatter_red_cells,
    strew_dirt,
    tint_plasma,
)
from retrieval.writing import write_whole

Pixels = NDArray[np.uint8]

# what can be asked for -> what is then painted, one of them drawn by the seed
KINDS: dict[str, tuple[str, ...]] = {
    "neutrophil": ("segmented_neutrophil", "band_neutrophil"),
    "segmented_neutrophil": ("segmented_neutrophil",),
    "band_neutrophil": ("band_neutrophil",),
    "eosinophil": ("eosinophil",),
    "basophil": ("basophil",),
    "lymphocyte": ("lymphocyte",),
    "monocyte": ("monocyte",),
    "erythroblast": ("erythroblast",),
    "immature_granulocyte": ("promyelocyte", "myelocyte", "metamyelocyte"),
    "promyelocyte": ("promyelocyte",),
    "myelocyte": ("myelocyte",),
    "metamyelocyte": ("metamyelocyte",),
    "platelet": ("platelet",),
    "giant_platelet": ("giant_platelet",),
    "platelet_aggregate": ("platelet_aggregate",),
    "blast": ("blast",),
    "variant_lymphocyte": ("variant_lymphocyte",),
    "smudge_cell": ("smudge_cell",),
    "artifact": ("artifact",),
}
# Patients of one laboratory, and the split each falls into: patients are split, not cells.
SPLIT = ("train",) * 7 + ("val",) * 2 + ("test",)
PATIENTS = len(SPLIT)

PARENTS = {"giant_platelet": "platelet", "platelet_aggregate": "platelet"}
PBC_CLASSES = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature_granulocyte",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)


class PaintError(CellKinError):
    """The painter was asked for something it cannot paint."""


@dataclass(frozen=True)
class PaintedField:
    """A painted smear field.

    pixels: uint8 [H, W, 3]. boxes: (class or subclass code, left, top, width, height) in pixels,
    one for each of the cells asked for.
    """

    pixels: Pixels
    boxes: tuple[tuple[str, int, int, int, int], ...]


def paint_cell(
    class_code: str,
    seed: int,
    *,
    size: int = 192,
    laboratory: str = "a",
    slide: int | None = None,
) -> Pixels:
    """Paint one stained cell, uint8 [size, size, 3] RGB.

    class_code is one of KINDS, a class or a subclass; a class draws one of its subclasses.
    ``slide`` numbers a slide of the laboratory: cells of one slide share stain, ground and red
    cells; None makes a slide of the seed's own. Raises PaintError and LaboratoryError.
    """
    kind = painted_kind(class_code, seed)
    _check_size(size)
    return _paint_kind(kind, seed, size, slide_of(laboratory, seed if slide is None else slide))


def painted_kind(class_code: str, seed: int) -> str:
    """The kind (deepest code) that ``paint_cell`` paints for a class and a seed."""
    if class_code not in KINDS:
        raise PaintError(
            f"class is {class_code!r}, the painter has {', '.join(KINDS)}", "give one of these"
        )
    kinds = KINDS[class_code]
    return kinds[int(_generator("kind", seed).integers(len(kinds)))]


def slide_of(laboratory: str, number: int) -> Slide:
    """Slide ``number`` of a laboratory."""
    found = laboratory_of(laboratory)
    return make_slide(found, _generator(f"slide {laboratory}", number))


def paint_dataset(
    folder: str | Path,
    per_class: int,
    seed: int,
    *,
    laboratories: Sequence[str] = ("a",),
    size: int = 192,
    classes: Sequence[str] | None = None,
) -> Path:
    """Paint ``per_class`` PNG files a class into class folders, with ``labels.csv``; its folder.

    Columns: file, class, subclass, patient, slide, split. Each laboratory has patients of two
    slides; patients, not cells, are split into train (about 70%), val and test. Classes default to
    PBC_CLASSES. The same arguments write the same bytes; files already there are written over.
    Raises PaintError and LaboratoryError.
    """
    target = Path(folder)
    for laboratory in laboratories:
        laboratory_of(laboratory)
    if per_class < 1:
        raise PaintError(f"per_class is {per_class}, allowed is 1 or more", "ask for a cell")
    wanted = tuple(classes) if classes is not None else PBC_CLASSES
    jobs = [(code, number) for code in wanted for number in range(per_class)]
    if not jobs:
        raise PaintError("classes is empty, allowed is one or more", "leave it out for all eight")
    try:
        rows = [
            _paint_file(target, code, number, seed, laboratories, size)
            for code, number in track(jobs, len(jobs), "painting")
        ]
    except OSError as error:
        raise PaintError(
            f"{target} cannot be painted into: {error.strerror or error}",
            "give a folder that can be written and has room",
        ) from error
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(target / "labels.csv", table.getvalue())
    return target


def _paint_file(
    target: Path, code: str, number: int, seed: int, laboratories: Sequence[str], size: int
) -> dict[str, str]:
    """Paint one cell of a data set; its row of labels.csv."""
    cell_seed = zlib.crc32(f"{seed} {code} {number}".encode())
    laboratory = laboratories[number % len(laboratories)]
    patient = (number // len(laboratories)) % PATIENTS
    slide = 2 * patient + (number // (len(laboratories) * PATIENTS)) % 2
    kind = painted_kind(code, cell_seed)
    parent = _class_of(kind)
    pixels = paint_cell(
        kind, cell_seed, size=size, laboratory=laboratory, slide=1000 * seed + slide
    )
    path = target / code / f"{kind}_{laboratory}_{number:05d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=1)
    return {
        "file": path.relative_to(target).as_posix(),
        "class": parent,
        "subclass": kind if kind != parent else "",
        "patient": f"{laboratory}-p{patient:02d}",
        "slide": f"{laboratory}-p{patient:02d}-s{slide % 2}",
        "split": SPLIT[patient],
    }


def _class_of(kind: str) -> str:
    """The class of a kind: of the eight, or the kind itself."""
    return RECIPES[kind].class_code if kind in RECIPES else PARENTS.get(kind, kind)


def paint_field(
    seed: int,
    *,
    width: int = 640,
    height: int = 480,
    laboratory: str = "a",
    cells: Sequence[str] = ("neutrophil", "lymphocyte", "monocyte", "eosinophil"),
    slide: int | None = None,
) -> PaintedField:
    """Paint a smear field of ``cells`` among red cells, about 38 pixels a red cell.

    Cells that find no room beside the others are left out.
    """
    rng = _generator("field", seed)
    stain = slide_of(laboratory, seed if slide is None else slide)
    canvas = Canvas(height, width, stain.laboratory.magnification, rng)
    wide, high = width / canvas.scale, height / canvas.scale
    placed: list[tuple[str, float, float, float]] = []
    for number, code in enumerate(cells):
        kind = painted_kind(code, seed + number)
        radius = kind_radius(kind, rng)
        for _ in range(60):
            x, y = rng.uniform(radius, wide - radius), rng.uniform(radius, high - radius)
            if all(np.hypot(x - a, y - b) > r + radius + 2 for _, a, b, r in placed):
                placed.append((kind, x, y, radius))
                break
    occupied: Occupied = [(x, y, radius) for _, x, y, radius in placed]
    _paint_surroundings(canvas, stain, occupied)
    for kind, x, y, radius in placed:
        _paint_one(canvas, kind, x, y, radius)
    boxes = tuple(
        (
            kind,
            round((x - radius) * canvas.scale),
            round((y - radius) * canvas.scale),
            round(2 * radius * canvas.scale),
            round(2 * radius * canvas.scale),
        )
        for kind, x, y, radius in placed
    )
    return PaintedField(np.asarray(develop(canvas, stain, rng)).copy(), boxes)


def _check_size(size: int) -> None:
    if not 16 <= size <= 2048:
        raise PaintError(f"size is {size}, allowed is 16 to 2048", "choose another size")


def _paint_kind(kind: str, seed: int, size: int, slide: Slide) -> Pixels:
    """Paint ``kind`` in the middle of a picture; small pictures are reduced from 192."""
    rng = _generator(f"cell {kind}", seed)
    inner = max(size, int(UNITS))
    canvas = Canvas(inner, inner, inner / UNITS * slide.laboratory.magnification, rng)
    middle = inner / canvas.scale / 2
    radius = kind_radius(kind, rng)
    x, y = middle + rng.normal(0, 2.0, 2)
    _paint_surroundings(canvas, slide, [(x, y, radius)])
    _paint_one(canvas, kind, x, y, radius)
    picture = develop(canvas, slide, rng)
    if inner != size:
        picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture).copy()


def _paint_surroundings(canvas: Canvas, slide: Slide, occupied: Occupied) -> None:
    """Plasma, red cells, a platelet here and there, dirt."""
    area = canvas.width * canvas.height / (canvas.scale * UNITS) ** 2
    tint_plasma(canvas)
    scatter_red_cells(canvas, slide, occupied)
    scatter_platelets(canvas, slide, occupied, int(canvas.rng.poisson(0.8 * area)))
    strew_dirt(canvas, slide, (0.4 + 4 * slide.stippling) * area)


def kind_radius(kind: str, rng: np.random.Generator) -> float:
    """A radius in units for a cell of ``kind``."""
    if kind in RECIPES:
        return drawn_radius(RECIPES[kind], rng)
    low, high = {
        "platelet": (9.5, 17.0),
        "giant_platelet": (19.0, 30.0),
        "platelet_aggregate": (24.0, 40.0),
        "smudge_cell": (34.0, 52.0),
        "artifact": (18.0, 44.0),
    }[kind]
    return float(rng.uniform(low, high))


def _paint_one(canvas: Canvas, kind: str, x: float, y: float, radius: float) -> None:
    """Paint a cell of ``kind`` about (x, y)."""
    if kind in RECIPES:
        paint_leukocyte(canvas, RECIPES[kind], x, y, radius)
    elif kind == "smudge_cell":
        paint_smudge(canvas, x, y, radius)
    elif kind == "artifact":
        paint_precipitate(canvas, x, y, radius)
    elif kind == "platelet_aggregate":
        for _ in range(int(canvas.rng.integers(6, 15))):
            dx, dy = canvas.rng.normal(0, radius * 0.42, 2)
            paint_platelet(canvas, x + dx, y + dy, float(canvas.rng.uniform(6, 11)))
    else:
        paint_platelet(canvas, x, y, radius)


def _generator(purpose: str, seed: int) -> np.random.Generator:
    """A generator of its own for each purpose and seed."""
    return np.random.Generator(np.random.PCG64([zlib.crc32(purpose.encode()), seed]))

"""The surest errors as a picture: each wrong cell, the answer, and the neighbours behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from index.errors import CellKinError
from retrieval.evaluation.judged import Judged
from retrieval.evaluation.style import GREEN, INK, LINE, PAPER, QUIET, RED, save_picture

TILE, GAP, MARGIN, WORDS, FOOT = 116, 10, 22, 232, 34
NEIGHBOURS = 6

Picture = np.ndarray | CellKinError


def surest_errors(cells: Sequence[Judged], count: int = 12) -> list[Judged]:
    """The wrong answers of the highest probability, surest first; ties in the order given."""
    wrong = [cell for cell in cells if not cell.correct]
    return sorted(wrong, key=lambda cell: -cell.proposal.probability)[:count]


def draw_errors(
    cells: Sequence[Judged],
    names: Mapping[str, str],
    read: Callable[[Judged], Picture],
    read_reference: Callable[[int], Picture],
    path: Path,
    *,
    same_class: Callable[[str, str], bool],
) -> None:
    """A row for each of ``cells``: its picture, its class and the answer, its nearest references.

    A picture that cannot be read is drawn as an empty tile. ``same_class`` tells whether a
    reference's class counts as the true one: those stand in green with a tick, others in red.
    """
    rows = max(len(cells), 1)
    bold = _font(11, bold=True)
    height = MARGIN * 2 + 44 + rows * (TILE + FOOT + GAP)
    width = MARGIN * 2 + TILE + GAP + WORDS + NEIGHBOURS * (TILE + GAP)
    page = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(page)
    title = "The surest errors, with the references nearest to each" if cells else "No errors"
    draw.text((MARGIN, MARGIN), title, INK, _font(19, bold=True))
    for row, cell in enumerate(cells):
        top = MARGIN + 44 + row * (TILE + FOOT + GAP)
        page.paste(_tile(read(cell)), (MARGIN, top))
        file = cell.name.rpartition("/")[2]
        draw.text((MARGIN, top + TILE + 4), _fit(file, TILE, _font(11)), QUIET, _font(11))
        _say(draw, cell, names, (MARGIN + TILE + GAP + 6, top))
        left = MARGIN + TILE + GAP + WORDS
        for evidence in cell.proposal.evidence[:NEIGHBOURS]:
            page.paste(_tile(read_reference(evidence.cell_id)), (left, top))
            right = same_class(evidence.class_code, cell.true)
            colour = GREEN if right else RED
            draw.rectangle((left - 2, top - 2, left + TILE + 1, top + TILE + 1), None, colour, 3)
            label = names.get(evidence.class_code, evidence.class_code)
            draw.text((left, top + TILE + 4), _fit(label, TILE, bold), colour, bold)
            draw.text(
                (left, top + TILE + 18),
                f"{'✓' if right else '✗'}  similarity {evidence.similarity:.3f}",
                QUIET,
                _font(10),
            )
            left += TILE + GAP
        if row:
            draw.line((MARGIN, top - 8, width - MARGIN, top - 8), LINE, 1)
    save_picture(page, path)


def _say(
    draw: ImageDraw.ImageDraw, cell: Judged, names: Mapping[str, str], at: tuple[int, int]
) -> None:
    """What the cell is, and what was answered with which probability and decision."""
    left, top = at
    given = cell.proposal
    lines = [
        ("labelled", names.get(cell.true, cell.true), GREEN),
        ("answered", names.get(given.class_code, given.class_code), RED),
    ]
    for number, (what, name, colour) in enumerate(lines):
        draw.text((left, top + 34 * number), what, QUIET, _font(11))
        font = _font(14, bold=True)
        draw.text((left, top + 34 * number + 13), _fit(name, WORDS - 20, font), colour, font)
    said = f"probability {given.probability:.3f}, {given.decision.replace('_', ' ')}"
    draw.text((left, top + 74), said, INK, _font(12))
    draw.text((left, top + 92), f"novelty {given.novelty:.2f}", QUIET, _font(11))


def _tile(picture: Picture) -> Image.Image:
    """``picture`` on a square of TILE pixels, aspect kept; an empty one where it is an error."""
    tile = Image.new("RGB", (TILE, TILE), LINE)
    if isinstance(picture, CellKinError):
        ImageDraw.Draw(tile).text((TILE // 2, TILE // 2), "no picture", QUIET, _font(11), "mm")
        return tile
    image = Image.fromarray(picture)
    scale = TILE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.LANCZOS)
    tile.paste(image, ((TILE - image.width) // 2, (TILE - image.height) // 2))
    return tile


def _fit(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """``text``, cut so that it is no wider than ``width`` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf" / name), size)

"""A picture of queries beside their neighbours, each framed in the colour of its class."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from index import Atlas
from index.errors import CellKinError
from retrieval.answers.errors import AnswerError
from retrieval.answers.query import QueryResult
from retrieval.reading.decode import decode, read_cell
from retrieval.writing import check_file

TILE = 132  # side of a cell, in pixels
FRAME = 5
GAP = 14
CAPTION = 58
ACROSS = 10  # neighbours in one line
MOST = 40  # queries drawn

INK, QUIET, PAPER, LINE = "#1c2126", "#66707a", "#ffffff", "#d9dee3"


@dataclass(frozen=True)
class Tile:
    """One cell to draw: its pixels (None where they are gone), frame and up to three captions."""

    picture: np.ndarray | None
    colour: str
    captions: tuple[str, ...]


def draw_montage(rows: Sequence[tuple[Tile, Sequence[Tile]]]) -> Image.Image:
    """Draw each query (first of a row) left of its neighbours, nearest first."""
    step, height = TILE + 2 * FRAME + GAP, TILE + 2 * FRAME + CAPTION
    across = max([min(len(tiles), ACROSS) for _, tiles in rows] + [1])
    lines = [max(1, -(-len(tiles) // ACROSS)) for _, tiles in rows]
    left = 2 * GAP + step
    width = left + GAP + across * step
    sheet = Image.new("RGB", (width, GAP + sum(lines) * (height + GAP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    top = GAP
    for (query, tiles), deep in zip(rows, lines, strict=True):
        bottom = top + deep * (height + GAP)
        _draw_tile(sheet, pen, query, GAP, top)
        pen.line([(left - GAP, top), (left - GAP, bottom - 2 * GAP)], fill=LINE, width=2)
        for place, tile in enumerate(tiles):
            x = left + GAP + (place % ACROSS) * step
            _draw_tile(sheet, pen, tile, x, top + (place // ACROSS) * (height + GAP))
        if bottom < sheet.height:
            pen.line([(GAP, bottom - GAP // 2), (width - GAP, bottom - GAP // 2)], fill=LINE)
        top = bottom
    return sheet


def _draw_tile(sheet: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, x: int, y: int) -> None:
    outer = TILE + 2 * FRAME
    pen.rounded_rectangle((x, y, x + outer - 1, y + outer - 1), radius=7, fill=tile.colour)
    if tile.picture is None:
        pen.rectangle((x + FRAME, y + FRAME, x + outer - FRAME, y + outer - FRAME), fill="#eef1f4")
        middle = (x + outer // 2, y + outer // 2)
        pen.text(middle, "file missing", fill=QUIET, font=_font(12), anchor="mm")
    else:
        picture = Image.fromarray(tile.picture)
        size = (TILE, TILE)
        sheet.paste(ImageOps.pad(picture, size, color="#eef1f4"), (x + FRAME, y + FRAME))
    for number, text in enumerate(tile.captions[:3]):
        font = _heading(text, outer) if number == 0 else _font(11)
        at = (x + 1, y + outer + 5 + (0, 19, 34)[number])
        pen.text(at, _fit(text, font, outer), fill=INK if number == 0 else QUIET, font=font)


def _heading(text: str, width: int) -> ImageFont.FreeTypeFont:
    """The largest bold font of 13 to 10 pixels in which ``text`` fits, else the smallest."""
    fonts = [_font(size, bold=True) for size in (13, 12, 11, 10)]
    return next((font for font in fonts if font.getlength(text) <= width), fonts[-1])


def _fit(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """``text``, its middle replaced by an ellipsis where it is wider than ``width`` pixels."""
    if font.getlength(text) <= width:
        return text
    keep = len(text) - 1
    while keep > 1 and font.getlength(_shortened(text, keep)) > width:
        keep -= 1
    return _shortened(text, keep)


def _shortened(text: str, keep: int) -> str:
    head = (keep + 1) // 2
    return f"{text[:head]}…{text[len(text) - (keep - head) :]}"


@cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and knows Greek, Cyrillic and more."""
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size)


def montage_rows(atlas: Atlas, results: Iterable[QueryResult]) -> list[tuple[Tile, Sequence[Tile]]]:
    """What to draw of query results: the pictures, class names, distances and provenance."""
    rows: list[tuple[Tile, Sequence[Tile]]] = []
    for result in results:
        if result.error is not None:
            continue
        name = Path(result.file).name
        query = Tile(decode(Path(result.file)), INK, ("query", name))
        cells = atlas.cells_by_id([each.cell_id for each in result.neighbours])
        tiles = []
        for each in result.neighbours:
            node = atlas.taxonomy.node(each.class_code)
            try:
                picture = read_cell(atlas, cells[each.cell_id])
            except CellKinError:
                picture = None
            origin = " · ".join(filter(None, (each.dataset, each.patient or each.slide)))
            tiles.append(
                Tile(
                    picture,
                    node.colour,
                    (node.name, f"distance {each.distance:.4f} · {each.author}", origin),
                )
            )
        rows.append((query, tiles))
    return rows


def write_montage(atlas: Atlas, results: Sequence[QueryResult], out: Path) -> int:
    """Draw the first MOST readable queries into the PNG file ``out``; returns how many.

    Raises AnswerError when the file cannot be written; then none is left half-written.
    """
    check_file(out, "a PNG file", "--montage")
    rows = montage_rows(atlas, [each for each in results if each.error is None][:MOST])
    if not rows:
        return 0
    buffer = io.BytesIO()
    draw_montage(rows).save(buffer, "PNG")
    fresh = out.with_name(f".{out.name}.new")
    try:
        with fresh.open("wb") as file:
            file.write(buffer.getvalue())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(out)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise AnswerError(
            f"{out} cannot be written ({error.strerror or error})",
            "give --montage a folder you may write to",
        ) from error
    return len(rows)

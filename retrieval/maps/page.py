"""A map as one HTML file that needs no network: points, legend and the cells' pictures inside."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from index import Atlas, Cell
from index.errors import CellKinError
from index.progress import track
from index.settings import setting
from retrieval.maps.atlas_map import AtlasMap
from retrieval.maps.draw import check_colour
from retrieval.maps.groups import COLOURS, RAMP, Grouping, grouping
from retrieval.reading.decode import read_cell
from retrieval.writing import write_whole

TILE = 48
COLUMNS = 64
MOST = 4000
LEAST_OF_A_CLASS = 30
_TEMPLATE = Path(__file__).with_name("page.html")


def write_page(
    atlas: Atlas,
    drawn: AtlasMap,
    path: Path,
    *,
    colour: str = "class",
    most: int = MOST,
    seed: int = 0,
) -> int:
    """Write ``drawn`` as an HTML page and return how many cells it shows.

    Of more than ``most`` cells a seeded draw is shown, by class and with the rare ones kept, and
    the page says so: each picture takes about a kilobyte. Raises MapError, WriteError.
    """
    check_colour(drawn, colour)
    rows = chosen_rows(drawn, most, seed)
    cells = atlas.cells_by_id(int(i) for i in drawn.table["id"].iloc[rows])
    ordered = [cells[int(i)] for i in drawn.table["id"].iloc[rows]]
    document = _document(atlas, drawn, rows, colour)
    document["sprite"] = sprite(atlas, ordered)
    # "<" could end the script element that holds the data
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    page = _TEMPLATE.read_text(encoding="utf-8")
    write_whole(path, page.replace("{{DATA}}", text))
    return len(rows)


def chosen_rows(drawn: AtlasMap, most: int, seed: int) -> np.ndarray:
    """Rows that the page shows, ascending: all, or a draw in which no class is lost."""
    count = len(drawn.coordinates)
    if count <= most:
        return np.arange(count)
    rng = np.random.default_rng(seed)
    labels = np.array([label or "" for label in drawn.table["label"]])
    kept: list[np.ndarray] = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        quota = max(LEAST_OF_A_CLASS, len(rows) * most // count)
        kept.append(rows[:quota])
    rows = np.concatenate(kept)
    if len(rows) > most:
        rows = rng.permutation(rows)[:most]
    return np.sort(rows)


def _document(atlas: Atlas, drawn: AtlasMap, rows: np.ndarray, colour: str) -> dict[str, Any]:
    table = drawn.table.iloc[rows].reset_index(drop=True)
    x, y = _square(drawn.coordinates)[rows].T
    document: dict[str, Any] = {
        "note": _note(drawn, len(rows)),
        "colour": colour,
        "ramp": RAMP,
        "x": x.tolist(),
        "y": y.tolist(),
        "ids": table["id"].astype(int).tolist(),
        "files": [str(file).rpartition("/")[2] for file in table["file"]],
        "placed": drawn.placed[rows].astype(int).tolist(),
        "novelty": None
        if drawn.novelty is None
        else np.round(drawn.novelty[rows] * 1000).astype(int).tolist(),
        "groups": {
            name: _group_columns(grouping(table, atlas.taxonomy, name))
            for name in COLOURS
            if name != "novelty"
        },
    }
    for column in ("dataset", "patient", "slide"):
        names, places = _numbered(table[column].tolist())
        document[f"{column}s"], document[column] = names, places
    return document


def _note(drawn: AtlasMap, shown: int) -> str:
    count, placed = len(drawn.coordinates), int(drawn.placed.sum())
    note = f"{count:,} cells" if shown == count else (
        f"{shown:,} of {count:,} cells, drawn at random by class"
    )  # fmt: skip
    note += f", model {drawn.model_id[:12]}."
    if placed:
        note += f" {placed:,} were placed later on a map fitted without them (dark rim)."
    return note


def _square(coordinates: np.ndarray) -> np.ndarray:
    """Coordinates as whole numbers 0..10000 in a square, aspect kept, y downwards."""
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    span = float((high - low).max()) or 1.0
    inside = (coordinates - (low + high) / 2) / span + 0.5
    inside[:, 1] = 1 - inside[:, 1]
    return np.round(inside * 10_000).astype(int)


def _numbered(values: list[str | None]) -> tuple[list[str | None], list[int]]:
    """The distinct values in order of appearance, and the number of each."""
    number: dict[str | None, int] = {}
    return_of = [number.setdefault(value, len(number)) for value in values]
    return list(number), return_of


def _group_columns(found: Grouping) -> dict[str, Any]:
    return {
        "names": [group.name for group in found.groups],
        "colours": [group.colour for group in found.groups],
        "marks": [group.mark for group in found.groups],
        "counts": [group.count for group in found.groups],
        "of": found.of.tolist(),
    }


def sprite(atlas: Atlas, cells: list[Cell]) -> dict[str, Any]:
    """All pictures in one WebP, TILE pixels each, as a data URI; -1 for those that are missing."""
    rows = -(-len(cells) // COLUMNS)
    sheet = np.full((max(rows, 1) * TILE, COLUMNS * TILE, 3), 255, np.uint8)
    places: list[int] = []
    for number, tile in enumerate(track(_tiles(atlas, cells), len(cells), "pictures")):
        places.append(number if tile is not None else -1)
        if tile is not None:
            top, left = TILE * (number // COLUMNS), TILE * (number % COLUMNS)
            sheet[top : top + TILE, left : left + TILE] = tile
    held = io.BytesIO()
    Image.fromarray(sheet).save(held, format="WEBP", quality=62, method=4)
    return {
        "image": "data:image/webp;base64," + base64.b64encode(held.getvalue()).decode(),
        "columns": COLUMNS,
        "count": max(rows, 1) * COLUMNS,
        "of": places,
    }


def _tiles(atlas: Atlas, cells: list[Cell]) -> Iterator[np.ndarray | None]:
    """The picture of each cell on a square of TILE pixels, None where it cannot be read."""

    def tile(cell: Cell) -> np.ndarray | None:
        try:
            image = Image.fromarray(read_cell(atlas, cell))
        except CellKinError:
            return None
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
        return np.asarray(image.resize((TILE, TILE), Image.Resampling.LANCZOS, reducing_gap=2.0))

    source = iter(cells)
    with ThreadPoolExecutor(max(1, int(setting("workers")))) as pool:
        while part := list(islice(source, 256)):
            yield from pool.map(tile, part)

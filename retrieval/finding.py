"""The first pass over many pictures: find the cell in each, and the usual size of a laboratory's.

A data set or a folder is one laboratory: its cells are scaled by the median diameter of all that
were found in it, so all of it is looked through before any of it is described.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import astuple, dataclass, field
from typing import Any, TypeVar

import numpy as np

from index import Atlas, Cell, CellFilter
from index.describing import FINDING
from index.errors import CellKinError
from index.progress import progress_bar
from retrieval.cellview import CellFinder, Finding
from retrieval.cellview.finder import working
from retrieval.model import Model
from retrieval.reading.decode import read_cell
from retrieval.stream import in_batches

ENOUGH = 50  # cells found from which a data set's median diameter stays as it is
MOVED = 0.10  # share by which it may move before that without describing anew
SIZES = 3.5  # how many times as large as the small cells the large ones of one laboratory may be

Item = TypeVar("Item")


def as_row(finding: Finding) -> tuple[float, ...]:
    """The columns of ``index.describing.FINDING``."""
    x, y, diameter, nucleus, background, found, others = astuple(finding)
    return (x, y, diameter, nucleus, *background, float(found), float(others))


def from_row(row: Iterable[float]) -> Finding:
    """The inverse of ``as_row``."""
    x, y, diameter, nucleus, r, g, b, found, others = row
    return Finding(x, y, diameter, nucleus, (r, g, b), bool(found), int(others))


def median_diameter(values: np.ndarray) -> float | None:
    """Median diameter among rows [N, 9] of FINDING; None where no cell was found."""
    diameters = values[values[:, FINDING.index("found")] > 0, FINDING.index("diameter")]
    return float(np.median(diameters)) if len(diameters) else None


def sizes_apart(values: np.ndarray) -> str | None:
    """What to say of findings, rows [N, 9] of FINDING, whose cells differ too much in size.

    The 95th percentile of the diameters over the 5th is 1.3 to 2.8 in seven laboratories, platelets
    and marrow among them; where it is above SIZES, pictures of several magnifications are likely.
    None for fewer than ENOUGH cells.
    """
    diameters = values[values[:, FINDING.index("found")] > 0, FINDING.index("diameter")]
    if len(diameters) < ENOUGH:
        return None
    small, large = np.quantile(diameters, [0.05, 0.95])
    if large <= SIZES * small:
        return None
    return (
        f"its cells differ in size by a factor of {large / small:.1f}: pictures of several "
        "magnifications are scaled wrongly together, give each a folder and a data set of its own"
    )


def find_images(
    finder: CellFinder,
    items: Iterable[Item],
    read: Callable[[Item], np.ndarray],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Iterator[tuple[Item, Finding | CellKinError]]:
    """Yield each of ``items`` with what was found in it, or the error that reading it raised.

    As ``retrieval.embedding.describe_images``: in order, three batches ahead at most.
    """

    def prepare(item: Item) -> tuple[np.ndarray, tuple[int, ...]]:
        rgb = read(item)
        return working(rgb), rgb.shape[:2]

    def find(prepared: list[tuple[np.ndarray, tuple[int, ...]]]) -> list[Finding]:
        small = np.stack([each for each, _ in prepared])
        return finder.find_working(small, [shape for _, shape in prepared])

    return in_batches(items, prepare, find, batch_size=batch_size, workers=workers)


@dataclass
class SourceFindings:
    """What the first pass over a source found, by picture; some hundred bytes each.

    typical: median diameter of the source's cells, in pixels; None where none was found or the
    model takes pictures as they are. uneven: what to say where their sizes are too far apart.
    """

    typical: float | None = None
    uneven: str | None = None
    _places: dict[Hashable, int] = field(default_factory=dict)
    _rows: array[float] = field(default_factory=lambda: array("d"))

    def add(self, key: Hashable, finding: Finding) -> None:
        """Keep what was found in the picture ``key``."""
        self._places[key] = len(self._rows) // len(FINDING)
        self._rows.extend(as_row(finding))

    def of(self, key: Hashable) -> Finding | None:
        """What was found in the picture ``key``; None for one that could not be read."""
        place = self._places.get(key)
        if place is None:
            return None
        return from_row(self._rows[place * len(FINDING) : (place + 1) * len(FINDING)])

    def settle(self) -> None:
        """Work out ``typical`` and ``uneven`` when all is found."""
        values = np.array(self._rows).reshape(-1, len(FINDING))
        self.typical, self.uneven = median_diameter(values), sizes_apart(values)

    def __len__(self) -> int:
        """How many pictures were looked at."""
        return len(self._places)


def find_source(
    model: Model,
    items: Iterable[Item],
    read: Callable[[Item], np.ndarray],
    *,
    key: Callable[[Item], Hashable] = lambda item: item,
    total: int | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    known: Iterable[tuple[Hashable, tuple[float, ...]]] = (),
    keep: Callable[[Any, tuple[float, ...]], None] | None = None,
) -> SourceFindings:
    """Look through all pictures of a source; nothing is read for a model without finder.

    The outcome does not depend on the order of ``items``. Pictures that cannot be read are left
    out: whoever describes them meets the error again. key: what a picture is known by. known: keys
    and rows of FINDING of pictures that need no look; keep: is given those of every other one.
    """
    kept = SourceFindings()
    if model.finder is None:
        return kept
    for place, row in known:
        kept.add(place, from_row(row))
    before = len(kept)
    items = (item for item in items if kept.of(key(item)) is None) if before else items
    with progress_bar(total, "finding cells", "picture") as bar:
        bar.update(before)
        for item, finding in find_images(
            model.finder, items, read, batch_size=batch_size, workers=workers
        ):
            bar.update(1)
            if isinstance(finding, Finding):
                kept.add(key(item), finding)
                if keep is not None:
                    keep(key(item), as_row(finding))
    kept.settle()
    return kept


def find_cells(
    atlas: Atlas,
    model: Model,
    cell_ids: np.ndarray,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
) -> None:
    """Find those of ``cell_ids`` int64 [N] in which the model's finder has not looked yet.

    Written as it goes. Cells whose file is gone or changed are passed over in silence: describing
    them reports it.
    """
    if model.finder is None or model.finder_id is None:
        return
    done, _ = atlas.findings_of(model.finder_id, cell_ids.tolist())
    todo = np.setdiff1d(cell_ids, done)
    ids: list[int] = []
    rows: list[tuple[float, ...]] = []

    def flush() -> None:
        if ids:
            atlas.add_findings(str(model.finder_id), np.array(ids), np.array(rows))
            ids.clear()
            rows.clear()

    with progress_bar(len(todo), "finding cells") as bar:
        for cell, finding in find_images(
            model.finder,
            cells_in_pages(atlas, todo),
            lambda cell: read_cell(atlas, cell),
            batch_size=batch_size,
            workers=workers,
        ):
            bar.update(1)
            if isinstance(finding, Finding):
                ids.append(cell.id)
                rows.append(as_row(finding))
            if len(ids) >= 512:
                flush()
        flush()


def cells_in_pages(atlas: Atlas, cell_ids: np.ndarray) -> Iterator[Cell]:
    """The cells of ``cell_ids`` in that order, read a thousand at a time."""
    for start in range(0, len(cell_ids), 1000):
        chunk = [int(cell_id) for cell_id in cell_ids[start : start + 1000]]
        found = atlas.cells_by_id(chunk)
        yield from (found[cell_id] for cell_id in chunk)


def network_view(atlas: Atlas, model: Model, cell: Cell, rgb: np.ndarray) -> np.ndarray:
    """What the model saw of ``cell``: its input uint8 [S, S, 3] of the picture ``rgb`` [H, W, 3].

    By what was found in the cell and its data set's usual diameter, as ``embed_atlas`` takes it; a
    cell that was not embedded yet is found now.
    """
    if model.finder_id is None:
        return model.picture(rgb)
    _, rows = atlas.findings_of(model.finder_id, [cell.id])
    finding = from_row(rows[0].tolist()) if len(rows) else None
    return model.picture(rgb, finding, usual_diameter(atlas, model, cell.dataset))


# the usual diameter of a data set ------------------------------------------------------------


def document_name(model_id: str, dataset: str) -> str:
    """Where an atlas keeps the usual diameter of a data set's cells under a model."""
    return f"diameter/{model_id}/{dataset}"


def usual_diameter(atlas: Atlas, model: Model, dataset: str) -> float | None:
    """The diameter that the data set's cells are scaled by, in pixels; None where none is kept."""
    document = atlas.document(document_name(model.id, dataset))
    return float(document["diameter"]) if document is not None else None


def settle_diameter(atlas: Atlas, model: Model, dataset: str) -> tuple[float | None, bool]:
    """Work out what a data set's cells are scaled by in pixels, and keep it; None: by themselves.

    It is the median of the cells found. From ENOUGH cells on it stays as it is, so that cells of
    one data set can be compared whenever they came; before that it follows a median that has
    moved by more than MOVED. The second value says whether all cells described so far are known
    to be scaled by it (``mark_even``); those that are not are to be described anew.
    """
    if model.finder_id is None:
        return None, True
    name = document_name(model.id, dataset)
    kept = atlas.document(name)
    if kept is None or kept["cells"] < ENOUGH:
        _, values = atlas.findings(model.finder_id, CellFilter(datasets=(dataset,)))
        settled = _settled(kept, values)
        if settled is None:
            return None, True
        if settled != kept:
            atlas.put_document(name, settled)
        kept = settled
    return float(kept["diameter"]), bool(kept.get("even", False))


def mark_even(atlas: Atlas, model: Model, dataset: str) -> None:
    """Note that every described cell of a data set is scaled by its usual diameter."""
    name = document_name(model.id, dataset)
    kept = atlas.document(name)
    if kept is not None and not kept.get("even", False):
        atlas.put_document(name, {**kept, "even": True})


def _settled(kept: dict[str, Any] | None, values: np.ndarray) -> dict[str, Any] | None:
    median = median_diameter(values)
    if median is None:
        return kept
    count = int((values[:, FINDING.index("found")] > 0).sum())
    if kept is not None and abs(median / kept["diameter"] - 1) <= MOVED:
        return {**kept, "cells": count}
    return {"diameter": median, "cells": count, "even": False}

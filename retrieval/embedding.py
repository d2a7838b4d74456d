"""Describing many pictures: decoded by threads, run in batches, answered in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np

from index import Atlas, Cell, CellFilter
from index.adaptations import datasets_of
from index.errors import CellKinError
from index.progress import progress_bar
from retrieval.cellview import Finding
from retrieval.described import Described
from retrieval.finding import (
    cells_in_pages,
    find_cells,
    from_row,
    mark_even,
    settle_diameter,
    sizes_apart,
)
from retrieval.model import Model, atlas_model
from retrieval.reading.decode import read_cell
from retrieval.stream import in_batches

FLUSH = 512  # cells described between two writes
PAGE = 1000  # cells looked up at a time

Item = TypeVar("Item")


@dataclass
class EmbedReport:
    """What ``embed_atlas`` did: cells embedded, and those passed over with the reason.

    again: how many of them had been embedded before, by a usual diameter that has moved since.
    no_cell: in how many the model's finder saw no cell, so that the whole picture was taken.
    uneven: what to say of data sets whose cells are too far apart in size.
    """

    model_id: str
    embedded: int = 0
    passed_over: list[tuple[str, str]] = field(default_factory=list)
    again: int = 0
    no_cell: int = 0
    uneven: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Ready:
    """A picture brought to the view, whether a cell was found and how many more; or one still to
    be found in."""

    picture: np.ndarray
    found: bool = True
    others: int = 0
    typical: float | None = None
    whole: bool = False


def describe_images(
    model: Model,
    items: Iterable[Item],
    read: Callable[[Item], np.ndarray],
    *,
    finding: Callable[[Item], Finding | None] | None = None,
    typical: Callable[[Item], float | None] | float | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Iterator[tuple[Item, Described | CellKinError]]:
    """Yield each of ``items`` with what the model says of it, or the error that reading it raised.

    ``read`` turns an item into RGB uint8 [H, W, 3] and runs in ``workers`` threads. A Described is
    of one picture, N = 1. finding: what the first pass (``retrieval.finding``) found in an item;
    by default, or where it is None, it is found now. typical: the usual diameter of the item's
    laboratory in pixels; without it the cell is scaled by itself. Items come out in order; no more
    than three batches are held at a time, so memory does not grow with their number.
    """

    def usual(item: Item) -> float | None:
        return typical(item) if callable(typical) else typical

    def prepare(item: Item) -> _Ready:
        rgb = read(item)
        known = finding(item) if finding is not None else None
        if model.finder is not None and known is None:
            return _Ready(rgb, typical=usual(item), whole=True)
        picture = model.picture(rgb, known, usual(item))
        return _Ready(picture) if known is None else _Ready(picture, known.found, known.others)

    def describe(ready: list[_Ready]) -> list[Described]:
        seen = _found(model, ready)
        said = model.describe_pictures(np.stack([each.picture for each in seen]))
        said = said.with_found([each.found for each in seen], [each.others for each in seen])
        return [said[row : row + 1] for row in range(len(said))]

    return in_batches(items, prepare, describe, batch_size=batch_size, workers=workers)


def _found(model: Model, ready: list[_Ready]) -> list[_Ready]:
    """``ready`` with every picture brought to the view."""
    whole = [each.picture for each in ready if each.whole]
    findings = iter(model.finder.find(whole) if whole and model.finder is not None else ())
    seen = []
    for each in ready:
        if each.whole:
            found = next(findings)
            picture = model.picture(each.picture, found, each.typical)
            seen.append(_Ready(picture, found.found, found.others))
        else:
            seen.append(each)
    return seen


def embed_images(
    model: Model,
    items: Iterable[Item],
    read: Callable[[Item], np.ndarray],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Iterator[tuple[Item, np.ndarray | CellKinError]]:
    """Yield each of ``items`` with its unit vector [D], or the error that reading it raised.

    Each picture by itself, otherwise as ``describe_images``.
    """
    for item, said in describe_images(model, items, read, batch_size=batch_size, workers=workers):
        yield item, (said if isinstance(said, CellKinError) else said.vectors[0])


def embed_atlas(
    atlas: Atlas,
    *,
    model: Model | None = None,
    filter: CellFilter | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
) -> EmbedReport:
    """Embed every cell of ``atlas`` that has no embedding under ``model`` (default: the active).

    Where the model has a finder all cells are found first, so that those of a data set are scaled
    by its median diameter; cells scaled by one that has moved since are embedded anew. Written in
    batches as it goes, so stopping loses at most one batch and a repeat goes on. A missing,
    changed or unreadable file is passed over and reported.
    """
    model = model or atlas_model(atlas)
    report = EmbedReport(model.id)
    todo = atlas.without_embedding(model.id, filter)
    usual: dict[str, float | None] = {}
    uneven: dict[str, float | None] = {}
    if model.finder is not None:
        find_cells(atlas, model, todo, batch_size=batch_size, workers=workers)
        names = atlas.datasets()["name"].tolist()
        for name in sorted(set(datasets_of(atlas, todo.tolist()).values())):
            _, values = atlas.findings(str(model.finder_id), CellFilter(datasets=(name,)))
            if words := sizes_apart(values):
                report.uneven[name] = words
        settled = {name: settle_diameter(atlas, model, name) for name in names}
        usual = {name: diameter for name, (diameter, _) in settled.items()}
        uneven = {name: usual[name] for name, (_, even) in settled.items() if not even}
        moved = np.setdiff1d(_scaled_otherwise(atlas, model, uneven), todo)
        report.again = len(moved)
        todo = np.union1d(todo, moved)
    _describe_cells(atlas, model, todo, usual, report, batch_size, workers)
    if not report.passed_over:
        for name in uneven:
            mark_even(atlas, model, name)
    atlas.sync_index(model.id)
    return report


def _scaled_otherwise(atlas: Atlas, model: Model, usual: dict[str, float | None]) -> np.ndarray:
    """Ids int64 of the cells that were scaled by another diameter than their data set's."""
    found = [np.empty(0, np.int64)]
    for name, diameter in usual.items():
        ids, used = atlas.scaled_by(model.id, CellFilter(datasets=(name,)))
        if diameter is not None:
            found.append(ids[~np.isclose(used, diameter, rtol=1e-6)])
    return np.concatenate(found)


def _describe_cells(
    atlas: Atlas,
    model: Model,
    todo: np.ndarray,
    usual: dict[str, float | None],
    report: EmbedReport,
    batch_size: int | None,
    workers: int | None,
) -> None:
    """Describe the cells ``todo`` and write what is said of them, a batch at a time."""
    batch: list[tuple[Cell, Described]] = []

    def flush() -> None:
        if batch:
            _keep(atlas, model, [cell for cell, _ in batch], [said for _, said in batch], usual)
            report.embedded += len(batch)
            report.no_cell += sum(not said.found[0] for _, said in batch)
            batch.clear()

    with progress_bar(len(todo), "embedding") as bar:
        for (cell, _), said in describe_images(
            model,
            _with_findings(atlas, model, cells_in_pages(atlas, todo)),
            lambda item: read_cell(atlas, item[0]),
            finding=lambda item: item[1],
            typical=lambda item: usual.get(item[0].dataset),
            batch_size=batch_size,
            workers=workers,
        ):
            bar.update(1)
            if isinstance(said, CellKinError):
                report.passed_over.append((cell.file, str(said)))
                continue
            batch.append((cell, said))
            if len(batch) >= FLUSH:
                flush()
        flush()


def _keep(
    atlas: Atlas,
    model: Model,
    cells: list[Cell],
    parts: list[Described],
    usual: dict[str, float | None],
) -> None:
    said = Described.joined(parts)
    ids = np.array([cell.id for cell in cells], np.int64)
    if model.finder is not None or said.features.shape[1] or said.scores.shape[1]:
        # before the embeddings: a cell with an embedding counts as done
        typical = np.array([usual.get(cell.dataset) or np.nan for cell in cells], float)
        atlas.add_features(model.id, ids, said.features, said.scores, typical)
    atlas.add_embeddings(model.id, ids, said.vectors)


def _with_findings(
    atlas: Atlas, model: Model, cells: Iterator[Cell]
) -> Iterator[tuple[Cell, Finding | None]]:
    """``cells``, each with what is known to be found in it, looked up in pages."""
    while page := list(islice(cells, PAGE)):
        known: dict[int, Finding] = {}
        if model.finder_id is not None:
            ids, rows = atlas.findings_of(model.finder_id, [cell.id for cell in page])
            known = dict(zip(ids.tolist(), map(from_row, rows.tolist()), strict=True))
        yield from ((cell, known.get(cell.id)) for cell in page)

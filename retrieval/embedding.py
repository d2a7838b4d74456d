"""Embedding many pictures: decoded by threads, embedded in batches, answered in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np

from index import Atlas, Cell, CellFilter
from index.errors import CellKinError
from index.progress import progress_bar
from index.settings import setting
from retrieval.model import Model, atlas_model
from retrieval.reading.decode import read_cell

Item = TypeVar("Item")


@dataclass
class EmbedReport:
    """What ``embed_atlas`` did: cells embedded, and those passed over with the reason."""

    model_id: str
    embedded: int = 0
    passed_over: list[tuple[str, str]] = field(default_factory=list)


def _picture_or_error(
    model: Model, read: Callable[[Item], np.ndarray], item: Item
) -> np.ndarray | CellKinError:
    try:
        return model.view.picture(read(item))
    except CellKinError as error:
        return error


def embed_images(
    model: Model,
    items: Iterable[Item],
    read: Callable[[Item], np.ndarray],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Iterator[tuple[Item, np.ndarray | CellKinError]]:
    """Yield each of ``items`` with its unit vector [D], or the error that reading it raised.

    ``read`` turns an item into RGB uint8 [H, W, 3] and runs in ``workers`` threads (decoding and
    hashing release the interpreter). Items come out in order; no more than three batches are held
    at a time, so memory does not grow with their number.
    """
    size = int(setting("batch_size", batch_size))
    threads = max(1, int(setting("workers", workers)))
    source = iter(items)
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        waiting: deque[tuple[Item, Future[np.ndarray | CellKinError]]] = deque()

        def refill() -> None:
            for item in islice(source, 3 * size - len(waiting)):
                waiting.append((item, pool.submit(_picture_or_error, model, read, item)))

        try:
            refill()
            while waiting:
                batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
                results = [(item, future.result()) for item, future in batch]
                # the next pictures are read while the network works on these
                refill()
                yield from _embed_results(model, results)
        finally:
            for _, future in waiting:
                future.cancel()


def _embed_results(
    model: Model, results: list[tuple[Item, np.ndarray | CellKinError]]
) -> Iterator[tuple[Item, np.ndarray | CellKinError]]:
    pictures = [picture for _, picture in results if isinstance(picture, np.ndarray)]
    vectors = iter(model.embed_pictures(np.stack(pictures)) if pictures else ())
    for item, picture in results:
        yield item, (picture if isinstance(picture, CellKinError) else next(vectors))


def embed_atlas(
    atlas: Atlas,
    *,
    model: Model | None = None,
    filter: CellFilter | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
) -> EmbedReport:
    """Embed every cell of ``atlas`` that has no embedding under ``model`` (default: the active).

    Written in batches as it goes, so stopping loses at most one batch and a repeat goes on. A
    missing, changed or unreadable file is passed over and reported.
    """
    model = model or atlas_model(atlas)
    report = EmbedReport(model.id)
    todo = atlas.without_embedding(model.id, filter)
    ids: list[int] = []
    vectors: list[np.ndarray] = []

    def flush() -> None:
        if ids:
            atlas.add_embeddings(model.id, np.array(ids, np.int64), np.stack(vectors))
            report.embedded += len(ids)
            ids.clear()
            vectors.clear()

    def cells() -> Iterator[Cell]:
        for start in range(0, len(todo), 1000):
            chunk = [int(cell_id) for cell_id in todo[start : start + 1000]]
            found = atlas.cells_by_id(chunk)
            yield from (found[cell_id] for cell_id in chunk)

    with progress_bar(len(todo), "embedding") as bar:
        for cell, result in embed_images(
            model,
            cells(),
            lambda cell: read_cell(atlas, cell),
            batch_size=batch_size,
            workers=workers,
        ):
            bar.update(1)
            if isinstance(result, CellKinError):
                report.passed_over.append((cell.file, str(result)))
                continue
            ids.append(cell.id)
            vectors.append(result)
            if len(ids) >= 512:
                flush()
        flush()
    atlas.sync_index(model.id)
    return report

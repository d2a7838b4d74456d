"""A large atlas for the annotator's measurements: synthetic vectors, pictures of a small pool."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from annotator.pictures import Pictures
from index import Atlas, Cell, CellRecord
from index.moment import now
from retrieval.painter import paint_cell

CLASSES = ("neutrophil", "lymphocyte", "eosinophil", "platelet", "monocyte")
POOL = 200  # painted pictures that all cells share
MODEL = "synthetic"
DATASETS = ("north", "south", "new")  # a third of the cells each; nothing of the last is labelled
SPREAD = 0.35  # of the vectors of a class around its centre
BATCH = 50_000


def build(
    folder: Path, count: int, dimension: int = 32, labelled: float = 0.1, seed: int = 0
) -> Path:
    """Make an atlas of ``count`` cells in ``folder`` and return its path.

    A share ``labelled`` of all cells carries a label by one of eight authors, spread over the
    data sets but the last. Rows are written in bulk below the atlas's own checks, which is what
    makes a million of them a matter of a minute.
    """
    path = folder / "atlas"
    model = folder / "model.safetensors"
    model.write_bytes(b"no weights are read here")
    with Atlas.open(path, create=True) as atlas:
        atlas.add_model(MODEL, model, {})
        for name in DATASETS:
            atlas.add_dataset(name, str(folder / "pool"))
        # One cell by the atlas itself notes the model's dimension and the first mark.
        atlas.add_cells(DATASETS[0], [CellRecord("0.png", _hash(0), 96, 96)])
        first = np.zeros((1, dimension), dtype=np.float32)
        first[0, 0] = 1
        atlas.add_embeddings(MODEL, atlas.cell_ids(), first)
    _paint_pool(folder / "pool")
    _fill(path / "atlas.sqlite", count, dimension, labelled, seed)
    return path


def _hash(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def _paint_pool(pool: Path) -> None:
    pool.mkdir()
    for i in range(POOL):
        rgb = paint_cell(CLASSES[i % len(CLASSES)], seed=i, size=96)
        Image.fromarray(rgb).save(pool / f"{i}.png")


def _fill(database: Path, count: int, dimension: int, labelled: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(len(CLASSES), dimension)) / np.sqrt(dimension)
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -262144")
    # Foreign keys stay off in this connection: what is written here is known to be sound.
    connection.execute("BEGIN")
    time = now()
    connection.executemany(
        "INSERT INTO slides (dataset_id, name) VALUES (?, ?)",
        [(1 + i % 3, f"slide {i}") for i in range(300)],
    )
    for ids in _batches(2, count + 1):
        connection.executemany(
            "INSERT INTO cells (id, dataset_id, file, sha256, width, height, slide_id, added)"
            " VALUES (?, ?, ?, ?, 96, 96, ?, ?)",
            [(i, 1 + i % 3, f"{i}.png", _hash(i), 1 + i % 300, time) for i in ids.tolist()],
        )
        vectors = centres[ids % len(CLASSES)]
        vectors = vectors + generator.normal(scale=SPREAD, size=vectors.shape) / np.sqrt(dimension)
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f4")
        connection.executemany(
            "INSERT INTO embeddings (model_id, cell_id, vector) VALUES (1, ?, ?)",
            zip(ids.tolist(), (vector.tobytes() for vector in vectors), strict=True),
        )
        chosen = ids[(ids % 3 != 2) & (generator.random(len(ids)) < labelled * 1.5)].tolist()
        rows = [(i, CLASSES[i % len(CLASSES)], f"reader {i % 8}", time) for i in chosen]
        connection.executemany(
            "INSERT INTO labels (cell_id, class_code, author, how, time)"
            " VALUES (?, ?, ?, 'single', ?)",
            rows,
        )
    connection.execute(
        "INSERT INTO present_labels (cell_id, class_code, label_id, author)"
        " SELECT cell_id, class_code, id, author FROM labels"
    )
    connection.execute(
        "INSERT INTO embedding_marks (last_id, model_id, total, stamp)"
        " SELECT max(id), 1, count(*), 'bulk' FROM embeddings"
    )
    connection.execute("COMMIT")
    connection.close()


def _batches(start: int, stop: int) -> Iterator[np.ndarray]:
    for first in range(start, stop, BATCH):
        yield np.arange(first, min(first + BATCH, stop))


class PooledPictures(Pictures):
    """Every cell shows a picture of the pool; its thumbnail is made and kept as any other is."""

    def __init__(self, atlas: Atlas, pool: Path) -> None:
        super().__init__(atlas)
        self._pool = sorted(pool.glob("*.png"))

    def _pixels(self, cell: Cell) -> np.ndarray:
        return np.asarray(Image.open(self._pool[cell.id % len(self._pool)]).convert("RGB"))

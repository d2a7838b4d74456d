"""Atlases whose embeddings are seeded blobs: no network, no pictures, known truth."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from index import Atlas, CellRecord

MODEL = "blobs"
CLASSES = ("neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte", "erythroblast")
DIM = 16


@dataclass
class Blobs:
    """Seeded class centres on the unit sphere; ``draw`` gives cells around them."""

    spread: float
    rng: np.random.Generator
    centres: np.ndarray

    def draw(self, columns: np.ndarray) -> np.ndarray:
        noise = self.rng.normal(0, self.spread / np.sqrt(DIM), (len(columns), DIM))
        vectors = self.centres[columns] + noise
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@dataclass
class BlobAtlas:
    """An atlas of blobs, with the vectors and class numbers by cell id, and fresh draws."""

    atlas: Atlas
    blobs: Blobs
    ids: np.ndarray
    vectors: np.ndarray
    columns: np.ndarray
    codes: tuple[str, ...]

    def fresh(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        columns = self.blobs.rng.integers(0, len(self.codes), n)
        return self.blobs.draw(columns), columns


@pytest.fixture
def blob_atlas(tmp_path: Path) -> Iterator[Callable[..., BlobAtlas]]:
    """``blob_atlas(n, codes=…, spread=…, **fields)``: fields are functions of the row number."""
    opened: list[Atlas] = []

    def make(
        n: int = 300,
        *,
        codes: tuple[str, ...] = CLASSES,
        spread: float = 0.5,
        seed: int = 0,
        vectors: np.ndarray | None = None,
        columns: np.ndarray | None = None,
        dataset: Callable[[int], str] = lambda i: "blobs",
        labelled: Callable[[int], bool] = lambda i: True,
        sha256: Callable[[int], str] = lambda i: hashlib.sha256(str(i).encode()).hexdigest(),
        **fields: Callable[[int], str | None],
    ) -> BlobAtlas:
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(len(codes), DIM))
        blobs = Blobs(spread, rng, centres / np.linalg.norm(centres, axis=1, keepdims=True))
        drawn = rng.integers(0, len(codes), n) if columns is None else columns
        points = blobs.draw(drawn) if vectors is None else vectors
        atlas = Atlas.open(tmp_path / f"atlas{len(opened)}", create=True)
        opened.append(atlas)
        ids = np.empty(n, dtype=np.int64)
        for name in dict.fromkeys(dataset(i) for i in range(n)):
            rows = [i for i in range(n) if dataset(i) == name]
            atlas.add_dataset(name, str(tmp_path))
            atlas.add_cells(
                name,
                [
                    CellRecord(
                        file=f"cell{i}.png",
                        sha256=sha256(i),
                        width=8,
                        height=8,
                        class_code=codes[drawn[i]] if labelled(i) else None,
                        **{key: value(i) for key, value in fields.items()},
                    )
                    for i in rows
                ],
                author="expert",
            )
            ids[rows] = [cell.id for cell in atlas.cells() if cell.dataset == name]
        weights = tmp_path / "weights.safetensors"
        weights.write_bytes(b"none")
        atlas.add_model(MODEL, weights, {})
        atlas.add_embeddings(MODEL, ids, points)
        return BlobAtlas(atlas, blobs, ids, points, drawn, codes)

    yield make
    for atlas in opened:
        atlas.close()

"""Small atlases without pictures: records and unit vectors made from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from index import Atlas, CellRecord


def record(number: int, **values: object) -> CellRecord:
    """A record whose pixels are those of ``number``."""
    file = values.pop("file", f"cell{number}.png")
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return CellRecord(str(file), digest, 8, 8, **values)  # type: ignore[arg-type]


def unit(count: int, dimension: int = 16, seed: int = 0) -> np.ndarray:
    """Random unit vectors float32 [count, dimension]."""
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def naive(
    queries: np.ndarray, vectors: np.ndarray, ids: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Exact neighbours by sorting all similarities: ids [Q, K] and similarities [Q, K]."""
    similarity = queries.astype(np.float64) @ vectors.astype(np.float64).T
    best = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    found = np.full((len(queries), k), -1, dtype=np.int64)
    values = np.full((len(queries), k), -np.inf)
    found[:, : best.shape[1]] = ids[best]
    values[:, : best.shape[1]] = np.take_along_axis(similarity, best, axis=1)
    return found, values


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The helpers above: ``make.record``, ``make.unit``, ``make.naive``."""
    return SimpleNamespace(record=record, unit=unit, naive=naive)


@pytest.fixture
def new_atlas(tmp_path: Path) -> Iterator[Callable[..., Atlas]]:
    """``new_atlas("a")`` makes or opens an atlas below tmp_path; all are closed at the end."""
    opened: list[Atlas] = []

    def open_atlas(name: str = "a", **options: object) -> Atlas:
        found = Atlas.open(tmp_path / name, create=True, **options)  # type: ignore[arg-type]
        opened.append(found)
        return found

    yield open_atlas
    for each in opened:
        each.close()


@pytest.fixture
def filled(new_atlas: Callable[..., Atlas], tmp_path: Path) -> Atlas:
    """120 labelled cells of two data sets, six patients and twelve slides, with embeddings."""
    atlas = new_atlas("filled")
    fill(atlas, tmp_path / "model.safetensors")
    return atlas


def fill(atlas: Atlas, model: Path, count: int = 120) -> None:
    """Add ``count`` cells with labels and embeddings of model "m"."""
    codes = ("neutrophil", "band_neutrophil", "lymphocyte", "myelocyte", "platelet")
    for dataset in range(2):
        atlas.add_dataset(f"set{dataset}", f"/data/set{dataset}")
        atlas.add_cells(
            f"set{dataset}",
            (
                record(
                    number,
                    patient=f"p{number % 6}",
                    slide=f"s{number % 12}" if number % 5 else None,
                    split=("train", "val", "test")[number % 3],
                    class_code=codes[number % 5] if number % 7 else None,
                )
                for number in range(dataset, count, 2)
            ),
        )
    model.write_bytes(b"weights")
    atlas.add_model("m", model, {"backbone": "none"})
    ids = atlas.cell_ids()
    atlas.add_embeddings("m", ids, unit(len(ids)))

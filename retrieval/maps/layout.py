"""Where each cell lies on the map: UMAP for the first ones, their neighbours for later ones.

A fitted map is kept as plain arrays (.npz read with ``allow_pickle=False``), never as a pickled
UMAP object. A new cell is placed at the weighted mean of the positions of its nearest fitted cells:
this is where UMAP's own ``transform`` starts before it refines (McInnes, Healy and Melville 2018,
umap-learn's ``init_graph_transform``). It needs no second fit, is the same on every machine, and
moves no old cell. Its limit: a cell unlike all others, or between two kinds, lies between their
islands; its novelty tells.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.errors import CellKinError
from retrieval.writing import write_whole

NEIGHBOURS = 15
FORMAT = 1
_SAME = 1e-6
_BLOCK = 512
# With so few cells UMAP's spectral start has no solution to find.
_FEW = 20


class MapError(CellKinError):
    """A map that cannot be drawn, or a kept one that is damaged."""


@dataclass(frozen=True)
class KeptMap:
    """A fitted map: cells, their unit vectors [N, D] and their coordinates [N, 2]."""

    model_id: str
    seed: int
    cell_ids: np.ndarray
    vectors: np.ndarray
    coordinates: np.ndarray

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """Coordinates float32 [M, 2] of new ``vectors`` [M, D] on this map."""
        return place(vectors, self.vectors, self.coordinates)

    def save(self, path: Path) -> None:
        """Write the map to ``path``; the file appears whole or not at all."""
        held = io.BytesIO()
        np.savez_compressed(
            held,
            format=np.int64(FORMAT),
            model_id=np.array(self.model_id),
            seed=np.int64(self.seed),
            cell_ids=self.cell_ids.astype(np.int64),
            vectors=self.vectors.astype(np.float32),
            coordinates=self.coordinates.astype(np.float32),
        )
        write_whole(path, held.getvalue())


def load_map(path: Path) -> KeptMap | None:
    """The map kept in ``path``; None where there is none, MapError for a damaged one."""
    if not path.exists():
        return None
    try:
        # through memory: numpy leaves the file open when it is no archive
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            found = int(arrays["format"])
            if found > FORMAT:
                raise MapError(
                    f"the map {path} has format {found}, this CellKin reads up to {FORMAT}",
                    "use a newer CellKin, or draw it anew with --fit",
                )
            kept = KeptMap(
                str(arrays["model_id"]),
                int(arrays["seed"]),
                arrays["cell_ids"],
                arrays["vectors"],
                arrays["coordinates"],
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise MapError(
            f"the kept map {path} cannot be read ({error})", "draw it anew with --fit"
        ) from error
    count = len(kept.cell_ids)
    if kept.coordinates.shape != (count, 2) or kept.vectors.shape[:1] != (count,) or not count:
        raise MapError(f"the kept map {path} is damaged", "draw it anew with --fit")
    return kept


def fit(vectors: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """UMAP coordinates float32 [N, 2] of unit ``vectors`` [N, D]; the same for the same seed.

    Cosine distance, 15 neighbours (fewer where there are fewer cells), min_dist 0.1. One and two
    cells are laid out by hand; there UMAP has nothing to learn.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or not len(vectors):
        raise MapError(
            f"embeddings have shape {vectors.shape}, allowed is [N, D] with N of at least 1",
            "import and embed cells first",
        )
    if len(vectors) < 4:
        return np.column_stack([np.arange(len(vectors)), np.zeros(len(vectors))]).astype(np.float32)
    with warnings.catch_warnings():
        # umap-learn says on import that TensorFlow is absent, and while it fits that a group of
        # cells stands apart from the others: neither is of use to the reader of a map.
        for module in ("umap", "pynndescent", "numba", "sklearn"):
            warnings.filterwarnings("ignore", module=module)
        # Imported here: it compiles for seconds, and most uses of an atlas draw no map.
        from umap import UMAP

        layout = UMAP(
            n_neighbors=min(NEIGHBOURS, len(vectors) - 1),
            min_dist=0.1,
            metric="cosine",
            init="random" if len(vectors) < _FEW else "spectral",
            random_state=seed,
            n_jobs=1,
        ).fit_transform(vectors)
    return np.asarray(layout, np.float32)


def place(
    vectors: np.ndarray,
    fitted: np.ndarray,
    coordinates: np.ndarray,
    *,
    neighbours: int = NEIGHBOURS,
) -> np.ndarray:
    """Coordinates float32 [M, 2] of new unit ``vectors`` [M, D] among ``fitted`` [N, D].

    The mean of the ``coordinates`` [N, 2] of the nearest ones, weighted by exp(-(d - d1) / h) with
    d the cosine distance, d1 the nearest's and h the mean of d - d1. A cell that equals a fitted
    one lies exactly on it.
    """
    vectors, fitted = np.asarray(vectors, np.float32), np.asarray(fitted, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != fitted.shape[1]:
        raise MapError(
            f"new embeddings have shape {vectors.shape}, the map's have width {fitted.shape[1]}",
            "embed with the model of the map, or draw it anew with --fit",
        )
    near = min(neighbours, len(fitted))
    placed = np.empty((len(vectors), 2), np.float32)
    for at in range(0, len(vectors), _BLOCK):
        distance = 1.0 - vectors[at : at + _BLOCK] @ fitted.T
        rows = np.argpartition(distance, near - 1, axis=1)[:, :near]
        found = np.take_along_axis(distance, rows, axis=1).astype(np.float64)
        nearest = found.min(axis=1, keepdims=True)
        width = (found - nearest).mean(axis=1, keepdims=True)
        weight = np.exp(-(found - nearest) / np.where(width > 0, width, 1.0))
        twin = nearest <= _SAME
        weight = np.where(twin, found <= nearest, weight)
        weight /= weight.sum(axis=1, keepdims=True)
        placed[at : at + _BLOCK] = (weight[:, :, None] * coordinates[rows]).sum(axis=1)
    return placed

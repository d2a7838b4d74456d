"""Cells taken together because they lie close: many small clusters rather than few large ones.

Clusters are made to be looked at and named whole, so they must be pure; that one class falls into
several costs a reader a merge, that one holds several classes costs labels. After MorphoCluster
(Schroeder, Kiko and Koch 2020): density clusters first, grown afterwards with what lies near.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from index.errors import CellKinError

SIZE = 20  # cells a cluster should hold at least (density) or on average (k-means)
LARGE = 25_000  # cells above which density clusters take minutes
WIDTH = 20  # principal components kept for density: above that, trees of neighbours do not help
PROTOTYPES = 8
OUTER = 0.1  # share of a cluster's own cells that lie too far out to be a yardstick for others
MEASURED = 2_000  # cells of a cluster, drawn with the seed, by which its spread is measured


class ClusteringError(CellKinError):
    """Vectors or options that cannot be clustered."""


@dataclass(frozen=True)
class Clusters:
    """``labels`` int64 [N], 0 to K - 1 or -1 for cells in none; ``strength`` float32 [N], 0 to 1,
    is how firmly a cell belongs to its cluster (0 in none)."""

    labels: np.ndarray
    strength: np.ndarray

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return int(self.labels.max(initial=-1)) + 1


@dataclass(frozen=True)
class Method:
    """A way of clustering: ``fit(vectors, size, seed)``."""

    name: str
    title: str
    help: str
    fit: Callable[[np.ndarray, int, int], Clusters]


def by_density(vectors: np.ndarray, size: int, seed: int) -> Clusters:
    """HDBSCAN's leaves with at least ``size`` cells; what lies in no dense place is in none.

    Campello, Moulavi and Sander 2013, as scikit-learn has it, on the first WIDTH principal
    components. Time grows with the square of N.
    """
    from sklearn.cluster import HDBSCAN
    from sklearn.decomposition import PCA

    if len(vectors) < max(3, size):
        return Clusters(np.full(len(vectors), -1, np.int64), np.zeros(len(vectors), np.float32))
    width = min(WIDTH, *vectors.shape)
    low = PCA(width, random_state=seed).fit_transform(vectors.astype(np.float64))
    model = HDBSCAN(
        min_cluster_size=max(2, size),
        min_samples=min(3, len(vectors)),
        cluster_selection_method="leaf",
        algorithm="kd_tree",
        copy=True,
    ).fit(low)
    strength = np.nan_to_num(model.probabilities_).astype(np.float32)
    return Clusters(model.labels_.astype(np.int64), strength)


def by_centres(vectors: np.ndarray, size: int, seed: int) -> Clusters:
    """Spherical k-means of FAISS with a centre for every ``size`` cells; every cell is in one."""
    return into_parts(vectors, max(1, round(len(vectors) / max(1, size))), seed)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "density",
            "Dense places (HDBSCAN)",
            "Leaves out what lies between; up to some 25,000 cells.",
            by_density,
        ),
        Method(
            "centres",
            "Around centres (k-means)",
            "Every cell is in a cluster; fast at a million.",
            by_centres,
        ),
    )
}


def cluster(
    vectors: np.ndarray, *, method: str | None = None, size: int = SIZE, seed: int = 0
) -> tuple[str, Clusters]:
    """Cluster unit ``vectors`` float32 [N, D]; the method used, and the clusters.

    ``method`` is one of METHODS, None chooses: density up to LARGE cells, centres above. Raises
    ClusteringError.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or not len(vectors) or size < 2:
        raise ClusteringError(
            f"embeddings have shape {vectors.shape} and clusters of {size} cells were asked for, "
            "allowed are [N, D] with N of at least 1, and 2 cells or more",
            "embed the cells first, and ask for clusters of 2 cells or more",
        )
    name = method or ("density" if len(vectors) <= LARGE else "centres")
    if name not in METHODS:
        raise ClusteringError(
            f"method of clustering is {name!r}, allowed is one of {', '.join(METHODS)}",
            "give one of these, or none to let the number of cells decide",
        )
    return name, METHODS[name].fit(vectors, size, seed)


def into_parts(vectors: np.ndarray, parts: int, seed: int = 0) -> Clusters:
    """``vectors`` float32 [N, D] around ``parts`` centres, fewer where there are fewer cells.

    Strength is the simplified silhouette: 1 - (distance to its centre) / (distance to the next).
    Numbers without cells are closed up.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    parts = max(1, min(parts, len(vectors)))
    centres = _centres(vectors, parts, seed)
    labels = np.empty(len(vectors), np.int64)
    strength = np.ones(len(vectors), np.float32)
    for at in range(0, len(vectors), 8192):
        part = slice(at, at + 8192)
        near = vectors[part] @ centres.T
        labels[part] = near.argmax(axis=1)
        if len(centres) > 1:
            second, first = np.partition(1.0 - near, 1, axis=1)[:, 1::-1].T
            strength[part] = 1.0 - np.maximum(first, 0.0) / np.maximum(second, 1e-6)
    _, labels = np.unique(labels, return_inverse=True)
    return Clusters(labels.astype(np.int64).ravel(), strength.clip(0.0, 1.0))


def prototypes(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Unit vectors float32 [P, D] that stand for a cluster [N, D]: the centres of its parts."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    return _centres(vectors, max(1, min(PROTOTYPES, len(vectors) // 10)), seed)


def within_spread(vectors: np.ndarray, others: np.ndarray, seed: int = 0) -> np.ndarray:
    """[M] bool: which of ``others`` [M, D] lie as near to a cluster [N, D] as its own cells do.

    A cell of the cluster is so near as its nearest fellow is (cosine of unit vectors); others must
    reach what all but OUTER of them reach. A cluster of one cell has no spread: none does.
    """
    n = len(vectors)
    if n < 2 or not len(others):
        return np.zeros(len(others), np.bool_)
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(n)[:MEASURED])
    near = vectors[some] @ vectors.T
    near[np.arange(len(some)), some] = -np.inf
    least = np.quantile(near.max(axis=1), OUTER)
    inside: np.ndarray = (others @ vectors.T).max(axis=1) >= least
    return inside


def _centres(vectors: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """Centres float32 [K, D] of unit length by FAISS's spherical k-means."""
    if parts == 1:
        centres = vectors.mean(axis=0, keepdims=True)
    else:
        from index.vectors.engine import faiss

        model = faiss.Kmeans(
            vectors.shape[1],
            parts,
            niter=20,
            seed=seed + 1,  # FAISS takes 0 for "no seed"
            spherical=True,
            min_points_per_centroid=1,
            max_points_per_centroid=256,
        )
        model.train(vectors)
        centres = model.centroids
    length = np.linalg.norm(centres, axis=1, keepdims=True)
    return (centres / np.maximum(length, 1e-12)).astype(np.float32)

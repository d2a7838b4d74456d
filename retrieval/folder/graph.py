"""The graph of nearest neighbours of a set of cells, and diffusion of scores over it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from retrieval.folder.space import Floats, Integers

EXACT = 5000  # up to this many cells neighbours are found exactly
SHARPNESS = 0.05  # temperature of an edge on the cosine: one .12 less similar weighs a tenth
LEFT = 0.02  # diffusion ends when this share of the way to its limit is left


def neighbours(points: Floats, k: int) -> tuple[Floats, Integers]:
    """(similarity [N, k], index [N, k]) of the nearest others of unit rows [N, D].

    Beyond EXACT cells they are looked for in the sixteenth of the set that is nearest (an inverted
    file); one that is not found there is the cell itself, of similarity -inf. k is at most N - 1.
    """
    import faiss

    rows = np.ascontiguousarray(points, dtype=np.float32)
    n = len(rows)
    k = min(k, n - 1)
    if n <= EXACT:
        similarity, index = faiss.knn(rows, rows, k + 1, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        lists = int(np.sqrt(n))
        inverted = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(rows.shape[1]), rows.shape[1], lists, faiss.METRIC_INNER_PRODUCT
        )
        inverted.cp.niter = 5
        inverted.cp.min_points_per_centroid = 1
        inverted.train(rows)
        inverted.add(rows)
        inverted.nprobe = max(8, lists // 16)
        similarity, index = inverted.search(rows, k + 1)
        lacking = index < 0
        index[lacking], similarity[lacking] = np.nonzero(lacking)[0], -np.inf
    return _without_self(similarity, index.astype(np.int64), k)


def _without_self(similarity: Floats, index: Integers, k: int) -> tuple[Floats, Integers]:
    """Drop each cell from its own neighbours, or the last where equal ones hide it."""
    own = index == np.arange(len(index))[:, None]
    own &= np.cumsum(own, axis=1) == 1
    own[~own.any(axis=1), -1] = True
    keep = ~own
    shape = (len(index), k)
    return similarity[keep].reshape(shape), index[keep].reshape(shape)


def neighbour_graph(points: Floats, k: int) -> csr_matrix:
    """[N, N] sparse: D^-1/2 W D^-1/2 of the symmetric graph of the k nearest of unit rows."""
    similarity, index = neighbours(points, k)
    n, k = index.shape
    if not k:  # a cell alone has nobody to be near
        return csr_matrix((n, n), dtype=np.float32)
    weight = np.exp((similarity - similarity.max(axis=1, keepdims=True)) / SHARPNESS)
    row = np.repeat(np.arange(n), k)
    directed = csr_matrix((weight.ravel(), (row, index.ravel())), shape=(n, n))
    both = (directed + directed.T) / 2
    scale = diags(1 / np.sqrt(np.maximum(np.asarray(both.sum(axis=1)).ravel(), 1e-12)))
    result: csr_matrix = (scale @ both @ scale).astype(np.float32).tocsr()
    return result


def diffuse(graph: csr_matrix, start: NDArray[np.floating], alpha: float) -> Floats:
    """[N, C] scores after rounds of F <- alpha A F + (1 - alpha) start. Linear in ``start``.

    Learning with local and global consistency (Zhou et al., NeurIPS 2003).
    """
    first = np.asarray(start, dtype=np.float32)
    scores = first
    for _ in range(int(np.ceil(np.log(LEFT) / np.log(alpha)))):
        scores = alpha * (graph @ scores) + (1 - alpha) * first
    return scores


def shares(scores: NDArray[np.floating]) -> Floats:
    """[N, C] rows of non-negative scores scaled to sum to 1; rows of zeros become even."""
    positive = np.maximum(np.asarray(scores, dtype=np.float32), 1e-9)
    result: Floats = positive / positive.sum(axis=1, keepdims=True)
    return result

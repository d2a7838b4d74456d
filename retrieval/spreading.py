"""Labels spread from cell to alike cell through the graph of nearest neighbours.

Gaussian fields and harmonic functions (Zhu, Ghahramani and Lafferty 2003): from a cell without a
label a walker steps to a neighbour at random, the nearer the more often, until it meets a label.
The probability that it ends at class C is what the graph says for C. At every step the walker may
get lost (probability ``leak``), so that labels from far away count little and a cell that no label
reaches is called nothing: probabilities of a cell sum to less than 1, the rest is "unknown".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retrieval.clusters import ClusteringError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NEIGHBOURS = 10
LEAK = 0.02
_BLOCK = 1024
_STEPS = 300
_STILL = 1e-5


@dataclass(frozen=True)
class Spread:
    """``classes`` C codes; ``probabilities`` float32 [N, C], rows sum to at most 1."""

    classes: tuple[str, ...]
    probabilities: np.ndarray

    def best(self) -> tuple[list[str], np.ndarray]:
        """The class of each cell and its confidence float32 [N], 0 to 1."""
        rows = self.probabilities.argmax(axis=1)
        confidence = self.probabilities[np.arange(len(rows)), rows]
        return [self.classes[row] for row in rows.tolist()], confidence


def neighbour_graph(vectors: np.ndarray, k: int = NEIGHBOURS) -> csr_matrix:
    """Steps of the walk between N unit ``vectors`` float32 [N, D]: sparse [N, N], rows sum to 1.

    A cell and its ``k`` nearest are linked both ways with weight exp(-d / h), with d the cosine
    distance and h the mean of the distances of the two cells' neighbours (local scale after
    Zelnik-Manor and Perona 2004).
    """
    from scipy.sparse import csr_matrix, diags

    from index.vectors.engine import faiss, search

    vectors = np.ascontiguousarray(vectors, np.float32)
    count = len(vectors)
    if vectors.ndim != 2 or count < 2:
        raise ClusteringError(
            f"embeddings have shape {vectors.shape}, allowed is [N, D] with N of at least 2",
            "embed more cells first",
        )
    near = min(k, count - 1)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    rows = np.repeat(np.arange(count), near)
    columns, distance = np.empty((count, near), np.int64), np.empty((count, near), np.float64)
    for at in range(0, count, _BLOCK):
        part = np.arange(at, min(at + _BLOCK, count))
        similarity, found = search(index, vectors[part], near + 1)
        # Itself goes out; where twins hide it, the last.
        keep = found != part[:, None]
        keep[keep.all(axis=1), -1] = False
        columns[part] = found[keep].reshape(len(part), near)
        distance[part] = np.maximum(1.0 - similarity[keep].reshape(len(part), near), 0.0)
    scale = np.maximum(distance.mean(axis=1), 1e-6)
    width = (scale[:, None] + scale[columns]) / 2
    weight = np.exp(-distance / width).ravel()
    graph = csr_matrix((weight, (rows, columns.ravel())), shape=(count, count))
    graph = graph.maximum(graph.T)
    total = np.asarray(graph.sum(axis=1)).ravel()
    return csr_matrix(diags(1.0 / np.maximum(total, 1e-12)) @ graph)


def spread(graph: csr_matrix, labels: list[str | None], *, leak: float = LEAK) -> Spread:
    """What the ``labels`` (N class codes, None without) say of all N cells of ``graph``.

    A labelled cell is sure of its own label. Raises ClusteringError without any label.
    """
    classes = tuple(sorted({label for label in labels if label is not None}))
    if not classes or not 0 < leak < 1 or graph.shape[0] != len(labels):
        raise ClusteringError(
            f"{len(labels)} cells with {len(classes)} classes and leak {leak:g} were given for a "
            f"graph of {graph.shape[0]}, allowed are as many, 1 class or more, 0 < leak < 1",
            "label a few cells first",
        )
    number = {code: place for place, code in enumerate(classes)}
    known = np.array([label is not None for label in labels])
    held = np.zeros((len(labels), len(classes)))
    held[known, [number[label] for label in labels if label is not None]] = 1.0
    if known.all():
        return Spread(classes, held.astype(np.float32))
    inner = graph[~known]
    source = (1.0 - leak) * (inner[:, known] @ held[known])
    walk = (1.0 - leak) * inner[:, ~known]
    free = np.zeros_like(source)
    for _ in range(_STEPS):
        after = source + walk @ free
        still = float(np.abs(after - free).max(initial=0.0)) < _STILL
        free = after
        if still:
            break
    held[~known] = free
    return Spread(classes, held.astype(np.float32))

"""An index of shortened vectors, for atlases too large to keep the whole ones in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from index.errors import VectorError
from index.records import Neighbours
from index.vectors.contract import Source, VectorIndex, found, nothing
from index.vectors.engine import faiss, search
from index.vectors.flat import FlatIndex

FEWEST = 1024  # below this many vectors there is too little to learn the cells and codes from


class IVFPQIndex(VectorIndex):
    """Inverted lists of product-quantised vectors; the best are measured again with whole ones.

    ``source`` gives the whole vectors; without it similarities are those of the short ones and
    filtered search is refused. The first ``add`` learns the lists and codes and needs FEWEST
    vectors. Source: Jegou, Douze, Schmid 2011, Product quantization for nearest neighbor search.
    """

    kind = "ivfpq"
    candidates = 10  # times k are measured again
    probed = 0.12  # share of the lists that is searched, but at least 16 lists

    def __init__(self, dimension: int, source: Source | None = None) -> None:
        super().__init__(dimension, source)
        self._faiss: Any = None

    @property
    def count(self) -> int:
        """How many vectors the index holds."""
        return 0 if self._faiss is None else int(self._faiss.ntotal)

    def ids(self) -> np.ndarray:
        """The ids it holds: int64 [N], by list."""
        if not self.count:
            return np.zeros(0, dtype=np.int64)
        lists = self._faiss.invlists
        parts = []
        for number in range(self._faiss.nlist):
            size = lists.list_size(number)
            if size:
                parts.append(faiss.rev_swig_ptr(lists.get_ids(number), size).copy())
        return np.concatenate(parts)

    def _learn(self, vectors: np.ndarray) -> None:
        if len(vectors) < FEWEST:
            raise VectorError(
                f"an ivfpq index cannot learn from {len(vectors)} vectors, it needs {FEWEST}",
                "use the exact index",
            )
        lists = int(np.clip(4 * np.sqrt(len(vectors)), 16, len(vectors) // 39))
        codes = max(each for each in range(1, self.dimension // 2 + 2) if self._divides(each))
        index = faiss.IndexIVFPQ(
            faiss.IndexFlatIP(self.dimension),
            self.dimension,
            lists,
            codes,
            8,
            faiss.METRIC_INNER_PRODUCT,
        )
        index.cp.min_points_per_centroid = 1  # else FAISS writes advice to the screen
        index.pq.cp.min_points_per_centroid = 1
        index.train(vectors)
        self._faiss = index

    def _divides(self, codes: int) -> bool:
        return self.dimension % codes == 0 and (codes <= self.dimension // 2 or codes == 1)

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Add vectors float32 [N, D] under ids int64 [N]; a known id gets the new vector."""
        given = np.ascontiguousarray(ids, dtype=np.int64)
        block = self._checked(vectors, "vectors")
        if given.shape != block.shape[:1] or (given < 0).any():
            raise VectorError(
                f"ids of shape {given.shape} do not name {len(block)} vectors",
                "give one id, not negative, a vector",
            )
        if self._faiss is None:
            self._learn(block)
        else:
            self.remove(given)
        self._faiss.add_with_ids(block, given)

    def remove(self, ids: np.ndarray) -> int:
        """Remove ids int64 [N]; returns how many were held."""
        if self._faiss is None:
            return 0
        chosen = faiss.IDSelectorBatch(np.ascontiguousarray(ids, dtype=np.int64))
        return int(self._faiss.remove_ids(chosen))

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Neighbours:
        """The K nearest of each of queries float32 [Q, D], nearest first; see VectorIndex."""
        block = self._checked(queries, "queries")
        k = self._checked_k(k)
        if not self.count or (allowed is not None and not len(allowed)):
            return nothing(len(block), k)
        if allowed is not None:
            return self._search_allowed(block, k, allowed)
        lists = max(16, int(self.probed * self._faiss.nlist))
        wanted = k if self.source is None else min(self.candidates * k, self.count)
        effort = faiss.SearchParametersIVF(nprobe=min(lists, self._faiss.nlist))
        similarity, ids = search(self._faiss, block, max(wanted, k), effort)
        if self.source is None:
            return found(similarity, ids, self.metric)
        return self._measured_again(block, ids, k, self.source)

    def _search_allowed(self, queries: np.ndarray, k: int, allowed: np.ndarray) -> Neighbours:
        if self.source is None:
            raise VectorError(
                "an ivfpq index without its whole vectors cannot search among some of them",
                "open it through the atlas",
            )
        held = np.intersect1d(allowed, self.ids())
        part = FlatIndex(self.dimension)
        if len(held):
            part.add(held, self.source(held))
        return part.search(queries, k)

    def _measured_again(
        self, queries: np.ndarray, ids: np.ndarray, k: int, source: Source
    ) -> Neighbours:
        """The best k of the candidates ids int64 [Q, P], by their whole vectors."""
        wanted = np.unique(ids[ids >= 0])
        vectors = source(wanted)
        places = np.minimum(np.searchsorted(wanted, ids), len(wanted) - 1)
        similarity = np.einsum("qd,qpd->qp", queries, vectors[places]).astype(np.float32)
        similarity[ids < 0] = self.metric.farthest
        best = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        return found(
            np.take_along_axis(similarity, best, axis=1),
            np.take_along_axis(ids, best, axis=1),
            self.metric,
        )

    def to_bytes(self) -> np.ndarray:
        """The whole index as uint8 [B]; nothing when it has learned nothing yet."""
        if self._faiss is None:
            return np.zeros(0, dtype=np.uint8)
        return faiss.serialize_index(self._faiss)

    @classmethod
    def from_bytes(
        cls, payload: np.ndarray, dimension: int, source: Source | None = None
    ) -> IVFPQIndex:
        """The index that ``to_bytes`` has written."""
        index = cls(dimension, source)
        if len(payload):
            # it is of its own type already, and a downcast would not own it
            index._faiss = faiss.deserialize_index(payload)
        return index

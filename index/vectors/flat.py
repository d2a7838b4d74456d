"""Indexes that keep the whole vectors: exact, and HNSW for large atlases."""

from __future__ import annotations

from typing import Any

import numpy as np

from index.errors import VectorError
from index.records import Neighbours
from index.vectors.contract import Source, VectorIndex, found, nothing
from index.vectors.engine import faiss, search

# Above this many queries, copying the allowed vectors out costs less than asking for each vector
# of each query whether it is allowed (measured: see docs/atlas.md).
COPY_QUERIES = 8
# Below this share of allowed vectors the copy is cheap even for one query.
COPY_SHARE = 0.1


class FlatIndex(VectorIndex):
    """Exact search by inner product: ``IndexFlatIP`` inside ``IndexIDMap2``.

    Source: Johnson, Douze, Jegou 2017, Billion-scale similarity search with GPUs.
    """

    kind = "exact"

    def __init__(self, dimension: int, source: Source | None = None) -> None:
        super().__init__(dimension, source)
        self._faiss = self._empty()
        self._order: tuple[np.ndarray, np.ndarray] | None = None

    def _inner(self) -> Any:
        return faiss.IndexFlatIP(self.dimension)

    def _empty(self) -> Any:
        return faiss.IndexIDMap2(self._inner())

    @property
    def _flat(self) -> Any:
        """The flat index that holds the vectors."""
        return faiss.downcast_index(self._faiss.index)

    @property
    def count(self) -> int:
        """How many vectors the index holds."""
        return int(self._faiss.ntotal)

    def ids(self) -> np.ndarray:
        """The ids it holds, by position: int64 [N]."""
        return faiss.vector_to_array(self._faiss.id_map)

    def _vectors(self) -> np.ndarray:
        """A view of all vectors by position, float32 [N, D]; valid until the next change."""
        flat = self._flat
        count = int(flat.ntotal)
        if not count:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return faiss.rev_swig_ptr(flat.get_xb(), count * self.dimension).reshape(count, -1)

    def _positions(self, ids: np.ndarray) -> np.ndarray:
        """Where those of ``ids`` stand that the index holds: int64, in the order of ``ids``."""
        if self._order is None:
            held = self.ids()
            order = np.argsort(held, kind="stable")
            self._order = held[order], order
        held, order = self._order
        if not len(held):
            return np.zeros(0, dtype=np.int64)
        place = np.minimum(np.searchsorted(held, ids), len(held) - 1)
        return order[place[held[place] == ids]]

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Add vectors float32 [N, D] under ids int64 [N]; a known id gets the new vector."""
        given = np.ascontiguousarray(ids, dtype=np.int64)
        block = self._checked(vectors, "vectors")
        if given.shape != block.shape[:1] or (given < 0).any():
            raise VectorError(
                f"ids of shape {given.shape} do not name {len(block)} vectors",
                "give one id, not negative, a vector",
            )
        if len(self._positions(given)):
            self.remove(given)
        self._faiss.add_with_ids(block, given)
        self._order = None

    def remove(self, ids: np.ndarray) -> int:
        """Remove ids int64 [N]; returns how many were held."""
        chosen = faiss.IDSelectorBatch(np.ascontiguousarray(ids, dtype=np.int64))
        removed = int(self._faiss.remove_ids(chosen))
        self._order = None
        return removed

    def subset(self, allowed: np.ndarray) -> FlatIndex:
        """An exact index of a copy of the vectors under ``allowed`` (int64 [A], ascending)."""
        positions = np.sort(self._positions(allowed))
        part = FlatIndex(self.dimension)
        part._faiss.add_with_ids(self._vectors()[positions], self.ids()[positions])
        return part

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Neighbours:
        """The K nearest of each of queries float32 [Q, D], nearest first; see VectorIndex."""
        block = self._checked(queries, "queries")
        k = self._checked_k(k)
        if not self.count or (allowed is not None and not len(allowed)):
            return nothing(len(block), k)
        if allowed is None:
            similarity, ids = self._search_all(block, k)
            return found(similarity, ids, self.metric)
        few = len(allowed) <= COPY_SHARE * self.count
        if few or len(block) >= COPY_QUERIES:
            return self.subset(allowed).search(block, k)
        return self._search_selected(block, k, allowed)

    def _search_all(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return search(self._faiss, queries, k)

    def _search_selected(self, queries: np.ndarray, k: int, allowed: np.ndarray) -> Neighbours:
        """Exact search of the flat vectors, asking of each whether it is allowed."""
        mask = np.zeros(self.count, dtype=bool)
        mask[self._positions(allowed)] = True
        bits = np.packbits(mask, bitorder="little")
        chosen = faiss.IDSelectorBitmap(bits)
        similarity, places = search(self._flat, queries, k, faiss.SearchParameters(sel=chosen))
        ids = np.where(places < 0, -1, self.ids()[np.maximum(places, 0)])
        return found(similarity, ids, self.metric)

    def to_bytes(self) -> np.ndarray:
        """The whole index as uint8 [B]."""
        return faiss.serialize_index(self._faiss)

    @classmethod
    def from_bytes(
        cls, payload: np.ndarray, dimension: int, source: Source | None = None
    ) -> FlatIndex:
        """The index that ``to_bytes`` has written."""
        index = cls(dimension, source)
        # it is of its own type already, and a downcast would not own it
        index._faiss = faiss.deserialize_index(payload)
        return index


class HNSWIndex(FlatIndex):
    """Approximate search in a navigable small-world graph; filtered search stays exact.

    A change of known vectors or a removal builds the graph anew, for FAISS cannot take nodes out.
    Source: Malkov, Yashunin 2018, Efficient and robust approximate nearest neighbor search using
    hierarchical navigable small world graphs.
    """

    kind = "hnsw"
    links = 32
    effort_build = 120
    effort_search = 96

    def _inner(self) -> Any:
        graph = faiss.IndexHNSWFlat(self.dimension, self.links, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = self.effort_build
        return graph

    @property
    def _flat(self) -> Any:
        return faiss.downcast_index(faiss.downcast_index(self._faiss.index).storage)

    def remove(self, ids: np.ndarray) -> int:
        """Remove ids int64 [N]; returns how many were held. Builds the graph anew."""
        gone = np.isin(self.ids(), ids)
        if gone.any():
            rest, vectors = self.ids()[~gone], self._vectors()[~gone].copy()
            self._faiss = self._empty()
            if len(rest):
                self._faiss.add_with_ids(vectors, rest)
            self._order = None
        return int(gone.sum())

    def _search_all(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        effort = faiss.SearchParametersHNSW(efSearch=max(self.effort_search, 2 * k))
        return search(self._faiss, queries, k, effort)

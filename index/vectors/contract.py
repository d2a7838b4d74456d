"""What every vector index does, whichever engine stands behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from index.errors import VectorError
from index.records import Neighbours


@dataclass(frozen=True)
class Metric:
    """How alikeness is measured. ``farthest`` stands where fewer than K neighbours exist."""

    name: str
    larger_is_closer: bool

    @property
    def farthest(self) -> float:
        """The value of something infinitely far away."""
        return -np.inf if self.larger_is_closer else np.inf


INNER_PRODUCT = Metric("inner_product", larger_is_closer=True)

# Given ids int64 [N], the vectors float32 [N, D] of those: where an index that keeps only
# shortened vectors finds the whole ones.
Source = Callable[[np.ndarray], np.ndarray]


class VectorIndex(ABC):
    """Vectors under ids. ``dimension`` is D; ids are int64 and not negative.

    A remote engine stands in by implementing these methods; nothing else is asked of an index.
    """

    kind: ClassVar[str]
    metric: ClassVar[Metric] = INNER_PRODUCT

    def __init__(self, dimension: int, source: Source | None = None) -> None:
        if dimension < 1:
            raise VectorError(f"dimension is {dimension}, allowed is 1 or more", "give D")
        self.dimension = dimension
        self.source = source

    @property
    @abstractmethod
    def count(self) -> int:
        """How many vectors the index holds."""

    @abstractmethod
    def ids(self) -> np.ndarray:
        """The ids it holds: int64 [N], in no special order."""

    @abstractmethod
    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Add vectors float32 [N, D] under ids int64 [N]; a known id gets the new vector."""

    @abstractmethod
    def remove(self, ids: np.ndarray) -> int:
        """Remove ids int64 [N]; returns how many were held."""

    @abstractmethod
    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Neighbours:
        """The K nearest of each of queries float32 [Q, D], nearest first.

        With ``allowed`` (int64 [A], ascending) only among those ids, and then exactly, even where
        the index is approximate. Raises VectorError.
        """

    @abstractmethod
    def to_bytes(self) -> np.ndarray:
        """The whole index as uint8 [B]."""

    @classmethod
    @abstractmethod
    def from_bytes(
        cls, payload: np.ndarray, dimension: int, source: Source | None = None
    ) -> VectorIndex:
        """The index that ``to_bytes`` has written."""

    def _checked(self, vectors: np.ndarray, what: str) -> np.ndarray:
        """``vectors`` as contiguous float32 [N, D]. Raises VectorError."""
        block = np.ascontiguousarray(vectors, dtype=np.float32)
        if block.ndim != 2 or block.shape[1] != self.dimension:
            raise VectorError(
                f"{what} have shape {block.shape}, allowed is [N, {self.dimension}]",
                "embed them with the model of the index",
            )
        if not np.isfinite(block).all():
            raise VectorError(
                f"{what} hold a value that is not finite", "check the pictures and the model"
            )
        return block

    def _checked_k(self, k: int) -> int:
        if k < 1:
            raise VectorError(f"k is {k}, allowed is 1 or more", "ask for at least one neighbour")
        return int(k)


def found(similarity: np.ndarray, ids: np.ndarray, metric: Metric) -> Neighbours:
    """Neighbours as FAISS gives them, with the value of nothing found set to the farthest."""
    if ids.size and ids[:, -1].min() < 0:
        similarity[ids < 0] = metric.farthest
    return Neighbours(ids=ids, similarity=similarity)


def nothing(queries: int, k: int, metric: Metric = INNER_PRODUCT) -> Neighbours:
    """The answer of an empty index."""
    return Neighbours(
        ids=np.full((queries, k), -1, dtype=np.int64),
        similarity=np.full((queries, k), metric.farthest, dtype=np.float32),
    )

"""Vector indexes: one contract, the kinds that keep it, and the rule that chooses one.

Importing this loads FAISS; the atlas does so at the first search.
"""

from __future__ import annotations

from index.errors import VectorError
from index.vectors.contract import INNER_PRODUCT, Metric, VectorIndex
from index.vectors.flat import FlatIndex, HNSWIndex
from index.vectors.ivfpq import FEWEST, IVFPQIndex

KINDS: dict[str, type[VectorIndex]] = {
    index.kind: index for index in (FlatIndex, HNSWIndex, IVFPQIndex)
}

# Exact search of 300,000 x 128 takes some tens of milliseconds on one core, still unnoticed at a
# screen; 3,000,000 x 128 as whole vectors in a graph take 2.3 GB of memory.
EXACT_UP_TO = 300_000
HNSW_UP_TO = 3_000_000


def choose_kind(count: int, asked: str = "auto") -> str:
    """The kind of index for ``count`` vectors: ``asked``, or by size when that is "auto".

    exact up to 300,000 vectors, hnsw up to 3,000,000, ivfpq above. ivfpq is exact below 1,024
    vectors, from which it could not learn. Raises VectorError for an unknown kind.
    """
    if asked not in ("auto", *KINDS):
        raise VectorError(
            f"vector index is {asked!r}, allowed is one of auto, {', '.join(KINDS)}",
            "set vector_index to one of these",
        )
    if asked == "auto":
        asked = "exact" if count <= EXACT_UP_TO else "hnsw" if count <= HNSW_UP_TO else "ivfpq"
    return "exact" if asked == "ivfpq" and count < FEWEST else asked


__all__ = ["INNER_PRODUCT", "KINDS", "Metric", "VectorIndex", "choose_kind"]

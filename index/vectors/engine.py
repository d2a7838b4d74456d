"""FAISS as an untyped engine: its own type stubs describe its C++ and not its Python side."""

from __future__ import annotations

from typing import Any

import faiss as _faiss
import numpy as np

faiss: Any = _faiss


def search(
    index: Any, queries: np.ndarray, k: int, params: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """FAISS's own search of ``index``: similarity float32 [Q, K] and id or place int64 [Q, K].

    pytorch-metric-learning loads ``faiss.contrib.torch_utils``, which puts a search without
    parameters into every index of the process and keeps the original as ``search_numpy``.
    """
    original = getattr(index, "search_numpy", index.search)
    found: tuple[np.ndarray, np.ndarray] = original(queries, k, params=params)
    return found

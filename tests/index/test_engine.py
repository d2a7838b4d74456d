"""FAISS in one process with packages that change it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import numpy as np
from index.vectors import KINDS
import faiss.contrib.torch_utils  # what pytorch-metric-learning loads

vectors = np.random.default_rng(0).normal(size=(1500, 16)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
ids = np.arange(1500)
for kind in KINDS.values():
    index = kind(16)
    index.add(ids, vectors)
    assert index.search(vectors[:3], 5).ids.shape == (3, 5)
    if index.kind != "ivfpq":  # which has not kept the whole vectors
        assert (index.search(vectors[:1], 5, allowed=ids[700:]).ids >= 700).all()
    index.remove(ids[:10])
    assert index.count == 1490
"""


def test_search_survives_what_metric_learning_does_to_faiss() -> None:
    """In a process of its own: the change lasts as long as the process."""
    pytest.importorskip("torch")
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr

"""The learning curve rises where labels help, keeps groups apart, and is nothing without cells."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.evaluation.errors import EvaluationError
from retrieval.evaluation.learning import learning_curve, sizes


def blobs(count: int, spread: float, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(8, 8)))[0][:4]
    kinds = np.arange(count) % 4
    vectors = centres[kinds] + rng.normal(scale=spread, size=(count, 8))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), [f"c{kind}" for kind in kinds]


def test_more_labels_are_better_until_all_is_known() -> None:
    vectors, classes = blobs(400, 0.35)
    found = learning_curve(vectors, classes, seed=1)
    assert [point.labels for point in found] == [10, 20, 50, 100, 200]
    assert found[0].mean + 0.05 < found[-1].mean
    assert all(0 <= point.low <= point.mean <= point.high <= 1 for point in found)
    assert found == learning_curve(vectors, classes, seed=1)


def test_cells_of_a_group_are_on_one_side_only() -> None:
    """Pairs of twins with classes by chance: a twin on the other side would give the answer."""
    rng = np.random.default_rng(2)
    vectors = np.repeat(rng.normal(size=(100, 16)), 2, axis=0)
    classes = np.repeat(rng.integers(0, 2, 100).astype(str), 2)
    apart = learning_curve(vectors, classes, groups=np.repeat(range(100), 2), k=1)[-1]
    mixed = learning_curve(vectors, classes, k=1)[-1]
    assert mixed.mean > 0.7 > apart.mean


def test_too_little_to_measure() -> None:
    vectors, classes = blobs(12, 0.1)
    assert learning_curve(vectors, classes) == []
    vectors, classes = blobs(40, 0.1)
    assert learning_curve(vectors, ["c"] * 40) == []
    assert learning_curve(vectors, classes, groups=["p"] * 40) == []
    with pytest.raises(EvaluationError, match="40 vectors, 39 classes"):
        learning_curve(vectors, classes[1:])


def test_sizes_about_double() -> None:
    assert sizes(9) == []
    assert sizes(10) == [10]
    assert sizes(1234) == [10, 20, 50, 100, 200, 500, 1000]

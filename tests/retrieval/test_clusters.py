"""Clusters, spreading and directions from examples, against plain versions and seeded blobs."""

from __future__ import annotations

import numpy as np
import pytest

from index.errors import VectorError
from retrieval.clusters import (
    METHODS,
    ClusteringError,
    cluster,
    into_parts,
    prototypes,
    within_spread,
)
from retrieval.relevance import rocchio
from retrieval.spreading import LEAK, neighbour_graph, spread


def blobs(each: int = 30, kinds: int = 4, noise: float = 0.08, seed: int = 0):
    """Unit vectors [N, 16] in ``kinds`` groups, and the group of each."""
    random = np.random.default_rng(seed)
    centres = np.linalg.qr(random.normal(size=(16, 16)))[0][:kinds]
    of = np.repeat(np.arange(kinds), each)
    vectors = centres[of] + random.normal(scale=noise, size=(len(of), 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), of


def purity(labels: np.ndarray, of: np.ndarray) -> float:
    inside = labels >= 0
    right = sum(np.bincount(of[labels == each]).max() for each in np.unique(labels[inside]))
    return right / max(1, inside.sum())


@pytest.mark.parametrize("method", sorted(METHODS))
def test_clusters_are_pure_and_the_same_for_the_same_seed(method) -> None:
    vectors, of = blobs()
    name, found = cluster(vectors, method=method, size=8, seed=3)
    assert name == method
    assert found.count >= 4
    assert purity(found.labels, of) == 1.0
    assert (found.labels >= 0).mean() > 0.7
    assert sorted(set(found.labels[found.labels >= 0].tolist())) == list(range(found.count))
    assert ((found.strength >= 0) & (found.strength <= 1)).all()
    again = cluster(vectors, method=method, size=8, seed=3)[1]
    assert (again.labels == found.labels).all()


def test_few_cells_are_no_trouble() -> None:
    vectors, _ = blobs(each=1, kinds=2)
    assert cluster(vectors, method="density")[1].count == 0
    assert cluster(vectors, method="centres")[1].count == 1
    assert into_parts(vectors[:1], 5).labels.tolist() == [0]


@pytest.mark.parametrize(
    ("given", "words"),
    [({"method": "odd"}, "method of clustering is 'odd'"), ({"size": 1}, "clusters of 1 cells")],
)
def test_what_cannot_be_clustered_is_said(given, words) -> None:
    vectors, _ = blobs()
    with pytest.raises(ClusteringError, match=words):
        cluster(vectors, **given)


def test_parts_follow_the_groups_and_prototypes_stand_for_them() -> None:
    vectors, of = blobs(each=40, kinds=2)
    found = into_parts(vectors, 2)
    assert purity(found.labels, of) == 1.0
    assert found.strength.mean() > 0.5
    centres = prototypes(vectors)
    assert np.allclose(np.linalg.norm(centres, axis=1), 1, atol=1e-5)
    assert (vectors @ centres.T).max(axis=1).min() > 0.8


def test_graph_steps_are_probabilities_between_near_cells() -> None:
    vectors, of = blobs()
    graph = neighbour_graph(vectors, 5)
    assert np.allclose(np.asarray(graph.sum(axis=1)).ravel(), 1)
    assert graph.diagonal().max() == 0
    rows, columns = graph.nonzero()
    assert (of[rows] == of[columns]).mean() > 0.99


def test_twins_are_each_others_neighbours() -> None:
    vectors, _ = blobs(each=3, kinds=2)
    graph = neighbour_graph(np.repeat(vectors[:1], 8, axis=0), 3)
    assert graph.diagonal().max() == 0
    assert np.isfinite(graph.data).all()


def test_spreading_is_the_walk_worked_out_at_once() -> None:
    vectors, of = blobs(each=12, noise=0.2)
    labels = [str(kind) if place % 12 == 0 else None for place, kind in enumerate(of)]
    graph = neighbour_graph(vectors, 5)
    found = spread(graph, labels)
    known = np.array([label is not None for label in labels])
    walk = (1 - LEAK) * graph.toarray()
    seeds = np.eye(4)[of[known]]
    exact = np.linalg.solve(
        np.eye((~known).sum()) - walk[np.ix_(~known, ~known)], walk[np.ix_(~known, known)] @ seeds
    )
    assert np.allclose(found.probabilities[~known], exact, atol=5e-3)
    assert np.allclose(found.probabilities[known], seeds)
    assert found.probabilities.sum(axis=1).max() <= 1 + 1e-6
    codes, confidence = found.best()
    assert np.mean([code == str(kind) for code, kind in zip(codes, of, strict=True)]) > 0.95
    assert confidence[known].min() == 1


def test_a_cell_no_label_reaches_is_called_nothing() -> None:
    vectors, of = blobs(each=20, kinds=2, noise=0.01)
    labels = ["a" if place == 0 else None for place in range(len(of))]
    found = spread(neighbour_graph(vectors, 4), labels)
    assert found.probabilities[of == 1].max() < 0.2
    assert found.probabilities[of == 0].min() > 0.2


def test_spreading_without_labels_is_refused() -> None:
    vectors, _ = blobs()
    with pytest.raises(ClusteringError, match="0 classes"):
        spread(neighbour_graph(vectors), [None] * len(vectors))


def test_rocchio_is_the_sum_it_says() -> None:
    random = np.random.default_rng(1)
    wanted, unwanted = random.normal(size=(3, 8)), random.normal(size=(2, 8))
    plain = 0.75 * wanted.mean(axis=0) - 0.25 * unwanted.mean(axis=0)
    plain /= np.linalg.norm(plain)
    assert np.allclose(rocchio(wanted, unwanted), plain, atol=1e-6)
    assert np.allclose(rocchio(wanted, np.zeros((0, 8))), wanted.mean(axis=0) /
                       np.linalg.norm(wanted.mean(axis=0)), atol=1e-6)  # fmt: skip
    twice = np.ones((1, 4))
    assert np.allclose(rocchio(twice, 3 * twice), 0.5)


def test_rocchio_needs_an_example_of_one_width() -> None:
    with pytest.raises(VectorError, match="at least 1"):
        rocchio(np.zeros((0, 4)), np.ones((1, 4)))
    with pytest.raises(VectorError, match="4 wide, unwanted 5"):
        rocchio(np.ones((1, 4)), np.ones((1, 5)))


def test_only_what_lies_as_near_as_a_clusters_own_cells_is_within_its_spread() -> None:
    vectors, of = blobs(each=40, kinds=2, noise=0.05)
    mine, theirs = vectors[of == 0], vectors[of == 1]
    asked = np.concatenate([mine[20:], theirs])
    found = within_spread(mine[:20], asked)
    # Plain: each cell's nearest fellow, and what nine in ten of them reach.
    among = mine[:20] @ mine[:20].T
    np.fill_diagonal(among, -1)
    least = np.quantile(among.max(axis=1), 0.1)
    assert found.tolist() == [bool((mine[:20] @ each).max() >= least) for each in asked]
    assert found[:20].mean() > 0.5
    assert not found[20:].any()
    assert not within_spread(mine[:1], mine[1:]).any()
    assert within_spread(mine, mine[:0]).tolist() == []

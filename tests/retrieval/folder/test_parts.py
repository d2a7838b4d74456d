"""The parts against naive versions: space, graph, diffusion, ridge, single-cell read-out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from retrieval.described import Described
from retrieval.folder import FolderError, Space, points_by_group
from retrieval.folder import graph as graphs
from retrieval.folder.graph import diffuse, neighbour_graph, neighbours, shares
from retrieval.folder.readout import neighbour_shares, read_alone, spread_rows
from retrieval.folder.ridge import MIDWAY, class_weights, ridge, soft
from retrieval.folder.space import centred, content_order, unit


def points(n: int, width: int = 8, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(n, width)))


def test_space_refuses_other_columns(home):
    with pytest.raises(FolderError, match=r"have shapes \(420, 80\) and \(420, 5\), allowed are"):
        Space((("taught", 7),), ("neutrophil",)).check(home.cells)


def test_centring_takes_off_what_a_laboratory_adds_to_all(world):
    rows = points(50)
    moved = centred([rows + 3.0])
    np.testing.assert_allclose(moved, centred([rows]), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-6)


def test_each_group_is_centred_by_itself(home, world):
    names = ["a"] * 200 + ["b"] * 220
    found = points_by_group(home.cells, names, world.space)
    blocks = world.space.blocks(home.cells[200:])
    np.testing.assert_allclose(found[200:], centred(blocks), atol=1e-6)


def test_content_order_does_not_depend_on_the_order_given(home):
    shuffled = np.random.default_rng(0).permutation(len(home.cells))
    one = home.cells.vectors[content_order(home.cells)]
    other = home.cells[shuffled]
    np.testing.assert_array_equal(one, other.vectors[content_order(other)])


def test_neighbours_are_the_nearest_others():
    rows = points(60)
    similarity, index = neighbours(rows, 5)
    every = rows @ rows.T
    np.fill_diagonal(every, -2)
    np.testing.assert_array_equal(np.sort(index), np.sort(np.argsort(-every, axis=1)[:, :5]))
    np.testing.assert_allclose(similarity, -np.sort(-every, axis=1)[:, :5], atol=1e-5)


def test_equal_cells_are_neighbours_but_no_cell_is_its_own():
    rows = np.repeat(points(4), 6, axis=0)
    _, index = neighbours(rows, 3)
    assert (index != np.arange(24)[:, None]).all()
    assert index.shape == (24, 3)


def test_approximate_neighbours_find_nearly_all(world, monkeypatch):
    rows = unit(world.laboratory((500, 500, 500, 500, 500)).cells.features.astype(np.float32))
    _, exact = neighbours(rows, 10)
    monkeypatch.setattr(graphs, "EXACT", 100)
    _, found = neighbours(rows, 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, found, strict=True)])
    assert recall > 0.9
    assert (found != np.arange(len(rows))[:, None]).all()


def test_the_graph_is_symmetric_and_no_row_grows():
    graph = neighbour_graph(points(80), 6)
    assert abs(graph - graph.T).max() < 1e-6
    assert np.abs(np.linalg.eigvalsh(graph.toarray())).max() <= 1 + 1e-5


def test_diffusion_nears_the_closed_form():
    graph = neighbour_graph(points(40), 5)
    start = np.random.default_rng(1).random((40, 3))
    closed = 0.3 * np.linalg.solve(np.eye(40) - 0.7 * graph.toarray(), start)
    np.testing.assert_allclose(diffuse(graph, start, 0.7), closed, atol=0.03)


def test_shares_of_nothing_are_even():
    np.testing.assert_allclose(shares(np.zeros((2, 4))), 0.25)


@pytest.mark.parametrize("n", [6, 40])
def test_ridge_solves_either_form(n):
    rows, labels = points(n, 12), np.arange(n) % 3
    labels[0] = 1  # so that the classes weigh differently
    weight = class_weights(labels, 3)
    middle = MIDWAY * np.average(rows, axis=0, weights=weight)
    peer = Ridge(alpha=0.3, fit_intercept=False).fit(
        rows - middle, np.eye(3)[labels] * 2 - 1, sample_weight=weight
    )
    learned = ridge(rows, labels, 3, 0.3)
    np.testing.assert_allclose(learned.weights, peer.coef_.T, atol=1e-6)
    np.testing.assert_allclose(learned.scores(rows), peer.predict(rows - middle), atol=1e-5)


def test_labels_of_a_rare_class_do_not_pull_the_common_ones_over():
    """The laboratory's middle lies among its common cells, that of its labels between both."""
    generator = np.random.default_rng(0)
    classes = (np.arange(200) < 10).astype(int)
    rows = generator.normal(scale=0.2, size=(200, 10))
    rows[:, 0] += np.where(classes, 1.0, -1.0)
    rows = (rows - rows.mean(axis=0)).astype(np.float32)
    few = np.r_[np.arange(4), np.arange(100, 104)]
    found = ridge(rows[few], classes[few], 2, 0.3).scores(rows).argmax(axis=1)
    assert (found == classes).mean() > 0.95


def test_class_weights_make_classes_equal():
    labels = np.array([0, 0, 0, 2])
    weight = class_weights(labels, 4)
    assert weight[:3].sum() == pytest.approx(weight[3])
    assert weight.sum() == pytest.approx(4)


def test_classes_without_rows_get_next_to_nothing():
    found = soft(np.zeros((1, 3)), np.array([True, True, False]))
    assert found[0, 2] < 1e-3
    assert found.sum() == pytest.approx(1)


def test_neighbour_shares_against_a_loop():
    queries, references = points(7, 6, 1), points(30, 6, 2)
    columns = np.arange(30) % 4
    expected = np.zeros((7, 4))
    for i, query in enumerate(queries):
        near = np.argsort(-(references @ query))[:5]
        best = references[near[0]] @ query
        for row in near:
            expected[i, columns[row]] += np.exp((references[row] @ query - best) / 0.07)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        neighbour_shares(queries, references, columns, 4, 5), expected, atol=1e-4
    )


def test_references_are_thinned_by_class_and_laboratory(world, monkeypatch):
    monkeypatch.setattr("retrieval.folder.readout.PER_GROUP", 20)
    many = world.laboratory((100, 10, 0, 0, 30))
    names = ["a" if row % 2 else "b" for row in range(140)]
    chosen = spread_rows(many.cells, many.classes, names)
    counts = np.bincount(many.classes[chosen], minlength=5)
    assert counts.tolist() == [40, 10, 0, 0, sum(min(20, c) for c in (
        sum(1 for r in np.flatnonzero(many.classes == 4) if r % 2),
        sum(1 for r in np.flatnonzero(many.classes == 4) if not r % 2),
    ))]  # fmt: skip


def test_read_alone_is_the_mean_of_three(home, abroad, world, accuracy):
    every = np.ones(5, dtype=bool)
    found = read_alone(
        abroad.cells, home.cells, home.classes, world.space.score_classes, world.space, every
    )
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert accuracy(found, abroad.classes) > 0.5
    two = read_alone(
        abroad.cells,
        home.cells,
        home.classes,
        world.space.score_classes,
        world.space,
        np.array([1, 0, 0, 1, 0], dtype=bool),
    )
    assert (two[:, [1, 2, 4]] == 0).all()
    np.testing.assert_allclose(two.sum(axis=1), 1, atol=1e-5)


def test_a_class_that_the_scores_do_not_know_can_win(home, world):
    space = Space(world.space.parts, ("neutrophil", "eosinophil", "basophil", "lymphocyte"))
    cells = Described(home.cells.vectors, home.cells.features, home.cells.scores[:, :4])
    found = read_alone(
        cells, cells, home.classes, world.space.score_classes, space, np.ones(5, dtype=bool)
    )
    told = found.argmax(axis=1)
    assert (told[home.classes == 4] == 4).mean() > 0.9


def test_nothing_allowed_is_an_error(home, world):
    with pytest.raises(FolderError, match="no reference and no score"):
        read_alone(
            home.cells,
            home.cells,
            home.classes,
            world.space.score_classes,
            world.space,
            np.zeros(5, dtype=bool),
        )

"""A few labels of a laboratory."""

from __future__ import annotations

import json

import numpy as np
import pytest

from retrieval.described import Described
from retrieval.folder import (
    Adaptation,
    AdaptError,
    Folder,
    Space,
    Way,
    adapt,
    choose_cells,
    read_prepared,
)
from retrieval.folder.fitting import (
    NEIGHBOURS_ALONE,
    Labelled,
    answer,
    choose,
    folds,
    left_out,
    ways,
)
from retrieval.folder.readout import neighbour_shares


@pytest.fixture(scope="module")
def folder(abroad, world) -> Folder:
    return Folder(abroad.cells, world.space)


@pytest.fixture(scope="module")
def start(folder, home, world) -> np.ndarray:
    found = read_prepared(folder, home.cells, home.classes, world.space.score_classes)
    return found.probabilities


@pytest.fixture(scope="module")
def ten(folder, abroad, start, world, some_of_each) -> Adaptation:
    rows = some_of_each(abroad.classes, 10)
    return adapt(folder, rows, abroad.classes[rows], world.space.score_classes, start=start)


@pytest.mark.parametrize("n", [1, 2, 4, 10])
def test_labels_do_better_than_the_vote_they_replace(
    n, folder, abroad, start, world, some_of_each, accuracy
):
    rows = some_of_each(abroad.classes, n)
    found = adapt(folder, rows, abroad.classes[rows], world.space.score_classes, start=start)
    rest = np.setdiff1d(np.arange(len(abroad.classes)), rows)
    vote = neighbour_shares(
        abroad.cells.vectors, abroad.cells.vectors[rows], abroad.classes[rows], 5, 5
    )
    assert found.probabilities is not None
    told = accuracy(found.probabilities[rest], abroad.classes[rest])
    assert told >= accuracy(vote[rest], abroad.classes[rest])
    assert told >= accuracy(start[rest], abroad.classes[rest]) - 0.02
    assert found.labels == 5 * n


def test_accuracy_is_told_honestly(ten, abroad, accuracy):
    assert ten.probabilities is not None
    assert ten.accuracy == pytest.approx(accuracy(ten.probabilities, abroad.classes), abs=0.1)
    assert ten.accuracy >= ten.neighbour_accuracy
    assert ten.held_out is not None
    assert ten.held_out.shape == (50, 5)
    np.testing.assert_allclose(ten.held_out.sum(axis=1), 1, atol=1e-5)


def test_a_class_without_labels_can_still_be_answered(folder, abroad, start, world):
    rows = np.concatenate([np.flatnonzero(abroad.classes == c)[:2] for c in (0, 1, 2, 3)])
    found = adapt(folder, rows, abroad.classes[rows], world.space.score_classes, start=start)
    assert found.probabilities is not None
    missing = found.probabilities[abroad.classes == 4]
    assert (missing.argmax(axis=1) == 4).mean() > 0.5
    alone = adapt(folder, rows, abroad.classes[rows], world.space.score_classes)
    assert alone.probabilities is not None
    assert alone.way.before == 0
    assert alone.probabilities[:, 4].max() < 0.1


def test_one_label_alone_teaches_without_an_accuracy(folder, abroad, start, world):
    rows = np.flatnonzero(abroad.classes == 2)[:1]
    found = adapt(folder, rows, abroad.classes[rows], world.space.score_classes, start=start)
    assert np.isnan(found.accuracy)
    assert found.probabilities is not None
    assert found.probabilities[rows[0]].argmax() == 2
    assert np.isfinite(found.probabilities).all()


def test_a_class_with_one_label_among_others(folder, abroad, start, world, some_of_each):
    rows = some_of_each(abroad.classes, 5)
    lone = np.flatnonzero(abroad.classes[rows] == 3)[1:]
    rows = np.delete(rows, lone)
    found = adapt(folder, rows, abroad.classes[rows], world.space.score_classes, start=start)
    assert found.counts[3] == 1
    assert np.isfinite(found.accuracy)


def test_declared_classes_bind(folder, abroad, start, world, some_of_each):
    rows = some_of_each(abroad.classes, 4)
    found = adapt(
        folder,
        rows,
        abroad.classes[rows],
        world.space.score_classes,
        start=start,
        allowed=("neutrophil", "monocyte"),
    )
    assert found.probabilities is not None
    assert set(found.probabilities.argmax(axis=1).tolist()) == {0, 4}
    assert found.labels == 8
    assert found.held_out is not None
    assert np.isnan(found.held_out[abroad.classes[rows] == 2]).all()


def test_the_order_of_the_cells_does_not_matter(ten, abroad, start, world, some_of_each):
    order = np.random.default_rng(3).permutation(len(abroad.classes))
    place = np.argsort(order)
    rows = some_of_each(abroad.classes, 10)
    again = adapt(
        Folder(abroad.cells[order], world.space),
        place[rows][::-1],
        abroad.classes[rows][::-1],
        world.space.score_classes,
        start=start[order],
    )
    assert again.way == ten.way
    assert again.probabilities is not None
    assert ten.probabilities is not None
    np.testing.assert_allclose(again.probabilities, ten.probabilities[order], atol=1e-4)


def test_it_is_kept_as_plain_values(ten, abroad):
    again = Adaptation.from_document(json.loads(json.dumps(ten.to_document())))
    assert (again.classes, again.counts, again.way) == (ten.classes, ten.counts, ten.way)
    np.testing.assert_allclose(again.apply(abroad.cells), ten.apply(abroad.cells), atol=1e-6)
    document = ten.to_document()
    del document["offset"]  # as kept before the ridge had one
    assert Adaptation.from_document(document).learned.offset == 0
    with pytest.raises(AdaptError, match="cannot be read"):
        Adaptation.from_document({"format": 7})


def test_single_cells_can_be_judged_by_it(ten, abroad, start, accuracy):
    by_itself = ten.apply(abroad.cells, start)
    assert accuracy(by_itself, abroad.classes) > accuracy(start, abroad.classes) - 0.05
    near = ten.adapted(ten.points(abroad.cells))
    np.testing.assert_allclose(np.linalg.norm(near, axis=1), 1, atol=1e-5)
    vote = neighbour_shares(near[::2], near[1::2], abroad.classes[1::2], 5, 5)
    assert accuracy(vote, abroad.classes[::2]) > 0.9


def test_a_way_once_chosen_is_used_again(folder, abroad, start, world, some_of_each):
    rows = some_of_each(abroad.classes, 6)
    way = Way(3.0, 0.1, False)
    found = adapt(
        folder, rows, abroad.classes[rows], world.space.score_classes, start=start, way=way
    )
    assert found.way in (way, NEIGHBOURS_ALONE)


def test_left_out_answers_equal_those_taught_without_the_fold(folder, abroad, start, some_of_each):
    rows = some_of_each(abroad.classes, 6)
    labelled = Labelled(folder.rows(rows), abroad.classes[rows], 5)
    before = folder.inside(start)
    tried = (Way(1.0, 0.3, True), Way(0.3, 0.1, False), Way(None, 0.3, False))
    found = left_out(folder, labelled, before, tried)
    fold, judged = folds(labelled)
    assert judged.all()
    for number, way in enumerate(tried):
        for part in np.unique(fold):
            direct = answer(folder, labelled.part(fold != part), before, way)
            expected = direct[labelled.rows[fold == part]]
            np.testing.assert_allclose(found[number, fold == part], expected, atol=2e-4)


def test_the_vote_is_kept_where_nothing_else_is_better():
    labelled = Labelled(np.arange(40), np.arange(40) % 2, 2)
    right = np.eye(2, dtype=np.float32)[labelled.columns]
    wrong = right[:, ::-1]
    chosen, accuracy = choose(np.stack([wrong, wrong, right]), labelled)
    assert chosen == 2
    np.testing.assert_allclose(accuracy, [0, 0, 1], atol=1e-9)
    nearly = right.copy()
    nearly[0] = nearly[0, ::-1]
    assert choose(np.stack([nearly, right]), labelled)[0] == 0  # one cell is noise


def test_many_labels_are_judged_in_part(world):
    many = world.laboratory((300, 300, 300, 0, 0), seed=4)
    folder = Folder(many.cells, world.space)
    found = adapt(folder, np.arange(900), many.classes, world.space.score_classes)
    assert found.held_out is not None
    assert np.isfinite(found.held_out).all(axis=1).sum() == 400
    assert found.accuracy > 0.9


def test_ways_lean_on_labels_the_more_there_are():
    assert ways(1, True)[0].before > ways(10, True)[0].before > ways(100, True)[0].before
    assert all(way.before == 0 for way in ways(5, False))
    assert NEIGHBOURS_ALONE in ways(5, True)


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        ([0, 1], [0], r"rows have shape \(2,\) and labels \(1,\)"),
        ([3, 3], [0, 1], "labelled twice"),
        ([0, 999], [0, 1], "a row is 999, allowed is 0 to 259"),
        ([0, 1], [0, -1], "a class number is -1, allowed is 0 to 4"),
        ([], [], "none of 0 labels"),
    ],
)
def test_what_cannot_be_adapted_to(folder, world, rows, labels, message):
    with pytest.raises(AdaptError, match=message):
        adapt(folder, rows, labels, world.space.score_classes)


def test_vectors_alone_can_be_adapted_to(abroad, some_of_each, accuracy):
    from retrieval.folder import Space

    folder = Folder(Described.plain(abroad.cells.vectors), Space())
    rows = some_of_each(abroad.classes, 8)
    found = adapt(folder, rows, abroad.classes[rows], tuple("abcde"))
    assert found.probabilities is not None
    assert accuracy(found.probabilities, abroad.classes) > 0.7


def test_labels_of_one_patient_are_left_out_together():
    columns = np.arange(40) % 2
    patients = np.repeat(np.arange(10), 4)
    fold, _ = folds(Labelled(np.arange(40), columns, 2, patients))
    assert len(np.unique(fold)) == 10
    for patient in range(10):
        assert len(np.unique(fold[patients == patient])) == 1
    unknown, _ = folds(Labelled(np.arange(40), columns, 2, np.full(40, -1)))
    alone, _ = folds(Labelled(np.arange(40), columns, 2))
    assert unknown.tolist() == alone.tolist()


def test_a_class_of_one_patient_alone_is_still_judged():
    """Leaving that patient out would leave nobody to tell the class by."""
    columns = np.repeat([0, 1], 20)
    patients = np.where(columns == 0, 99, np.arange(40) // 4)
    fold, _ = folds(Labelled(np.arange(40), columns, 2, patients))
    assert len(np.unique(fold[columns == 0])) == 10


def test_a_cell_alone_is_answered_by_its_own_label() -> None:
    cell = Described.plain(np.eye(1, 8, dtype=np.float32))
    alone = Folder(cell, Space())
    assert alone.graph.shape == (1, 1)
    found = adapt(alone, [0], [1], ("a", "b"))
    assert found.probabilities is not None
    assert found.probabilities.argmax() == 1
    assert choose_cells(alone, [], 3).tolist() == [0]

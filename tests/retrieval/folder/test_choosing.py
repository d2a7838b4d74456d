"""Which cells to label first."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.folder import AdaptError, Folder, adapt, choose_cells, read_prepared


@pytest.fixture(scope="module")
def folder(abroad, world) -> Folder:
    return Folder(abroad.cells, world.space)


def test_the_first_cells_are_of_every_class(folder, abroad):
    rows = choose_cells(folder, [], 15)
    assert len(set(rows.tolist())) == 15
    assert len(np.unique(abroad.classes[rows])) == 5


def test_labelled_cells_are_not_asked_again(folder, abroad, home, world):
    first = choose_cells(folder, [], 10)
    start = read_prepared(folder, home.cells, home.classes, world.space.score_classes)
    told = adapt(
        folder,
        first,
        abroad.classes[first],
        world.space.score_classes,
        start=start.probabilities,
    )
    more = choose_cells(folder, first, 10, told.probabilities)
    assert not set(first.tolist()) & set(more.tolist())


def test_the_choice_does_not_depend_on_the_order(folder, abroad, world):
    order = np.random.default_rng(2).permutation(len(abroad.classes))
    other = choose_cells(Folder(abroad.cells[order], world.space), [], 12)
    assert order[other].tolist() == choose_cells(folder, [], 12).tolist()


def test_no_more_come_than_are_left(folder):
    assert len(choose_cells(folder, np.arange(250), 50)) == 10


def test_none_cannot_be_asked_for(folder):
    with pytest.raises(AdaptError, match="0 cells are asked for"):
        choose_cells(folder, [], 0)

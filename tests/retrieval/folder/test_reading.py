"""A folder as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.described import Described
from retrieval.folder import Folder, FolderError, Space, read_folder
from retrieval.folder.graph import shares
from retrieval.folder.reading import MOST_BELIEF, believe
from retrieval.folder.teaching import surest


@pytest.fixture(scope="module")
def reading(home, abroad, world):
    return read_folder(
        abroad.cells, home.cells, home.classes, world.space.score_classes, world.space
    )


def test_the_folder_informs_every_answer(reading, abroad, accuracy):
    alone = accuracy(reading.alone, abroad.classes)
    together = accuracy(reading.probabilities, abroad.classes)
    assert reading.way == "folder"
    assert together >= alone + 0.01
    np.testing.assert_allclose(reading.probabilities.sum(axis=1), 1, atol=1e-5)
    differ = reading.probabilities.argmax(1) != reading.alone.argmax(1)
    assert reading.disagreement == pytest.approx(differ.mean())
    assert 0 <= reading.belief <= MOST_BELIEF


def test_the_order_of_the_pictures_does_not_matter(reading, home, abroad, world):
    shuffled = np.random.default_rng(5).permutation(len(abroad.cells))
    again = read_folder(
        abroad.cells[shuffled], home.cells, home.classes, world.space.score_classes, world.space
    )
    np.testing.assert_allclose(again.probabilities, reading.probabilities[shuffled], atol=1e-5)
    assert again.belief == pytest.approx(reading.belief, abs=1e-6)


def test_the_order_of_the_references_does_not_matter(reading, home, abroad, world):
    order = np.random.default_rng(6).permutation(len(home.cells))
    again = read_folder(
        abroad.cells,
        home.cells[order],
        home.classes[order],
        world.space.score_classes,
        world.space,
    )
    np.testing.assert_allclose(again.probabilities, reading.probabilities, atol=1e-5)


def test_few_pictures_are_read_alone(home, abroad, world):
    few = read_folder(
        abroad.cells[:49], home.cells, home.classes, world.space.score_classes, world.space
    )
    assert few.way == "alone"
    assert few.disagreement == 0
    np.testing.assert_array_equal(few.probabilities, few.alone)


def test_declared_classes_are_the_only_ones(home, abroad, world):
    declared = ("neutrophil", "lymphocyte", "monocyte")
    found = read_folder(
        abroad.cells,
        home.cells,
        home.classes,
        world.space.score_classes,
        world.space,
        allowed=declared,
    )
    assert (found.probabilities[:, [1, 2]] == 0).all()
    with pytest.raises(FolderError, match="allowed classes are blast, known are neutrophil"):
        read_folder(
            abroad.cells,
            home.cells,
            home.classes,
            world.space.score_classes,
            world.space,
            allowed=("blast",),
        )


def test_a_folder_without_two_classes_is_not_talked_into_them(home, world):
    part = world.laboratory((80, 0, 0, 60, 40), shift=0.5, seed=9)
    found = read_folder(
        part.cells, home.cells, home.classes, world.space.score_classes, world.space
    )
    alone = (found.alone.argmax(1) == part.classes).mean()
    assert (found.probabilities.argmax(1) == part.classes).mean() >= alone - 0.02


def test_a_model_of_vectors_alone_is_enough(home, abroad, accuracy):
    plain = Space()
    found = read_folder(
        Described.plain(abroad.cells.vectors),
        Described.plain(home.cells.vectors),
        home.classes,
        ("a", "b", "c", "d", "e"),
        plain,
    )
    alone = accuracy(found.alone, abroad.classes)
    assert accuracy(found.probabilities, abroad.classes) >= alone - 0.02


def test_nobody_believes_what_the_witness_contradicts(abroad, world):
    folder = Folder(abroad.cells, world.space)
    truth = np.eye(5, dtype=np.float32)[folder.inside(abroad.classes)]
    noise = np.eye(5, dtype=np.float32)[np.random.default_rng(0).integers(0, 5, len(truth))]
    assert believe(folder, truth, noise)[0] < 0.01
    belief, gain, spread = believe(folder, truth, truth)
    assert belief > 0.8 * MOST_BELIEF
    assert (gain, spread) == (0, 0)


def test_equally_sure_cells_teach_together():
    scores = shares(np.tile([0.6, 0.4], (10, 1)))
    assert surest(scores).all()
    scores = shares(np.stack([np.linspace(0.9, 0.6, 10), np.linspace(0.1, 0.4, 10)], axis=1))
    assert surest(scores).tolist() == [True] * 6 + [False] * 4
    assert not surest(scores[:3]).any()

"""Probabilities and decisions learned from calibration cells."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from index.taxonomy import shipped_taxonomy
from retrieval.answers.calibration import (
    NO_PROOF,
    STRANGE,
    UNSURE,
    Calibration,
    Scale,
    learn_calibration,
    split_groups,
)
from retrieval.answers.tree import Ancestry
from retrieval.answers.voting import NO_VOTE, count_votes

CLASSES = ("neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte", "erythroblast")
TREE = Ancestry.of(shipped_taxonomy(), CLASSES)


def votes_on_blobs(n, seed, spread=3.0, classes=6, k=9):
    """Leave-one-out votes on seeded blobs, and their classes."""
    X, y = make_blobs(n, centers=classes, n_features=12, cluster_std=spread, random_state=seed)
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    similarity = X @ X.T
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1)[:, :k]
    return count_votes(np.take_along_axis(similarity, order, 1), y[order], classes), y


def test_ancestry_of_the_shipped_classes():
    assert TREE.names[:2] == ("granulocyte", "leukocyte")
    assert "cell" not in TREE.names
    p = np.array([[0.5, 0.3, 0.1, 0.1, 0.0, 0.0], [0.4, 0.0, 0.0, 0.3, 0.3, 0.0]])
    top = np.array([0, 0])
    nearest = TREE.nearest(p, top, 0.85)
    assert [TREE.names[i] for i in nearest] == ["granulocyte", "leukocyte"]
    assert TREE.broadest(p, top).tolist() == pytest.approx([1.0, 1.0])
    assert TREE.nearest(p, top, 1.1).tolist() == [-1, -1]
    assert TREE.within([1, 3, 3], [*nearest, -1]).tolist() == [True, True, False]


def test_a_class_above_another_lies_within_itself():
    tree = Ancestry.of(shipped_taxonomy(), ["neutrophil", "band_neutrophil"])
    p = np.array([[0.45, 0.55]])
    assert tree.names[tree.nearest(p, np.array([1]), 0.9)[0]] == "neutrophil"
    assert tree.within([0], [tree.names.index("neutrophil")]).tolist() == [True]


def test_learned_probabilities_are_calibrated():
    votes, truth = votes_on_blobs(4000, seed=1, spread=8.0)
    half = np.arange(4000) < 2000
    scale = Scale.learn(rows(votes, half), truth[half])
    p = scale.probabilities(rows(votes, ~half))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    true = truth[~half]
    loss = -np.log(p[np.arange(2000), true]).mean()
    raw = Scale().probabilities(rows(votes, ~half))
    assert loss < -np.log(raw[np.arange(2000), true]).mean()
    sure, right = p.max(axis=1), p.argmax(axis=1) == true
    bins = np.digitize(sure, np.quantile(sure, np.linspace(0, 1, 11)[1:-1]))
    gaps = [
        abs(sure[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
        for b in range(10)
    ]
    assert sum(gaps) < 0.03  # expected calibration error


def rows(votes, mask):
    return type(votes)(
        votes.mass[mask], votes.nearest[mask], votes.class_nearest[mask], votes.distance[mask]
    )


def test_further_neighbours_say_less():
    near, far = (
        Scale(0.5).probabilities(count_votes([[s, s]], [[0, 0]], 3))[0, 0] for s in (0.9, 0.3)
    )
    assert near > 0.99
    assert far < 0.41


def test_without_a_voter_every_class_is_equal():
    votes = count_votes([[0.0]], [[NO_VOTE]], 4)
    for scale in (Scale(), Scale(0.5, 2.0)):
        assert scale.probabilities(votes).tolist() == [[0.25] * 4]


def test_decisions_keep_the_risk_on_fresh_cells():
    votes, truth = votes_on_blobs(6000, seed=3, spread=3.5)
    half = np.arange(6000) < 3000
    learned = learn_calibration(rows(votes, half), truth[half], TREE, coverage=0.95, source="val")
    assert learned.accept.proven
    answers = learned.answer(rows(votes, ~half), TREE)
    true = truth[~half]
    accepted = answers.decision == "accept"
    assert accepted.mean() > 0.5
    assert (answers.top != true)[accepted].mean() <= 0.008
    backed = answers.decision == "back_off"
    assert ((answers.parent >= 0) == backed).all()
    assert set(answers.why_not[accepted]) == {""}
    assert set(answers.why_not[~accepted]) == {UNSURE}
    held = answers.members[np.arange(3000), true]
    assert held.mean() >= 0.94
    assert (answers.top == true).mean() > 0.9


def test_cells_beyond_every_calibration_cell_are_abstained_from():
    votes, truth = votes_on_blobs(2000, seed=4, spread=2.0)
    learned = learn_calibration(votes, truth, TREE, coverage=0.95, source="val")
    strange = count_votes([[-0.5] * 9], [[0] * 9], 6)
    answers = learned.answer(strange, TREE)
    assert answers.decision.tolist() == ["abstain"]
    assert answers.novelty[0] > 0.99
    assert answers.parent.tolist() == [-1]
    assert answers.why_not.tolist() == [STRANGE]


def test_few_cells_are_said_in_words():
    votes, truth = votes_on_blobs(40, seed=5)
    learned = learn_calibration(votes, truth, TREE, coverage=0.95, source="left-out")
    assert learned.source == "none"
    assert "only 40 labelled cells" in learned.notes[0]
    assert set(learned.answer(votes, TREE).decision) == {"abstain"}
    assert set(learned.answer(votes, TREE).why_not) == {NO_PROOF}
    votes, truth = votes_on_blobs(300, seed=5, spread=1.0)
    learned = learn_calibration(votes, truth, TREE, coverage=0.95, source="left-out")
    assert "are not proven: 225 calibration cells" in learned.notes[-1]
    assert not learned.accept.proven
    assert (learned.answer(votes, TREE).decision == "accept").mean() > 0.5


def test_nothing_safe_is_said_in_words():
    votes, truth = votes_on_blobs(3000, seed=6, spread=12.0)
    rng = np.random.default_rng(0)
    truth = np.where(rng.uniform(size=3000) < 0.05, rng.integers(0, 6, 3000), truth)
    learned = learn_calibration(votes, truth, TREE, coverage=0.9, source="val")
    assert learned.accept.value is None
    assert any("no decision is accept" in note for note in learned.notes)


def test_a_calibration_survives_its_document():
    votes, truth = votes_on_blobs(1500, seed=7)
    learned = learn_calibration(votes, truth, TREE, coverage=0.95, source="val")
    again = Calibration.from_document(json.loads(json.dumps(learned.to_document())))
    assert again == learned


def test_groups_are_never_divided():
    groups = np.repeat(np.arange(20), 10)
    chosen = split_groups(200, 50, groups, seed=0)
    assert all(chosen[groups == g].all() or not chosen[groups == g].any() for g in range(20))
    assert 50 <= chosen.sum() < 60
    lone = split_groups(200, 50, np.full(200, -1), seed=0)
    assert lone.sum() == 50
    one = split_groups(200, 50, np.zeros(200, int), seed=0)
    assert one.sum() == 50
    two = split_groups(10, 9, np.array([0] * 5 + [1] * 5), seed=0)
    assert two.sum() == 5

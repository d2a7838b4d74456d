"""Novelty: other kinds, other laboratories and junk stand out; known cells do not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from retrieval.trust import NoveltyModel, TrustError
from retrieval.trust.novelty import ALERT, NEIGHBOURS, rank_among

WIDTH = 24
CENTRES = np.random.default_rng(0).normal(size=(6, WIDTH))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def cells(n, seed, classes=range(5), spread=0.5, shift=0.0):
    rng = np.random.default_rng(seed)
    column = rng.choice(list(classes), n)
    drawn = CENTRES[column] + spread * rng.normal(size=(n, WIDTH)) + shift
    return unit(drawn), column, drawn


@pytest.fixture(scope="module")
def model():
    vectors, column, features = cells(1500, 1)
    known, _, known_features = cells(600, 2)
    return NoveltyModel.learn(
        vectors, column, features=features, known=known, known_features=known_features
    )


def test_one_known_cell_in_twenty_is_above_the_alert(model):
    vectors, _, features = cells(4000, 3)
    score = model.score(vectors, features)
    assert ((score >= 0) & (score < 1)).all()
    assert (score > ALERT).mean() == pytest.approx(0.05, abs=0.025)
    assert score.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("what", ["another class", "another laboratory", "junk"])
def test_what_is_unknown_stands_out(model, what):
    known, _, known_features = cells(500, 4)
    rng = np.random.default_rng(5)
    if what == "another class":
        strange, _, features = cells(300, 5, classes=[5])
    elif what == "another laboratory":
        strange, _, features = cells(300, 5, shift=1.0)
    else:
        features = rng.normal(size=(300, WIDTH)) * 0.3
        strange = unit(features)
    scores = np.concatenate([model.score(known, known_features), model.score(strange, features)])
    assert roc_auc_score(np.repeat([0, 1], [500, 300]), scores) > 0.98


def test_without_features_the_vectors_serve():
    vectors, column, _ = cells(800, 6)
    model = NoveltyModel.learn(vectors, column, features=np.empty((800, 0)))
    fresh, _, _ = cells(1000, 7)
    assert (model.score(fresh) > ALERT).mean() == pytest.approx(0.05, abs=0.04)
    assert (model.score(cells(100, 8, classes=[5])[0]) > ALERT).mean() > 0.9


def test_the_measures_are_what_they_say(model):
    vectors, _, features = cells(40, 9)
    got = model.measures(vectors, features)
    similarity = np.sort(vectors @ model.vectors.T, axis=1)[:, ::-1][:, :NEIGHBOURS]
    expected = np.sqrt(np.maximum(1 - similarity, 0).mean(axis=1))
    np.testing.assert_allclose(got[:, 0], expected, rtol=1e-3)
    precision = model.gauss.whitening @ model.gauss.whitening.T
    steps = features[:, None] - model.gauss.means[None]
    squared = np.einsum("nci,ij,ncj->nc", steps, precision, steps).min(axis=1)
    np.testing.assert_allclose(got[:, 1], np.sqrt(squared / WIDTH), rtol=1e-6)


def test_within_one_laboratory_novelty_is_ranked_among_its_own_cells(model):
    elsewhere, _, features = cells(400, 14, shift=0.5)
    assert (model.score(elsewhere, features) > ALERT).mean() > 0.5
    there = model.among(elsewhere[:200], features[:200])
    assert (there.score(elsewhere[200:], features[200:]) > ALERT).mean() < 0.12
    assert model.among(elsewhere[:19], features[:19]) is model


def test_order_goes_on_beyond_all_known():
    known = np.sort(np.random.default_rng(10).normal(size=200))
    asked = known[-1] + np.array([0.0, 0.1, 0.5, 2.0, 50.0])
    ranks = rank_among(asked, known)
    assert (np.diff(ranks) > 0).all()
    assert ranks[0] < 200 / 201 <= ranks[1]
    assert ranks[-1] <= 1


def test_the_same_cells_give_the_same_novelty(model):
    vectors, _, features = cells(600, 11)
    whole = model.score(vectors, features)
    np.testing.assert_allclose(whole[100:110], model.score(vectors[100:110], features[100:110]))


def test_too_few_references_or_known_cells_are_refused():
    vectors, column, _ = cells(20, 12)
    with pytest.raises(TrustError, match="novelty needs at least 6 and 20"):
        NoveltyModel.learn(vectors, column)
    with pytest.raises(TrustError, match=r"allowed is \[N, D\] and \[N, E\]"):
        NoveltyModel.learn(vectors, column, features=np.ones((3, 4)))

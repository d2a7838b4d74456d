"""The estimator: scikit-learn's own checks, exact votes, quality on blobs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from retrieval.answers.knn import NeighbourClassifier, number_groups


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [
        NeighbourClassifier(),
        NeighbourClassifier(metric="euclidean"),
        NeighbourClassifier(n_neighbors=3, prior="uniform"),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def blobs(seed=0, n=600, spread=1.0):
    return make_blobs(n, centers=6, n_features=16, cluster_std=spread, random_state=seed)


def naive_proba(model, X, Y, labels, groups=None):
    unit = lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)  # noqa: E731
    rows = []
    for query in unit(X):
        sims = unit(Y) @ query
        voters, seen = [], set()
        for j in np.argsort(-sims, kind="stable"):
            if groups is not None and groups[j] is not None and groups[j] in seen:
                continue
            seen.add(None if groups is None else groups[j])
            voters.append(j)
            if len(voters) == model.n_neighbors:
                break
        weights = np.exp(sims[voters] / model.temperature)
        mass = np.array([weights[labels[voters] == c].sum() for c in np.unique(labels)])
        rows.append(mass / mass.sum())
    return np.array(rows)


def test_votes_equal_a_naive_loop():
    X, y = blobs(spread=6)
    model = NeighbourClassifier(9).fit(X[:400], y[:400])
    expected = naive_proba(model, X[400:], X[:400], y[:400])
    np.testing.assert_allclose(model.predict_proba(X[400:]), expected, atol=1e-9)
    assert (model.predict(X[400:]) == expected.argmax(axis=1)).all()


def test_one_vote_a_group_equals_a_naive_loop():
    X, y = blobs(spread=6)
    rng = np.random.default_rng(0)
    groups = np.array([None, *(f"patient {i}" for i in range(30))], dtype=object)
    groups = groups[rng.integers(0, 31, 400)]
    model = NeighbourClassifier(9).fit(X[:400], y[:400], groups=groups)
    expected = naive_proba(model, X[400:], X[:400], y[:400], groups)
    np.testing.assert_allclose(model.predict_proba(X[400:]), expected, atol=1e-9)


def test_a_burst_of_one_patient_is_one_vote():
    X = np.array([[1, 0.00], [1, 0.01], [1, 0.02], [1, 0.1], [1, 0.11]])
    y = np.array(["blast", "blast", "blast", "lymphocyte", "lymphocyte"])
    query = [[1, 0.0]]
    assert NeighbourClassifier(5).fit(X, y).predict(query) == ["blast"]
    grouped = NeighbourClassifier(5, temperature=1).fit(X, y, groups=["a", "a", "a", "b", "c"])
    assert grouped.predict(query) == ["lymphocyte"]
    similarity, index = grouped.kneighbors(query)
    assert index.tolist() == [[0, 3, 4, -1, -1]]
    assert similarity[0, 3:].tolist() == [-np.inf, -np.inf]


def test_metrics_agree_on_unit_vectors():
    X, y = blobs(spread=6)
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    both = [NeighbourClassifier(metric=m).fit(X[:400], y[:400]) for m in ("cosine", "euclidean")]
    np.testing.assert_allclose(*(m.predict_proba(X[400:]) for m in both), atol=1e-6)


def test_quality_on_blobs():
    X, y = blobs(spread=3)
    for metric in ("cosine", "euclidean"):
        model = NeighbourClassifier(metric=metric).fit(X[:400], y[:400])
        assert model.score(X[400:], y[400:]) >= 0.97
    scores = cross_val_score(
        NeighbourClassifier(), X, y, groups=np.arange(600) % 5, cv=LeaveOneGroupOut()
    )
    assert scores.mean() >= 0.97


def test_uniform_prior_helps_the_rare_class():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 1, (600, 2))
    rare = rng.normal(1.5, 1, (30, 2))
    X = np.concatenate([common, rare])
    y = np.array([0] * 600 + [1] * 30)
    test = np.concatenate([rng.normal(0, 1, (200, 2)), rng.normal(1.5, 1, (200, 2))])
    truth = np.array([0] * 200 + [1] * 200)
    plain, fair = (
        NeighbourClassifier(metric="euclidean", temperature=1, prior=prior).fit(X, y)
        for prior in (None, "uniform")
    )
    assert fair.score(test, truth) > plain.score(test, truth) + 0.1
    same = NeighbourClassifier(metric="euclidean", temperature=1, prior={0: 0.5, 1: 0.5}).fit(X, y)
    assert (same.predict(test) == fair.predict(test)).all()


def test_more_neighbours_than_references_are_all_of_them():
    model = NeighbourClassifier(50).fit([[1.0, 0.0], [0.0, 1.0]], ["a", "b"])
    similarity, index = model.kneighbors([[1.0, 0.1]])
    assert index.tolist() == [[0, 1]]
    assert similarity.shape == (1, 2)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_neighbors": 0}, "n_neighbors is 0, allowed is at least 1"),
        ({"n_neighbors": 2.5}, "allowed is a whole number"),
        ({"metric": "hamming"}, "allowed is one of cosine, euclidean"),
        ({"temperature": 0.0}, "temperature is 0.0, allowed is above 0"),
        ({"prior": "flat"}, "prior is 'flat', allowed is None, 'uniform'"),
        ({"prior": {"a": 1.0}}, r"prior lacks the classes \['b'\]"),
        ({"prior": [1.0]}, r"prior has shape \(1,\), allowed is 2 shares"),
    ],
)
def test_wrong_parameters_say_what_is_allowed(parameters, message):
    with pytest.raises(ValueError, match=message):
        NeighbourClassifier(**parameters).fit([[1.0, 0.0], [0.0, 1.0]], ["a", "b"])


def test_unknown_groups_are_alone():
    assert number_groups(["p", None, "", float("nan"), "p", "q"]).tolist() == [0, -1, -1, -1, 0, 1]

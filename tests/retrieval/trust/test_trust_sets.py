"""Prediction sets hold the truth as often as they promise, in known and new laboratories."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.answers.conformal import conformal_quantile
from retrieval.trust import ConformalSets, cross_fitted
from retrieval.trust.sets import weighted_quantile, within_mass


def held(sets, p, truth, novelty=None):
    inside = sets.members(p, p.argmax(axis=1), novelty)
    return inside[np.arange(len(p)), truth], inside.sum(axis=1)


def test_even_weights_give_the_plain_quantile():
    rng = np.random.default_rng(0)
    for n in (5, 19, 20, 57, 300):
        scores = rng.uniform(size=n)
        assert weighted_quantile(scores, np.ones(n), 0.95, 1.0) == conformal_quantile(scores, 0.95)
    assert weighted_quantile([], [], 0.95, 1.0) == 1.0


def test_a_heavy_cell_counts_as_several():
    scores = np.concatenate([np.arange(40), [100.0]])
    weights = np.ones(41)
    assert weighted_quantile(scores, weights, 0.9, np.inf) < 100
    weights[-1] = 30
    assert weighted_quantile(scores, weights, 0.9, np.inf) == 100
    assert weighted_quantile(scores, weights, 0.9, np.inf, asked=30) == np.inf


def test_mass_is_reached_by_the_most_probable():
    p = np.array([[0.5, 0.2, 0.3], [0.97, 0.02, 0.01]])
    assert within_mass(p, 0.8).tolist() == [[True, False, True], [True, False, False]]


def test_each_class_is_covered_as_promised(bench):
    p, truth = bench.draw(3000, seed=1, signal=3)
    fresh, true = bench.draw(12000, seed=2, signal=3)
    sets = ConformalSets.learn(p, truth, 0.95)
    assert all(sets.own)
    inside, _ = held(sets, fresh, true)
    for column in range(5):
        assert inside[true == column].mean() == pytest.approx(0.95, abs=0.02)


def test_a_class_of_too_few_cells_borrows_its_threshold(bench):
    """With novelty a class needs 24 cells for a threshold of its own; 19 to 23 carry none."""
    p, truth = bench.draw(3000, seed=5, signal=14)
    rows = np.concatenate([np.flatnonzero(truth == 0)[:21], np.flatnonzero(truth > 0)])
    novelty = np.random.default_rng(6).uniform(size=len(rows))
    sets = ConformalSets.learn(p[rows], truth[rows], 0.95, novelty=novelty)
    assert not sets.own[0]
    assert all(sets.own[1:])
    assert max(sets.thresholds) < 1


def test_a_set_that_its_answer_has_left_is_empty():
    sets = ConformalSets(0.95, (0.9, 0.9), (True, True), (0.8, 0.99))
    p = np.array([[0.85, 0.15], [0.15, 0.85]])
    inside = sets.members(p, p.argmax(axis=1), np.array([0.9, 0.9]))
    assert inside.tolist() == [[False, False], [False, True]]


def test_a_network_that_is_nearly_always_right_still_covers_what_it_promises(bench):
    """The cells left out are the strangest, and all others keep their answer."""
    p, truth = bench.draw(3000, seed=3, signal=25)
    rng = np.random.default_rng(33)
    strange, fresh_strange = rng.uniform(size=3000), rng.uniform(size=12000)
    fresh, true = bench.draw(12000, seed=4, signal=25)
    assert (fresh.argmax(1) == true).mean() > 0.99
    sets = ConformalSets.learn(p, truth, 0.95, novelty=strange)
    inside, size = held(sets, fresh, true, fresh_strange)
    assert 0.94 <= inside.mean() <= 0.96
    assert size.max() <= 2
    assert fresh_strange[size == 0].min() > 0.9
    without, _ = held(sets, fresh, true)
    assert without.mean() > 0.97


def test_ten_labels_a_class_cover_a_new_laboratory(bench):
    """Cross-fitted and weighted by shares: coverage on the mean of 25 draws from an uneven set."""
    shares = (0.6, 0.2, 0.1, 0.05, 0.05)
    found = []
    for seed in range(25):
        even, truth = bench.draw(50, seed=1000 + seed, signal=3, sharp=2)
        fresh, true = bench.draw(1000, seed=2000 + seed, signal=3, sharp=2, shares=shares)
        weights = 5 * np.array(shares)[truth]
        p = cross_fitted(even, truth, weights=weights)
        inside, _ = held(ConformalSets.learn(p, truth, 0.95, weights=weights / weights.mean()),
                         fresh, true)  # fmt: skip
        found.append(inside.mean())
    assert np.mean(found) >= 0.93


def test_fewer_cells_than_carry_the_promise_teach_nothing(bench):
    p, truth = bench.draw(18, seed=5)
    assert ConformalSets.learn(p, truth, 0.95) == ConformalSets(0.95)


def test_the_answer_is_in_its_set_unless_the_cell_is_strange(bench):
    p, truth = bench.draw(500, seed=6)
    strange = np.linspace(0, 1, 500)
    sets = ConformalSets.learn(p, truth, 0.8, novelty=strange)
    inside = sets.members(p, p.argmax(1), np.zeros(500))
    assert inside[np.arange(500), p.argmax(1)].all()
    assert not sets.members(p, p.argmax(1), np.ones(500)).any()

"""Novelty, prediction sets and thresholds, each against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.answers.conformal import PredictionSets, cells_needed, conformal_quantile
from retrieval.answers.novelty import POINTS, NoveltyScale
from retrieval.answers.selective import (
    RISK,
    Threshold,
    cells_to_prove,
    first_tried,
    learn_threshold,
    measure_threshold,
    risk_bound,
)


def test_novelty_is_the_share_of_known_cells_that_are_nearer():
    scale = NoveltyScale.learn([0.1, 0.2, 0.3, 0.4, np.inf])
    assert scale.count == 4
    asked = [0.05, 0.2, 0.25, 9.0, np.inf]
    expected = [0, 1.5 / 4 * 4 / 5, 2 / 4 * 4 / 5, 4 / 5, 1.0]
    assert scale.score(asked).tolist() == pytest.approx(expected)
    assert scale.beyond(asked).tolist() == [False, False, False, True, True]


def test_novelty_of_many_cells_is_kept_as_quantiles():
    rng = np.random.default_rng(0)
    known = rng.gamma(2, 0.1, 20_000)
    scale = NoveltyScale.learn(known)
    assert len(scale.distances) == POINTS
    asked = rng.gamma(2, 0.1, 500)
    exact = (known[None, :] < asked[:, None]).mean(axis=1)
    np.testing.assert_allclose(scale.score(asked), exact, atol=0.002)
    assert abs(scale.score(rng.gamma(2, 0.1, 4000)).mean() - 0.5) < 0.03


def test_without_known_distances_novelty_is_undecided():
    assert NoveltyScale().score([0.3, np.inf]).tolist() == [0.5, 1.0]
    assert NoveltyScale().beyond([0.3, np.inf]).tolist() == [False, True]


@given(
    st.lists(st.floats(0, 1), min_size=0, max_size=60),
    st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]),
)
def test_conformal_quantile_is_the_right_rank(scores, coverage):
    got = conformal_quantile(scores, coverage)
    n = len(scores)
    if n < cells_needed(coverage):
        assert got == 1.0
    else:
        assert sum(s <= got for s in scores) >= (n + 1) * coverage - 1e-6
        assert got in scores


def test_cells_needed():
    assert [cells_needed(c) for c in (0.5, 0.9, 0.95, 0.99)] == [1, 9, 19, 99]


def draw(rng, n):
    """Cells of three classes, the last rare, with honest probabilities."""
    logits = rng.normal([1, 1, -1], 1.5, (n, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (rng.uniform(size=(n, 1)) > np.cumsum(p, axis=1)).sum(axis=1)
    return p, truth


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_hold_their_class_as_often_as_promised(coverage):
    rng = np.random.default_rng(1)
    p, truth = draw(rng, 4000)
    sets = PredictionSets.learn(p, truth, coverage)
    assert sets.own == (True, True, True)
    fresh, true = draw(rng, 20_000)
    members = sets.members(fresh, fresh.argmax(axis=1))
    held = members[np.arange(20_000), true]
    assert members[np.arange(20_000), fresh.argmax(axis=1)].all()
    for column in range(3):  # beta spread of the calibration draw, three standard deviations
        count = (truth == column).sum()
        slack = 3 * math.sqrt(coverage * (1 - coverage) * (1 / count + 1 / 20_000)) + 0.005
        assert held[true == column].mean() >= coverage - slack


def test_a_class_with_few_cells_takes_the_quantile_of_all():
    rng = np.random.default_rng(2)
    p, truth = draw(rng, 400)
    few = np.flatnonzero(truth == 2)[5:]
    keep = np.setdiff1d(np.arange(400), few)
    sets = PredictionSets.learn(p[keep], truth[keep], 0.9)
    assert sets.own == (True, True, False)
    scores = 1 - p[keep, truth[keep]]
    assert sets.thresholds[2] == conformal_quantile(scores, 0.9)


def test_uncalibrated_sets_gather_the_most_probable_classes():
    sets = PredictionSets(0.8)
    p = np.array([[0.5, 0.2, 0.3], [0.9, 0.05, 0.05]])
    assert sets.members(p, np.array([0, 2])).tolist() == [[True, False, True], [True, False, True]]


def binomial_tail(wrong, cells, rate):
    return sum(math.comb(cells, i) * rate**i * (1 - rate) ** (cells - i) for i in range(wrong + 1))


@pytest.mark.parametrize(("wrong", "cells"), [(0, 10), (1, 40), (3, 200), (10, 500)])
def test_the_bound_is_that_of_clopper_and_pearson(wrong, cells):
    assert binomial_tail(wrong, cells, risk_bound(wrong, cells)) == pytest.approx(0.05, rel=1e-6)


def test_bounds_at_the_ends_and_the_cells_to_prove():
    assert risk_bound(0, 0) == 1.0
    assert risk_bound(5, 5) == 1.0
    assert cells_to_prove() == 598
    assert cells_to_prove(wrong=1) == 947
    assert risk_bound(0, 598) <= RISK < risk_bound(0, 597)


def test_the_strictest_threshold_leaves_room_for_mislabelled_cells():
    assert [first_tried(n) for n in (598, 1000, 1500, 2100, 5000)] == [598, 598, 947, 1258, 3138]
    for n in range(600, 6000, 100):
        start = first_tried(n)
        assert n // 2 <= start <= n
        assert risk_bound(0, start) <= RISK


def test_a_threshold_separates_what_is_safe():
    rng = np.random.default_rng(3)
    score = rng.uniform(size=20_000)
    wrong = rng.uniform(size=20_000) < np.where(score > 0.3, 0.001, 0.2)
    learned = learn_threshold(score, lambda _: wrong)
    assert learned.proven
    assert learned.bound <= RISK
    assert 0.2 < learned.value < 0.35
    assert learned.cells == (score >= learned.value).sum()
    assert learned.wrong == wrong[score >= learned.value].sum()


def test_no_threshold_where_nothing_is_safe_or_too_little_is_known():
    rng = np.random.default_rng(4)
    score = rng.uniform(size=5000)
    wrong = rng.uniform(size=5000) < 0.03
    assert learn_threshold(score, lambda _: wrong) == Threshold()
    assert learn_threshold(score[:500], lambda _: np.zeros(500, bool)) == Threshold()
    measured = measure_threshold(score, 0.5, lambda _: wrong)
    assert not measured.proven
    assert measured.wrong == wrong[score >= 0.5].sum()


def test_thresholds_keep_their_promise():
    """Of 300 learned thresholds at most about 5% may have a true risk above the bound."""
    rng = np.random.default_rng(5)
    broken = 0
    for _ in range(300):
        score = rng.uniform(size=2000)
        rate = 0.02 * (1 - score) ** 2  # the true risk above t is rising as t falls
        wrong = rng.uniform(size=2000) < rate
        learned = learn_threshold(score, lambda _, w=wrong: w)
        if learned.value is not None:
            grid = np.linspace(learned.value, 1, 2000)
            broken += (0.02 * (1 - grid) ** 2).mean() > RISK
    assert broken <= 300 * 0.05 + 3 * math.sqrt(300 * 0.05 * 0.95)

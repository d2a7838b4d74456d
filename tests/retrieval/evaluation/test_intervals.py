from __future__ import annotations

import numpy as np
import pytest

from retrieval.evaluation import ClusterBootstrap, EvaluationError, wilson_interval


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_published_intervals(successes, total, low, high):
    found = wilson_interval(successes, total)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_wilson_of_nothing_and_of_nonsense():
    assert (wilson_interval(0, 0).low, wilson_interval(0, 0).high) == (0.0, 1.0)
    assert wilson_interval(7, 7).high == 1.0
    with pytest.raises(EvaluationError, match="8 of 7"):
        wilson_interval(8, 7)


def naive_interval(values, groups, draws, seed):
    """Draw whole groups one by one and take the mean of all their cells."""
    rng = np.random.default_rng(seed)
    names = sorted(set(groups))
    means = []
    for _ in range(draws):
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))
        drawn = []
        for name, count in zip(names, times, strict=True):
            drawn += [v for v, g in zip(values, groups, strict=True) if g == name] * count
        means.append(np.mean(drawn))
    return np.quantile(means, [0.025, 0.975])


def test_bootstrap_equals_the_naive_draw():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 9, 60)
    values = rng.random(60)
    found = ClusterBootstrap(groups, draws=100, seed=4).mean(values)
    assert (found.low, found.high) == pytest.approx(
        tuple(naive_interval(values, groups.tolist(), 100, 4))
    )
    assert found.groups == 9


def test_the_three_forms_agree_and_repeat():
    rng = np.random.default_rng(1)
    groups = np.array([f"p{n}" for n in rng.integers(0, 12, 80)])
    values = rng.random(80)
    bootstrap = ClusterBootstrap(groups, draws=250, seed=3)
    plain = bootstrap.mean(values)
    table = np.column_stack([values, np.ones(80)])
    sums = bootstrap.of_sums(table, lambda s: {"mean": s[:, 0] / s[:, 1]})["mean"]
    weights = bootstrap.of_weights(lambda w: {"mean": (w * values).sum(axis=1) / w.sum(axis=1)})[
        "mean"
    ]
    assert (plain.low, plain.high) == pytest.approx((sums.low, sums.high))
    assert (plain.low, plain.high) == pytest.approx((weights.low, weights.high))


def test_alike_cells_of_a_patient_widen_the_interval():
    rng = np.random.default_rng(2)
    patients = np.repeat(np.arange(10), 40)
    values = (rng.random(10)[patients] > 0.4).astype(float)
    alone = ClusterBootstrap(np.arange(400), seed=0).mean(values)
    grouped = ClusterBootstrap(patients, seed=0).mean(values)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


@pytest.mark.slow
def test_ninety_five_percent_hold_the_truth():
    rng = np.random.default_rng(5)
    held = 0
    for seed in range(300):
        interval = ClusterBootstrap(np.arange(200), draws=400, seed=seed).mean(
            rng.random(200) < 0.8
        )
        held += interval.low <= 0.8 <= interval.high
    assert held / 300 == pytest.approx(0.95, abs=0.035)


def test_one_group_has_no_interval_and_nan_is_not_measured():
    assert ClusterBootstrap(np.zeros(5)).mean(np.ones(5)) is None
    half = ClusterBootstrap(np.array([0, 0, 1, 1])).mean(np.array([1, 0, np.nan, np.nan]))
    assert half is None
    with pytest.raises(EvaluationError, match="no cells"):
        ClusterBootstrap([])

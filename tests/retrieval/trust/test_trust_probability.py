"""Calibration to one laboratory, and class shares re-estimated from its cells."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.evaluation.calibration import calibration_metrics
from retrieval.trust import Calibrator, TrustError, cross_fitted, estimate_prior
from retrieval.trust.probability import balance_weights, folds_of, same_winner


def ece(p, truth):
    return calibration_metrics(p, truth).ece_equal_mass


def test_many_labels_undo_what_is_wrong(bench):
    p, truth = bench.draw(3000, seed=0, sharp=2.5, tilt=1.5)
    fresh, true = bench.draw(6000, seed=1, sharp=2.5, tilt=1.5)
    learned = Calibrator.learn(p, truth)
    assert ece(fresh, true) > 0.05
    assert ece(learned.apply(fresh), true) < 0.02
    assert learned.log_temperature == pytest.approx(np.log(2.5), abs=0.2)
    assert (learned.apply(fresh).argmax(1) == true).mean() > (fresh.argmax(1) == true).mean()


def test_ten_labels_a_class_calibrate_a_new_laboratory(bench):
    home, at_home = bench.draw(2000, seed=2)
    start = Calibrator.learn(home, at_home)
    before, after = [], []
    for seed in range(20):
        p, truth = bench.draw(50, seed=100 + seed, sharp=2.0)
        fresh, true = bench.draw(2000, seed=200 + seed, sharp=2.0)
        before.append(ece(start.apply(fresh), true))
        after.append(ece(Calibrator.learn(p, truth, start=start).apply(fresh), true))
    assert np.mean(before) > 0.06
    assert np.mean(after) < 0.05  # 50 labels know the accuracy itself to about .05


def test_a_handful_of_labels_changes_nothing(bench):
    p, truth = bench.draw(9, seed=3, sharp=3)
    start = Calibrator(0.2, (0.1, 0, 0, 0, -0.1), 0.01)
    assert Calibrator.learn(p, truth, start=start) == start


def test_the_loss_falls_along_its_gradient_to_a_minimum(bench):
    """The learned numbers are a minimum: any step away states the truth worse."""
    p, truth = bench.draw(400, seed=4, sharp=2)
    learned = Calibrator.learn(p, truth)

    def posterior(c):
        likelihood = np.log(c.apply(p)[np.arange(400), truth]).sum()
        floor = np.log(c.floor / (1 - c.floor)) - np.log(0.005 / 0.995)
        offsets = np.sum(np.square(c.offsets)) / 0.4**2
        return likelihood - 0.5 * (c.log_temperature**2 / 0.25 + offsets + floor**2)

    best = posterior(learned)
    for step in (-0.05, 0.05):
        assert (
            posterior(Calibrator(learned.log_temperature + step, learned.offsets, learned.floor))
            < best
        )
        moved = np.array(learned.offsets) + step * np.array([1, -1, 0, 0, 0])
        assert posterior(Calibrator(learned.log_temperature, tuple(moved), learned.floor)) < best


def test_what_cannot_be_stays_impossible(bench):
    p, truth = bench.draw(200, seed=5)
    p[:, 3] = 0
    keep = truth != 3
    learned = Calibrator.learn(p[keep], truth[keep])
    said = learned.apply(p)
    assert (said[:, 3] == 0).all()
    assert said.sum(axis=1) == pytest.approx(1)


def test_a_label_does_not_calibrate_its_own_prediction(bench):
    p, truth = bench.draw(60, seed=6, sharp=3)
    held = cross_fitted(p, truth, seed=1)
    changed = truth.copy()
    fold = folds_of(60, 5, seed=1)
    changed[fold == 0] = (changed[fold == 0] + 1) % 5
    again = cross_fitted(p, changed, seed=1)
    np.testing.assert_array_equal(held[fold == 0], again[fold == 0])
    assert not np.allclose(held[fold != 0], again[fold != 0])


def test_a_group_is_never_divided_between_folds():
    groups = np.array([0, 0, 1, 1, 2, 2, -1, -1, 3, 3, 3, 4])
    fold = folds_of(12, 5, groups)
    for group in range(5):
        assert len(np.unique(fold[groups == group])) == 1
    assert len(np.unique(folds_of(10, 5, np.zeros(10, int)))) == 5


def test_without_labels_no_more_is_promised_than_expected(bench):
    p, _ = bench.draw(500, seed=7, sharp=4)
    flat = Calibrator().flattened(p, 0.7)
    assert flat.apply(p).max(axis=1).mean() == pytest.approx(0.7, abs=0.005)
    assert Calibrator().flattened(p, 1.0) == Calibrator()


def test_weights_make_even_labels_stand_for_an_uneven_set():
    truth = np.repeat(np.arange(5), 10)
    weights = balance_weights(truth, [0.4, 0.3, 0.1, 0.1, 0.1])
    assert weights.mean() == pytest.approx(1)
    assert weights[0] / weights[-1] == pytest.approx(4)
    extreme = balance_weights(truth, [1, 0, 0, 0, 0])
    assert extreme.max() / extreme.min() == pytest.approx(25)


@pytest.mark.parametrize("p", [np.ones(3), [[np.nan, 1]], [[-0.5, 1.5]], [[0.0, 0.0]]])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(TrustError, match="allowed is"):
        Calibrator().apply(p)


def test_classes_must_be_columns(bench):
    p, truth = bench.draw(20, seed=8)
    with pytest.raises(TrustError, match="one class from 0 to 4"):
        Calibrator.learn(p, truth + 1)


def test_shares_are_found_in_an_uneven_set(bench):
    shares = (0.6, 0.2, 0.1, 0.05, 0.05)
    p, _ = bench.draw(2000, seed=9, shares=shares)
    found = estimate_prior(p)
    assert found.believed
    np.testing.assert_allclose(found.shares, shares, atol=0.03)


def test_re_weighting_lifts_accuracy_where_shares_are_uneven(bench):
    p, truth = bench.draw(3000, seed=10, signal=2, shares=(0.7, 0.1, 0.1, 0.05, 0.05))
    found = estimate_prior(p, np.full(5, 0.2))
    better = found.apply(p, np.full(5, 0.2))
    if found.believed:
        assert (better.argmax(1) == truth).mean() >= (p.argmax(1) == truth).mean()


@pytest.mark.parametrize(
    ("n", "signal", "why"),
    [(30, 4, "only 30 cells"), (500, 0.3, "too unsure"), (400, 4, "clearly")],
)
def test_shares_are_left_alone_where_little_is_known(bench, n, signal, why):
    p, _ = bench.draw(n, seed=11, signal=signal)
    found = estimate_prior(p)
    assert not found.believed
    assert why in found.why
    np.testing.assert_allclose(found.shares, 0.2)
    np.testing.assert_allclose(found.apply(p, np.full(5, 0.2)), p)


def test_a_share_moves_by_a_bounded_factor(bench):
    p, _ = bench.draw(1000, seed=12, shares=(1, 0, 0, 0, 0))
    found = estimate_prior(p)
    assert found.believed
    assert found.shares.max() < 0.95
    assert found.shares.min() >= 0.2 / 4 / 1.5


def test_offsets_of_one_laboratory_do_not_rename_the_cells_of_the_next() -> None:
    raw = np.random.default_rng(5).dirichlet(np.full(4, 0.6), 300)
    calibrated = Calibrator(0.3, (1.5, -1.0, -0.5, 0.0), 0.01).apply(raw)
    assert (calibrated.argmax(1) != raw.argmax(1)).mean() > 0.1
    kept = same_winner(raw, calibrated)
    assert (kept.argmax(1) == raw.argmax(1)).all()
    assert np.allclose(np.sort(kept, axis=1), np.sort(calibrated, axis=1))

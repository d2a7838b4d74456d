from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from retrieval.evaluation import (
    EvaluationError,
    calibration_metrics,
    classification_metrics,
    conformal_metrics,
    confusion_figures,
    decision_figures,
    selective_metrics,
)
from retrieval.evaluation.selective import weighted_aurc

CODES = ("neutrophil", "eosinophil", "basophil", "monocyte")


def test_classification_equals_scikit_learn_and_the_vectorised_form():
    rng = np.random.default_rng(1)
    true = rng.choice(CODES[:3], 200)
    predicted = np.where(rng.random(200) < 0.7, true, rng.choice(CODES, 200))
    found = classification_metrics(true, predicted, order=CODES)
    assert found.classes == CODES
    assert found.accuracy == pytest.approx((true == predicted).mean())
    assert found.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro"))
    recalls = [np.mean(predicted[true == code] == code) for code in CODES[:3]]
    assert found.balanced_accuracy == pytest.approx(np.mean(recalls))
    assert found.per_class["monocyte"].support == 0
    assert found.confusion.sum() == 200
    again = confusion_figures(found.confusion[None])
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert again[name][0] == pytest.approx(getattr(found, name))


def test_balanced_accuracy_equals_scikit_learn_where_it_is_defined():
    rng = np.random.default_rng(2)
    true, predicted = rng.choice(CODES, 100), rng.choice(CODES, 100)
    assert classification_metrics(true, predicted).balanced_accuracy == pytest.approx(
        balanced_accuracy_score(true, predicted)
    )


def test_unlisted_classes_follow_in_order():
    found = classification_metrics(["blast", "monocyte"], ["monocyte", "monocyte"], order=CODES)
    assert found.classes == ("monocyte", "blast")


def test_calibration_by_hand():
    # Two bins of two: stated 0.6 with 1 of 2 right, stated 0.9 with 2 of 2 right.
    confidence = np.array([0.6, 0.6, 0.9, 0.9])
    probabilities = np.column_stack([confidence, 1 - confidence])
    found = calibration_metrics(probabilities, np.array([0, 1, 0, 0]), bins=2)
    assert found.ece_equal_mass == pytest.approx((2 * 0.1 + 2 * 0.1) / 4)
    # of equal width both lie in (0.5, 1]: stated 0.75, right 0.75
    assert found.ece_equal_width == pytest.approx(0.0)
    assert found.brier == pytest.approx((2 * 0.16 + 2 * 0.36 + 4 * 0.01) / 4)
    assert found.nll == pytest.approx(-(math.log(0.6) + math.log(0.4) + 2 * math.log(0.9)) / 4)
    assert [entry.count for entry in found.bins] == [2, 2]


def test_nll_equals_scikit_learn_and_an_unknown_truth_costs_the_floor():
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.ones(4), 50)
    true = rng.integers(0, 4, 50)
    assert calibration_metrics(probabilities, true).nll == pytest.approx(
        log_loss(true, probabilities, labels=range(4))
    )
    lost = calibration_metrics(np.array([[1.0, 0.0]]), np.array([-1]))
    assert lost.nll == pytest.approx(-math.log(1e-6))
    assert lost.brier == pytest.approx(2.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80))
def test_calibration_stays_in_its_range_and_every_cell_is_in_one_bin(seed, count):
    rng = np.random.default_rng(seed)
    probabilities = np.round(rng.dirichlet(np.ones(3), count), 1)
    probabilities[:, 2] = 1 - probabilities[:, :2].sum(axis=1)
    found = calibration_metrics(np.clip(probabilities, 0, 1), rng.integers(-1, 3, count))
    assert 0 <= found.ece_equal_mass <= 1
    assert 0 <= found.ece_equal_width <= 1
    assert 0 <= found.brier <= 2
    assert sum(entry.count for entry in found.bins) == count
    assert all(a.high < b.low for a, b in zip(found.bins, found.bins[1:], strict=False))


def test_risk_and_coverage_by_hand():
    found = selective_metrics(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, True]))
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found.risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    assert found.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    # the best order has the one error last: risk 1/4 at full coverage only
    assert found.excess_aurc == pytest.approx(found.aurc - 1 / 16)
    assert found.coverage_at_risk[0.01] == 0.25


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_risk_does_not_depend_on_the_order_of_rows(seed, count):
    rng = np.random.default_rng(seed)
    confidence, correct = rng.integers(0, 5, count) / 5, rng.random(count) < 0.7
    one = selective_metrics(confidence, correct)
    order = rng.permutation(count)
    other = selective_metrics(confidence[order], correct[order])
    assert one.aurc == pytest.approx(other.aurc)
    assert one.risk.tolist() == other.risk.tolist()
    assert one.risk[-1] == pytest.approx(1 - correct.mean())
    assert 0 <= one.excess_aurc <= one.aurc <= 1


def test_weighted_area_equals_the_plain_one_and_repeated_cells():
    rng = np.random.default_rng(8)
    confidence, correct = rng.integers(0, 9, 50) / 9, rng.random(50) < 0.8
    plain = selective_metrics(confidence, correct).aurc
    assert weighted_aurc(confidence, correct, np.ones((1, 50)))[0] == pytest.approx(plain)
    distinct = rng.permutation(50) / 50
    some = rng.random(50) < 0.5
    assert weighted_aurc(distinct, correct, some[None].astype(float))[0] == pytest.approx(
        selective_metrics(distinct[some], correct[some]).aurc
    )


def test_all_right_and_all_wrong():
    assert selective_metrics(np.array([0.5, 0.6]), np.array([True, True])).aurc == 0
    wrong = selective_metrics(np.array([0.5, 0.6]), np.array([False, False]))
    assert wrong.aurc == 1
    assert wrong.excess_aurc == 0


def test_decisions():
    found = decision_figures(
        np.array(["accept", "accept", "abstain"]), np.array([True, False, False]),
        ("accept", "back_off", "abstain"),
    )  # fmt: skip
    assert found["accept"].share == pytest.approx(2 / 3)
    assert found["accept"].risk == 0.5
    assert found["back_off"].risk is None


def test_conformal_by_hand():
    found = conformal_metrics([("a",), ("a", "b"), (), ("b",)], ["a", "b", "b", "a"])
    assert found.coverage == 0.5
    assert found.mean_size == 1.0
    assert found.empty == 0.25
    assert found.single == 0.5
    assert found.single_correct == 0.5
    assert found.per_class == {"a": 0.5, "b": 0.5}
    assert found.sizes == {0: 1, 1: 2, 2: 1}


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: classification_metrics([], []), "0 true classes"),
        (lambda: classification_metrics(["a"], []), "1 true classes and 0 answers"),
        (lambda: calibration_metrics(np.zeros((0, 2)), np.zeros(0)), r"shape \(0, 2\)"),
        (lambda: calibration_metrics(np.array([[0.5, 0.9]]), np.array([0])), "sum to 1.4"),
        (lambda: calibration_metrics(np.array([[-3.0, 4.0]]), np.array([0])), "span -3 to 4"),
        (lambda: selective_metrics(np.array([np.nan]), np.array([True])), "confidences"),
        (lambda: conformal_metrics([()], []), "1 prediction sets for 0"),
    ],
)
def test_refuses(call, match):
    with pytest.raises(EvaluationError, match=match):
        call()

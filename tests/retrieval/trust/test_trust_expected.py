"""The accuracy to expect without labels."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.trust import Expectation, expect_accuracy
from retrieval.trust.expected import MOST_LABELS, certainty_of


def test_certainty_against_its_definition():
    assert certainty_of(np.full((4, 8), 1 / 8)) == pytest.approx(0.02)
    assert certainty_of(np.eye(8)) == pytest.approx(0.985)
    halves = np.zeros((3, 8))
    halves[:, :2] = 0.5
    assert certainty_of(halves) == pytest.approx(1 - np.log(2) / np.log(8))


@pytest.mark.parametrize("single", [False, True])
def test_more_signal_is_more_accuracy(bench, single):
    expected = []
    for signal in (1, 2, 4, 8):
        p, _ = bench.draw(400, seed=4, signal=signal)
        expected.append(expect_accuracy(p, single=single).accuracy)
    assert expected == sorted(expected)
    assert expected[-1] - expected[0] > 0.1


def test_the_interval_holds_the_estimate_and_widens_with_fewer_cells(bench):
    p, _ = bench.draw(5000, seed=5, signal=3)
    many, few = expect_accuracy(p), expect_accuracy(p[:25])
    assert many.low < many.accuracy < many.high
    assert few.high - few.low > many.high - many.low
    assert expect_accuracy(p[:10]) is None


def test_labels_to_reach_a_goal():
    found = Expectation(0.8, 0.7, 0.9, 0.6, 500)
    ten = found.labels_for(0.9)
    assert 0 < ten < found.labels_for(0.95) <= MOST_LABELS
    assert found.labels_for(0.79) == 0
    assert found.labels_for(1.0) is None
    assert found.labels_for(0.999) is None
    assert f"label about {ten} cells a class to reach 90%" in found.words()


def test_a_good_laboratory_is_asked_for_no_label():
    words = Expectation(0.99, 0.98, 0.995, 0.98, 500).words()
    assert words == "expected accuracy about 99% (98% to 100%)"


def test_the_gap_at_home_joins_in_for_a_folder(bench):
    p, _ = bench.draw(500, seed=6, signal=3)
    line, both = expect_accuracy(p).accuracy, expect_accuracy(p, gap=0.02).accuracy
    assert both == pytest.approx((line + p.max(axis=1).mean() + 0.02) / 2)
    assert expect_accuracy(p, single=True, gap=0.02) == expect_accuracy(p, single=True)


def test_the_next_goal_is_clearly_above_and_within_reach() -> None:
    assert Expectation(0.79, 0.6, 0.9, 0.5, 100).next_goal() == (
        0.9,
        Expectation(0.79, 0.6, 0.9, 0.5, 100).labels_for(0.9),
    )
    assert Expectation(0.89, 0.8, 0.95, 0.7, 100).next_goal()[0] == 0.95
    assert Expectation(0.96, 0.9, 0.99, 0.9, 100).next_goal() is None

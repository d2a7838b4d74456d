"""The accuracy to expect without labels."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.trust import Signals, expect_accuracy, signals_of
from retrieval.trust.expected import MOST_LABELS


def test_signals_against_their_definitions(bench):
    known, truth = bench.draw(3000, seed=1, signal=5)
    p, _ = bench.draw(500, seed=2, signal=3)
    other, _ = bench.draw(500, seed=2, signal=3, tilt=2)
    got = signals_of([p, other], known, truth)
    right = known.argmax(1) == truth
    assert got.confidence == pytest.approx(
        p.max(1).mean() - known.max(1).mean() + right.mean(), abs=1e-9
    )
    ordered = np.sort(known.max(1))
    threshold = ordered[int((1 - right.mean()) * 3000)]
    assert got.above == pytest.approx((p.max(1) >= threshold).mean(), abs=0.005)
    assert got.agreement == (p.argmax(1) == other.argmax(1)).mean()
    assert 0 < got.certainty < 1


def test_more_signal_is_more_accuracy(bench):
    known, truth = bench.draw(2000, seed=3, signal=6)
    expected = []
    for signal in (1, 2, 4, 8):
        p, _ = bench.draw(400, seed=4, signal=signal)
        expected.append(expect_accuracy(signals_of([p, p], known, truth), 400).accuracy)
    assert expected == sorted(expected)


def test_the_interval_holds_the_estimate_and_widens_with_fewer_cells():
    signals = Signals(0.8, 0.75, 0.8, 0.7)
    many, few = expect_accuracy(signals, 5000), expect_accuracy(signals, 25)
    assert many.low < many.accuracy < many.high
    assert few.low < many.low < many.high < few.high
    assert expect_accuracy(signals, 10) is None


def test_labels_to_reach_a_goal():
    found = expect_accuracy(Signals(0.8, 0.75, 0.8, 0.7), 500)
    ten = found.labels_for(0.9)
    assert 0 < ten < found.labels_for(0.95) <= MOST_LABELS
    assert found.labels_for(found.accuracy - 0.01) == 0
    assert found.labels_for(1.0) is None
    assert found.labels_for(0.999) is None
    assert f"label about {ten} cells a class to reach 90%" in found.words()


def test_a_good_laboratory_is_asked_for_no_label():
    words = expect_accuracy(Signals(0.99, 0.99, 0.99, 0.99), 500).words()
    assert words.startswith("expected accuracy about 9")
    assert "label about" not in words

"""The alarm: every other laboratory, never a half of the same one, nor other classes alone."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.trust import Laboratory, TrustError, sound_alarm
from retrieval.trust.alarm import LEVEL, PERMUTATIONS

WIDTH = 30
CENTRES = np.random.default_rng(0).normal(size=(4, WIDTH))


def laboratory(n, seed, *, name="one", shift=0.0, shares=(0.25,) * 4, answers=True):
    rng = np.random.default_rng(seed)
    column = rng.choice(4, n, p=shares)
    move = np.random.default_rng(99).normal(size=WIDTH) * shift
    features = CENTRES[column] + rng.normal(size=(n, WIDTH)) + move
    return Laboratory(name, features, column if answers else None)


@pytest.mark.parametrize("n", [50, 200])
def test_halves_of_one_laboratory_are_alike(n):
    flagged = [
        sound_alarm(laboratory(n, seed), [laboratory(300, 500 + seed)], seed=seed).unlike
        for seed in range(6)
    ]
    assert not any(flagged)


def test_the_test_keeps_its_level():
    """p is about uniform for two samples of one laboratory."""
    p = [
        sound_alarm(laboratory(60, s, answers=s % 2 == 0), [laboratory(80, 900 + s)]).nearest.p
        for s in range(40)
    ]
    assert min(p) >= 1 / (PERMUTATIONS + 1)
    assert np.mean(np.array(p) <= 0.1) <= 0.1 + 3 * np.sqrt(0.09 / 40)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.25)


@pytest.mark.parametrize("n", [50, 200])
def test_another_laboratory_is_flagged(n):
    for seed in range(2):
        alarm = sound_alarm(
            laboratory(n, seed, shift=0.7),
            [laboratory(300, 50 + seed), laboratory(300, 70 + seed, name="two", shift=-0.7)],
        )
        assert alarm.unlike
        assert alarm.nearest.name == "one"
        assert alarm.nearest.p <= LEVEL
        assert "unlike any known laboratory (nearest one: p ≤ 0.005, distance" in alarm.words()


def test_one_alike_laboratory_is_enough():
    known = [laboratory(200, 1, name="far", shift=1), laboratory(200, 2, name="home")]
    alarm = sound_alarm(laboratory(100, 3), known)
    assert alarm.unlike is False
    assert [each.name for each in alarm.likenesses] == ["home", "far"]
    assert alarm.words().startswith("like home (")


def test_other_shares_of_classes_raise_no_alarm():
    uneven = (0.85, 0.05, 0.05, 0.05)
    assert not sound_alarm(laboratory(200, 4, shares=uneven), [laboratory(400, 5)]).unlike
    blind = sound_alarm(
        laboratory(200, 4, shares=uneven, answers=False), [laboratory(400, 5, answers=False)]
    )
    assert blind.nearest.p < 0.05


def test_too_few_cells_say_nothing():
    alarm = sound_alarm(laboratory(19, 8), [laboratory(300, 9)])
    assert alarm.unlike is None
    assert alarm.nearest is None
    assert "too few cells" in alarm.words()
    assert sound_alarm(laboratory(50, 8), []).unlike is None


def test_it_says_the_same_every_time():
    one = sound_alarm(laboratory(100, 10), [laboratory(300, 11)])
    assert one == sound_alarm(laboratory(100, 10), [laboratory(300, 11)])


def test_answers_that_share_no_class_are_compared_as_they_are():
    known = laboratory(200, 12, shares=(0, 0, 0.5, 0.5))
    alarm = sound_alarm(laboratory(200, 13, shares=(0.5, 0.5, 0, 0)), [known])
    assert alarm.nearest.cells == (200, 200)


def test_widths_must_agree():
    other = Laboratory("narrow", np.zeros((50, 7)))
    with pytest.raises(TrustError, match="30 values a cell and narrow 7"):
        sound_alarm(laboratory(50, 14), [other])

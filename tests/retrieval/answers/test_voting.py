"""The vote, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.answers.voting import (
    NO_VOTE,
    count_votes,
    first_of_group,
    keep_nearest,
    pass_down,
    prior_weights,
    winners,
)


def naive_share(similarity, columns, classes, temperature, factors):
    rows = []
    for sims, cols in zip(similarity, columns, strict=True):
        mass = [0.0] * classes
        for sim, col in zip(sims, cols, strict=True):
            if col != NO_VOTE:
                mass[col] += math.exp(sim / temperature) * factors[col]
        total = sum(mass)
        rows.append([m / total if total else 1 / classes for m in mass])
    return np.array(rows)


@pytest.mark.parametrize("seed", range(5))
def test_share_equals_a_naive_loop(seed):
    rng = np.random.default_rng(seed)
    similarity = np.sort(rng.uniform(-1, 1, (40, 7)), axis=1)[:, ::-1]
    columns = rng.integers(-1, 4, (40, 7))
    columns[0] = NO_VOTE
    factors = rng.uniform(0.1, 1, 4)
    votes = count_votes(similarity, columns, 4, temperature=0.2, class_weights=factors)
    np.testing.assert_allclose(
        votes.share, naive_share(similarity, columns, 4, 0.2, factors), atol=1e-12
    )
    for row in range(1, 40):
        voters = similarity[row][columns[row] != NO_VOTE]
        assert votes.nearest[row] == (voters.max() if len(voters) else -np.inf)
        if len(voters):
            assert votes.distance[row] == pytest.approx(1 - voters.mean())


def test_without_a_voter_all_classes_are_equal_and_infinitely_far():
    votes = count_votes([[-np.inf, -np.inf]], [[NO_VOTE, NO_VOTE]], 4)
    assert votes.share.tolist() == [[0.25] * 4]
    assert votes.nearest[0] == -np.inf
    assert votes.distance[0] == np.inf


def test_the_nearest_weighs_one_and_a_far_one_next_to_nothing():
    votes = count_votes([[0.9, 0.9 - 0.07 * math.log(10)]], [[0, 1]], 2, temperature=0.07)
    np.testing.assert_allclose(votes.mass, [[1.0, 0.1]])


def test_ties_go_to_the_nearest_voter_then_to_the_first_class():
    # two votes of class 0 at .5 weigh as much together as one of class 1 nearer: e^x = 2
    step = 0.07 * math.log(2)
    votes = count_votes([[0.5 + step, 0.5, 0.5]], [[1, 0, 0]], 2, temperature=0.07)
    assert votes.share[0] == pytest.approx([0.5, 0.5])
    assert winners(votes.share, votes.class_nearest).tolist() == [1]
    votes = count_votes([[0.5, 0.5]], [[2, 1]], 3)
    assert winners(votes.share, votes.class_nearest).tolist() == [1]
    nobody = count_votes([[0.5]], [[NO_VOTE]], 3)
    assert winners(nobody.share, nobody.class_nearest).tolist() == [0]


@given(st.lists(st.lists(st.integers(-1, 3), min_size=6, max_size=6), min_size=1, max_size=8))
def test_one_vote_a_group(groups):
    usable = np.arange(6)[None, :] % 5 != 0
    usable = np.repeat(usable, len(groups), axis=0)
    marked = first_of_group(groups, usable)
    for row, allowed, got in zip(groups, usable, marked, strict=True):
        seen = set()
        for group, may, mark in zip(row, allowed, got, strict=True):
            expected = may and (group < 0 or group not in seen)
            assert mark == expected
            if expected:
                seen.add(group)


def test_keep_nearest_counts_only_the_usable():
    kept = keep_nearest([[True, False, True, True], [False, False, False, True]], 2)
    assert kept.tolist() == [[True, False, True, False], [False, False, False, True]]


def test_votes_for_a_class_never_count_against_its_subclass():
    # columns: 0 class, 1 and 2 its subclasses, 3 another class
    votes = count_votes([[0.8] * 6, [0.8] * 6], [[0, 0, 1, 1, 2, 3], [0, 0, 0, 0, 3, 3]], 4)
    passed = pass_down(votes, [(0, (1, 2))])
    np.testing.assert_allclose(passed.share[0], [0, 2 / 6 + 2 / 9, 1 / 6 + 1 / 9, 1 / 6])
    np.testing.assert_allclose(passed.share[1], [4 / 6, 0, 0, 2 / 6])
    np.testing.assert_allclose(passed.mass.sum(axis=1), votes.mass.sum(axis=1))


def test_prior_weights_undo_the_counts():
    assert prior_weights([10, 40, 0]).tolist() == [1.0, 0.25, 0.0]
    assert prior_weights([10, 40], [0.2, 0.8]).tolist() == [1.0, 1.0]

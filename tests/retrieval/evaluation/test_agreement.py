"""Agreement against scikit-learn, published examples and plain loops over pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from retrieval.evaluation.agreement import (
    NONE,
    WEIGHTS,
    cohen_kappa,
    disagreement,
    fleiss_kappa,
    krippendorff_alpha,
)
from retrieval.evaluation.errors import EvaluationError

SKLEARN = {"nominal": None, "linear": "linear", "quadratic": "quadratic"}

# Fleiss 1971, table 1 as repeated in many textbooks: 10 subjects, 14 raters, 5 categories.
FLEISS = [
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip

# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C: 4 observers, 12 units.
_ = NONE
KRIPPENDORFF = np.array(
    [
        (1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _),
        (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3),
        (_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _),
        (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _),
    ]
).T


def ratings(seed: int, cells: int = 60, readers: int = 4, classes: int = 6) -> np.ndarray:
    """Readers who are right three times in four, err to a near class, and leave gaps."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, cells)[:, None]
    slip = rng.integers(-2, 3, (cells, readers)) * (rng.random((cells, readers)) < 0.25)
    table = np.clip(truth + slip, 0, classes - 1)
    table[rng.random((cells, readers)) < 0.2] = NONE
    return table


def naive_alpha(table: np.ndarray, weights: str, classes: int) -> float:
    """Mean cost of pairs within a cell over that of all pairs, by plain loops."""
    cost = disagreement(classes, weights)
    units = [[value for value in row if value != NONE] for row in table]
    units = [unit for unit in units if len(unit) >= 2]
    every = [value for unit in units for value in unit]
    within = sum(
        sum(cost[a, b] for a, b in itertools.permutations(unit, 2)) / (len(unit) - 1)
        for unit in units
    ) / len(every)
    chance = sum(cost[a, b] for a, b in itertools.permutations(every, 2))
    return 1 - within / (chance / (len(every) * (len(every) - 1)))


def naive_fleiss(table: np.ndarray, classes: int) -> float:
    units = [[value for value in row if value != NONE] for row in table]
    units = [unit for unit in units if len(unit) >= 2]
    same = [
        np.mean([a == b for a, b in itertools.permutations(unit, 2)]) for unit in units
    ]  # fmt: skip
    every = [value for unit in units for value in unit]
    chance = sum((every.count(each) / len(every)) ** 2 for each in range(classes))
    return (np.mean(same) - chance) / (1 - chance)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("seed", range(5))
def test_cohen_equals_scikit_learn(weights: str, seed: int) -> None:
    table = ratings(seed, readers=2)
    both = (table != NONE).all(axis=1)
    wanted = cohen_kappa_score(*table[both].T, labels=range(6), weights=SKLEARN[weights])
    found = cohen_kappa(*table.T, 6, weights=weights, draws=0)
    assert found.value == pytest.approx(wanted, abs=1e-12)
    assert found.same == pytest.approx(np.mean(table[both, 0] == table[both, 1]))
    assert (found.cells, found.ratings) == (both.sum(), 2 * both.sum())


def test_cohen_of_a_textbook() -> None:
    """Cohen 1960's arithmetic: 20 yes-yes, 15 no-no, 15 differ; (.7 - .5) / (1 - .5) = .4."""
    first = [0] * 25 + [1] * 25
    second = [0] * 20 + [1] * 5 + [0] * 10 + [1] * 15
    assert cohen_kappa(first, second, 2, draws=0).value == pytest.approx(0.4)


def test_fleiss_of_his_kind_of_table() -> None:
    """(.378 - .213) / (1 - .213) = .210, with the arithmetic of Fleiss 1971."""
    table = np.array([np.repeat(range(5), row) for row in FLEISS])
    found = fleiss_kappa(table, 5, draws=0)
    assert found.value == pytest.approx(0.20993, abs=1e-5)
    assert found.same == pytest.approx(0.37802, abs=1e-5)
    assert found.ratings == 140


def test_alpha_equals_the_published() -> None:
    table = np.where(KRIPPENDORFF == NONE, NONE, KRIPPENDORFF - 1)
    assert krippendorff_alpha(table, 5, draws=0).value == pytest.approx(0.743, abs=5e-4)
    squared = krippendorff_alpha(table, 5, weights="quadratic", draws=0)
    assert squared.value == pytest.approx(0.849, abs=5e-4)  # his interval metric
    assert (squared.cells, squared.ratings) == (11, 40)  # the unit read once says nothing


@pytest.mark.parametrize("seed", range(4))
def test_fleiss_and_alpha_equal_plain_loops(seed: int) -> None:
    table = ratings(seed)
    assert fleiss_kappa(table, 6, draws=0).value == pytest.approx(naive_fleiss(table, 6))
    for weights in WEIGHTS:
        found = krippendorff_alpha(table, 6, weights=weights, draws=0)
        assert found.value == pytest.approx(naive_alpha(table, weights, 6))


def test_near_misses_cost_less_along_a_line() -> None:
    first = np.tile(np.arange(6), 10)
    near, far = np.clip(first + 1, 0, 5), (first + 3) % 6
    by_weight = [cohen_kappa(first, near, 6, weights=each, draws=0).value for each in WEIGHTS]
    assert by_weight[0] < by_weight[1] < by_weight[2]
    assert cohen_kappa(first, far, 6, weights="quadratic", draws=0).value < by_weight[2]


def test_the_interval_is_that_of_drawing_cells_again() -> None:
    table = ratings(3, cells=80, readers=2)
    table = table[(table != NONE).all(axis=1)]
    found = cohen_kappa(*table.T, 6, weights="linear", draws=400, seed=5)
    rng = np.random.default_rng(5)
    drawn = []
    for times in rng.multinomial(len(table), np.full(len(table), 1 / len(table)), size=400):
        again = np.repeat(table, times, axis=0)
        drawn.append(cohen_kappa_score(*again.T, labels=range(6), weights="linear"))
    assert found.interval is not None
    assert found.interval.groups == len(table)
    # blocks of the generator differ, so the draws are others: the ends agree to their own noise
    assert found.interval.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.03)
    assert found.interval.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.03)
    assert found.interval.low < found.value < found.interval.high


def test_alike_cells_drawn_together_widen_the_interval() -> None:
    table = np.repeat(ratings(1, cells=25), 4, axis=0)
    alone = krippendorff_alpha(table, 6, seed=1).interval
    together = krippendorff_alpha(table, 6, seed=1, groups=np.repeat(range(25), 4)).interval
    assert together.high - together.low > 1.4 * (alone.high - alone.low)


def test_nothing_read_twice_and_one_class_only_are_undefined() -> None:
    apart = np.array([[0, NONE], [NONE, 1]])
    for found in (cohen_kappa(*apart.T, 2), fleiss_kappa(apart, 2), krippendorff_alpha(apart, 2)):
        assert (found.value, found.interval, found.cells) == (None, None, 0)
    alike = np.zeros((5, 3), dtype=int)
    for found in (
        cohen_kappa(*alike[:, :2].T, 2), fleiss_kappa(alike, 2), krippendorff_alpha(alike, 2)
    ):  # fmt: skip
        assert (found.value, found.interval, found.same) == (None, None, pytest.approx(1))


def test_full_agreement_is_one_and_chance_is_nought() -> None:
    alike = np.repeat(np.arange(4)[:, None], 3, axis=1)
    assert fleiss_kappa(alike, 4, draws=0).value == 1.0
    assert krippendorff_alpha(alike, 4, draws=0).value == 1.0
    random = np.random.default_rng(0).integers(0, 4, (4000, 3))
    assert abs(fleiss_kappa(random, 4, draws=0).value) < 0.02
    assert abs(krippendorff_alpha(random, 4, weights="linear", draws=0).value) < 0.02


def test_wrong_ratings_are_named() -> None:
    with pytest.raises(EvaluationError, match=r"run from 0 to 7, allowed is -1 to 3"):
        fleiss_kappa([[0, 7]], 4)
    with pytest.raises(EvaluationError, match=r"shape \(3,\)"):
        krippendorff_alpha([0, 1, 2], 3)
    with pytest.raises(EvaluationError, match="'cubic'"):
        cohen_kappa([0], [0], 2, weights="cubic")

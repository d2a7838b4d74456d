"""The orders of the queue, each against an example that can be followed by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from annotator.proposals import doubt
from annotator.queues import ORDERS, PROPOSALS, VECTORS, Candidates, proposed


@dataclass(frozen=True)
class Said:
    """As much of a proposal as ordering needs."""

    probabilities: dict[str, float]
    novelty: float


SAID = {
    1: Said({"a": 0.9, "b": 0.1}, 0.2),
    2: Said({"a": 0.5, "b": 0.5}, 0.1),
    3: Said({"a": 0.7, "b": 0.3}, 0.9),
    4: Said({"a": 1.0}, 0.95),
}


def candidates() -> Candidates:
    classes, matrix, novelty = proposed(SAID, [1, 2, 3, 4])
    return Candidates(np.array([1, 2, 3, 4]), classes, matrix, novelty)


def order(name: str, found: Candidates) -> list[int]:
    return [int(found.ids[row]) for row in ORDERS[name].rank(found)]


def blobs(*sizes: int, spread: float = 0.05, seed: int = 0) -> np.ndarray:
    """Unit vectors in groups of ``sizes``, each group around an axis of its own."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(np.eye(8)[: len(sizes)], sizes, axis=0)
    vectors = centres + rng.normal(scale=spread, size=centres.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_doubt_is_the_missing_lead() -> None:
    assert [doubt(said) for said in SAID.values()] == pytest.approx([0.2, 1.0, 0.6, 0.0])
    assert candidates().doubt == pytest.approx([0.2, 1.0, 0.6, 0.0])


def test_orders_by_hand() -> None:
    found = candidates()
    assert order("doubtful", found) == [2, 3, 1, 4]
    assert order("novel", found) == [4, 3, 1, 2]
    assert order("certain", found) == [4, 1, 3, 2]
    # in turn: doubtful 2, novel 4, doubtful 3, (novel 3 is taken), doubtful 1
    assert order("worth", found) == [2, 4, 3, 1]
    # entropy falls as doubt does where there are two classes
    assert order("disagreeing", found) == [2, 3, 1, 4]


def test_what_readers_dispute_comes_before_what_neighbours_do() -> None:
    found = candidates()
    contested = Candidates(
        found.ids,
        found.classes,
        found.probabilities,
        contested=np.array([True, False, False, True]),
    )
    assert order("disagreeing", contested) == [1, 4, 2, 3]


def test_typical_takes_one_of_each_group_before_a_second_of_any() -> None:
    vectors = blobs(30, 12, 6)
    found = Candidates(np.arange(48), vectors=vectors)
    first = ORDERS["typical"].rank(found)
    groups = np.repeat([0, 1, 2], [30, 12, 6])
    assert set(groups[first[:16]]) == {0, 1, 2}
    assert sorted(first) == list(range(48))


def test_typical_leaves_a_group_with_a_label_for_later() -> None:
    vectors = blobs(30, 30)
    found = Candidates(np.arange(59), vectors=vectors[:59], labelled=vectors[:30])
    first = ORDERS["typical"].rank(found)
    assert (first[:5] >= 30).all()


def test_typical_is_the_middle_of_its_group() -> None:
    rng = np.random.default_rng(1)
    vectors = blobs(40, spread=0.02)
    odd = rng.normal(size=8).astype(np.float32)
    vectors = np.vstack([vectors, odd / np.linalg.norm(odd)])
    assert 40 not in ORDERS["typical"].rank(Candidates(np.arange(41), vectors=vectors))[:5]


def test_a_diverse_batch_covers_doubtful_groups() -> None:
    """Three doubtful groups and a large certain one: the first three are one of each doubtful."""
    vectors = blobs(20, 20, 20, 60, spread=0.01)
    chances = np.tile([0.5, 0.5], (120, 1))
    chances[60:] = (1.0, 0.0)
    found = Candidates(np.arange(120), ("a", "b"), chances, vectors=vectors)
    assert {row // 20 for row in ORDERS["diverse"].rank(found)[:3]} == {0, 1, 2}


def test_diverse_is_the_greedy_k_centre_of_the_gradients() -> None:
    rng = np.random.default_rng(3)
    vectors = blobs(10, 10, seed=3)
    chances = rng.dirichlet([1, 1, 1], size=20)
    found = Candidates(np.arange(20), ("a", "b", "c"), chances, vectors=vectors)
    error = chances - np.eye(3)[chances.argmax(axis=1)]
    gradients = np.einsum("nc,nd->ncd", error, vectors).reshape(20, -1)
    chosen = [int((gradients**2).sum(axis=1).argmax())]
    for _ in range(19):
        far = ((gradients[:, None] - gradients[None, chosen]) ** 2).sum(axis=2).min(axis=1)
        far[chosen] = -1
        chosen.append(int(far.argmax()))
    assert ORDERS["diverse"].rank(found).tolist() == chosen


def test_balance_gives_the_class_with_fewest_labels_its_surest_cell() -> None:
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.1, 0.9]])
    found = Candidates(np.arange(4), ("a", "b"), chances, counts={"a": 10, "b": 0})
    assert ORDERS["balanced"].rank(found).tolist() == [3, 2, 0, 1]
    level = Candidates(np.arange(4), ("a", "b"), chances, counts={"a": 1, "b": 1})
    assert ORDERS["balanced"].rank(level).tolist()[:2] == [0, 3]


def test_random_is_fair_and_repeatable() -> None:
    places = [ORDERS["random"].rank(Candidates(np.arange(5), seed=seed))[0] for seed in range(500)]
    assert np.bincount(places, minlength=5) == pytest.approx([100] * 5, abs=35)
    again = [ORDERS["random"].rank(Candidates(np.arange(5), seed=0)).tolist() for _ in range(2)]
    assert again[0] == again[1]


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("n", [0, 1, 2, 30])
def test_every_order_holds_each_cell_once(name: str, n: int) -> None:
    rng = np.random.default_rng(n)
    found = Candidates(
        ids=np.arange(100, 100 + n),
        classes=("a", "b", "c"),
        probabilities=rng.dirichlet([1, 1, 1], size=n),
        novelty=rng.random(n),
        vectors=blobs(n),
        labelled=blobs(3, seed=9) if n else np.zeros((0, 8), np.float32),
        contested=np.zeros(n, dtype=bool),
    )
    assert sorted(ORDERS[name].rank(found).tolist()) == list(range(n))


def test_the_registry_says_what_each_order_needs() -> None:
    for name, entry in ORDERS.items():
        assert entry.name == name
        assert entry.title
        assert entry.help
    assert ORDERS["typical"].needs == VECTORS
    assert ORDERS["diverse"].needs == PROPOSALS

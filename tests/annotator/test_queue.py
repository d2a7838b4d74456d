"""The queue: what comes next, and how labels, skips and undos move it."""

from __future__ import annotations

import threading

import pytest

from annotator.problems import BadRequestError
from annotator.proposals import Proposals
from annotator.queue import ORDERS, Queue
from index import Atlas, NewLabel


@pytest.fixture
def queue(opened: Atlas):
    made = Queue(opened, Proposals(opened, k=5), dataset="new")
    yield made
    made.wait()


def everything(queue: Queue) -> list[int]:
    return queue.upcoming(1000)


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_holds_each_unlabelled_cell_once(opened: Atlas, order: str) -> None:
    queue = Queue(opened, Proposals(opened, k=5), dataset="new", order=order)
    found = everything(queue)
    queue.wait()
    assert sorted(found) == list(range(25, 37))
    assert sorted(everything(queue)) == list(range(25, 37))


def test_an_unknown_order_is_named(opened: Atlas) -> None:
    with pytest.raises(BadRequestError, match="allowed is one of worth"):
        Queue(opened, Proposals(opened, k=5), order="odd")


def test_as_imported_is_in_order_of_id(opened: Atlas) -> None:
    queue = Queue(opened, Proposals(opened, k=5), order="imported")
    assert everything(queue) == list(range(25, 37))


def test_a_cell_without_embedding_comes_last_but_comes(queue: Queue) -> None:
    assert everything(queue)[-1] == 36


def test_the_same_seed_gives_the_same_order(opened: Atlas) -> None:
    first, again, other = (
        everything(Queue(opened, Proposals(opened, k=5), order="random", seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_settled_cell_is_gone_and_a_reopened_one_stands_first(queue: Queue) -> None:
    first, second = everything(queue)[:2]
    queue.settle(first)
    assert first not in everything(queue)
    queue.settle(second)
    queue.reopen(first)
    assert queue.upcoming(1) == [first]


def test_a_skipped_cell_comes_after_all_others(queue: Queue) -> None:
    first, second = everything(queue)[:2]
    queue.skip(first)
    queue.skip(second)
    assert everything(queue)[-2:] == [first, second]
    assert queue.skipped == [first, second]
    queue.skip(first)  # skipped again: behind the other
    assert everything(queue)[-2:] == [second, first]
    queue.reopen(first)
    assert everything(queue)[0] == first
    assert queue.skipped == [second]


def test_when_all_are_skipped_they_come_round_again(queue: Queue) -> None:
    for cell in everything(queue):
        queue.skip(cell)
    assert len(everything(queue)) == 12


def test_an_empty_queue_stays_empty(queue: Queue) -> None:
    for cell in everything(queue):
        queue.settle(cell)
    assert everything(queue) == []


def test_a_cell_named_in_without_is_left_out(queue: Queue) -> None:
    first = everything(queue)[0]
    assert first not in queue.upcoming(1000, without=[first])


def test_labels_of_others_are_seen_when_the_queue_is_ranked_again(
    opened: Atlas, queue: Queue
) -> None:
    first = everything(queue)[0]
    opened.add_labels([NewLabel(first, "neutrophil", "someone", "single")])
    queue.restart()
    queue.wait()
    assert first not in everything(queue)


def test_an_order_begun_before_a_restart_is_dropped(
    opened: Atlas, queue: Queue, monkeypatch
) -> None:
    """A slow ranking must not bring back cells that were labelled while it was at work."""
    first = everything(queue)[0]
    queue.wait()
    gate, ranking = threading.Event(), queue._ranking

    def slow(most: int, turn: int) -> tuple[list[int], int]:
        found = ranking(most, turn)
        gate.wait(10)
        return found

    monkeypatch.setattr(queue, "_ranking", slow)
    queue._refresh_aside()
    old = queue._worker
    opened.add_labels([NewLabel(first, "neutrophil", "someone", "single")])
    monkeypatch.setattr(queue, "_ranking", ranking)
    queue.restart()
    gate.set()
    assert old is not None
    old.join()
    queue.wait()
    assert first not in everything(queue)


def test_what_the_page_has_fetched_stays_at_the_head(opened: Atlas, monkeypatch) -> None:
    from annotator import queue as module

    monkeypatch.setattr(module, "REFRESH", 1)
    queue = Queue(opened, Proposals(opened, k=5), dataset="new", order="doubtful")
    queue.upcoming(1)
    queue.wait()
    ahead = queue.upcoming(4)
    opened.add_labels([NewLabel(ahead[0], "neutrophil", "ann", "single")])
    queue.settle(ahead[0])
    queue.wait()
    assert queue.upcoming(3) == ahead[1:]


def test_a_large_queue_is_ranked_in_parts_and_loses_nothing(opened: Atlas, monkeypatch) -> None:
    from annotator import queue as module

    monkeypatch.setattr(module, "FIRST_POOL", 2)
    monkeypatch.setattr(module, "POOL", 4)
    queue = Queue(opened, Proposals(opened, k=5), dataset="new")
    seen = set()
    while ahead := queue.upcoming(1):
        opened.add_labels([NewLabel(ahead[0], "neutrophil", "ann", "single")])
        queue.settle(ahead[0])
        queue.wait()
        seen.add(ahead[0])
    assert seen == set(range(25, 37))


def test_what_an_order_asked_for_is_told_from_what_came_otherwise(opened: Atlas) -> None:
    queue = Queue(opened, Proposals(opened, k=5), dataset="new", order="random", skipped=[30])
    first, second, third = everything(queue)[:3]
    queue.ask(first)
    assert queue.asked_by(first) == "random"
    assert queue.asked_by(second) is None  # not shown yet
    queue.ask(30)  # skipped under another order: it comes back at the end
    assert queue.asked_by(30) is None
    queue.settle(first)
    queue.reopen(first)  # asked for, labelled, undone
    assert queue.asked_by(first) == "random"
    queue.settle(third)
    queue.reopen(third)  # labelled on another page and undone: it stands first for that alone
    assert everything(queue)[0] == third
    queue.ask(third)
    assert queue.asked_by(third) is None
    queue.skip(first)
    queue.ask(first)
    assert queue.asked_by(first) == "random"
    anew = Queue(opened, Proposals(opened, k=5), dataset="new", order="random")
    anew.go_on_from(queue)
    assert anew.asked_by(first) == "random"
    queue.wait()

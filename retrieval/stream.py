"""Pictures read by threads and worked on in batches, in order, a few batches ahead at most."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from itertools import islice
from threading import Barrier
from typing import TypeAlias, TypeVar

import torch

from index.errors import CellKinError
from index.settings import setting

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Answer = TypeVar("Answer")
Begun: TypeAlias = Callable[[], Sequence[Answer]]


def in_batches(
    items: Iterable[Item],
    prepare: Callable[[Item], Prepared],
    work: Callable[[list[Prepared]], Sequence[Answer]],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Iterator[tuple[Item, Answer | CellKinError]]:
    """Yield each of ``items`` with its answer, or the CellKinError that preparing it raised.

    ``prepare`` runs in ``workers`` threads (decoding and hashing release the interpreter),
    ``work`` on what it gave, a batch at a time: as many batches abreast as torch has threads,
    each on one, for a network waits less for itself than its layers wait for each other's
    threads. Where there is one batch in all, or one thread, it runs in the caller's. Items come
    out in order; no more than three batches and one a thread are held at a time, so memory does
    not grow with their number.
    """
    size = int(setting("batch_size", batch_size))
    threads = max(1, int(setting("workers", workers)))
    source = iter(items)

    def prepared(item: Item) -> Prepared | CellKinError:
        try:
            return prepare(item)
        except CellKinError as error:
            return error

    waiting: deque[tuple[Item, Future[Prepared | CellKinError]]] = deque()
    running: deque[tuple[list[tuple[Item, Prepared | CellKinError]], Begun[Answer]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:

        def refill() -> None:
            for item in islice(source, 3 * size - len(waiting)):
                waiting.append((item, pool.submit(prepared, item)))

        def begin(networks: Executor | None) -> None:
            batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
            results = [(item, future.result()) for item, future in batch]
            # the next pictures are read while the network works on these
            refill()
            ready = [each for _, each in results if not isinstance(each, CellKinError)]
            running.append((results, _begun(networks, work, ready)))

        try:
            refill()
            abreast = torch.get_num_threads() if len(waiting) > size else 1
            with _single_threads(abreast) as networks:
                while waiting or running:
                    # one more than can run, so that no thread waits for the caller
                    while waiting and len(running) < (abreast + 1 if networks else 1):
                        begin(networks)
                    yield from _answered(*running.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


@contextmanager
def _single_threads(count: int) -> Iterator[Executor | None]:
    """A pool of ``count`` threads in each of which torch uses that one alone; None for one."""
    if count == 1:
        yield None
        return
    everyone = Barrier(count)

    def alone() -> None:
        torch.get_num_threads()  # sets the thread up, which would undo what follows
        torch.set_num_threads(1)
        everyone.wait()

    with ThreadPoolExecutor(count, "network", alone) as pool:
        wait([pool.submit(int) for _ in range(count)])
        # what was set for the threads holds for those to come as well: set it back
        torch.set_num_threads(count)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _begun(
    networks: Executor | None,
    work: Callable[[list[Prepared]], Sequence[Answer]],
    on: list[Prepared],
) -> Begun[Answer]:
    """What waits for the answers: ``work`` on nothing is nothing."""
    if not on:
        return tuple
    return networks.submit(work, on).result if networks else partial(work, on)


def _answered(
    results: list[tuple[Item, Prepared | CellKinError]], begun: Begun[Answer]
) -> Iterator[tuple[Item, Answer | CellKinError]]:
    answers = iter(begun())
    for item, each in results:
        yield item, (each if isinstance(each, CellKinError) else next(answers))

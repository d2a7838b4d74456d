"""Pictures read by threads and worked on in batches, in order, a few batches ahead at most."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from index.errors import CellKinError
from index.settings import setting

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Answer = TypeVar("Answer")


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
    ``work`` on what it gave, a batch at a time. Items come out in order; no more than three
    batches are held at a time, so memory does not grow with their number.
    """
    size = int(setting("batch_size", batch_size))
    threads = max(1, int(setting("workers", workers)))
    source = iter(items)

    def prepared(item: Item) -> Prepared | CellKinError:
        try:
            return prepare(item)
        except CellKinError as error:
            return error

    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        waiting: deque[tuple[Item, Future[Prepared | CellKinError]]] = deque()

        def refill() -> None:
            for item in islice(source, 3 * size - len(waiting)):
                waiting.append((item, pool.submit(prepared, item)))

        try:
            refill()
            while waiting:
                batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
                results = [(item, future.result()) for item, future in batch]
                # the next pictures are read while the network works on these
                refill()
                yield from _answered(results, work)
        finally:
            for _, future in waiting:
                future.cancel()


def _answered(
    results: list[tuple[Item, Prepared | CellKinError]],
    work: Callable[[list[Prepared]], Sequence[Answer]],
) -> Iterator[tuple[Item, Answer | CellKinError]]:
    ready = [each for _, each in results if not isinstance(each, CellKinError)]
    answers = iter(work(ready) if ready else ())
    for item, each in results:
        yield item, (each if isinstance(each, CellKinError) else next(answers))

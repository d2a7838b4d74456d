"""Which cell to look at next.

The cells without a present label are the candidates. Of these a seeded sample of at most POOL is
ranked by one of ORDERS; the rest follows when the sample is used up or REFRESH labels have
changed what the neighbours say. Ranking again happens on a thread of its own, and the new order
is swapped in whole. Imports neither torch nor Flask.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.problems import BadRequestError
from annotator.proposals import Proposals, doubt
from index.records import CellFilter

if TYPE_CHECKING:
    from index.atlas import Atlas
    from retrieval.answers.proposer import Proposal

log = logging.getLogger("cellkin.annotator")

POOL = 1000  # cells ranked at once: about a second of neighbour search on one core
FIRST_POOL = 200  # ranked before the first page, so that it opens at once
REFRESH = 20  # labels after which the order is worked out again
PROMISED = 3  # cells at the head that a new order leaves where they are
LOW = 5  # cells left in the ranking when it is worked out again

Ranking = dict[int, "Proposal"]


def _alternate(*orders: Sequence[int]) -> list[int]:
    """Take from each order in turn, each cell once."""
    return list(dict.fromkeys(cell for turn in zip(*orders, strict=True) for cell in turn))


def by_doubt(proposals: Ranking) -> list[int]:
    """Smallest lead of the most probable class over the next first."""
    return sorted(proposals, key=lambda cell: -doubt(proposals[cell]))


def by_novelty(proposals: Ranking) -> list[int]:
    """The least like anything labelled first."""
    return sorted(proposals, key=lambda cell: -proposals[cell].novelty)


def by_worth(proposals: Ranking) -> list[int]:
    """In turn the most doubtful and the most novel that is left."""
    return _alternate(by_doubt(proposals), by_novelty(proposals))


def by_certainty(proposals: Ranking) -> list[int]:
    """The surest first."""
    return by_doubt(proposals)[::-1]


@dataclass(frozen=True)
class Order:
    """A way to order the queue. ``rank`` is None where no proposal is needed."""

    name: str
    title: str
    help: str
    rank: Callable[[Ranking], list[int]] | None = None
    shuffled: bool = True


_ORDERS = (
    Order(
        "worth",
        "Most worth a look",
        "in turn the most doubtful cell and the one most unlike anything labelled",
        by_worth,
    ),
    Order(
        "doubtful",
        "Most doubtful",
        "smallest lead of the most probable class over the next",
        by_doubt,
    ),
    Order("novel", "Most novel", "most unlike anything labelled", by_novelty),
    Order("certain", "Surest", "largest lead first: quick to confirm", by_certainty),
    Order("random", "Random", "every cell equally likely: for honest estimates"),
    Order("imported", "As imported", "in the order of import", shuffled=False),
)
ORDERS: dict[str, Order] = {order.name: order for order in _ORDERS}


def known_order(name: object) -> Order:
    """The order of that name. Raises BadRequestError naming the allowed ones."""
    if not isinstance(name, str) or name not in ORDERS:
        raise BadRequestError(
            f"order is {name!r}, allowed is one of {', '.join(ORDERS)}", "name one of these"
        )
    return ORDERS[name]


class Queue:
    """The cells one author is still to look at, in order; safe for several threads.

    A cell is *settled* when it has been labelled here, *skipped* cells come back after all
    others, and a *reopened* cell (its label was undone) stands first.
    """

    def __init__(
        self,
        atlas: Atlas,
        proposals: Proposals,
        *,
        dataset: str | None = None,
        order: str = "worth",
        seed: int = 0,
        skipped: Iterable[int] = (),
    ) -> None:
        self.dataset = dataset
        self.order = known_order(order)
        self._atlas = atlas
        self._proposals = proposals
        self._seed = seed
        self._lock = threading.RLock()
        self._ranked: list[int] = []
        self._left_out = 0  # candidates outside the ranked sample
        self._settled: set[int] = set()
        self._skipped: dict[int, None] = dict.fromkeys(skipped)
        self._since = 0
        self._worker: threading.Thread | None = None
        self._round = 0
        self._turn = 0  # the round that the worker ranks

    @property
    def skipped(self) -> list[int]:
        """The skipped cells, longest ago first."""
        with self._lock:
            return list(self._skipped)

    def upcoming(self, n: int, *, without: Iterable[int] = ()) -> list[int]:
        """The next ``n`` cells, skipped ones last; fewer when fewer are left."""
        with self._lock:
            if not self._ranked and (self._left_out or not self._round):
                self._rank(FIRST_POOL if not self._round else POOL)
                self._refresh_aside()
            hidden = {*without, *self._settled}
            first = [c for c in self._ranked if c not in hidden and c not in self._skipped]
            last = [c for c in self._skipped if c not in hidden]
            if len(first) < LOW and self._left_out:
                self._refresh_aside()
            return (first + last)[:n]

    def settle(self, cell_id: int) -> None:
        """A cell has been labelled."""
        with self._lock:
            self._settled.add(cell_id)
            self._skipped.pop(cell_id, None)
            if cell_id in self._ranked:
                self._ranked.remove(cell_id)
            self._since += 1
            if self._since >= REFRESH:
                self._refresh_aside()

    def reopen(self, cell_id: int) -> None:
        """A label was undone: the cell stands first again."""
        with self._lock:
            self._settled.discard(cell_id)
            self._skipped.pop(cell_id, None)
            self._ranked = [cell_id, *(c for c in self._ranked if c != cell_id)]

    def skip(self, cell_id: int) -> None:
        """Put a cell behind all others."""
        with self._lock:
            self._skipped.pop(cell_id, None)
            self._skipped[cell_id] = None

    def restart(self) -> None:
        """Look at the atlas afresh, as after an import."""
        with self._lock:
            self._settled.clear()
            self._rank(FIRST_POOL)
            self._refresh_aside()

    def wait(self) -> None:
        """Wait until a ranking under way has been swapped in."""
        worker = self._worker
        if worker is not None:
            worker.join()

    def _candidates(self) -> list[int]:
        limit = CellFilter(datasets=(self.dataset,) if self.dataset else (), labelled=False)
        return [int(cell) for cell in self._atlas.cell_ids(limit)]

    def _ranking(self, most: int, turn: int) -> tuple[list[int], int]:
        """A new order of at most ``most`` candidates, and how many candidates it leaves out."""
        candidates = [c for c in self._candidates() if c not in self._settled]
        if self.order.shuffled:
            random.Random(self._seed + turn).shuffle(candidates)
        sample = candidates[:most]
        if self.order.rank is not None:
            proposals = self._proposals.propose(sample)
            ranked = self.order.rank(proposals)
            # Cells without a proposal (no embedding, no reference yet) follow in their order.
            sample = ranked + [c for c in sample if c not in proposals]
        return sample, len(candidates) - len(sample)

    def _rank(self, most: int) -> None:
        self._round += 1
        self._ranked, self._left_out = self._ranking(most, self._round)
        self._since = 0

    def _refresh_aside(self) -> None:
        """Rank again on a thread of its own, unless one is at it; call with the lock held."""
        if self._worker is not None and self._worker.is_alive() and self._turn == self._round:
            return
        if self.order.rank is None and not self._left_out:
            self._since = 0
            return
        self._round += 1
        self._turn = self._round
        self._since = 0
        self._worker = threading.Thread(
            target=self._refresh, args=(self._turn,), name="rank", daemon=True
        )
        self._worker.start()

    def _refresh(self, turn: int) -> None:
        try:
            ranked, left_out = self._ranking(POOL, turn)
        except Exception:  # the thread has no caller; the old order stays good
            log.exception("could not work out the order of the queue")
            return
        with self._lock:
            if turn != self._round:  # the queue was looked at afresh meanwhile: this order is old
                return
            # The page has already fetched what comes next: that stays.
            promised = self._ranked[:PROMISED]
            order = dict.fromkeys((*promised, *ranked))
            self._ranked = [c for c in order if c not in self._settled]
            self._left_out = left_out

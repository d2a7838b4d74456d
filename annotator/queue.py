"""Which cell to look at next.

The cells without a present label are the candidates. Of these a seeded sample of at most POOL is
ranked by one of ``annotator.queues.ORDERS``; the rest follows when the sample is used up or
REFRESH labels have changed what the neighbours say. Ranking again happens on a thread of its own,
and the new order is swapped in whole. Imports neither torch nor Flask.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from annotator.proposals import Proposals
from annotator.queues import (
    ORDERS,
    PROPOSALS,
    VECTORS,
    Candidates,
    Order,
    known_order,
    proposed,
)
from index.records import CellFilter

if TYPE_CHECKING:
    from index.atlas import Atlas
    from retrieval.answers.proposer import Proposal

__all__ = ["ORDERS", "Queue", "known_order"]

log = logging.getLogger("cellkin.annotator")

POOL = 1000  # cells ranked at once: about a second of neighbour search on one core
FIRST_POOL = 200  # ranked before the first page, so that it opens at once
REFRESH = 20  # labels after which the order is worked out again
PROMISED = 3  # cells at the head that a new order leaves where they are
COVERED = 2000  # labelled cells by which it is judged what is covered already
LOW = 5  # cells left in the ranking when it is worked out again
# Sixteen readers' queues ranked side by side would leave no time for the readers' own requests.
_ONE_AT_A_TIME = threading.Semaphore(1)


class Queue:
    """The cells one author is still to look at, in order; safe for several threads.

    A cell is *settled* when it has been labelled here, *skipped* cells come back after all
    others, and a *reopened* cell (its label was undone) stands first. ``waiting`` says which
    cells within a filter are to be looked at; by default those without a present label.
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
        waiting: Callable[[CellFilter], np.ndarray] | None = None,
    ) -> None:
        self.dataset = dataset
        self.order = known_order(order)
        self._atlas = atlas
        self._proposals = proposals
        self._waiting = waiting
        self._seed = seed
        self._lock = threading.RLock()
        self._ranked: list[int] = []
        self._left_out = 0  # candidates outside the ranked sample
        self._settled: set[int] = set()
        self._skipped: dict[int, None] = dict.fromkeys(skipped)
        self._asked: set[int] = set()
        self._put_first: set[int] = set()
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

    def ask(self, cell_id: int) -> None:
        """A cell is shown because it stands first.

        Its order put it there, unless it was reopened or had been skipped under another order.
        """
        with self._lock:
            if cell_id not in self._put_first and cell_id not in self._skipped:
                self._asked.add(cell_id)

    def asked_by(self, cell_id: int) -> str | None:
        """The order by which a cell was asked for here, None for one met otherwise."""
        with self._lock:
            return self.order.name if cell_id in self._asked else None

    def go_on_from(self, former: Queue) -> None:
        """Take over what ``former``, a queue of the same order, has asked for."""
        with self._lock:
            self._asked |= former._asked

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

    def settle_all(self, cells: Iterable[int]) -> None:
        """Cells have been labelled by one action."""
        with self._lock:
            gone = set(cells)
            self._settled |= gone
            self._ranked = [cell for cell in self._ranked if cell not in gone]
            for cell in gone:
                self._skipped.pop(cell, None)
            self._since += len(gone)
            if self._since >= REFRESH:
                self._refresh_aside()

    def release(self, cells: Iterable[int]) -> None:
        """One action that labelled many cells was undone: they wait again, in their order."""
        with self._lock:
            self._settled.difference_update(cells)
            self._refresh_aside()

    def reopen(self, cell_id: int) -> None:
        """A label was undone: the cell stands first again."""
        with self._lock:
            if cell_id not in self._asked:
                self._put_first.add(cell_id)
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

    def rank_anew(self) -> None:
        """What is said of the cells has changed: rank them again in the background."""
        with self._lock:
            if self._round and self.order.needs >= PROPOSALS:
                self._refresh_aside()

    def wait(self) -> None:
        """Wait until a ranking under way has been swapped in."""
        worker = self._worker
        if worker is not None:
            worker.join()

    def _candidates(self) -> list[int]:
        if self._waiting is not None:
            return [int(cell) for cell in self._waiting(self._limit(labelled=None))]
        return [int(cell) for cell in self._atlas.cell_ids(self._limit(labelled=False))]

    def _ranking(self, most: int, turn: int) -> tuple[list[int], int]:
        """A new order of at most ``most`` candidates, and how many candidates it leaves out."""
        candidates = [c for c in self._candidates() if c not in self._settled]
        if self.order.shuffled:
            random.Random(self._seed + turn).shuffle(candidates)
        sample = candidates[:most]
        ranked = self._put_in_order(sample, turn)
        # Cells of which too little is known (no embedding, no reference yet) follow.
        placed = set(ranked)
        sample = ranked + [c for c in sample if c not in placed]
        return sample, len(candidates) - len(sample)

    def _put_in_order(self, sample: list[int], turn: int) -> list[int]:
        """Those of ``sample`` of which the order knows enough, in its order.

        Where proposals are needed and there is none at all yet, typical cells come first: they are
        what proposals are best begun with.
        """
        proposals = self._proposals.propose(sample) if self.order.needs >= PROPOSALS else {}
        order = self.order
        if order.needs >= PROPOSALS and not proposals:
            order = ORDERS["typical"]
        found = self._candidates_of(order, sample, proposals, self._seed + turn)
        return [int(found.ids[row]) for row in order.rank(found)]

    def _candidates_of(
        self, order: Order, sample: list[int], proposals: dict[int, Proposal], seed: int
    ) -> Candidates:
        if order.needs < VECTORS:
            return Candidates(ids=np.array(sample, dtype=np.int64), seed=seed)
        model_id = self._proposals.model_id
        if model_id is None:
            return Candidates(ids=np.zeros(0, dtype=np.int64))
        wanted = [c for c in sample if c in proposals] if order.needs >= PROPOSALS else sample
        ids, vectors = self._atlas.embeddings_of(model_id, wanted)
        present = self._atlas.present_labels(self._limit(labelled=True))
        tree = self._atlas.taxonomy
        counts = Counter(tree.at_level(code, "class") or code for code in present.values())
        found = Candidates(ids=ids, vectors=vectors, counts=counts, seed=seed)
        if order.needs >= PROPOSALS:
            classes, matrix, novelty = proposed(proposals, ids.tolist())
            contested = np.isin(ids, self._atlas.disputed())
            return replace(
                found,
                classes=classes,
                probabilities=matrix,
                novelty=novelty,
                contested=contested,
            )
        labelled = list(present)[-COVERED:]
        return replace(found, labelled=self._atlas.embeddings_of(model_id, labelled)[1])

    def _limit(self, *, labelled: bool | None) -> CellFilter:
        return CellFilter(datasets=(self.dataset,) if self.dataset else (), labelled=labelled)

    def _rank(self, most: int) -> None:
        self._round += 1
        self._ranked, self._left_out = self._ranking(most, self._round)
        self._since = 0

    def _refresh_aside(self) -> None:
        """Rank again on a thread of its own, unless one is at it; call with the lock held."""
        if self._worker is not None and self._worker.is_alive() and self._turn == self._round:
            return
        if self.order.needs < VECTORS and not self._left_out:
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
            with _ONE_AT_A_TIME:
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

"""What the searches of the review have found, kept until enough has changed.

Quick searches are made at every question. Slow ones run on a thread, one at a time: what is found
so far is shown meanwhile, and the whole is swapped in at the end. Imports neither torch nor Flask.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from annotator.review.matters import Material, Matter
from annotator.review.queues import ReviewQueue
from index.reviewing import settled

log = logging.getLogger("cellkin.annotator")

PATIENCE = 1.5  # seconds that a question waits for a slow search: a small atlas is done by then
STALE = 50  # labels after which a slow search is made again


@dataclass(frozen=True)
class Found:
    """Matters of a queue, worth most first; ``share`` 0..1 of the search is done."""

    matters: list[Matter]
    share: float

    @property
    def done(self) -> bool:
        """Whether the search is over."""
        return self.share >= 1.0


@dataclass
class _Search:
    """A slow search under way or done; ``mark`` is the newest label it knew of."""

    mark: tuple[int, int]
    matters: list[Matter] = field(default_factory=list)
    share: float = 0.0
    thread: threading.Thread | None = None


class Shelf:
    """The matters of every queue of one atlas; safe for several threads.

    ``material`` gives what to search as the one who asks may see it.
    """

    def __init__(self, material: Callable[[], Material]) -> None:
        self._material = material
        self._searches: dict[str, _Search] = {}
        self._last: dict[str, list[Matter]] = {}
        self._lock = threading.Lock()
        self._one = threading.Lock()  # slow searches take turns

    def matters(self, queue: ReviewQueue, *, patience: float | None = None) -> Found:
        """What is to be reviewed in ``queue``; settled matters are left out."""
        material = self._material()
        if queue.slow:
            found = self._slow(queue, material, PATIENCE if patience is None else patience)
        else:
            found = Found(list(queue.find(material, lambda share: None)), 1.0)
        gone = settled(material.atlas, queue.name)
        open_ = [matter for matter in found.matters if matter.key not in gone]
        return Found(sorted(open_, key=lambda matter: (-matter.worth, matter.key[0])), found.share)

    def again(self, queue: ReviewQueue) -> None:
        """Forget what a slow search has found, so that the next question begins it anew."""
        with self._lock:
            self._searches.pop(queue.name, None)
            self._last.pop(queue.name, None)

    def wait(self) -> None:
        """Wait until the searches under way are over."""
        for search in list(self._searches.values()):
            if search.thread is not None:
                search.thread.join()

    def _slow(self, queue: ReviewQueue, material: Material, patience: float) -> Found:
        atlas = material.atlas
        mark = atlas.marks(atlas.active_model or "")
        with self._lock:
            search = self._searches.get(queue.name)
            over = search is None or search.share >= 1.0
            old = search is None or abs(mark[0] - search.mark[0]) >= STALE
            if search is None or (over and (old or mark[1] != search.mark[1])):
                if search is not None:
                    self._last[queue.name] = search.matters
                search = self._searches[queue.name] = _Search(mark)
                search.thread = threading.Thread(
                    target=self._run,
                    args=(queue, material, search),
                    name=f"review-{queue.name}",
                    daemon=True,
                )
                search.thread.start()
        if search.thread is not None and search.share < 1.0:
            search.thread.join(patience)
        if search.share < 1.0 and queue.name in self._last:
            return Found(list(self._last[queue.name]), search.share)
        return Found(list(search.matters), search.share)

    def _run(self, queue: ReviewQueue, material: Material, search: _Search) -> None:
        def told(share: float) -> None:
            search.share = min(share, 0.999)

        try:
            with self._one:
                for matter in queue.find(material, told):
                    search.matters.append(matter)
        except Exception:  # the thread has no caller; what was found so far stays good
            log.exception("could not finish the search of review queue %s", queue.name)
        finally:
            search.share = 1.0

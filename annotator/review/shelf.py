"""What the searches of the review have found, kept until enough has changed.

Quick searches are made at every question. Slow ones run on a thread, one at a time: what is found
so far is shown meanwhile, and the whole is swapped in at the end. Imports neither torch nor Flask.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from annotator.review.matters import Material, Matter
from annotator.review.queues import ReviewQueue
from index.reviewing import settled

if TYPE_CHECKING:
    from index.atlas import Atlas
    from index.records import Marks

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
    """A slow search under way or done; ``mark`` says how much it knew of."""

    mark: Marks
    matters: list[Matter] = field(default_factory=list)
    share: float = 0.0
    thread: threading.Thread | None = None


@dataclass
class _Searches:
    """The slow searches of one view of the atlas by queue, and what those before had found."""

    newest: dict[str, _Search] = field(default_factory=dict)
    last: dict[str, list[Matter]] = field(default_factory=dict)


class Shelf:
    """The matters of every queue of one atlas; safe for several threads.

    ``material`` gives what to search as the one who asks may see it. What was found in one view of
    the atlas is not shown in another: it may tell of labels that are hidden there.
    """

    def __init__(self, material: Callable[[], Material]) -> None:
        self._material = material
        self._views: WeakKeyDictionary[Atlas, _Searches] = WeakKeyDictionary()
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
            for each in self._views.values():
                each.newest.pop(queue.name, None)
                each.last.pop(queue.name, None)

    def wait(self) -> None:
        """Wait until the searches under way are over."""
        with self._lock:
            under_way = [search for each in self._views.values() for search in each.newest.values()]
        for search in under_way:
            if search.thread is not None:
                search.thread.join()

    def _slow(self, queue: ReviewQueue, material: Material, patience: float) -> Found:
        atlas = material.atlas
        mark = atlas.marks(atlas.active_model or "")
        with self._lock:
            mine = self._views.setdefault(atlas, _Searches())
            search = mine.newest.get(queue.name)
            over = search is None or search.share >= 1.0
            old = search is None or abs(mark[0] - search.mark[0]) >= STALE
            if search is None or (over and (old or mark[1:] != search.mark[1:])):
                if search is not None:
                    mine.last[queue.name] = search.matters
                search = mine.newest[queue.name] = _Search(mark)
                search.thread = threading.Thread(
                    target=self._run,
                    args=(queue, material, search),
                    name=f"review-{queue.name}",
                    daemon=True,
                )
                search.thread.start()
        if search.thread is not None and search.share < 1.0:
            search.thread.join(patience)
        before = mine.last.get(queue.name)
        if search.share < 1.0 and before is not None:
            return Found(list(before), search.share)
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

"""The figures of the progress page, worked out on a thread and kept until labels have changed."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from annotator.progress.figures import (
    Log,
    Remaining,
    Sureness,
    curve,
    read_log,
    remaining,
    sureness,
)
from retrieval.evaluation.readings import as_document, figures, read

if TYPE_CHECKING:
    from annotator.proposals import Proposals
    from index.atlas import Atlas
    from index.records import Marks
    from retrieval.evaluation.learning import Point

log = logging.getLogger("cellkin.annotator")

PATIENCE = 2.0  # seconds that a question waits: a small atlas is done by then
DRAWS = 500  # of the bootstrap of agreement


@dataclass(frozen=True)
class Board:
    """All figures at one moment; ``mark`` says how much they know of."""

    mark: Marks
    sure: Sureness
    curve: list[Point]
    log: Log
    remaining: Remaining
    agreement: dict[str, Any]
    independent: dict[str, Any]


def work_out(
    atlas: Atlas, proposals: Proposals, *, k: int, seed: int, dataset: str | None = None
) -> Board:
    """Every figure of ``dataset`` (None: of all), from the atlas as it is now."""
    mark = atlas.marks(atlas.active_model or "")
    order = list(atlas.taxonomy.nodes)
    told = read_log(atlas, dataset)
    sure = sureness(atlas, proposals, dataset=dataset, seed=seed)
    learnt = curve(atlas, k=k, dataset=dataset, seed=seed)
    agreed = []
    for independent in (False, True):
        readings = read(atlas, datasets=(dataset,) if dataset else (), independent=independent)
        found = figures(readings, draws=DRAWS, seed=seed)
        agreed.append(as_document(readings, found, order))
    return Board(mark, sure, learnt, told, remaining(sure, told), *agreed)


@dataclass
class _Shown:
    """Of one view of the atlas: the newest board of each data set, and who works at the next."""

    newest: dict[str | None, Board] = field(default_factory=dict)
    workers: dict[str | None, threading.Thread] = field(default_factory=dict)


class Boards:
    """The newest board of each data set, and of all, of an atlas and of the views of it; safe for
    several threads. A view that is let go takes its boards along."""

    def __init__(self, *, k: int, seed: int) -> None:
        self._k, self._seed = k, seed
        self._views: WeakKeyDictionary[Atlas, _Shown] = WeakKeyDictionary()
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # one board is worked out at a time: others have readers

    def newest(
        self,
        atlas: Atlas,
        proposals: Proposals,
        dataset: str | None = None,
        *,
        patience: float | None = None,
    ) -> tuple[Board | None, bool]:
        """The newest board of ``dataset`` (None: of all) as ``atlas`` shows it, None before the
        first, and whether it knows of every label."""
        mark = atlas.marks(atlas.active_model or "")
        with self._lock:
            mine = self._views.setdefault(atlas, _Shown())
            board = mine.newest.get(dataset)
            if board is not None and board.mark == mark:
                return board, True
            worker = mine.workers.get(dataset)
            if worker is None or not worker.is_alive():
                worker = mine.workers[dataset] = threading.Thread(
                    target=self._run,
                    args=(mine, atlas, proposals, dataset),
                    name="progress",
                    daemon=True,
                )
                worker.start()
        worker.join(PATIENCE if patience is None else patience)
        board = mine.newest.get(dataset)
        return board, board is not None and board.mark == mark

    def _run(self, mine: _Shown, atlas: Atlas, proposals: Proposals, dataset: str | None) -> None:
        try:
            with self._turn:
                mine.newest[dataset] = work_out(
                    atlas, proposals, k=self._k, seed=self._seed, dataset=dataset
                )
        except Exception:  # the thread has no caller; the board before stays good
            log.exception("could not work out the progress")

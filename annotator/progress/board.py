"""The figures of the progress page, worked out on a thread and kept until labels have changed."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    from retrieval.evaluation.learning import Point

log = logging.getLogger("cellkin.annotator")

PATIENCE = 2.0  # seconds that a question waits: a small atlas is done by then
DRAWS = 500  # of the bootstrap of agreement


@dataclass(frozen=True)
class Board:
    """All figures at one moment; ``mark`` is the newest label they know of."""

    mark: tuple[int, int]
    sure: Sureness
    curve: list[Point]
    log: Log
    remaining: Remaining
    agreement: dict[str, Any]
    independent: dict[str, Any]


def work_out(atlas: Atlas, proposals: Proposals, *, k: int, seed: int) -> Board:
    """Every figure, from the atlas as it is now."""
    mark = atlas.marks(atlas.active_model or "")
    order = list(atlas.taxonomy.nodes)
    told = read_log(atlas)
    sure = sureness(atlas, proposals, seed=seed)
    agreed = []
    for independent in (False, True):
        readings = read(atlas, independent=independent)
        found = figures(readings, draws=DRAWS, seed=seed)
        agreed.append(as_document(readings, found, order))
    return Board(mark, sure, curve(atlas, k=k, seed=seed), told, remaining(sure, told), *agreed)


class Boards:
    """The newest board of one atlas; safe for several threads."""

    def __init__(self, *, k: int, seed: int) -> None:
        self._k, self._seed = k, seed
        self._newest: Board | None = None
        self._worker: threading.Thread | None = None
        self._lock = threading.Lock()

    def newest(
        self, atlas: Atlas, proposals: Proposals, *, patience: float = PATIENCE
    ) -> tuple[Board | None, bool]:
        """The newest board, None before the first, and whether it knows of every label."""
        mark = atlas.marks(atlas.active_model or "")
        with self._lock:
            if self._newest is not None and self._newest.mark == mark:
                return self._newest, True
            if self._worker is None or not self._worker.is_alive():
                self._worker = threading.Thread(
                    target=self._run, args=(atlas, proposals), name="progress", daemon=True
                )
                self._worker.start()
            worker = self._worker
        worker.join(patience)
        board = self._newest
        return board, board is not None and board.mark == mark

    def _run(self, atlas: Atlas, proposals: Proposals) -> None:
        try:
            self._newest = work_out(atlas, proposals, k=self._k, seed=self._seed)
        except Exception:  # the thread has no caller; the board before stays good
            log.exception("could not work out the progress")

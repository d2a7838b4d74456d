"""The unlabelled cells of a data set with what the labels say of them, kept up to date."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from annotator.sheets.scores import VOTERS, Integers, Scores, Vectors, score
from index.records import CellFilter

if TYPE_CHECKING:
    from index.atlas import Atlas

Waiting = Callable[[CellFilter], Integers]  # the cells within a filter that wait for a reader

POOL = 4000  # unlabelled cells judged at once; of more a seeded sample is drawn
TAUGHT = 20_000  # labelled cells they are judged by, those of the data set first
KEPT = 60_000  # vectors held in memory


@dataclass(frozen=True)
class Known:
    """The labelled cells: ids [R], vectors [R, D], class codes [R], and how many are of the data
    set."""

    ids: Integers
    vectors: Vectors
    codes: tuple[str, ...]
    own: int


class Pool:
    """Scores for the unlabelled cells of one atlas; safe for several threads.

    What depends on labels and embeddings alone is worked out once for each state of them.
    """

    def __init__(
        self,
        atlas: Atlas,
        *,
        waiting: Waiting | None = None,
        k: int = VOTERS,
        seed: int = 0,
    ) -> None:
        self._atlas = atlas
        self._waiting = waiting
        self._k = k
        self._seed = seed
        self._lock = threading.RLock()
        self._rows: dict[int, int] = {}
        self._vectors: Vectors = np.zeros((0, 0), dtype=np.float32)
        self._of_model: str | None = None
        self._known: dict[str | None, tuple[tuple[object, ...], Known]] = {}
        self._scores: dict[str | None, tuple[tuple[object, ...], Scores]] = {}

    @property
    def model_id(self) -> str | None:
        """The model whose embeddings count now."""
        return self._atlas.active_model

    def state(self) -> tuple[object, ...]:
        """What the scores depend on: it differs as soon as they may."""
        model_id = self.model_id
        return (model_id, *self._atlas.marks(model_id)) if model_id else (None, 0, 0)

    def known(self, dataset: str | None) -> Known:
        """The labelled cells by which those of ``dataset`` are judged."""
        with self._lock:
            state = self.state()
            held = self._known.get(dataset)
            if held is None or held[0] != state:
                held = (state, self._read_known(dataset))
                self._known = {dataset: held}
            return held[1]

    def scores(self, dataset: str | None) -> Scores:
        """The unlabelled, embedded cells of ``dataset`` (None: of all) with what is said of them.

        Of more than POOL a sample, which changes as labels come in.
        """
        with self._lock:
            state = self.state()
            held = self._scores.get(dataset)
            if held is None or held[0] != state:
                limit = CellFilter(datasets=(dataset,) if dataset else ())
                ids = self._waits(limit)
                if len(ids) > POOL:
                    turn = self._seed + self.known(dataset).own // 500
                    ids = np.sort(np.random.default_rng(turn).choice(ids, POOL, replace=False))
                held = (state, self.judge(ids.tolist(), dataset))
                self._scores = {dataset: held}
            return held[1]

    def waiting(self, dataset: str | None) -> set[int]:
        """The cells of a data set (None: of all) that wait for the reader."""
        return set(self._waits(CellFilter(datasets=(dataset,) if dataset else ())).tolist())

    def _waits(self, limit: CellFilter) -> Integers:
        if self._waiting is not None:
            return self._waiting(limit)
        return self._atlas.cell_ids(replace(limit, labelled=False))

    def judge(self, cell_ids: Sequence[int], dataset: str | None) -> Scores:
        """What the labels say of ``cell_ids``; those without embedding are left out."""
        with self._lock:
            known = self.known(dataset)
            ids, vectors = self._take(cell_ids)
            return score(ids, vectors, known.vectors, known.codes, k=self._k, seed=self._seed)

    def _read_known(self, dataset: str | None) -> Known:
        """Labels of the data set first, newest first, then others, TAUGHT in all."""
        tree = self._atlas.taxonomy
        own = self._present(CellFilter(datasets=(dataset,)) if dataset else None)
        other = {} if dataset is None else self._present(CellFilter(not_datasets=(dataset,)))
        codes = {**own, **other}
        others = sorted(other)
        room = max(TAUGHT - len(own), 0)
        if len(others) > room:
            drawn = np.random.default_rng(self._seed).choice(len(others), room, replace=False)
            others = [others[place] for place in sorted(drawn.tolist())]
        wanted = [*sorted(own)[-TAUGHT:], *others]
        ids, vectors = self._take(wanted)
        named = tuple(tree.at_level(codes[i], "class") or codes[i] for i in ids.tolist())
        return Known(ids, vectors, named, len(own))

    def _present(self, limit: CellFilter | None) -> dict[int, str]:
        return self._atlas.present_labels(limit)

    def _take(self, cell_ids: Sequence[int]) -> tuple[np.ndarray, Vectors]:
        """Ids and vectors of those of ``cell_ids`` that are embedded, in their order."""
        model_id = self.model_id
        if model_id is None:
            return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
        if model_id != self._of_model or len(self._rows) > KEPT:
            self._rows, self._of_model = {}, model_id
            self._vectors = np.zeros((0, 0), dtype=np.float32)
        missing = [cell for cell in cell_ids if cell not in self._rows]
        if missing:
            ids, vectors = self._atlas.embeddings_of(model_id, missing)
            start = len(self._rows)
            self._rows.update({int(cell): start + i for i, cell in enumerate(ids)})
            if len(ids):
                self._vectors = np.vstack([self._vectors, vectors]) if start else vectors
        here = [cell for cell in cell_ids if cell in self._rows]
        rows = [self._rows[cell] for cell in here]
        return np.array(here, dtype=np.int64), self._vectors[rows]

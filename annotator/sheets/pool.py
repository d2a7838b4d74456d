"""The unlabelled cells of a data set with what the labels say of them, kept up to date."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from annotator.sheets.scores import (
    VOTERS,
    Integers,
    Learned,
    Scores,
    Taught,
    Vectors,
    evenly,
    probabilities,
)
from annotator.sheets.shelf import Shelf
from index.records import CellFilter
from retrieval.folder import Folder
from retrieval.laboratory import log_adaptation

if TYPE_CHECKING:
    from index.atlas import Atlas

Held = TypeVar("Held")
Waiting = Callable[[CellFilter], Integers]  # the cells within a filter that wait for a reader

POOL = 4000  # unlabelled cells judged at once; of more a seeded sample is drawn
TAUGHT = 20_000  # labelled cells that vote, those of the data set first
HELD = 4  # data sets, and questions beyond the cells that wait, whose answers are kept
OWN = 4000  # labelled cells of the data set that are adapted to, evenly by class


@dataclass(frozen=True)
class Known:
    """The labelled cells: ids [R], vectors [R, D], class codes [R]; the first ``own`` are of the
    data set."""

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
        self._shelf = Shelf(atlas)
        self._known: dict[str | None, tuple[object, Known]] = {}
        self._scores: dict[str | None, tuple[object, Scores]] = {}
        self._judged: list[tuple[object, Scores]] = []
        self._folder: tuple[bytes, Folder] | None = None

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
            found = self._known.get(dataset)
            if found is None or found[0] != state:
                found = (state, self._read_known(dataset))
                _hold(self._known, dataset, found)
            return found[1]

    def scores(self, dataset: str | None) -> Scores:
        """The embedded cells of ``dataset`` (None: of all) that wait, with what is said of them.

        Of more than POOL a sample, which changes as labels come in.
        """
        with self._lock:
            state = self.state()
            found = self._scores.get(dataset)
            if found is None or found[0] != state:
                ids = self._waits(_within(dataset))
                if len(ids) > POOL:
                    turn = self._seed + self.known(dataset).own // 500
                    ids = np.sort(np.random.default_rng(turn).choice(ids, POOL, replace=False))
                found = (state, self._score(ids.tolist(), dataset))
                _hold(self._scores, dataset, found)
            return found[1]

    def waiting(self, dataset: str | None) -> set[int]:
        """The cells of a data set (None: of all) that wait for the reader."""
        return set(self._waits(_within(dataset)).tolist())

    def embedded(self, dataset: str | None) -> set[int]:
        """Those that wait of which something can be proposed, because they are embedded."""
        model_id = self.model_id
        if model_id is None:
            return set()
        return set(self._waits(replace(_within(dataset), embedded_with=model_id)).tolist())

    def judge(self, cell_ids: Sequence[int], dataset: str | None) -> Scores:
        """What the labels say of ``cell_ids``; those without embedding are left out.

        For cells that no longer wait all is worked out anew, so whoever asks for several sheets
        asks for the cells of all of them first: what was said last is kept.
        """
        with self._lock:
            key = (dataset, self.state())
            asked = set(self._shelf.take(sorted(set(cell_ids)))[0].tolist())
            waiting = self.scores(dataset)
            held = [waiting, *(each for of, each in self._judged if of == key)]
            found = next((each for each in held if asked <= set(each.ids.tolist())), None)
            if found is None:
                found = self._score(sorted(asked.union(waiting.ids.tolist())), dataset)
                self._judged = [(key, found), *self._judged[: HELD - 1]]
            place = {cell: row for row, cell in enumerate(found.ids.tolist())}
            rows = [place[cell] for cell in cell_ids if cell in place]
            return found.rows(np.array(rows, dtype=np.int64))

    def _score(self, cell_ids: Sequence[int], dataset: str | None) -> Scores:
        known, tree = self.known(dataset), self._atlas.taxonomy
        ids, cells = self._shelf.take(cell_ids)
        if not len(ids):
            return Scores(ids, cells.vectors, (), np.zeros((0, 0)))
        codes = np.asarray(known.codes[: known.own], dtype=str)
        own = evenly(np.unique(codes, return_inverse=True)[1], OWN, self._seed)
        inside = np.union1d(ids, known.ids[own])
        folder = self._folder_of(inside)
        taught = Taught(
            known.vectors,
            known.codes,
            np.searchsorted(inside, known.ids[own]),
            codes[own].tolist(),
        )
        classes, found, adaptation = probabilities(
            cells.vectors,
            np.searchsorted(inside, ids),
            folder,
            taught,
            before=[code for code in folder.space.score_classes if code in tree.nodes],
            k=self._k,
        )
        learned = None
        if adaptation is not None:
            digest = hashlib.sha256(inside.tobytes() + known.ids[own].tobytes())
            digest.update("\n".join([*classes, *taught.own_codes]).encode())
            learned = Learned(adaptation, len(folder), digest.hexdigest())
        return Scores(ids, cells.vectors, classes, found, learned)

    def log(self, scores: Scores, dataset: str | None) -> int | None:
        """The number in the atlas's log of the adaptation that had a part in ``scores``."""
        learned, model_id = scores.learned, self.model_id
        if learned is None or model_id is None:
            return None
        found = learned.adaptation
        record = log_adaptation(
            self._atlas,
            model_id,
            dataset or "",
            learned.fingerprint,
            found,
            cells=learned.cells,
            way={"sheets": True, **asdict(found.way)},
            seconds=found.seconds,
        )
        return None if record is None else record.id

    def _folder_of(self, ids: Integers) -> Folder:
        """The cells ``ids`` together; the same as long as labels only move cells within them."""
        key = str(self.model_id).encode() + ids.tobytes()
        if self._folder is None or self._folder[0] != key:
            _, cells = self._shelf.take(ids.tolist())
            self._folder = (key, Folder(cells, self._shelf.space))
        return self._folder[1]

    def _waits(self, limit: CellFilter) -> Integers:
        if self._waiting is not None:
            return self._waiting(limit)
        return self._atlas.cell_ids(replace(limit, labelled=False))

    def _read_known(self, dataset: str | None) -> Known:
        """Labels of the data set first, then others, TAUGHT in all."""
        tree = self._atlas.taxonomy
        own = self._atlas.present_labels(_within(dataset))
        other: dict[int, str] = {}
        if dataset is not None:
            other = self._atlas.present_labels(CellFilter(not_datasets=(dataset,)))
        codes = {**own, **other}
        others = sorted(other)
        room = max(TAUGHT - len(own), 0)
        if len(others) > room:
            drawn = np.random.default_rng(self._seed).choice(len(others), room, replace=False)
            others = [others[place] for place in sorted(drawn.tolist())]
        mine, _ = self._shelf.take(sorted(own)[-TAUGHT:])
        ids, cells = self._shelf.take([*mine.tolist(), *others])
        named = tuple(tree.at_level(codes[i], "class") or codes[i] for i in ids.tolist())
        return Known(ids, cells.vectors, named, len(mine))


def _hold(
    held: dict[str | None, tuple[object, Held]], dataset: str | None, found: tuple[object, Held]
) -> None:
    """Keep the newest of a data set, and of HELD data sets at most."""
    held.pop(dataset, None)
    while len(held) >= HELD:
        held.pop(next(iter(held)))
    held[dataset] = found


def _within(dataset: str | None) -> CellFilter:
    return CellFilter(datasets=(dataset,) if dataset else ())

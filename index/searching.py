"""The part of an atlas that searches: keeps the vector indexes level with the database."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import func, select

from index.browsing import within
from index.errors import IndexFileError, VectorError
from index.files import named_os_error
from index.filters import among
from index.keeping import KeepingPart, unpack
from index.origins import TIMES, times
from index.progress import progress_bar
from index.records import CellFilter, Neighbours
from index.schema import embedding_marks, embeddings, labels, meta, models
from index.settings import setting

if TYPE_CHECKING:
    from index.vectors.contract import VectorIndex
    from index.vectors.file import Mark
    from index.vectors.flat import FlatIndex

_REFERENCES = CellFilter(labelled=True)

log = logging.getLogger("cellkin.index")

CHUNK = 20_000  # embeddings read from the database at once
KEPT_FILTERS = 16  # answers to "which cells does this filter allow" that are kept
KEPT_COPIES = 2  # copies of allowed vectors that are kept
FRESH = 5000  # labels since the last look that are looked at one by one
COPY_AFTER = 8  # queries with the same filter after which its vectors are copied out
SAVE_SHARE = 0.05  # of the vectors changed since the file was written: write it again


@dataclass
class _State:
    """The index of one model in this process, and what is known of it at database ``version``."""

    index: VectorIndex | None = None
    mark: Mark | None = None
    saved: Mark | None = None
    version: int = -1
    allowed: OrderedDict[CellFilter, np.ndarray | None] = field(default_factory=OrderedDict)
    asked: dict[CellFilter, int] = field(default_factory=dict)
    copies: OrderedDict[CellFilter, FlatIndex] = field(default_factory=OrderedDict)
    # Ids within a filter, the last label that was heeded (what a label changes is put right) and
    # how often more was told of cells.
    kept: OrderedDict[CellFilter, tuple[int, int, np.ndarray]] = field(default_factory=OrderedDict)

    def forget(self) -> None:
        """Drop what may no longer be true."""
        self.allowed.clear()
        self.asked.clear()
        self.copies.clear()


class SearchingPart(KeepingPart):
    """Search among the embeddings of an atlas.

    The database is the truth. Each search first asks it whether anyone has committed since the
    last one, and brings the index up to it before answering.
    """

    _states: dict[str, _State]
    _active: tuple[int, str]  # the database version and the active model at it
    _search_lock: threading.RLock

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        filter: CellFilter | None = None,
        model_id: str | None = None,
        labelled: bool = True,
    ) -> Neighbours:
        """The K nearest cells of each query, nearest first.

        ``queries`` are unit vectors float32 [Q, D] of the model (the active one by default). With
        ``labelled`` only references count: cells with a present label. Filtered search is exact.
        Returns Neighbours: ids int64 [Q, K] and similarity float32 [Q, K], -1 and -inf where
        fewer than K exist. Raises VectorError, UnknownModelError, UnknownDatasetError.
        """
        block = np.asarray(queries, dtype=np.float32)
        with self._search_lock:
            state = self._level(model_id)
            if state.index is None:
                return self._nothing(block, k)
            wanted = self._wanted(filter, labelled)
            if wanted is None:
                return state.index.search(block, k)
            allowed = self._allowed(state, wanted)
            if allowed is None:
                return state.index.search(block, k)
            return self._search_among(state, wanted, allowed, block, k)

    @staticmethod
    def _nothing(queries: np.ndarray, k: int) -> Neighbours:
        from index.vectors.contract import nothing

        if queries.ndim != 2 or k < 1:
            raise VectorError(
                f"queries have shape {queries.shape} and k is {k}, "
                "allowed are [Q, D] and 1 or more",
                "give one row a query and ask for at least one neighbour",
            )
        return nothing(len(queries), k)

    @staticmethod
    def _wanted(filter: CellFilter | None, labelled: bool) -> CellFilter | None:
        """The filter that also says what search itself asks for; None when nothing is limited."""
        if not labelled:
            return filter
        if filter is not None and filter.labelled is False:
            raise VectorError(
                "search among references was limited to cells without label",
                "search with labelled=False",
            )
        return _REFERENCES if filter is None else replace(filter, labelled=True)

    def _allowed(self, state: _State, wanted: CellFilter) -> np.ndarray | None:
        """The ids within ``wanted``, int64 ascending; None when all of the index is within it.

        Ids that have no vector may be among them; an index passes over them.
        """
        if wanted not in state.allowed:
            ids: np.ndarray | None = self._within(state, wanted)
            if state.index is not None and ids is not None and len(ids) >= state.index.count:
                held = np.sort(state.index.ids())
                ids = None if np.isin(held, ids, assume_unique=True).all() else ids
            state.allowed[wanted] = ids
            while len(state.allowed) > KEPT_FILTERS:
                gone, _ = state.allowed.popitem(last=False)
                state.asked.pop(gone, None)
        state.allowed.move_to_end(wanted)
        return state.allowed[wanted]

    def _within(self, state: _State, wanted: CellFilter) -> np.ndarray:
        """``cell_ids(wanted)``, of labelled cells, by looking only at cells labelled since.

        Reading a hundred thousand ids anew after each label would take most of a tenth of a second.
        """
        with self.database.read() as connection:
            last = connection.execute(select(func.max(labels.c.id))).scalar() or 0
            told = connection.execute(select(times).where(meta.c.name == TIMES)).scalar() or 0
        heeded, knew, ids = state.kept.pop(wanted, (-1, 0, np.empty(0, dtype=np.int64)))
        by_labels = wanted.labelled and wanted.flagged is None and wanted.embedded_with is None
        if not by_labels or heeded < 0 or last - heeded > FRESH or told != knew:
            ids = self.cell_ids(wanted)
        elif last != heeded:
            ids = self._put_right(wanted, ids, heeded)
        state.kept[wanted] = last, told, ids
        while len(state.kept) > KEPT_FILTERS:
            state.kept.popitem(last=False)
        return ids

    def _put_right(self, wanted: CellFilter, ids: np.ndarray, heeded: int) -> np.ndarray:
        """``ids`` as they are since label ``heeded``; both int64, ascending."""
        with self.database.read() as connection:
            newer = select(labels.c.cell_id).where(labels.c.id > heeded).distinct()
            touched = np.sort(np.array(connection.execute(newer).scalars().all(), dtype=np.int64))
        place = np.searchsorted(ids, touched)
        known = place < len(ids)
        known[known] = ids[place[known]] == touched[known]
        left = np.delete(ids, place[known])
        inside = np.array(within(self, wanted, touched), dtype=np.int64)
        return np.insert(left, np.searchsorted(left, inside), inside)

    @staticmethod
    def _search_among(
        state: _State, wanted: CellFilter, allowed: np.ndarray, queries: np.ndarray, k: int
    ) -> Neighbours:
        """Exact search among ``allowed``; their vectors are copied out when it pays."""
        from index.vectors.flat import FlatIndex

        index = state.index
        if not isinstance(index, FlatIndex):
            if index is None:
                raise VectorError("there is no index", "call sync_index first")
            return index.search(queries, k, allowed)
        state.asked[wanted] = state.asked.get(wanted, 0) + len(queries)
        if wanted not in state.copies and state.asked[wanted] >= COPY_AFTER:
            state.copies[wanted] = index.subset(allowed)
            while len(state.copies) > KEPT_COPIES:
                state.copies.popitem(last=False)
        if wanted in state.copies:
            state.copies.move_to_end(wanted)
            return state.copies[wanted].search(queries, k)
        return index.search(queries, k, allowed)

    # keeping level with the database --------------------------------------------------------

    def sync_index(self, model_id: str | None = None) -> None:
        """Bring the index of a model up to the database, and its file up to the index.

        Raises UnknownModelError; DiskFullError, AtlasReadOnlyError, StorageError when the file
        cannot be written (searching does without it).
        """
        with self._search_lock:
            chosen = self._chosen_model(model_id)
            state = self._level(chosen)
            if state.index is not None and state.saved != state.mark:
                try:
                    self._save(chosen, state)
                except OSError as error:
                    raise named_os_error(error, self._index_file(chosen)) from error

    def _level(self, model_id: str | None) -> _State:
        """The state of a model (the active one by default), its index level with the database."""
        version = self.database.version()
        if model_id is None:
            if self._active[0] != version:
                self._active = version, self._chosen_model(None)
            model_id = self._active[1]
        state = self._states.setdefault(model_id, _State())
        if version == state.version:
            return state
        state.forget()
        mark = self._mark(model_id)
        if mark is None:
            self.check_model(model_id)
        if mark != state.mark:
            self._catch_up(model_id, state, mark)
            self._save_when_due(model_id, state)
        # Read before the mark, so that a commit in between shows at the next search.
        state.version = version
        return state

    def _mark(self, model_id: str) -> Mark | None:
        """How far the embeddings of a model have come; None without any."""
        from index.vectors.file import Mark

        query = (
            select(embedding_marks.c.last_id, embedding_marks.c.stamp, embedding_marks.c.total)
            .join(models, models.c.id == embedding_marks.c.model_id)
            .where(models.c.name == model_id)
            .order_by(embedding_marks.c.last_id.desc())
            .limit(1)
        )
        with self.database.read() as connection:
            row = connection.execute(query).first()
        return Mark(*row) if row is not None else None

    def _is_past(self, model_id: str, mark: Mark) -> bool:
        """Whether ``mark`` is one that the database has passed, not of another history."""
        query = (
            select(func.count())
            .select_from(embedding_marks)
            .join(models, models.c.id == embedding_marks.c.model_id)
            .where(
                models.c.name == model_id,
                embedding_marks.c.last_id == mark.last_id,
                embedding_marks.c.stamp == mark.stamp,
            )
        )
        with self.database.read() as connection:
            return bool(connection.execute(query).scalar_one())

    def _catch_up(self, model_id: str, state: _State, mark: Mark | None) -> None:
        """Give the index what the database has more; build it anew where that is not enough."""
        from index.vectors import choose_kind

        if mark is None:
            state.index = state.mark = state.saved = None
            return
        kind = choose_kind(mark.total, str(setting("vector_index")))
        if state.index is None:
            self._load(model_id, state, kind)
        usable = (
            state.index is not None
            and state.mark is not None
            and state.index.kind == kind
            and self._is_past(model_id, state.mark)
        )
        if not usable:
            state.index = state.mark = state.saved = None
        self._add_newer(model_id, state, kind, mark)
        if state.index is None or state.index.count != mark.total:
            # Rows were changed by other means than CellKin: only a full reading is sure.
            state.index = state.saved = None
            self._add_newer(model_id, state, kind, mark)
        state.mark = mark

    def _load(self, model_id: str, state: _State, kind: str) -> None:
        from index.vectors.file import read_index

        file = self._index_file(model_id)
        if not file.exists():
            return
        try:
            state.index, state.mark = read_index(file, model_id, kind, self._source(model_id))
            state.saved = state.mark
        except IndexFileError as error:
            log.warning("%s", error)

    def _add_newer(self, model_id: str, state: _State, kind: str, mark: Mark) -> None:
        """Add the embeddings after the state's mark up to ``mark``, a chunk at a time."""
        from index.vectors import KINDS

        after = state.mark.last_id if state.index is not None and state.mark is not None else 0
        with self.database.read() as connection:
            model = connection.execute(select(models).where(models.c.name == model_id)).one()
            newer = (embeddings.c.model_id == model.id) & (embeddings.c.id > after)
            newer &= embeddings.c.id <= mark.last_id
            total = connection.execute(select(func.count()).where(newer)).scalar_one()
            query = (
                select(embeddings.c.cell_id, embeddings.c.vector)
                .where(newer)
                .order_by(embeddings.c.id)
            )
            rows = connection.execution_options(stream_results=True).execute(query)
            index = state.index or KINDS[kind](model.dimension, self._source(model_id))
            # What learns from its first vectors must see them all.
            size = total if kind == "ivfpq" and state.index is None else CHUNK
            with progress_bar(total, f"indexing ({kind})", "vector") as bar:
                while total and (part := rows.fetchmany(size)):
                    index.add(*unpack(part, model.dimension))
                    bar.update(len(part))
        state.index = index

    def _source(self, model_id: str) -> Callable[[np.ndarray], np.ndarray]:
        return partial(self._vectors_of, model_id)

    def _vectors_of(self, model_id: str, ids: np.ndarray) -> np.ndarray:
        """The vectors float32 [N, D] of ids int64 [N], ascending, from the database."""
        with self.database.read() as connection:
            model = connection.execute(select(models).where(models.c.name == model_id)).one()
            query = (
                select(embeddings.c.cell_id, embeddings.c.vector)
                .where(embeddings.c.model_id == model.id, embeddings.c.cell_id.in_(among(ids)))
                .order_by(embeddings.c.cell_id)
            )
            rows = self.database.tuples(connection, query)
        return unpack(rows, model.dimension)[1]

    # the file -------------------------------------------------------------------------------

    def _index_file(self, model_id: str) -> Path:
        return self.path / "vectors" / f"{model_id}.index"

    def _save(self, model_id: str, state: _State) -> None:
        from index.vectors.file import write_index

        if state.index is not None and state.mark is not None:
            write_index(self._index_file(model_id), state.index, model_id, state.mark)
            state.saved = state.mark

    def _save_when_due(self, model_id: str, state: _State) -> None:
        """Write the file when it has fallen far behind; a failure costs only time later."""
        if state.index is None or state.mark is None or state.saved == state.mark:
            return
        behind = state.mark.last_id - (state.saved.last_id if state.saved else 0)
        if state.saved is None or behind > SAVE_SHARE * state.index.count:
            self._save_quietly(model_id, state)

    def _save_quietly(self, model_id: str, state: _State) -> None:
        try:
            self._save(model_id, state)
        except OSError as error:
            log.warning("the vector index of model %s was not written: %s", model_id, error)

    def _close_indexes(self) -> None:
        with self._search_lock:
            for model_id, state in self._states.items():
                if state.saved != state.mark:
                    self._save_quietly(model_id, state)
            self._states.clear()

"""Vectors and features of cells, held in memory as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.described import Described
from retrieval.folder import Space
from retrieval.laboratory import model_space

if TYPE_CHECKING:
    from index.atlas import Atlas

KEPT = 40_000  # cells held; beyond, all are let go


class Shelf:
    """What the active model says of cells of an atlas. For one thread at a time."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._rows: dict[int, int] = {}
        self._held: Described | None = None
        self._of_model: str | None = None
        self.space = Space()

    def take(self, cell_ids: Sequence[int]) -> tuple[NDArray[np.int64], Described]:
        """Ids [N] and descriptions [N] of those of ``cell_ids`` that are embedded, in order.

        Under a model with features those of cells that have them.
        """
        model_id = self._atlas.active_model
        if model_id is None:
            return np.zeros(0, np.int64), Described.plain(np.zeros((0, 0), np.float32))
        if model_id != self._of_model or len(self._rows) > KEPT:
            self._rows, self._held, self._of_model = {}, None, model_id
            meta = next(row.metadata for row in self._atlas.models() if row.id == model_id)
            self.space = model_space(meta)
        missing = [cell for cell in cell_ids if cell not in self._rows]
        if missing:
            self._fetch(model_id, missing)
        here = [cell for cell in cell_ids if cell in self._rows]
        if self._held is None:
            return np.zeros(0, np.int64), Described.plain(np.zeros((0, 0), np.float32))
        rows = np.array([self._rows[cell] for cell in here], dtype=np.int64)
        return np.array(here, dtype=np.int64), self._held[rows]

    def _fetch(self, model_id: str, missing: Sequence[int]) -> None:
        ids, vectors = self._atlas.embeddings_of(model_id, missing)
        found = Described.plain(vectors)
        if self.space.parts and len(ids):
            with_features, features, scores = self._atlas.features_of(model_id, ids.tolist())
            ids, mine, theirs = np.intersect1d(ids, with_features, return_indices=True)
            if len(ids):
                found = Described(vectors[mine], features[theirs], scores[theirs])
        if not len(ids):
            return
        start = len(self._rows)
        self._rows.update({int(cell): start + i for i, cell in enumerate(ids)})
        self._held = found if self._held is None else Described.joined([self._held, found])

"""The labelled cells of an atlas with all that its model says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from index import Atlas, CellFilter
from retrieval.answers.references import (
    Columns,
    References,
    load_references,
    require_references,
)
from retrieval.answers.tree import Ancestry
from retrieval.answers.voting import NO_VOTE, Integers
from retrieval.described import Described
from retrieval.folder import Space


def model_space(metadata: Mapping[str, Any]) -> Space:
    """What the columns of a model's descriptions mean, from what its file says of it.

    A model of one network has vectors alone.
    """
    parts = tuple((str(name), int(width)) for name, width in metadata.get("feature_parts", ()))
    return Space(parts, tuple(metadata.get("classes", ())) if parts else ())


def described_cells(
    atlas: Atlas, model_id: str, space: Space, filter: CellFilter | None = None
) -> tuple[Integers, Described]:
    """(ids [N] ascending, what ``model_id`` said of them) of the embedded cells within limits."""
    ids, vectors = atlas.embeddings(model_id, filter)
    if not space.parts:
        return ids, Described.plain(vectors)
    return _together(space, (ids, vectors), atlas.features(model_id, filter))


def described_of(
    atlas: Atlas, model_id: str, space: Space, cell_ids: Integers
) -> tuple[Integers, Described]:
    """``described_cells`` for those of ``cell_ids`` that are embedded; nothing else is read."""
    ids, vectors = atlas.embeddings_of(model_id, cell_ids.tolist())
    if not space.parts:
        return ids, Described.plain(vectors)
    return _together(space, (ids, vectors), atlas.features_of(model_id, ids.tolist()))


def _together(
    space: Space,
    embedded: tuple[Integers, np.ndarray],
    featured: tuple[Integers, np.ndarray, np.ndarray],
) -> tuple[Integers, Described]:
    """The cells that have both: vectors, and features with scores."""
    (ids, vectors), (with_features, features, scores) = embedded, featured
    both, mine, theirs = np.intersect1d(ids, with_features, return_indices=True)
    if not len(both):
        width = sum(width for _, width in space.parts)
        empty = np.empty((0, width), np.float16), np.empty((0, len(space.score_classes)))
        return both, Described(vectors[:0], empty[0], empty[1].astype(np.float32))
    return both, Described(vectors[mine], features[theirs], scores[theirs])


def evenly(groups: Sequence[object], each: int, seed: int) -> Integers:
    """At most ``each`` rows of every one of the ``groups`` [N], drawn by ``seed``, ascending."""
    names, numbers = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    mixed = np.random.default_rng(seed).permutation(len(numbers))
    drawn = [mixed[numbers[mixed] == number][:each] for number in range(len(names))]
    result: Integers = np.sort(np.concatenate([np.empty(0, np.int64), *drawn])).astype(np.int64)
    return result


def bare(cells: Described) -> Described:
    """``cells`` without the scores of kinds below the classes, which an atlas does not keep."""
    return replace(cells, leaves=np.empty(0))


@dataclass(frozen=True)
class KnownCells:
    """R labelled cells that can be answers, in order of id, under one model.

    references: who they are. described: what the model says of them. columns: [R] number of each
    one's class in ``classes`` [C].
    """

    references: References
    described: Described
    columns: Integers
    ancestry: Ancestry
    space: Space
    model_id: str

    @property
    def classes(self) -> tuple[str, ...]:
        """[C] the codes that can be answered, in the order of the taxonomy."""
        return self.ancestry.classes

    @classmethod
    def load(
        cls,
        atlas: Atlas,
        model_id: str,
        space: Space,
        limits: CellFilter | None = None,
        *,
        each: int | None = None,
        seed: int = 0,
    ) -> KnownCells:
        """Those within ``limits``; NoReferencesError where there is none.

        each: so many of a class and data set at most, drawn by ``seed``, so that memory is bounded.
        """
        references = load_references(atlas, model_id, limits)
        require_references(references, atlas, model_id, limits)
        columns = Columns.of(references, atlas.taxonomy, "class")
        telling = references.ids[columns.columns != NO_VOTE]
        if each is None:
            wanted = replace(limits or CellFilter(), labelled=True)
            ids, described = described_cells(atlas, model_id, space, wanted)
        else:
            pairs = zip(references.datasets, columns.columns, strict=True)
            rows = evenly([f"{column}/{name}" for name, column in pairs], each, seed)
            telling = np.intersect1d(telling, references.ids[rows])
            ids, described = described_of(atlas, model_id, space, telling)
        both, rows, places = np.intersect1d(references.ids, ids, return_indices=True)
        chosen = np.isin(both, telling)
        rows, places = rows[chosen], places[chosen]
        kept = references.take(rows)
        require_references(kept, atlas, model_id, limits)
        return cls(
            kept,
            described[places],
            columns.columns[rows],
            Ancestry.of(atlas.taxonomy, columns.classes),
            space,
            model_id,
        )

    def __len__(self) -> int:
        return len(self.columns)

    def take(self, rows: np.ndarray) -> KnownCells:
        """Those in ``rows`` (numbers or a mask), the classes unchanged."""
        numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self,
            references=self.references.take(numbers),
            described=self.described[numbers],
            columns=self.columns[numbers],
        )

    def of_dataset(self, name: str) -> np.ndarray:
        """[R] bool: which are of data set ``name``."""
        result: np.ndarray = self.references.datasets == name
        return result

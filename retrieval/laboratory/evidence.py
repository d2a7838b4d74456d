"""The neighbours that are shown beside an answer, in the space in which it was given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retrieval.answers.references import References
from retrieval.answers.voting import Floats, Integers
from retrieval.folder import Adaptation, points_by_group
from retrieval.laboratory.known import KnownCells
from retrieval.laboratory.room import OwnCells, Together

Vectors = np.ndarray


@dataclass(frozen=True)
class Witnesses:
    """Labelled cells that can be shown: who they are, and unit rows [R, W] to search among."""

    references: References
    points: Vectors

    def nearest(self, queries: Vectors, k: int) -> tuple[Integers, Floats]:
        """(rows [N, k] of the references, cosine [N, k]) nearest first; -1, -inf where fewer."""
        import faiss

        found = min(k, len(self.references))
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        cosine = np.full((len(queries), k), -np.inf)
        if found and len(queries):
            cosine[:, :found], rows[:, :found] = faiss.knn(
                np.ascontiguousarray(queries, dtype=np.float32),
                np.ascontiguousarray(self.points, dtype=np.float32),
                found,
                metric=faiss.METRIC_INNER_PRODUCT,
            )
        return rows, cosine


def plain_witnesses(known: KnownCells) -> Witnesses:
    """The known cells by the model's vectors."""
    return Witnesses(known.references, known.described.vectors)


def adapted_witnesses(
    adaptation: Adaptation,
    known: KnownCells,
    everyone: KnownCells,
    own: OwnCells,
    together: Together,
) -> Witnesses:
    """The labelled cells of the laboratory itself and those of others, in the adapted space.

    known: those of other laboratories, each about the middle of its own. everyone: all labelled
    cells of the atlas, among which the laboratory's own are looked up.
    """
    mine = np.isin(everyone.references.ids, own.ids[own.rows])
    place = together.folder.rows(np.searchsorted(own.ids, everyone.references.ids[mine]))
    near = adaptation.adapted(together.folder.points[place])
    others = np.isin(everyone.references.ids, known.references.ids)
    far = adaptation.adapted(
        points_by_group(known.described, known.references.datasets.tolist(), known.space)
    )
    both = np.flatnonzero(mine | others)
    points = np.empty((len(everyone), near.shape[1]), dtype=np.float32)
    points[mine], points[others] = near, far
    return Witnesses(everyone.references.take(both), points[both])

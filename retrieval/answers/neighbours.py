"""The neighbours that may vote on each query: the nearest, less the excluded, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from index import Atlas, CellFilter
from retrieval.answers.references import References
from retrieval.answers.voting import Booleans, Floats, Integers, first_of_group, keep_nearest

ROWS = 1024  # queries searched at once
_MOST = 1 << 21  # neighbours held at once (24 MB)
GROUPED = 4096  # with one vote a group, voters are looked for among this many nearest references

VOTERS = ("cell", "slide", "patient")


@dataclass(frozen=True)
class Exclusion:
    """Which references may not vote, for N queries; every part may be left out.

    cells, patients, slides, hashes: [N] rows or group numbers among the references, negative for
    none. forbidden: [R] bool, references that vote on no query.
    """

    cells: Integers | None = None
    patients: Integers | None = None
    slides: Integers | None = None
    hashes: Integers | None = None
    forbidden: Booleans | None = None

    def __bool__(self) -> bool:
        parts = (self.cells, self.patients, self.slides, self.hashes, self.forbidden)
        return any(part is not None for part in parts)

    def allows(self, references: References, queries: Integers, rows: Integers) -> Booleans:
        """[Q, K] bool: whether reference ``rows`` [Q, K] may vote on query ``queries`` [Q]."""
        allowed: Booleans = np.ones(rows.shape, dtype=bool)
        for mine, theirs in (
            (self.cells, np.arange(len(references))),
            (self.patients, references.patient_numbers),
            (self.slides, references.slide_numbers),
            (self.hashes, references.hash_numbers),
        ):
            if mine is not None:
                own = mine[queries][:, None]
                allowed &= (own < 0) | (theirs[rows] != own)
        if self.forbidden is not None:
            allowed &= ~self.forbidden[rows]
        return allowed


@dataclass(frozen=True)
class Search:
    """How neighbours are found: in which atlas, under which model and limits, how many."""

    atlas: Atlas
    references: References
    model_id: str
    k: int
    limits: CellFilter | None = None
    voter: str = "cell"
    voting: Booleans = field(default_factory=lambda: np.ones(0, dtype=bool))

    def run(
        self, vectors: NDArray[np.float32], exclusion: Exclusion
    ) -> Iterator[tuple[slice, Integers, Floats]]:
        """Yield (which queries, rows [Q, k], similarity [Q, k]) for ``vectors`` [N, D] in order.

        Rows count the references, nearest first; -1 and -inf where fewer than k may vote.
        """
        for start in range(0, len(vectors), ROWS):
            part = slice(start, min(start + ROWS, len(vectors)))
            yield (part, *self._part(vectors[part], np.arange(part.start, part.stop), exclusion))

    def _part(
        self, vectors: NDArray[np.float32], queries: Integers, exclusion: Exclusion
    ) -> tuple[Integers, Floats]:
        rows = np.full((len(vectors), self.k), -1, dtype=np.int64)
        similarity = np.full((len(vectors), self.k), -np.inf)
        total = len(self.references)
        most = total if self.voter == "cell" else min(total, GROUPED)
        fetch = self.k if self.voter == "cell" else 4 * self.k
        fetch = min(fetch + (8 if exclusion else 0), most)
        pending = np.arange(len(vectors))
        while len(pending):
            unfinished = []
            step = max(1, _MOST // fetch)
            for start in range(0, len(pending), step):
                some = pending[start : start + step]
                found, sim = self._fetch(vectors[some], fetch)
                keep = self._voters(found, exclusion, queries[some])
                done = (keep.sum(axis=1) == self.k) | (fetch >= most)
                row, place = np.nonzero(keep[done])
                rank = np.cumsum(keep[done], axis=1)[row, place] - 1
                rows[some[done][row], rank] = found[done][row, place]
                similarity[some[done][row], rank] = sim[done][row, place]
                unfinished.append(some[~done])
            pending = np.concatenate(unfinished)
            fetch = min(4 * fetch, most)
        return rows, similarity

    def _fetch(self, vectors: NDArray[np.float32], fetch: int) -> tuple[Integers, Floats]:
        found = self.atlas.search(vectors, fetch, filter=self.limits, model_id=self.model_id)
        return self.references.rows(found.ids), found.similarity.astype(np.float64)

    def _voters(self, rows: Integers, exclusion: Exclusion, queries: Integers) -> Booleans:
        usable = rows >= 0  # a cell labelled since the references were read waits for the next read
        if len(self.voting):
            usable &= self.voting[rows]
        if exclusion:
            usable &= exclusion.allows(self.references, queries, rows)
        if self.voter != "cell":
            numbers = self.references.patient_numbers
            if self.voter == "slide":
                numbers = self.references.slide_numbers
            usable = first_of_group(np.where(rows >= 0, numbers[rows], -1), usable)
        return keep_nearest(usable, self.k)

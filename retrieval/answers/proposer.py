"""Proposals: what an atlas says of cells, how sure, and on what evidence."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index import Atlas, CellFilter
from index.errors import UnknownModelError
from index.settings import setting
from retrieval.answers import fitting
from retrieval.answers.book import ReferenceBook
from retrieval.answers.calibration import Calibration
from retrieval.answers.errors import AnswerError
from retrieval.answers.neighbours import VOTERS, Exclusion, Search
from retrieval.answers.proposal import Evidence, Proposal, proposals
from retrieval.answers.references import Columns, References, require_references
from retrieval.answers.tree import Ancestry
from retrieval.answers.voting import (
    NO_VOTE,
    Floats,
    Integers,
    Votes,
    count_votes,
    pass_down,
    prior_weights,
)

__all__ = ["PRIORS", "Evidence", "Proposal", "Proposer"]

PRIORS = ("none", "uniform")


@dataclass(frozen=True)
class _State:
    """What the labels of one moment give: it is replaced as a whole when they change."""

    version: int
    references: References
    columns: Columns
    ancestry: Ancestry
    class_weights: Floats | None
    calibration: Calibration
    search: Search


class Proposer:
    """Answers from the references of one atlas, and keeps up with its labels.

    k: neighbours that vote. level: "class" or "subclass". filter: limits the references. model_id:
    whose embeddings are used, by default the active model's. coverage: nominal coverage of the
    prediction sets. voter: "cell" (every neighbour votes), "slide" or "patient" (one vote each, by
    its nearest cell). prior: "none", or "uniform" to correct for unequal numbers of references a
    class. Settings left out come from ``index.settings``. Safe to share between threads.

    At level class a reference votes for its class or the class above its label; labels of groups
    (such as leukocyte) do not vote. At level subclass a reference of which only the class is known
    votes for the class; but where the taxonomy says that the subclasses are all there is of it
    (neutrophil: band, segmented), its vote goes to those of them that have votes on the cell.
    Disputed cells never vote.
    """

    def __init__(
        self,
        atlas: Atlas,
        *,
        k: int | None = None,
        level: str | None = None,
        filter: CellFilter | None = None,
        model_id: str | None = None,
        coverage: float | None = None,
        voter: str = "cell",
        prior: str = "none",
        seed: int | None = None,
    ) -> None:
        for name, given, allowed in (("voter", voter, VOTERS), ("prior", prior, PRIORS)):
            if given not in allowed:
                raise AnswerError(
                    f"{name} is {given!r}, allowed is one of {', '.join(allowed)}",
                    "give one of these",
                )
        chosen = model_id or atlas.active_model
        if chosen is None:
            raise UnknownModelError(
                f"the atlas {atlas.path} has no model", "run cellkin embed on it first"
            )
        self.atlas = atlas
        self.model_id = chosen
        self.recipe = fitting.Recipe(
            model_id=chosen,
            level=str(setting("level", level)),
            k=int(setting("k", k)),
            coverage=float(setting("coverage", coverage)),
            voter=voter,
            prior=prior,
            seed=int(setting("seed", seed)),
            limits=filter,
        )
        self._book = ReferenceBook(atlas, chosen, filter)
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._learned: dict[str, Any] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The codes that can be answered, in the order of the taxonomy."""
        return self._current().columns.classes

    @property
    def calibration(self) -> Calibration:
        """What was learned of probabilities, sets and thresholds; ``notes`` hold its limits."""
        return self._current().calibration

    @property
    def references(self) -> References:
        """The cells that vote."""
        return self._current().references

    def propose(
        self,
        vectors: ArrayLike,
        *,
        not_cells: Sequence[int | None] | None = None,
        not_patients: Sequence[str | None] | None = None,
        not_slides: Sequence[str | None] | None = None,
        not_hashes: Sequence[str | None] | None = None,
    ) -> list[Proposal]:
        """A proposal for each of ``vectors`` [N, D], unit vectors of the atlas's model.

        Each of the rest has one entry a vector, None where nothing is to be left out: the cell's
        own id; its patient or slide as dataset/name, of which then no reference votes; the hash of
        its pixels, so that exact duplicates do not vote. Where no reference is left the decision
        is abstain, with all classes equally probable and no evidence.
        """
        state = self._current()
        queries = _matrix(vectors)
        exclusion = _exclusion(
            state.references, len(queries), not_cells, not_patients, not_slides, not_hashes
        )
        found: list[Proposal] = []
        for _, rows, similarity in state.search.run(queries, exclusion):
            votes = _votes(state, rows, similarity)
            answers = state.calibration.answer(votes, state.ancestry)
            found += proposals(state.references, state.ancestry, answers, rows, similarity)
        return found

    def _current(self) -> _State:
        with self._lock:
            version = self.atlas.database.version()
            if self._state is None or self._state.version != version:
                self._state = self._read(version)
            return self._state

    def _read(self, version: int) -> _State:
        recipe = self.recipe
        references = self._book.current()
        require_references(references, self.atlas, self.model_id, recipe.limits)
        columns = Columns.of(references, self.atlas.taxonomy, recipe.level)
        ancestry = Ancestry.of(self.atlas.taxonomy, columns.classes)
        counts = np.bincount(
            columns.columns[columns.columns != NO_VOTE], minlength=len(columns.classes)
        )
        weights = prior_weights(counts) if recipe.prior == "uniform" else None
        search = Search(
            self.atlas,
            references,
            self.model_id,
            recipe.k,
            recipe.limits,
            recipe.voter,
            columns.columns != NO_VOTE,
        )
        state = _State(version, references, columns, ancestry, weights, Calibration(()), search)
        return self._calibrated(state)

    def _calibrated(self, state: _State) -> _State:
        """``state`` with its calibration: kept in the atlas, in this object, or learned now.

        It keeps the version from before the labels were read, so that a change made meanwhile is
        seen at the next question.
        """
        labels, classes = len(state.references), state.columns.classes
        origins = self._book.origins
        for document in (self.atlas.document(self.recipe.document), self._learned):
            if document is not None and not fitting.is_stale(document, labels, classes, origins):
                return replace(
                    state, calibration=Calibration.from_document(document["calibration"])
                )
        learned = fitting.fit(
            self.atlas,
            self.recipe,
            state.references,
            state.columns,
            state.ancestry,
            lambda vectors, exclusion: _all_votes(state, vectors, exclusion),
        )
        self._learned = fitting.as_document(self.recipe, labels, learned, origins)
        fitting.keep(self.atlas, self.recipe, self._learned)
        return replace(state, calibration=learned)


def _votes(state: _State, rows: Integers, similarity: Floats) -> Votes:
    columns = np.where(rows >= 0, state.columns.columns[rows], NO_VOTE)
    votes = count_votes(
        similarity, columns, len(state.columns.classes), class_weights=state.class_weights
    )
    return pass_down(votes, state.columns.families)


def _all_votes(state: _State, vectors: np.ndarray, exclusion: Exclusion) -> Votes:
    parts = [
        _votes(state, rows, similarity)
        for _, rows, similarity in state.search.run(vectors, exclusion)
    ]
    if not parts:
        empty = np.empty((0, state.search.k))
        return _votes(state, empty.astype(np.int64), empty)
    return Votes(
        np.concatenate([part.mass for part in parts]),
        np.concatenate([part.nearest for part in parts]),
        np.concatenate([part.class_nearest for part in parts]),
        np.concatenate([part.distance for part in parts]),
    )


def _matrix(vectors: ArrayLike) -> NDArray[np.float32]:
    queries = np.ascontiguousarray(vectors, dtype=np.float32)
    if queries.ndim != 2:
        raise AnswerError(
            f"vectors have shape {queries.shape}, allowed is [N, D]",
            "give one row a cell, a single cell as vectors[None]",
        )
    return queries


def _exclusion(
    references: References,
    n: int,
    cells: Sequence[int | None] | None,
    patients: Sequence[str | None] | None,
    slides: Sequence[str | None] | None,
    hashes: Sequence[str | None] | None,
) -> Exclusion:
    for name, given in (
        ("not_cells", cells),
        ("not_patients", patients),
        ("not_slides", slides),
        ("not_hashes", hashes),
    ):
        if given is not None and len(given) != n:
            raise AnswerError(
                f"{name} has {len(given)} entries for {n} vectors, allowed is one a vector",
                "give None for a vector that leaves nothing out",
            )
    own = None
    if cells is not None:
        own = references.rows([-1 if cell is None else int(cell) for cell in cells])

    def numbers(column: str, names: Sequence[str | None] | None) -> Integers | None:
        return None if names is None else references.numbers_of(column, names)

    return Exclusion(
        own, numbers("patient", patients), numbers("slide", slides), numbers("hash", hashes)
    )

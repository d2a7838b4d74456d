"""What CellKin says of a cell that is already embedded; how to put it is in ``wording``.

No picture is read and no network is run here: the stored embedding is enough. Neither torch nor
Flask is imported.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annotator.language import gettext as _
from index.adaptations import datasets_of
from index.browsing import Wanted, embedded, how_many
from index.records import CellFilter
from retrieval.answers.errors import NoReferencesError
from retrieval.answers.voting import TEMPERATURE

if TYPE_CHECKING:
    from annotator.adapting import Adapting
    from index.atlas import Atlas
    from index.taxonomy import Taxonomy
    from retrieval.answers.proposal import Evidence
    from retrieval.answers.proposer import Proposal, Proposer
    from retrieval.laboratory import Fresh, HeldAnswers

CHUNK = 32  # cells proposed at a time: a reader who presses Enter never waits for more than these


@dataclass(frozen=True)
class Reason:
    """Why there is no proposal, and what to do about it."""

    type: str
    message: str
    remedy: str


class Proposals:
    """Proposals for cells of an atlas by their stored embeddings; safe for several threads.

    Cells of a data set that ``adapting`` holds answers on are answered by these, others by the vote
    of their neighbours. One lock guards the proposer: neighbours are searched by one thread at a
    time, in chunks of CHUNK cells, so that ranking a queue in the background never holds up a
    reader.
    """

    def __init__(self, atlas: Atlas, *, k: int, adapting: Adapting | None = None) -> None:
        self._atlas = atlas
        self._k = k
        self._adapting = adapting
        self._lock = threading.Lock()
        self._proposer: tuple[str, Proposer] | None = None
        # By data set, with the mark of the answers and the version of the atlas it was read for.
        self._fresh: dict[str, tuple[tuple[int, int], Fresh]] = {}

    @property
    def model_id(self) -> str | None:
        """The model whose embeddings count now."""
        return self._atlas.active_model

    def propose(self, cell_ids: Sequence[int]) -> dict[int, Proposal]:
        """A proposal for each of N cells that has an embedding; the others are absent.

        A cell is never evidence for itself. Empty without a model or without references.
        """
        model_id = self.model_id
        if model_id is None or not len(cell_ids):
            return {}
        found: dict[int, Proposal] = {}
        for start in range(0, len(cell_ids), CHUNK):
            part = [int(cell) for cell in cell_ids[start : start + CHUNK]]
            found.update(self._adapted(part))
            ids, vectors = self._vectors(model_id, [cell for cell in part if cell not in found])
            if not len(ids):
                continue
            try:
                with self._lock:
                    answers = self._of(model_id).propose(vectors, not_cells=[int(i) for i in ids])
            except NoReferencesError:
                continue
            found.update(zip((int(i) for i in ids), answers, strict=True))
        return {cell_id: proposal for cell_id, proposal in found.items() if proposal.evidence}

    def alike(self, cell_id: int, code: str, count: int) -> tuple[Evidence, ...]:
        """The ``count`` cells labelled as ``code`` or a kind of it that are most like a cell.

        Likeness is measured as for the proposal of the cell, so that distances can be compared.
        """
        model_id = self.model_id
        if model_id is None:
            return ()
        held = self._held(datasets_of(self._atlas, [cell_id]).get(cell_id, ""), consider=False)
        if held is not None and len(held.knows([cell_id])):
            codes = self._atlas.taxonomy.descendants(code) | {code}
            return held.alike(cell_id, codes, count, self._news(held))
        return self._search(model_id, cell_id, code, count)

    def _adapted(self, cell_ids: Sequence[int]) -> dict[int, Proposal]:
        """The proposals for those of ``cell_ids`` on which adapted answers are held."""
        if self._adapting is None or not self._adapting.on:
            return {}
        found: dict[int, Proposal] = {}
        labelled = self._atlas.present_of(cell_ids)
        names = datasets_of(self._atlas, cell_ids)
        for name in dict.fromkeys(names.values()):
            mine = [cell for cell in cell_ids if names.get(cell) == name]
            held = self._held(name, consider=any(cell not in labelled for cell in mine))
            if held is not None:
                found.update(held.propose(mine, self._news(held), self._atlas.taxonomy))
        return found

    def _held(self, dataset: str, *, consider: bool) -> HeldAnswers | None:
        if self._adapting is None:
            return None
        return self._adapting.held(self._atlas, dataset, consider=consider)

    def _news(self, held: HeldAnswers) -> Fresh:
        """What was said since the answers held were worked out."""
        from retrieval.laboratory import Fresh

        state = held.mark, self._atlas.database.version()
        known = self._fresh.get(held.dataset)
        if known is None or known[0] != state:
            known = state, Fresh.since(self._atlas, held.dataset, held.mark)
            self._fresh[held.dataset] = known
        return known[1]

    def _search(self, model_id: str, cell_id: int, code: str, count: int) -> tuple[Evidence, ...]:
        from retrieval.answers.proposal import Evidence

        atlas = self._atlas
        _, vectors = atlas.embeddings_of(model_id, [cell_id])
        limit = CellFilter(classes=(code,), not_cells=(cell_id,))
        near = atlas.search(vectors, count, filter=limit, model_id=model_id)
        pairs = zip(near.ids[0].tolist(), near.similarity[0].tolist(), strict=True)
        likeness = {cell: value for cell, value in pairs if cell >= 0}
        cells, said = atlas.cells_by_id(likeness), atlas.present_votes(likeness)
        return tuple(
            Evidence(
                cell_id=cell,
                similarity=value,
                distance=1.0 - value,
                class_code=said[cell][0],
                author=said[cell][1],
                dataset=cells[cell].dataset,
                patient=cells[cell].patient,
                slide=cells[cell].slide,
                file=cells[cell].file,
            )
            for cell, value in likeness.items()
            if cell in said
        )

    def why_none(self, cell_id: int) -> Reason:
        """Why ``propose`` has no answer for a cell."""
        atlas = str(self._atlas.path)
        model_id = self.model_id
        if model_id is None or not len(self._vectors(model_id, [cell_id])[0]):
            return Reason(
                "no_embedding",
                _("This cell has no embedding yet, so CellKin cannot look for its neighbours."),
                f"Run: cellkin embed {atlas}",
            )
        return Reason(
            "no_references",
            _("There are no labelled cells to compare with yet."),
            _(
                "Label a few cells of each class by hand, or import labelled ones; "
                "proposals start with the first."
            ),
        )

    def _of(self, model_id: str) -> Proposer:
        if self._proposer is None or self._proposer[0] != model_id:
            from retrieval.answers.proposer import Proposer

            self._proposer = (
                model_id,
                Proposer(self._atlas, k=self._k, level="class", model_id=model_id),
            )
        return self._proposer[1]

    def _vectors(self, model_id: str, ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        return self._atlas.embeddings_of(model_id, np.asarray(ids, dtype=np.int64))


def doubt(proposal: Proposal) -> float:
    """How little the most probable class leads the next, 0 (certain) to 1 (a tie)."""
    top = sorted(proposal.probabilities.values(), reverse=True)[:2]
    return 1.0 - (top[0] - (top[1] if len(top) > 1 else 0.0)) if top else 1.0


@dataclass(frozen=True)
class Votes:
    """The neighbours that say one class: how many, and their share of the vote, 0 to 1.

    A nearer neighbour weighs more, as in the proposal (see ``retrieval.answers.voting``).
    """

    class_code: str
    count: int
    share: float


def votes(proposal: Proposal, taxonomy: Taxonomy) -> list[Votes]:
    """The vote by class, largest share first.

    A neighbour of which a kind is known votes for the class of that kind, as in the proposal.
    """
    best = max((evidence.similarity for evidence in proposal.evidence), default=0.0)
    counts: Counter[str] = Counter()
    weights: dict[str, float] = {}
    for evidence in proposal.evidence:
        code = taxonomy.at_level(evidence.class_code, "class") or evidence.class_code
        counts[code] += 1
        weight = math.exp((evidence.similarity - best) / TEMPERATURE)
        weights[code] = weights.get(code, 0.0) + weight
    total = sum(weights.values())
    found = [Votes(code, counts[code], weight / total) for code, weight in weights.items()]
    return sorted(found, key=lambda vote: -vote.share)


def unembedded(atlas: Atlas, datasets: tuple[str, ...] = ()) -> int:
    """How many cells have no embedding under the active model; all of them without a model."""
    limit = CellFilter(datasets=datasets)
    model_id = atlas.active_model
    if model_id and datasets:
        return len(atlas.without_embedding(model_id, limit))
    total, _ = how_many(atlas, Wanted(limit))
    return total - embedded(atlas, model_id) if model_id else total

"""Answers on all cells of a data set, worked out once and held, to be asked a few at a time.

Between two adaptations labels go on coming in. A fresh one is a neighbour at the next question, and
where fresh labels have a share of the neighbours' vote, the answer is theirs by that share.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from threadpoolctl import threadpool_limits

from index import Atlas
from index.adaptations import AdaptationRecord, newly_said
from index.moment import now
from index.records import Marks
from index.taxonomy import Taxonomy
from retrieval.answers.calibration import FRESH, Answers
from retrieval.answers.proposal import Evidence, Proposal, evidence, proposals
from retrieval.answers.references import References
from retrieval.answers.tree import Ancestry
from retrieval.answers.voting import TEMPERATURE, Floats, Integers
from retrieval.laboratory.adapting import remember
from retrieval.laboratory.answering import Answered, Kept, Room
from retrieval.laboratory.evidence import Witnesses
from retrieval.laboratory.trusting import InShort

MOST = 20_000  # cells of a data set that are answered together
EACH = 500  # references of a class and data set that are read, and can be shown

Report = Callable[[str], None]  # told what is begun: it may raise to stop the work


@dataclass(frozen=True)
class Fresh:
    """What was said of cells of the data set since the answers were worked out.

    said: their ids [M], ascending. references: those of them that have a present label now.
    """

    said: Integers
    references: References

    @classmethod
    def since(cls, atlas: Atlas, dataset: str, mark: int) -> Fresh:
        """What is newer than label ``mark``."""
        said = newly_said(atlas, dataset, mark)
        votes = atlas.present_votes(said)
        cells = atlas.cells_by_id(sorted(votes))
        columns = {
            "ids": np.array(list(cells), dtype=np.int64),
            "codes": [votes[cell][0] for cell in cells],
            "authors": [votes[cell][1] for cell in cells],
            "datasets": [each.dataset for each in cells.values()],
            "patients": [each.patient for each in cells.values()],
            "slides": [each.slide for each in cells.values()],
            "files": [each.file for each in cells.values()],
            "hashes": [each.sha256 for each in cells.values()],
            "splits": [each.split for each in cells.values()],
        }
        arrays = {
            name: np.asarray(values, dtype=None if name == "ids" else object)
            for name, values in columns.items()
        }
        numbers = np.full(len(cells), -1, dtype=np.int64)
        groups = {f"{name}_numbers": numbers for name in ("patient", "slide", "hash")}
        return cls(np.array(said, dtype=np.int64), References(**arrays, **groups))

    def __len__(self) -> int:
        """M."""
        return len(self.said)


@dataclass(frozen=True)
class HeldAnswers:
    """What is said of the N cells ``ids`` of a data set, and the space in which they are compared.

    points: float32 [N, W]. taught: [n] the cells whose labels taught this: of these nothing is said
    here, for their own label would speak. trust: how far all this can be trusted. mark: the newest
    label this knows of. kept: what the next adaptation can begin with. record: the entry of the log
    of adaptations, None where it could not be written.
    """

    dataset: str
    model_id: str
    ids: Integers
    points: np.ndarray
    answers: Answers
    ancestry: Ancestry
    witnesses: Witnesses
    taught: Integers
    trust: InShort
    mark: int
    marks: Marks
    kept: Kept | None
    way: str
    record: AdaptationRecord | None
    seconds: float
    made: str
    k: int

    @property
    def labels(self) -> int:
        """How many labels of the data set it rests on."""
        return len(self.taught)

    @property
    def size(self) -> int:
        """Bytes held."""
        arrays = (self.points, self.witnesses.points, self.answers.probabilities)
        return sum(each.nbytes for each in arrays) + (0 if self.kept is None else self.kept.size)

    def knows(self, cell_ids: Sequence[int]) -> Integers:
        """Those of ``cell_ids`` of which something is said here."""
        wanted = np.asarray(cell_ids, dtype=np.int64)
        return wanted[np.isin(wanted, self.ids) & ~np.isin(wanted, self.taught)]

    def propose(
        self, cell_ids: Sequence[int], fresh: Fresh, taxonomy: Taxonomy
    ) -> dict[int, Proposal]:
        """A proposal for each of ``cell_ids`` that this knows of."""
        known = self.knows(cell_ids)
        if not len(known):
            return {}
        rows = np.searchsorted(self.ids, known)
        near, points = self._witnesses(fresh)
        places, cosine = self._nearest(known, rows, near.ids, points, self.k)
        columns = _columns(near.codes, self.ancestry.classes, taxonomy)
        newer = np.isin(near.ids, fresh.said)
        answers = _moved(_rows(self.answers, rows), places, cosine, columns, newer)
        number = None if self.record is None else self.record.id
        return {
            int(cell): replace(each, adaptation=number)
            for cell, each in zip(
                known, proposals(near, self.ancestry, answers, places, cosine), strict=True
            )
        }

    def alike(
        self, cell_id: int, codes: Collection[str], k: int, fresh: Fresh
    ) -> tuple[Evidence, ...]:
        """The ``k`` cells labelled as one of ``codes`` that are most like a cell known here."""
        near, points = self._witnesses(fresh)
        chosen = np.flatnonzero(np.isin(near.codes.astype(str), list(codes)))
        near, points = near.take(chosen), points[chosen]
        known = np.array([cell_id], dtype=np.int64)
        rows = np.searchsorted(self.ids, known)
        places, cosine = self._nearest(known, rows, near.ids, points, k)
        return tuple(evidence(near, places[0], cosine[0]))

    def _witnesses(self, fresh: Fresh) -> tuple[References, np.ndarray]:
        """The labelled cells as they are labelled now, and their points."""
        if not len(fresh):
            return self.witnesses.references, self.witnesses.points
        kept = np.flatnonzero(~np.isin(self.witnesses.references.ids, fresh.said))
        mine = np.flatnonzero(np.isin(fresh.references.ids, self.ids))
        old, new = self.witnesses.references.take(kept), fresh.references.take(mine)
        both = References(
            **{
                each.name: np.concatenate([getattr(old, each.name), getattr(new, each.name)])
                for each in fields(References)
            }
        )
        rows = np.searchsorted(self.ids, new.ids)
        return both, np.concatenate([self.witnesses.points[kept], self.points[rows]])

    def _nearest(
        self, cells: Integers, rows: Integers, others: Integers, points: np.ndarray, k: int
    ) -> tuple[Integers, Floats]:
        """(places [Q, k] among ``others``, cosine [Q, k]) nearest first; -1, -inf where fewer."""
        similar = self.points[rows] @ points.T
        similar[cells[:, None] == others[None, :]] = -np.inf
        few = min(k, len(others))
        places = np.full((len(cells), k), -1, dtype=np.int64)
        cosine = np.full((len(cells), k), -np.inf)
        if few:
            some = np.argpartition(-similar, few - 1, axis=1)[:, :few]
            values = np.take_along_axis(similar, some, axis=1)
            order = np.argsort(-values, axis=1, kind="stable")
            cosine[:, :few] = np.take_along_axis(values, order, axis=1)
            places[:, :few] = np.take_along_axis(some, order, axis=1)
            places[~np.isfinite(cosine)] = -1
        return places, cosine


def hold(
    atlas: Atlas,
    model_id: str,
    dataset: str,
    *,
    k: int | None = None,
    seed: int | None = None,
    before: HeldAnswers | None = None,
    report: Report = lambda stage: None,
) -> HeldAnswers:
    """Work out the answers on the cells of ``dataset``, adapted to its labels where it has some.

    before: those held so far, from which is taken what the labels do not change.
    The log of adaptations has an entry of it before this returns. Raises NoReferencesError,
    AnswerError, AdaptError, UnknownDatasetError, and what ``report`` raises.
    """
    begun = time.perf_counter()
    # One thread: the other cores are for who waits for a page, and on a busy machine threads that
    # wait for one another take ten times as long.
    with threadpool_limits(1):
        report("reading")
        marks = atlas.marks(model_id)
        about = atlas.model_metadata(model_id)
        room = Room(atlas, model_id, about, dataset=dataset, k=k, seed=seed, most=MOST, each=EACH)
        report("adapting")
        answered = room.answer_own(None if before is None else before.kept)
    report("saving")
    seconds = time.perf_counter() - begun
    return _held(atlas, room, answered, marks, seconds)


def _held(
    atlas: Atlas, room: Room, answered: Answered, marks: Marks, seconds: float
) -> HeldAnswers:
    own, taught = room.own, answered.adaptation
    if own is None:
        raise ValueError("answers are held on the cells of a data set")
    way = vars(taught.way) if taught is not None else {"belief": answered.belief}
    known = room.known.take(~room.known.of_dataset(own.name))
    record = remember(atlas, known, own, taught, way=way, seconds=seconds)
    return HeldAnswers(
        dataset=own.name,
        model_id=room.known.model_id,
        ids=own.ids,
        points=np.asarray(answered.queries, dtype=np.float32),
        answers=answered.answers,
        ancestry=answered.known.ancestry,
        witnesses=answered.witnesses,
        taught=own.ids[own.rows],
        trust=InShort.of(answered.judgement, len(own), len(own.rows)),
        mark=marks[0],
        marks=marks,
        kept=answered.kept,
        way=answered.way,
        record=record,
        seconds=seconds,
        made=now() if record is None else record.made,
        k=room.k,
    )


def _columns(codes: np.ndarray, classes: Sequence[str], taxonomy: Taxonomy) -> Integers:
    """[R] the number of each code's class in ``classes``; -1 where it is none of them."""
    place = {code: column for column, code in enumerate(classes)}
    told = {code: place.get(taxonomy.at_level(code, "class") or "", -1) for code in set(codes)}
    return np.array([told[code] for code in codes], dtype=np.int64)


def _rows(answers: Answers, rows: Integers) -> Answers:
    return Answers(
        answers.top[rows],
        answers.probabilities[rows].copy(),
        answers.members[rows].copy(),
        answers.novelty[rows],
        answers.decision[rows].copy(),
        answers.parent[rows].copy(),
        answers.why_not[rows].copy(),
    )


def _moved(
    answers: Answers, places: Integers, cosine: Floats, columns: Integers, newer: np.ndarray
) -> Answers:
    """``answers`` [Q] with the share in them that ``newer`` labels have of the neighbours' vote.

    places, cosine: [Q, k] the neighbours. Where that changes the answer nothing is accepted: the
    thresholds were learned without these labels.
    """
    if not newer.any():
        return answers
    best = np.where(places[:, :1] >= 0, cosine[:, :1], 0.0)  # a cell may have no neighbour at all
    weight = np.where(places >= 0, np.exp((cosine - best) / TEMPERATURE), 0.0)
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    speaks = (places >= 0) & newer[places] & (columns[places] >= 0)
    share = np.where(speaks, weight, 0.0)
    told = np.zeros_like(answers.probabilities, dtype=np.float64)
    row = np.broadcast_to(np.arange(len(places))[:, None], places.shape)
    np.add.at(told, (row[speaks], columns[places][speaks]), share[speaks])
    p = answers.probabilities * (1 - share.sum(axis=1, keepdims=True)) + told
    top = np.where(share.sum(axis=1) > 0, p.argmax(axis=1), answers.top)
    other = top != answers.top
    members = answers.members
    members[np.flatnonzero(other), top[other]] = True
    return Answers(
        top,
        p,
        members,
        answers.novelty,
        np.where(other, "abstain", answers.decision),
        np.where(other, -1, answers.parent),
        np.where(other, FRESH, answers.why_not),
    )

"""Answers on many cells at once: the folder or the laboratory as a whole informs each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from index import Atlas, CellFilter
from index.settings import setting
from retrieval.answers.calibration import Answers
from retrieval.answers.errors import AnswerError
from retrieval.answers.proposal import Proposal, proposals
from retrieval.answers.voting import Floats, Integers
from retrieval.described import Described
from retrieval.folder import Adaptation, FolderReading
from retrieval.laboratory.adapting import Adapted, fit_together
from retrieval.laboratory.declared import declared_limits
from retrieval.laboratory.evidence import Witnesses, adapted_witnesses, plain_witnesses
from retrieval.laboratory.judging import judge_of
from retrieval.laboratory.known import KnownCells, model_space
from retrieval.laboratory.room import OwnCells, Together
from retrieval.trust.judge import Judgement, OwnLabels, Readings

CHUNK = 1024
NO_CELL = "no cell found"


@dataclass(frozen=True)
class Kept:
    """The cells of a data set seen together, and what is said of them without their labels: the
    same as long as the cells and the labels of the other laboratories are."""

    key: str
    together: Together
    reading: FolderReading | None

    @staticmethod
    def key_of(known: KnownCells, own: OwnCells) -> str:
        """What this depends on: ``known`` cells of other laboratories, and which are its own."""
        digest = hashlib.sha256(own.ids.tobytes() + known.references.ids.tobytes())
        digest.update(known.columns.tobytes() + repr((known.model_id, known.classes)).encode())
        return digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes held."""
        cells, folder = self.together.cells, self.together.folder
        arrays = (cells.vectors, cells.features, cells.scores)
        return 2 * sum(each.nbytes for each in arrays) + folder.points.nbytes


@dataclass(frozen=True)
class Answered:
    """What is said of Q cells, and how.

    way: "folder" (all informed each), "alone" (each by itself) or "adapted" (the laboratory's own
    labels taught). disagreement: share of cells that would be named otherwise one by one, by the
    known laboratories alone. adaptation: what the labels taught; None without. queries: [Q, W] the
    cells in the space of the witnesses. remarks: [Q], see ``Proposal``. kept: what the next answer
    on a data set can begin with.
    """

    answers: Answers
    witnesses: Witnesses
    rows: Integers
    similarity: Floats
    known: KnownCells
    way: str
    disagreement: float
    belief: float
    adaptation: Adaptation | None
    judgement: Judgement
    queries: np.ndarray
    remarks: list[str]
    kept: Kept | None = None

    def proposals(self) -> Iterator[Proposal]:
        """The Q proposals, in order."""
        for start in range(0, len(self.rows), CHUNK):
            part = slice(start, start + CHUNK)
            said = proposals(
                self.witnesses.references,
                self.known.ancestry,
                _part(self.answers, part),
                self.rows[part],
                self.similarity[part],
            )
            for remark, each in zip(self.remarks[part], said, strict=True):
                yield replace(each, remark=remark) if remark else each

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        taught = None
        if self.adaptation is not None:
            taught = {
                "labels": self.adaptation.labels,
                "accuracy": _number(self.adaptation.accuracy),
                "neighbour_accuracy": _number(self.adaptation.neighbour_accuracy),
            }
        return {
            "way": self.way,
            "disagreement": self.disagreement,
            "belief": self.belief,
            "adaptation": taught,
            "trust": self.judgement.as_dict(),
        }


class Room:
    """Answers on the cells of one laboratory, with what an atlas knows.

    dataset: the data set of the atlas that is of the same laboratory; its labels adapt, its other
    cells inform. None: a laboratory of which nothing is known. alone: cells are judged one by one.
    limits: the references that may be answers, by default those of the classes declared for the
    data set (``declared``). most: cells of the data set, and each: references of
    a class and data set, that are read at most. Raises NoReferencesError, UnknownDatasetError.
    """

    def __init__(
        self,
        atlas: Atlas,
        model_id: str,
        metadata: dict[str, Any],
        *,
        dataset: str | None = None,
        alone: bool = False,
        limits: CellFilter | None = None,
        k: int | None = None,
        coverage: float | None = None,
        seed: int | None = None,
        most: int | None = None,
        each: int | None = None,
    ) -> None:
        self.atlas, self.dataset, self.alone = atlas, dataset, alone
        self.k = int(setting("k", k))
        self.coverage = float(setting("coverage", coverage))
        self.seed = int(setting("seed", seed))
        self._lasting = limits is None
        if limits is None:
            limits = declared_limits(atlas, dataset)
        space = model_space(metadata)
        self.known = KnownCells.load(atlas, model_id, space, limits, each=each, seed=self.seed)
        self.own = None
        if dataset is not None:
            self.own = OwnCells.load(atlas, dataset, self.known, most=most, seed=self.seed)

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """What answers depend on besides the cells asked about."""
        labels = self.known.references.ids.tobytes() + self.known.columns.tobytes()
        own = () if self.own is None else (len(self.own), self.own.fingerprint)
        return (self.known.model_id, self.known.classes, labels, self.dataset, self.alone, own)

    def answer(
        self, cells: Described, hashes: Sequence[str | None], *, not_same: bool = False
    ) -> Answered:
        """Answer on Q ``cells`` with the hashes of their pixels [Q].

        not_same: no labelled cell of exactly the pixels of one of them speaks.
        """
        known, own = self.known, self.own
        if not_same:
            same = np.isin(known.references.hashes.astype(str), [h for h in hashes if h])
            known = known.take(~same)
            own = None if own is None else own.without_labels_of(hashes)
        everyone = known
        if self.dataset is not None:
            known = known.take(~known.of_dataset(self.dataset))
        if not len(known) and (own is None or not len(own.rows)):
            raise AnswerError(
                "no labelled cell is left that may answer", "label cells of other pictures first"
            )
        together = Together.of(known, cells, hashes, own)
        return self._answer(together, known, everyone, own, together.read(known))

    def answer_own(self, kept: Kept | None = None) -> Answered:
        """Answer on the cells of the data set itself, those with a label held to it.

        kept: of an earlier answer, used where its cells and the other laboratories are the same.
        """
        own = self.own
        if own is None or not len(own):
            raise AnswerError(
                f"no cell of data set {self.dataset} is embedded under the atlas's model",
                "run cellkin embed first",
            )
        known = self.known.take(~self.known.of_dataset(own.name))
        key = Kept.key_of(known, own)
        if kept is None or kept.key != key:
            together = Together.alone(known, own)
            kept = Kept(key, together, together.read(known))
        answered = self._answer(kept.together, known, self.known, own, kept.reading)
        return replace(answered, kept=kept)

    def _answer(
        self,
        together: Together,
        known: KnownCells,
        everyone: KnownCells,
        own: OwnCells | None,
        reading: FolderReading | None,
    ) -> Answered:
        taught = None
        if own is not None and len(own.rows):
            taught = fit_together(
                self.atlas, known, own, together, reading, lasting=self._lasting and own is self.own
            )
        return self._answered(together, known, everyone, own, reading, taught)

    def _answered(
        self,
        together: Together,
        known: KnownCells,
        everyone: KnownCells,
        own: OwnCells | None,
        reading: FolderReading | None,
        taught: Adapted | None,
    ) -> Answered:
        informed, one_by_one = self._tables(together, reading, taught)
        readings = Readings(informed, None if self.alone else one_by_one)
        judge = judge_of(known if len(known) else everyone, coverage=self.coverage, seed=self.seed)
        labels = None
        if taught is not None and own is not None:
            judged = taught.judged
            labels = OwnLabels(
                own.rows[judged], own.columns[judged], taught.held_out, own.groups[judged]
            )
        judgement = judge.judge(together.cells, readings, labels=labels)
        asked = together.asked
        queries = together.cells.vectors[asked]
        witnesses = plain_witnesses(everyone)
        if taught is not None and own is not None:
            witnesses = adapted_witnesses(taught.adaptation, known, everyone, own, together)
            points = together.folder.outside(together.folder.points)[asked]
            queries = taught.adaptation.adapted(points)
        rows, similarity = witnesses.nearest(queries, self.k)
        way = "alone" if self.alone or reading is None else reading.way
        differ = informed[asked].argmax(axis=1) != one_by_one[asked].argmax(axis=1)
        return Answered(
            _part(judgement.answers, asked),
            witnesses,
            rows,
            similarity,
            everyone,
            way if taught is None else "adapted",
            float(differ.mean()) if len(asked) else 0.0,
            0.0 if reading is None or self.alone else reading.belief,
            None if taught is None else taught.adaptation,
            replace(judgement, answers=_part(judgement.answers, asked)),
            queries,
            remarks_on(together.cells[asked]),
        )

    def _tables(
        self, together: Together, reading: FolderReading | None, taught: Adapted | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """([N, C] what answers, [N, C] what known laboratories say of each by itself)."""
        if reading is not None:
            one_by_one = reading.alone
        elif taught is not None:
            one_by_one = taught.adaptation.apply(together.cells)
        if taught is None:
            return (one_by_one if self.alone or reading is None else reading.probabilities), (
                one_by_one
            )
        if self.alone:
            before = None if reading is None else reading.alone
            return taught.adaptation.apply(together.cells, before), one_by_one
        return taught.probabilities, one_by_one


def remarks_on(cells: Described) -> list[str]:
    """What a reader should know of each picture, "" for nothing."""
    several = [f"{1 + others} cells, the middle one is named" for others in cells.others]
    seen = zip(cells.found, cells.others, several, strict=True)
    return [NO_CELL if not found else words if others else "" for found, others, words in seen]


def _part(answers: Answers, rows: slice | Integers) -> Answers:
    return Answers(
        answers.top[rows],
        answers.probabilities[rows],
        answers.members[rows],
        answers.novelty[rows],
        answers.decision[rows],
        answers.parent[rows],
        answers.why_not[rows],
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value

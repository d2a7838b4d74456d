"""Everything that is said of a set of cells beside their classes: one call for a whole set.

A ``Judge`` is learned once from the known laboratories; it then judges sets of cells, of a known or
a new laboratory, with or without labels of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.answers.calibration import Answers
from retrieval.answers.tree import Ancestry
from retrieval.answers.voting import Floats, Integers
from retrieval.described import Described
from retrieval.trust.alarm import LEAST, Alarm, Laboratory, sound_alarm
from retrieval.trust.errors import TrustError
from retrieval.trust.expected import Expectation, cautious_accuracy, expect_accuracy
from retrieval.trust.laboratory import BEYOND, Trust, learn_trust
from retrieval.trust.novelty import ALERT, LEAST_KNOWN, NoveltyModel


@dataclass(frozen=True)
class Readings:
    """What read-outs say of N cells, probabilities [N, C] each.

    informed: the one that answers. alone: each cell by itself; None, or the same, where that is the
    one that answers.
    """

    informed: ArrayLike
    alone: ArrayLike | None = None

    @property
    def single(self) -> bool:
        """Whether cells answered one by one."""
        return self.alone is None or np.array_equal(self.informed, self.alone)


@dataclass(frozen=True)
class Known:
    """M labelled cells of a known laboratory, outside of references and training where there are
    such (split val). truth: [M] class numbers. groups: [M] patient or slide numbers, -1 unknown."""

    name: str
    cells: Described
    truth: Integers
    readings: Readings
    groups: Integers | None = None


@dataclass(frozen=True)
class OwnLabels:
    """n labels of the laboratory that is judged: rows [n] of its cells, class numbers [n], and
    probabilities [n, C] that were made without the cell's own label. groups: [n] patient or slide
    numbers, negative where unknown."""

    rows: Integers
    truth: Integers
    held_out: NDArray[np.floating]
    groups: Integers | None = None


@dataclass(frozen=True)
class Judgement:
    """answers: of each cell. trust: what they rest on. alarm: likeness to known laboratories.
    expected: the accuracy to expect without labels; None where labels tell, or too few cells.
    novel: share of cells above the novelty alert. no_cell: pictures in which no cell was found;
    neither the alarm nor the expected accuracy rests on them."""

    answers: Answers
    trust: Trust
    alarm: Alarm
    expected: Expectation | None
    novel: float
    no_cell: int = 0

    def words(self) -> list[str]:
        """In sentences, the most important first."""
        said = [self.alarm.words()]
        if self.expected is not None:
            said[0] += f"; {self.expected.words(self.trust.labels > 0)}"
        if self.no_cell:
            said.append(
                f"{self.no_cell:,} of {len(self.answers.top):,} pictures show no cell that could "
                "be found: look at them; none of their answers is accepted"
            )
        if self.novel > 2 * (1 - ALERT) and len(self.answers.top) >= LEAST:
            said.append(
                f"{self.novel:.0%} of the cells are novel (above {ALERT}; 5% of known cells are)"
            )
        return [*said, *self.trust.notes]

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        near = self.alarm.nearest
        decisions, counts = np.unique(self.answers.decision, return_counts=True)
        expected = None
        if self.expected is not None:
            expected = {
                "accuracy": self.expected.accuracy,
                "low": self.expected.low,
                "high": self.expected.high,
                "labels_for_90": self.expected.labels_for(0.90),
                "labels_for_95": self.expected.labels_for(0.95),
            }
        return {
            "unlike": self.alarm.unlike,
            "nearest": near.name if near else None,
            "laboratories": [
                {"name": each.name, "p": each.p, "distance": each.distance, "unlike": each.unlike}
                for each in self.alarm.likenesses
            ],
            "expected": expected,
            "source": self.trust.source,
            "calibration_cells": self.trust.cells,
            "labels": self.trust.labels,
            "mean_probability": float(self.answers.probabilities.max(axis=1).mean()),
            "mean_set": float(self.answers.members.sum(axis=1).mean()),
            "decisions": dict(zip(decisions.tolist(), counts.tolist(), strict=True)),
            "novel": self.novel,
            "no_cell": self.no_cell,
            "words": self.words(),
        }


class Judge:
    """What the known laboratories teach about trust.

    ancestry: of the C classes. references: R labelled cells, with class numbers [R] and the name
    of the laboratory of each [R]. known: labelled cells outside of them; see ``Known``. widths: of
    the parts of the features; the last part is of the network that was not taught these cells and
    is what laboratories are compared by. Sets of cells can have a way of their own ("alone"): then
    the known cells' ``alone`` readings are what probabilities are calibrated on.
    """

    def __init__(
        self,
        ancestry: Ancestry,
        references: Described,
        reference_classes: ArrayLike,
        reference_names: Sequence[str],
        known: Sequence[Known],
        *,
        widths: Sequence[int] = (),
        coverage: float = 0.95,
        seed: int = 0,
    ) -> None:
        self._ancestry, self._coverage, self._seed = ancestry, coverage, seed
        self._widths, self._known = tuple(widths), tuple(known)
        self.novelty = self._novelty(references, np.asarray(reference_classes, np.int64))
        self._laboratories = self._samples(references, reference_classes, reference_names)
        self._trusts: dict[bool, Trust] = {}

    def trust(self, alone: bool = False) -> Trust:
        """That of the known laboratories, for informed answers or for those on single cells."""
        if alone not in self._trusts:
            self._trusts[alone] = learn_trust(
                self._together(alone),
                self._truth(),
                self._ancestry,
                alone=None if alone else self._together(True),
                coverage=self._coverage,
                novelty=self._novelty_of_known(),
                groups=self._groups(),
                seed=self._seed,
            )
        return self._trusts[alone]

    def judge(
        self, cells: Described, readings: Readings, *, labels: OwnLabels | None = None
    ) -> Judgement:
        """Judge N cells of one set by its ``readings`` and, where it has some, its own labels."""
        raw = np.asarray(readings.informed, dtype=np.float64)
        single = readings.single
        base = self.trust(single)
        novelty = self.novelty
        seen = np.flatnonzero(cells.found)
        alarm = self.alarm(cells[seen], base.calibrator.apply(raw[seen]).argmax(axis=1))
        expected, trust = None, base
        if labels is not None and len(labels.rows):
            trust = base.with_labels(
                labels.held_out,
                labels.truth,
                self._ancestry,
                everything=raw,
                groups=labels.groups,
                seed=self._seed,
            )
            if novelty is not None:
                own = cells[np.asarray(labels.rows, dtype=np.int64)]
                novelty = novelty.among(own.vectors, self._features(own))
        if trust.source != "labels":
            expected = expect_accuracy(raw[seen], single=single, gap=self._gap(single))
            count_on = (
                expected.accuracy if expected else cautious_accuracy(raw[seen], single=single)
            )
            alike = None if alarm.unlike is None else not alarm.unlike
            trust = trust.without_labels(raw[seen], count_on, alike)
        scores = None
        if novelty is not None:
            scores = novelty.score(cells.vectors, self._features(cells))
            scores = np.where(cells.found, scores, np.maximum(scores, BEYOND))
        answers = trust.answer(raw, self._ancestry, scores, readings.alone)
        novel = float((answers.novelty > ALERT).mean()) if scores is not None else 0.0
        return Judgement(answers, trust, alarm, expected, novel, len(cells) - len(seen))

    def alarm(self, cells: Described, answers: Integers) -> Alarm:
        """Compare a set of cells with ``answers`` [N] with every known laboratory."""
        new = Laboratory("this set", self._untaught(cells), answers=answers)
        return sound_alarm(new, self._laboratories, seed=self._seed)

    def _novelty(self, references: Described, classes: Integers) -> NoveltyModel | None:
        known = Described.joined([each.cells for each in self._known]) if self._known else None
        if known is not None and len(known) < LEAST_KNOWN:
            known = None
        try:
            return NoveltyModel.learn(
                references.vectors,
                classes,
                features=self._features(references),
                known=None if known is None else known.vectors,
                known_features=None if known is None else self._features(known),
                seed=self._seed,
            )
        except TrustError:
            return None

    def _novelty_of_known(self) -> Floats | None:
        if self.novelty is None or not self._known:
            return None
        cells = Described.joined([each.cells for each in self._known])
        return self.novelty.score(cells.vectors, self._features(cells))

    def _groups(self) -> Integers | None:
        shift, found = 0, []
        for each in self._known:
            own = np.full(len(each.truth), -1) if each.groups is None else each.groups
            found.append(np.where(own >= 0, own + shift, -1))
            shift += int(own.max(initial=-1)) + 1
        return np.concatenate(found) if found else None

    def _samples(
        self, references: Described, classes: ArrayLike, names: Sequence[str]
    ) -> list[Laboratory]:
        """A sample of each known laboratory: its untaught cells where there are enough."""
        column, name = np.asarray(classes, np.int64), np.asarray(names, dtype=object)
        found = {each.name: each for each in self._known}
        samples = []
        for one in sorted({*found, *name.tolist()}):
            if one in found and len(found[one].truth) >= 10 * LEAST_KNOWN:
                cells, answers = found[one].cells, found[one].truth
            else:
                rows = np.flatnonzero(name == one)
                cells, answers = references[rows], column[rows]
            samples.append(Laboratory(one, self._untaught(cells), answers=answers))
        return samples

    def _features(self, cells: Described) -> NDArray[np.floating] | None:
        return cells.features if cells.features.shape[1] else None

    def _untaught(self, cells: Described) -> NDArray[np.floating]:
        if not self._widths or not cells.features.shape[1]:
            return cells.vectors
        return cells.features[:, -self._widths[-1] :]

    def _together(self, alone: bool) -> Floats:
        """[M, C] what is said of all known cells."""
        tables = [self._reading(each, alone) for each in self._known]
        return np.concatenate([np.empty((0, len(self._ancestry.classes))), *tables])

    def _truth(self) -> Integers:
        return np.concatenate([np.empty(0, np.int64), *[each.truth for each in self._known]])

    def _gap(self, alone: bool) -> float | None:
        """Accuracy less mean raw probability of the answers on known cells."""
        p = self._together(alone)
        if len(p) < LEAST_KNOWN:
            return None
        return float((p.argmax(axis=1) == self._truth()).mean() - p.max(axis=1).mean())

    @staticmethod
    def _reading(known: Known, alone: bool) -> Floats:
        table = known.readings.informed
        if alone and known.readings.alone is not None:
            table = known.readings.alone
        return np.asarray(table, dtype=np.float64)

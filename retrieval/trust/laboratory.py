"""What is known of how far to trust answers in one laboratory, and what is said of its cells."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from index.wording import counted
from retrieval.answers.calibration import UNPROVEN, Answers, why_not
from retrieval.answers.selective import (
    CONFIDENCE,
    RISK,
    Threshold,
    cells_to_prove,
    learn_threshold,
    measure_threshold,
    risk_bound,
)
from retrieval.answers.tree import Ancestry
from retrieval.answers.voting import Booleans, Floats, Integers
from retrieval.trust.errors import TrustError
from retrieval.trust.prior import estimate_prior
from retrieval.trust.probability import Calibrator, balance_weights, cross_fitted, same_winner
from retrieval.trust.sets import ConformalSets

FEWEST_LABELS = 20  # labels of a laboratory from which its own sets are learned


@dataclass(frozen=True)
class Checked:
    """Of n labelled cells, each answered without its own label: stated [n] the calibrated
    probability of the answer, right [n] bool whether it is the class."""

    stated: Floats
    right: Booleans

    @classmethod
    def of(cls, probabilities: Floats, truth: Integers) -> Checked:
        """From cross-fitted probabilities [n, C] and class numbers [n]."""
        return cls(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)


@dataclass(frozen=True)
class Trust:
    """Probability, sets and thresholds of one laboratory.

    classes: [C] codes, in the order of the columns. source: what taught it: "known" (labelled cells
    of laboratories known before), "labels" (this one's own) or "unlabelled" (measured shift alone).
    cells: how many cells taught it. labels: how many of these are the laboratory's own. expected:
    the accuracy to expect, where that was estimated without labels. raw: whether the threshold to
    accept is on ``sureness`` instead of the calibrated probability. checked: what calibrated
    probabilities were worth on the cells that taught it; not kept in a document.
    """

    classes: tuple[str, ...]
    calibrator: Calibrator = field(default_factory=Calibrator)
    sets: ConformalSets = field(default_factory=ConformalSets)
    accept: Threshold = field(default_factory=Threshold)
    back_off: Threshold = field(default_factory=Threshold)
    source: str = "known"
    cells: int = 0
    labels: int = 0
    expected: float | None = None
    notes: tuple[str, ...] = ()
    raw: bool = False
    checked: Checked | None = field(default=None, compare=False, repr=False)

    def answer(
        self,
        probabilities: ArrayLike,
        ancestry: Ancestry,
        novelty: ArrayLike | None = None,
        alone: ArrayLike | None = None,
    ) -> Answers:
        """What is said of N cells with raw ``probabilities`` [N, C] and ``novelty`` [N] (0..1).

        alone: [N, C] raw, what each cell says by itself, where the probabilities are informed by
        others. accept: the sureness of the answer (``raw``), else its calibrated probability,
        reaches its threshold. back_off: the probability of a class above it does. abstain:
        neither, or the cell is as novel as none of the known ones (BEYOND; see ``NoveltyModel``).
        Without novelty it is stated as .5.
        """
        shape = np.shape(probabilities)
        if len(shape) != 2 or shape[1] != len(self.classes):
            raise TrustError(
                f"probabilities have shape {shape}, allowed is [N, {len(self.classes)}]",
                "learn the trust again for these classes",
            )
        p = self.calibrator.apply(probabilities)
        if self.source != "labels":  # its own labels may rename cells, those of others may not
            p = same_winner(probabilities, p)
        top = p.argmax(axis=1).astype(np.int64)
        strange = np.zeros(len(p), dtype=bool)
        novel = np.full(len(p), 0.5)
        if novelty is not None:
            novel = np.asarray(novelty, dtype=np.float64)
            strange = novel >= BEYOND
        sure = sureness(probabilities, alone, top) if self.raw else p[np.arange(len(p)), top]
        accept = _reaches(sure, self.accept) & ~strange
        parent = np.full(len(p), -1, dtype=np.int64)
        if self.back_off.value is not None:
            parent = ancestry.nearest(p, top, self.back_off.value)
        parent = np.where(accept | strange, -1, parent)
        decision = np.where(accept, "accept", np.where(parent >= 0, "back_off", "abstain"))
        members = self.sets.members(p, top, None if novelty is None else novel)
        reasons = why_not(accept, strange, self.accept)
        return Answers(top, p, members, novel, decision, parent, reasons)

    def with_labels(
        self,
        probabilities: ArrayLike,
        truth: ArrayLike,
        ancestry: Ancestry,
        *,
        everything: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        seed: int = 0,
    ) -> Trust:
        """This trust after n labels of the laboratory itself.

        probabilities: [n, C] raw, made without the cell's own label (leave-one-out or by folds).
        truth: [n]. everything: [N, C] raw probabilities of all cells of the laboratory, by which
        labels drawn class by class are weighted. groups: [n] patient or slide numbers.
        """
        p, true = np.asarray(probabilities, np.float64), np.asarray(truth, np.int64)
        n = len(true)
        if n < FEWEST_LABELS:
            return replace(self, labels=n, notes=(*self.notes, _few_labels(n)))
        weights = np.ones(n)
        if everything is not None:
            first = Calibrator.learn(p, true, start=self.calibrator)
            weights = balance_weights(true, estimated_shares(first.apply(everything)))
        calibrator = Calibrator.learn(p, true, start=self.calibrator, weights=weights)
        held = cross_fitted(
            p, true, start=self.calibrator, weights=weights, groups=groups, seed=seed
        )
        sets = ConformalSets.learn(held, true, self.sets.coverage, weights=weights)
        accept, back_off, notes = thresholds(held, true, ancestry)
        return Trust(
            self.classes,
            calibrator,
            sets,
            accept,
            back_off,
            source="labels",
            cells=n,
            labels=n,
            notes=tuple(notes),
            checked=Checked.of(held, true),
        )

    def without_labels(self, everything: ArrayLike, expected: float, alike: bool | None) -> Trust:
        """This trust in a laboratory without a label, or with fewer than FEWEST_LABELS.

        everything: [N, C] raw probabilities of its cells. expected: the accuracy to expect there,
        0..1: probabilities are flattened until they promise no more, and sets grow with them.
        alike: whether it is like a known laboratory; None where that cannot be told. Unless it is,
        thresholds proven elsewhere do not hold: nothing is accepted, and backed off only to what
        reaches UNPROVEN.
        """
        if alike:
            return self
        stated = (
            f"probabilities are stated so that {expected:.0%} of the answers are right on the "
            "mean, sets are wider, and nothing is accepted"
        )
        labels = _few_labels(self.labels) if self.labels else "no label of this laboratory"
        if alike is None:
            begun = f"{labels}; w" if self.labels else "w"
            note = (
                f"{begun}hether this laboratory is like a known one cannot be told: {stated}; name "
                "its data set (--dataset), or give more pictures"
            )
        else:
            note = (
                f"{labels}; it is unlike those known: {stated} before labels of its own can show "
                "that it is safe"
            )
        return replace(
            self,
            calibrator=self.calibrator.flattened(everything, expected),
            sets=ConformalSets(self.sets.coverage),
            accept=Threshold(),
            back_off=Threshold(UNPROVEN),
            source="unlabelled",
            raw=False,
            expected=expected,
            notes=(note,) if self.cells >= FEWEST_LABELS else (*self.notes, note),
        )

    def to_document(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        document = asdict(replace(self, checked=None))
        del document["checked"]
        document["sets"]["strangest"] = [
            None if np.isinf(limit) else limit for limit in self.sets.strangest
        ]
        return document

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Trust:
        """The trust that ``to_document`` wrote."""
        given, sets = document["calibrator"], document["sets"]
        return cls(
            classes=tuple(document["classes"]),
            calibrator=Calibrator(
                given["log_temperature"], tuple(given["offsets"]), given["floor"]
            ),
            sets=ConformalSets(
                sets["coverage"],
                tuple(sets["thresholds"]),
                tuple(bool(own) for own in sets["own"]),
                tuple(np.inf if limit is None else limit for limit in sets["strangest"]),
            ),
            accept=Threshold(**document["accept"]),
            back_off=Threshold(**document["back_off"]),
            source=document["source"],
            cells=document["cells"],
            labels=document["labels"],
            expected=document["expected"],
            notes=tuple(document["notes"]),
            raw=bool(document["raw"]),
        )


BEYOND = 0.9995
"""Novelty from which every decision is abstain: beyond all known cells, see ``NoveltyModel``."""


def learn_trust(
    probabilities: ArrayLike,
    truth: ArrayLike,
    ancestry: Ancestry,
    *,
    alone: ArrayLike | None = None,
    coverage: float = 0.95,
    novelty: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Trust:
    """The trust of known laboratories, from labelled cells that neither network nor read-out saw.

    probabilities: [n, C] raw; alone: [n, C] those of each cell by itself, where the former are
    informed by others. truth: [n] class numbers. novelty: [n], see ``NoveltyModel``; with it
    sets may be empty (see ``sets``). groups: [n] patient or slide numbers, negative where unknown.
    Every cell teaches everything, by cross-fitting: none is set aside.
    """
    p, true = np.asarray(probabilities, np.float64), np.asarray(truth, np.int64)
    n = len(true)
    if n < FEWEST_LABELS:
        note = (
            f"only {counted(n, 'labelled cell')} could be used for calibration, {FEWEST_LABELS} "
            "are needed: probabilities and sets are as the network gives them; label "
            f"{FEWEST_LABELS - n} more, about as many of each class"
        )
        return Trust(ancestry.classes, sets=ConformalSets(coverage), cells=n, notes=(note,))
    held = cross_fitted(p, true, groups=groups, seed=seed)
    raw = n >= cells_to_prove()
    sure = sureness(p, alone, held.argmax(axis=1)) if raw else None
    accept, back_off, notes = thresholds(held, true, ancestry, sure)
    return Trust(
        ancestry.classes,
        Calibrator.learn(p, true),
        ConformalSets.learn(held, true, coverage, novelty=novelty),
        accept,
        back_off,
        cells=n,
        notes=tuple(notes),
        raw=raw,
        checked=Checked.of(held, true),
    )


def sureness(probabilities: ArrayLike, alone: ArrayLike | None, top: Integers) -> Floats:
    """[N] geometric mean of what the two read-outs give the answer ``top`` [N], uncalibrated.

    It puts wrong answers further back than either does, and than calibrated probabilities do:
    an answer that only the folder holds, or only the cell itself, is a doubtful one.
    """
    rows = np.arange(len(top))
    one = np.asarray(probabilities, dtype=np.float64)[rows, top]
    other = one if alone is None else np.asarray(alone, dtype=np.float64)[rows, top]
    result: Floats = np.sqrt(one * other)
    return result


def estimated_shares(probabilities: ArrayLike) -> Floats:
    """[C] the shares of the classes among N cells, from calibrated probabilities [N, C]."""
    p = np.asarray(probabilities, dtype=np.float64)
    found = estimate_prior(p)
    result: Floats = found.shares if found.believed else p.mean(axis=0)
    return result


def thresholds(
    probabilities: Floats, truth: Integers, ancestry: Ancestry, sure: Floats | None = None
) -> tuple[Threshold, Threshold, list[str]]:
    """Thresholds to accept and to back off, learned on cross-fitted probabilities [n, C].

    sure: [n] what the threshold to accept is on, by default the probability of the answer.
    Proven by risk control where n cells can prove it (see ``answers.selective``); else
    UNPROVEN, and the note says what these cells do show and how many more would prove it.
    """
    top = probabilities.argmax(axis=1)
    surest = probabilities[np.arange(len(top)), top] if sure is None else sure
    broad = ancestry.broadest(probabilities, top)

    def answer_wrong(_: float) -> Booleans:
        result: Booleans = top != truth
        return result

    def parent_wrong(value: float) -> Booleans:
        parent = ancestry.nearest(probabilities, top, value)
        return (parent >= 0) & ~ancestry.within(truth, parent)

    if len(top) >= cells_to_prove():
        accept = learn_threshold(surest, answer_wrong)
        back_off = learn_threshold(broad, parent_wrong)
        names = [n for t, n in ((accept, "accept"), (back_off, "back_off")) if t.value is None]
        return accept, back_off, [_unsafe(name) for name in names]
    accept = measure_threshold(surest, UNPROVEN, answer_wrong)
    return accept, measure_threshold(broad, UNPROVEN, parent_wrong), [_too_few(len(top), accept)]


def _unsafe(decision: str) -> str:
    return (
        f"no answer can be shown to be at most {RISK:.1%} wrong with {CONFIDENCE:.0%} confidence, "
        f"so no decision is {decision}"
    )


def _few_labels(labels: int) -> str:
    label = "label" if labels == 1 else "labels"
    more = FEWEST_LABELS - labels
    return (
        f"{labels} {label} of this laboratory calibrate little, {FEWEST_LABELS} are needed: "
        f"label {more} more"
    )


def _too_few(cells: int, accept: Threshold) -> str:
    seen = f", of which {accept.wrong} of {accept.cells} were wrong" if accept.cells else ""
    return (
        f"accept is not proven: {cells} labelled cells can show at best {risk_bound(0, cells):.1%} "
        f"wrong, the promise is {RISK:.1%}; accepted is what reaches probability {UNPROVEN}{seen}. "
        f"{cells_to_prove() - cells} more "
        "labels can prove it; until then look first at the cells of smallest prediction set"
    )


def _reaches(score: Floats, threshold: Threshold) -> Booleans:
    if threshold.value is None:
        return np.zeros(len(score), dtype=bool)
    result: Booleans = score >= threshold.value
    return result

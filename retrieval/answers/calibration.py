"""From votes to probabilities and decisions that can be trusted on cells like those learned from.

Everything here is learned on calibration cells: labelled cells whose own votes come from other
references only (see ``retrieval.answers.proposer`` for which these are). A first part of them
teaches the scale of the probabilities; the rest, not used for that, teaches the prediction sets and
the thresholds. Letters: N cells, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from index.wording import counted
from retrieval.answers.conformal import PredictionSets, cells_needed
from retrieval.answers.novelty import NoveltyScale
from retrieval.answers.selective import (
    CONFIDENCE,
    RISK,
    Threshold,
    cells_to_prove,
    learn_threshold,
    measure_threshold,
)
from retrieval.answers.tree import Ancestry
from retrieval.answers.voting import TEMPERATURE, Booleans, Floats, Integers, Votes, winners

LEAST = 50  # fewer calibration cells than this teach nothing
UNPROVEN = 0.995  # probability asked for where there are too few cells to prove a threshold
_MOST_FOR_SCALE = 500  # two numbers are learned from these

STRANGE, NO_PROOF, FEW, UNSURE, FRESH = "strange", "no_proof", "few", "unsure", "fresh"
WHY_NOT = (STRANGE, NO_PROOF, FEW, UNSURE, FRESH)
"""Why an answer is not accepted: the cell lies beyond all known ones (or none was found in its
picture), no threshold is safe, the answer falls short of UNPROVEN where there are too few cells to
prove one, or of the proven one, or labels newer than the threshold changed the answer."""


@dataclass(frozen=True)
class Scale:
    """Turns votes into probabilities.

    To the votes comes a background vote, spread evenly over the classes, as strong as a neighbour
    of similarity ``background``: the further all neighbours are, the less they say. Then the
    logarithm of the votes is divided by ``temperature`` (temperature scaling: Guo et al., "On
    Calibration of Modern Neural Networks", ICML 2017). Without ``background`` the background vote
    equals that of the nearest neighbour.
    """

    background: float | None = None
    temperature: float = 1.0

    def probabilities(self, votes: Votes) -> Floats:
        """[N, C] probabilities; rows sum to 1."""
        return _softmax(self._logits(votes, self.background, self.temperature))

    @classmethod
    def learn(cls, votes: Votes, truth: Integers) -> Scale:
        """The scale of least negative log-likelihood on cells of known class ``truth`` [N]."""
        rows = np.arange(len(truth))

        def loss(parameters: np.ndarray) -> float:
            background, log_temperature = parameters
            p = _softmax(cls._logits(votes, background, float(np.exp(log_temperature))))
            fit = -np.log(np.maximum(p[rows, truth], 1e-12)).mean()
            # worth one cell: keeps the temperature near 1 when every vote is unanimous and right
            return float(fit + log_temperature**2 / len(truth))

        bounds = [(-1.0, 1.0), (-1.5, 1.5)]
        seen = votes.nearest[np.isfinite(votes.nearest)]
        middle = float(np.median(seen)) if len(seen) else 0.0
        starts = [(np.clip(middle - gap * TEMPERATURE, -0.99, 0.99), 0.0) for gap in (0.5, 2, 5)]
        fits = [minimize(loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]
        best = min(fits, key=lambda fit: float(fit.fun)).x
        return cls(float(best[0]), float(np.exp(best[1])))

    @staticmethod
    def _logits(votes: Votes, background: float | None, temperature: float) -> Floats:
        voted = np.isfinite(votes.nearest)
        extra = np.ones(len(voted))
        if background is not None:
            gap = np.where(voted, background - np.where(voted, votes.nearest, 0.0), 0.0)
            extra = np.exp(gap / TEMPERATURE)
        mass = votes.mass + (extra / max(votes.mass.shape[1], 1))[:, None]
        logits: Floats = np.log(np.maximum(mass, 1e-300)) / temperature
        return logits


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Floats = raised / raised.sum(axis=1, keepdims=True)
    return result


@dataclass(frozen=True)
class Answers:
    """What is said of N cells. Columns are class numbers; -1 means none.

    top: [N] the answer. probabilities: [N, C]. members: [N, C] bool, the prediction sets.
    novelty: [N] 0..1. decision: [N] of "accept", "back_off", "abstain". parent: [N] number of the
    ancestor backed off to (see ``Ancestry.names``), -1 unless the decision is back_off. why_not:
    [N] of WHY_NOT, "" where the answer is accepted.
    """

    top: Integers
    probabilities: Floats
    members: Booleans
    novelty: Floats
    decision: np.ndarray
    parent: Integers
    why_not: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """All that was learned from the calibration cells; ``notes`` say in words what could not be.

    classes: the C class codes, in the order of the columns. cells: how many calibration cells.
    source: "val" (cells of the val split), "left-out" (references left out one by one) or "none".
    accept: threshold on the probability of the answer. back_off: threshold on the probability of
    an ancestor of the answer.
    """

    classes: tuple[str, ...]
    cells: int = 0
    source: str = "none"
    scale: Scale = field(default_factory=Scale)
    sets: PredictionSets = field(default_factory=lambda: PredictionSets(0.95))
    novelty: NoveltyScale = field(default_factory=NoveltyScale)
    accept: Threshold = field(default_factory=Threshold)
    back_off: Threshold = field(default_factory=Threshold)
    notes: tuple[str, ...] = ()

    def answer(self, votes: Votes, ancestry: Ancestry) -> Answers:
        """Probability, prediction set, novelty and decision for the votes on N cells.

        accept: the answer's probability reaches its threshold. back_off: an ancestor's does; the
        nearest such is named. abstain: neither, or no neighbour voted, or the cell lies further
        from the references than every calibration cell did.
        """
        p = self.scale.probabilities(votes)
        top = winners(votes.share, votes.class_nearest)
        strange = self.novelty.beyond(votes.distance) | ~np.isfinite(votes.nearest)
        accept = _reaches(p[np.arange(len(p)), top], self.accept) & ~strange
        parent = np.full(len(p), -1, dtype=np.int64)
        if self.back_off.value is not None:
            parent = ancestry.nearest(p, top, self.back_off.value)
        parent = np.where(accept | strange, -1, parent)
        decision = np.where(accept, "accept", np.where(parent >= 0, "back_off", "abstain"))
        return Answers(
            top,
            p,
            self.sets.members(p, top),
            self.novelty.score(votes.distance),
            decision,
            parent,
            why_not(accept, strange, self.accept),
        )

    def to_document(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Calibration:
        """The calibration that ``to_document`` wrote."""
        sets, novelty = document["sets"], document["novelty"]
        return cls(
            classes=tuple(document["classes"]),
            cells=document["cells"],
            source=document["source"],
            scale=Scale(**document["scale"]),
            sets=PredictionSets(
                sets["coverage"], tuple(sets["thresholds"]), tuple(bool(o) for o in sets["own"])
            ),
            novelty=NoveltyScale(tuple(novelty["distances"]), novelty["count"]),
            accept=Threshold(**document["accept"]),
            back_off=Threshold(**document["back_off"]),
            notes=tuple(document["notes"]),
        )


def why_not(accept: Booleans, strange: Booleans, threshold: Threshold) -> np.ndarray:
    """[N] of WHY_NOT for answers that are accepted or not [N] under ``threshold``, "" if so."""
    short = NO_PROOF if threshold.value is None else UNSURE if threshold.proven else FEW
    return np.where(accept, "", np.where(strange, STRANGE, short))


def _reaches(score: Floats, threshold: Threshold) -> Booleans:
    if threshold.value is None:
        return np.zeros(len(score), dtype=bool)
    return score >= threshold.value


def learn_calibration(
    votes: Votes,
    truth: ArrayLike,
    ancestry: Ancestry,
    *,
    coverage: float,
    source: str,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Calibration:
    """Learn scale, prediction sets, novelty and thresholds from calibration cells.

    votes: on N cells, none by the cell itself or its patient. truth: [N] their class numbers.
    groups: [N] patient or slide numbers, negative where unknown; a group is never divided between
    the cells that teach the scale and those that teach sets and thresholds. With fewer than LEAST
    cells nothing is learned: probabilities are the smoothed votes and every decision is abstain.
    """
    true = np.asarray(truth, dtype=np.int64)
    n = len(true)
    if n < LEAST:
        note = (
            f"only {counted(n, 'labelled cell')} could be used for calibration, {LEAST} are "
            "needed: probabilities are smoothed votes, prediction sets are not calibrated, and "
            "every decision is abstain"
        )
        return Calibration(
            ancestry.classes,
            n,
            "none",
            sets=PredictionSets(coverage),
            novelty=NoveltyScale.learn(votes.distance),
            notes=(note,),
        )
    first = split_groups(n, min(max(n // 4, LEAST // 2), _MOST_FOR_SCALE), groups, seed)
    scale = Scale.learn(_rows(votes, first), true[first])
    rest = _rows(votes, ~first)
    p = scale.probabilities(rest)
    top = winners(rest.share, rest.class_nearest)
    sets = PredictionSets.learn(p, true[~first], coverage)
    accept, back_off = _thresholds(p, top, true[~first], ancestry)
    notes = [*_set_notes(sets, ancestry), *_threshold_notes(accept, back_off, len(p))]
    return Calibration(
        ancestry.classes,
        n,
        source,
        scale,
        sets,
        NoveltyScale.learn(votes.distance),
        accept,
        back_off,
        tuple(notes),
    )


def split_groups(n: int, wanted: int, groups: ArrayLike | None, seed: int) -> Booleans:
    """[n] bool: about ``wanted`` cells, whole groups of them, chosen by ``seed``.

    At least one group stays on either side; where all cells are one group, cells are divided.
    """
    given = np.full(n, -1) if groups is None else np.asarray(groups, dtype=np.int64)
    unit = np.where(given >= 0, given, given.max(initial=-1) + 1 + np.arange(n))
    _, unit, sizes = np.unique(unit, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        unit, sizes = np.arange(n), np.ones(n, dtype=int)
    order = np.random.default_rng(seed).permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    chosen = np.zeros(len(sizes), dtype=bool)
    chosen[order[before < wanted]] = True
    if chosen.all():
        chosen[order[-1]] = False
    result: Booleans = chosen[unit]
    return result


def _rows(votes: Votes, mask: Booleans) -> Votes:
    return Votes(
        votes.mass[mask], votes.nearest[mask], votes.class_nearest[mask], votes.distance[mask]
    )


def _thresholds(
    p: Floats, top: Integers, truth: Integers, ancestry: Ancestry
) -> tuple[Threshold, Threshold]:
    surest = p[np.arange(len(p)), top]
    broad = ancestry.broadest(p, top)

    def answer_wrong(_: float) -> Booleans:
        result: Booleans = top != truth
        return result

    def parent_wrong(value: float) -> Booleans:
        parent = ancestry.nearest(p, top, value)
        return (parent >= 0) & ~ancestry.within(truth, parent)

    if len(p) < cells_to_prove():
        return (
            measure_threshold(surest, UNPROVEN, answer_wrong),
            measure_threshold(broad, UNPROVEN, parent_wrong),
        )
    return learn_threshold(surest, answer_wrong), learn_threshold(broad, parent_wrong)


def _set_notes(sets: PredictionSets, ancestry: Ancestry) -> list[str]:
    few = [code for code, own in zip(ancestry.classes, sets.own, strict=True) if not own]
    if not few:
        return []
    return [
        f"prediction sets: {', '.join(few)} have fewer than {cells_needed(sets.coverage)} "
        "calibration cells each, so their coverage holds only together with the other classes"
    ]


def _threshold_notes(accept: Threshold, back_off: Threshold, cells: int) -> list[str]:
    goal = f"at most {RISK:.1%} wrong with {CONFIDENCE:.0%} confidence"
    if cells < cells_to_prove():
        return [
            f"accept and back_off are not proven: {cells} calibration cells cannot show {goal}, "
            f"{cells_to_prove()} can; accepted is what reaches probability {UNPROVEN}, at which "
            f"{accept.wrong} of {accept.cells} calibration cells were wrong "
            f"(upper bound {accept.bound:.1%})"
        ]
    notes: Sequence[tuple[Threshold, str]] = ((accept, "accept"), (back_off, "back_off"))
    return [
        f"no answer can be shown to be {goal}, so no decision is {name}"
        for threshold, name in notes
        if threshold.value is None
    ]

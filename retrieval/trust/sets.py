"""Prediction sets for one laboratory: class by class where there are labels enough, together where
there are ten a class, and wider before there is any.

A class is in a cell's set where 1 - its probability is at most a threshold: a conformal quantile of
the same score of labelled cells (Sadinle, Lei, Wasserman, JASA 2019). Labels that were drawn class
by class are weighted to stand for the set they came from (weighted conformal prediction:
Tibshirani, Barber, Candès, Ramdas, NeurIPS 2019; label shift: Podkopaev, Ramdas, UAI 2021). The
scores come from probabilities that were cross-fitted (Vovk, "Cross-conformal predictors", 2015),
so no label is spent on calibration alone.

A network that is right 99 times in 100 has the truth in every set of one class; sets that hold it
95 times in 100 then leave 4 in 100 out on purpose. These are the strangest cells, by novelty: an
empty set says "none of the known classes, as they usually look".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from retrieval.answers.conformal import cells_needed
from retrieval.answers.voting import Booleans, Floats, Integers

CONFUSED = 0.8  # share of the allowed misses that may go to confusion of classes


@dataclass(frozen=True)
class ConformalSets:
    """coverage: nominal. thresholds: [C] on 1 - probability; () for none, then the most probable
    classes that together reach the coverage are the set. own: [C] whether the class has its own.
    strangest: [C] novelty above which the class is left out; () for never.
    """

    coverage: float = 0.95
    thresholds: tuple[float, ...] = ()
    own: tuple[bool, ...] = ()
    strangest: tuple[float, ...] = ()

    @classmethod
    def learn(
        cls,
        probabilities: ArrayLike,
        truth: ArrayLike,
        coverage: float,
        *,
        novelty: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> ConformalSets:
        """From cross-fitted probabilities [n, C] of labelled cells and their class numbers [n].

        novelty: [n] of the same cells; where given, sets may be empty. weights: [n], mean 1, how
        many cells of the set each stands for. With fewer cells than can carry the coverage (19 for
        .95, 24 with novelty) nothing is learned.
        """
        p = np.asarray(probabilities, dtype=np.float64)
        true = np.asarray(truth, dtype=np.int64)
        given = np.ones(len(true)) if weights is None else np.asarray(weights, np.float64)
        room = 1 - CONFUSED * (1 - coverage) if novelty is not None else coverage
        least = cells_needed(room)
        if len(true) < least:
            return cls(coverage)
        enough = np.bincount(true, minlength=p.shape[1]) >= least
        scores = 1.0 - p[np.arange(len(p)), true]
        thresholds = _by_class(scores, true, given, enough, room, 1.0)
        sets = cls(coverage, thresholds, tuple(bool(e) for e in enough))
        if novelty is None:
            return sets
        inside = sets.members(p, p.argmax(axis=1))[np.arange(len(p)), true]
        strange = np.where(inside, np.asarray(novelty, dtype=np.float64), np.inf)
        limits = _by_class(strange, true, given, enough, coverage, np.inf)
        return cls(coverage, thresholds, sets.own, limits)

    def members(
        self, probabilities: ArrayLike, top: Integers, novelty: ArrayLike | None = None
    ) -> Booleans:
        """[N, C] which classes are in each cell's set; ``top`` [N] always is, unless the cell is
        too strange for it: then the set is empty, for nothing less probable stands without it."""
        p = np.asarray(probabilities, dtype=np.float64)
        inside = within_mass(p, self.coverage)
        if self.thresholds:
            inside = (1.0 - p) <= np.asarray(self.thresholds)[None, :]
        inside[np.arange(len(p)), top] = True
        if self.strangest and novelty is not None:
            strange = np.asarray(novelty, dtype=np.float64)[:, None]
            inside &= strange <= np.asarray(self.strangest)[None, :]
            inside &= inside[np.arange(len(p)), top][:, None]
        return inside


def within_mass(probabilities: ArrayLike, mass: float) -> Booleans:
    """[N, C] the most probable classes that together reach ``mass``."""
    p = np.asarray(probabilities, dtype=np.float64)
    order = np.argsort(-p, axis=1, kind="stable")
    ordered = np.take_along_axis(p, order, axis=1)
    before = np.cumsum(ordered, axis=1) - ordered
    inside = np.empty(p.shape, dtype=bool)
    np.put_along_axis(inside, order, before < mass, axis=1)
    return inside


def weighted_quantile(
    scores: ArrayLike, weights: ArrayLike, coverage: float, none: float, asked: float | None = None
) -> float:
    """The conformal quantile of weighted ``scores`` [n]; ``none`` where n is too small.

    The smallest score q for which the weight of scores up to q reaches ``coverage`` of all weight,
    that of the cell asked about, ``asked``, included (default: the mean). With even weights it is
    the ceil((n + 1) coverage)-th smallest score.
    """
    score = np.asarray(scores, dtype=np.float64)
    if not len(score):
        return none
    order = np.argsort(score, kind="stable")
    weight = np.asarray(weights, dtype=np.float64)[order]
    own = float(weight.mean()) if asked is None else asked
    reached = np.cumsum(weight) >= coverage * (weight.sum() + own) - 1e-9
    return float(score[order][reached.argmax()]) if reached.any() else none


def _by_class(
    scores: Floats, true: Integers, weights: Floats, enough: Booleans, coverage: float, none: float
) -> tuple[float, ...]:
    """A quantile a class: over its own cells where they are enough, else over all cells, a cell of
    the class being asked about weighing what the labelled ones of its class weigh."""
    found = []
    for column, own in enumerate(enough):
        mine = true == column
        used = mine if own else np.ones(len(true), dtype=bool)
        asked = float(weights[mine].mean()) if mine.any() else None
        found.append(weighted_quantile(scores[used], weights[used], coverage, none, asked))
    return tuple(found)

"""Probabilities calibrated to one laboratory, with as little as ten labels a class.

Vector scaling with few free numbers (Guo et al., "On Calibration of Modern Neural Networks", ICML
2017; bias-corrected temperature scaling: Alexandari, Kundaje, Shrikumar, ICML 2020): the logarithm
of each probability is divided by a temperature, a class has an offset, and a floor is mixed in,
because labels contain errors that no confidence can foresee. What is learned is drawn towards a
start, the calibration of the laboratories known before, by a normal prior: a handful of labels
moves it a little, hundreds decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import logsumexp

from retrieval.answers.voting import Floats, Integers
from retrieval.trust.errors import TrustError

SMALLEST = 1e-6  # a probability below this is taken for it, so that logarithms stay finite
LOOSE_TEMPERATURE = 0.5  # standard deviation of log temperature about the start
LOOSE_OFFSET = 0.4  # and of a class's offset
LOOSE_FLOOR = 1.0  # and of the floor's logit
FLOOR = 0.005  # the floor one starts from
FEWEST = 10  # labels below which the start is kept as it is
FOLDS = 5


@dataclass(frozen=True)
class Calibrator:
    """log_temperature: of the division. offsets: [C], () for none. floor: share given evenly."""

    log_temperature: float = 0.0
    offsets: tuple[float, ...] = ()
    floor: float = 0.0

    def apply(self, probabilities: ArrayLike) -> Floats:
        """[N, C] calibrated probabilities of raw ones [N, C]; rows sum to 1.

        A class of probability 0 stays at 0: what was declared absent is not brought back.
        """
        p = _checked(probabilities)
        possible = p > 0
        offsets = np.asarray(self.offsets or np.zeros(p.shape[1]))
        raised = np.where(possible, _logs(p) / np.exp(self.log_temperature) + offsets, -np.inf)
        scaled = np.exp(raised - logsumexp(raised, axis=1, keepdims=True))
        share = possible / possible.sum(axis=1, keepdims=True)
        result: Floats = (1 - self.floor) * scaled + self.floor * share
        return result

    @classmethod
    def learn(
        cls,
        probabilities: ArrayLike,
        truth: ArrayLike,
        *,
        start: Calibrator | None = None,
        weights: ArrayLike | None = None,
    ) -> Calibrator:
        """The calibrator of largest posterior on cells of known class ``truth`` [n].

        probabilities: [n, C], made without the cell's own label. weights: [n] how many cells each
        stands for (mean 1), for labels that were not drawn at random. start: what it is drawn to.
        """
        p = _checked(probabilities)
        true = _truth(truth, p)
        first = start or cls(floor=FLOOR)
        if len(true) < FEWEST:
            return first
        given = np.ones(len(true)) if weights is None else np.asarray(weights, np.float64)
        logs, rows, count = _logs(p), np.arange(len(true)), p.shape[1]
        possible = p > 0
        share = possible[rows, true] / possible.sum(axis=1)
        offsets = np.asarray(first.offsets or np.zeros(count))
        centre = np.concatenate([[first.log_temperature, _logit(first.floor)], offsets])
        loose = np.array([LOOSE_TEMPERATURE, LOOSE_FLOOR, *[LOOSE_OFFSET] * count])

        def loss(parameters: Floats) -> tuple[float, Floats]:
            cool, floor = np.exp(-parameters[0]), 1 / (1 + np.exp(-parameters[1]))
            raised = np.where(possible, logs * cool + parameters[2:], -np.inf)
            scaled = np.exp(raised - logsumexp(raised, axis=1, keepdims=True))
            own = scaled[rows, true]
            mixed = np.maximum((1 - floor) * own + floor * share, 1e-12)
            away = (parameters - centre) / loose
            value = -(given * np.log(mixed)).sum() + 0.5 * (away**2).sum()
            pull = -given / mixed * (1 - floor) * own
            each = -scaled * pull[:, None]
            each[rows, true] += pull
            held = np.where(possible, logs, 0.0)
            slope = np.concatenate(
                [
                    [-(each * held).sum() * cool],
                    [-(given / mixed * (share - own)).sum() * floor * (1 - floor)],
                    each.sum(axis=0),
                ]
            )
            return float(value), slope + away / loose

        bounds = [(-2.0, 2.5), (-9.0, -1.5), *[(-3.0, 3.0)] * count]
        begin = np.clip(centre, [b[0] for b in bounds], [b[1] for b in bounds])
        best = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds).x
        middle = best[2:] - best[2:].mean()
        return cls(
            float(best[0]), tuple(float(b) for b in middle), float(1 / (1 + np.exp(-best[1])))
        )

    def flattened(self, probabilities: ArrayLike, mean: float) -> Calibrator:
        """This calibrator with the temperature at which the answers' mean probability is ``mean``.

        For a laboratory without labels: ``mean`` is the accuracy to expect there. Never sharper
        than this calibrator is.
        """
        p = _checked(probabilities)

        def stated(log_temperature: float) -> float:
            tried = Calibrator(log_temperature, self.offsets, self.floor)
            return float(tried.apply(p).max(axis=1).mean())

        low, high = self.log_temperature, self.log_temperature + 4.0
        if not len(p) or stated(low) <= mean:
            return self
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if stated(middle) > mean else (low, middle)
        return Calibrator(high, self.offsets, self.floor)


def same_winner(before: ArrayLike, after: ArrayLike) -> Floats:
    """``after`` [N, C] with its largest value of each row where ``before`` [N, C] has its own.

    Calibration says how sure an answer is, not what it is: offsets learned where lymphocytes were
    many must not rename the monocytes of the next laboratory. Where they would, the two classes
    exchange their probabilities.
    """
    kept = np.array(after, dtype=np.float64)
    rows = np.arange(len(kept))
    was, now = np.asarray(before).argmax(axis=1), kept.argmax(axis=1)
    kept[rows, was], kept[rows, now] = kept[rows, now], kept[rows, was]
    return kept


def cross_fitted(
    probabilities: ArrayLike,
    truth: ArrayLike,
    *,
    start: Calibrator | None = None,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> Floats:
    """[n, C] probabilities of labelled cells, each calibrated without its own label or group.

    groups: [n] patient or slide numbers, negative where unknown. What sets and thresholds are
    learned from must be made so: a label that calibrated its own prediction makes it look surer.
    """
    p = _checked(probabilities)
    true = _truth(truth, p)
    fold = folds_of(len(true), folds, groups, seed)
    given = None if weights is None else np.asarray(weights, np.float64)
    result = np.empty_like(p)
    for number in np.unique(fold):
        held = fold == number
        learned = Calibrator.learn(
            p[~held], true[~held], start=start, weights=None if given is None else given[~held]
        )
        result[held] = learned.apply(p[held])
    return result


def folds_of(n: int, folds: int, groups: ArrayLike | None = None, seed: int = 0) -> Integers:
    """[n] number of the fold of each cell; cells of one group (>= 0) share a fold."""
    given = np.full(n, -1) if groups is None else np.asarray(groups, dtype=np.int64)
    unit = np.where(given >= 0, given, given.max(initial=-1) + 1 + np.arange(n))
    _, unit = np.unique(unit, return_inverse=True)
    count = int(unit.max(initial=-1)) + 1
    if count < 2:
        unit, count = np.arange(n), n
    order = np.random.default_rng(seed).permutation(count)
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count) % max(min(folds, count), 1)
    result: Integers = place[unit]
    return result


def balance_weights(truth: ArrayLike, shares: ArrayLike, most: float = 5.0) -> Floats:
    """[n] weights (mean 1) that make labelled cells stand for a set with class ``shares`` [C].

    Labels are often ten a class, the set is not. A weight is at most ``most`` times another of the
    same size class, so that one label of a frequent class does not decide alone.
    """
    true = np.asarray(truth, dtype=np.int64)
    wanted = np.asarray(shares, dtype=np.float64)
    had = np.bincount(true, minlength=len(wanted)) / max(len(true), 1)
    ratio = np.divide(wanted, had, out=np.ones_like(wanted), where=had > 0)
    weight = np.clip(ratio[true], 1 / most, most)
    result: Floats = weight / weight.mean() if len(weight) else weight
    return result


def _logs(p: Floats) -> Floats:
    logs: Floats = np.log(np.maximum(p, SMALLEST))
    return logs


def _logit(share: float) -> float:
    held = min(max(share, 2e-4), 0.18)
    return float(np.log(held / (1 - held)))


def _checked(probabilities: ArrayLike) -> Floats:
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or not np.isfinite(p).all() or (len(p) and p.min() < -1e-6):
        raise TrustError(
            f"probabilities have shape {p.shape} or values below 0 or not finite, allowed is "
            "[N, C] of values from 0 to 1",
            "give one row of probabilities for each cell",
        )
    total = p.sum(axis=1, keepdims=True)
    if len(p) and not (total > 0).all():
        raise TrustError(
            "a row of probabilities sums to 0, allowed is 1",
            "give every cell at least one class that it can be",
        )
    return np.maximum(p, 0.0) / total


def _truth(truth: ArrayLike, probabilities: Floats) -> Integers:
    true = np.asarray(truth, dtype=np.int64)
    rows, count = probabilities.shape
    if len(true) != rows or not ((true >= 0) & (true < count)).all():
        raise TrustError(
            f"{len(true)} true classes for {rows} rows of {count} probabilities, allowed is one "
            f"class from 0 to {count - 1} a row",
            "give the number of the class for each cell",
        )
    return true

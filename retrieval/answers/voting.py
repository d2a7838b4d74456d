"""The vote of neighbours, in plain numpy: one rule for the estimator and for the proposer.

Letters: N cells, K neighbours, C classes. Neighbours of a cell stand nearest first; "similarity"
is larger for closer cells, whatever the metric; a neighbour that casts no vote has column
``NO_VOTE``.

A neighbour's weight is exp((similarity - best similarity) / temperature): the nearest counts 1,
the others less the further they are (a softmax over similarity, as in the non-parametric
classifier of Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
Discrimination", CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

TEMPERATURE = 0.07  # on cosine similarity: a neighbour 0.16 less similar weighs a tenth
NO_VOTE = -1
TIE = 1e-9  # shares of the vote closer than this are tied: it is above the noise of float64 sums

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Votes:
    """What the neighbours of N cells said.

    mass: [N, C] sum of weights a class, in units of the nearest voter's weight; >= 0.
    nearest: [N] similarity of the nearest voter; -inf where no neighbour voted.
    class_nearest: [N, C] similarity of the nearest voter of each class; -inf where there is none.
    distance: [N] weight-free mean of (1 - similarity) over the voters; inf where there is none.
    """

    mass: Floats
    nearest: Floats
    class_nearest: Floats
    distance: Floats

    @property
    def share(self) -> Floats:
        """[N, C] each class's share of the vote; rows sum to 1, or are all 1/C without a vote."""
        total = self.mass.sum(axis=1, keepdims=True)
        flat = np.full_like(self.mass, 1.0 / max(self.mass.shape[1], 1))
        return np.divide(self.mass, total, out=flat, where=total > 0)


def first_of_group(groups: ArrayLike, usable: ArrayLike) -> Booleans:
    """Mark the nearest usable neighbour of each group, so that a group has one vote.

    groups: [N, K] group number of each neighbour (patient or slide); negative: of no known group,
    which counts as a group of its own. usable: [N, K] bool. Returns [N, K] bool.
    """
    group = np.asarray(groups, dtype=np.int64)
    usable = np.asarray(usable, dtype=bool)
    n, k = group.shape
    alone = np.iinfo(np.int64).min + np.arange(k)[None, :]  # a number no real group has
    key = np.where(usable & (group >= 0), group, alone)
    order = np.argsort(key, axis=1, kind="stable")  # within a group: nearest first
    ordered = np.take_along_axis(key, order, axis=1)
    first = np.ones((n, k), dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    marked = np.empty((n, k), dtype=bool)
    np.put_along_axis(marked, order, first, axis=1)
    return marked & usable


def keep_nearest(usable: ArrayLike, k: int) -> Booleans:
    """[N, K] bool: of the usable neighbours of each cell, the ``k`` that stand first."""
    usable = np.asarray(usable, dtype=bool)
    return usable & (np.cumsum(usable, axis=1) <= k)


def count_votes(
    similarity: ArrayLike,
    columns: ArrayLike,
    classes: int,
    *,
    temperature: float = TEMPERATURE,
    class_weights: ArrayLike | None = None,
) -> Votes:
    """Add up the neighbours' weights by class.

    similarity: [N, K], larger is closer; where a neighbour is absent any value, -inf included.
    columns: [N, K] class number 0..C-1 of each neighbour, or NO_VOTE.
    class_weights: [C] factor on every vote of a class (see ``prior_weights``).
    """
    sim = np.asarray(similarity, dtype=np.float64)
    column = np.asarray(columns, dtype=np.int64)
    votes = column != NO_VOTE
    n = len(sim)
    sim = np.where(votes, sim, -np.inf)
    nearest = sim.max(axis=1, initial=-np.inf)
    finite = np.where(np.isfinite(nearest), nearest, 0.0)
    weight = np.exp((sim - finite[:, None]) / temperature)
    if class_weights is not None:
        weight = weight * np.asarray(class_weights, dtype=np.float64)[np.where(votes, column, 0)]
    cell = np.broadcast_to(np.arange(n)[:, None], column.shape)[votes]
    flat = cell * classes + column[votes]
    mass: Floats = np.zeros(n * classes)
    np.add.at(mass, flat, weight[votes])
    best = np.full(n * classes, -np.inf)
    np.maximum.at(best, flat, sim[votes])
    voters = votes.sum(axis=1)
    gap = np.where(votes, 1.0 - np.where(votes, sim, 0.0), 0.0).sum(axis=1)
    distance = np.divide(gap, voters, out=np.full(n, np.inf), where=voters > 0)
    return Votes(mass.reshape(n, classes), nearest, best.reshape(n, classes), distance)


def pass_down(votes: Votes, families: Sequence[tuple[int, Sequence[int]]]) -> Votes:
    """Hand the votes for a class to its subclasses, where these are known to be all of it.

    families: pairs (column of the class, columns of its subclasses). The class's mass is shared
    among its subclasses in proportion to their own mass; so a neighbour of which only the class
    is known speaks for the branch but never against a subclass in it. Where no subclass of the
    branch has a vote, the mass stays with the class. The total does not change.
    """
    mass = votes.mass.copy()
    for whole, parts in families:
        inside = mass[:, list(parts)]
        total = inside.sum(axis=1, keepdims=True)
        held = mass[:, [whole]]
        share = np.divide(inside, total, out=np.zeros_like(inside), where=total > 0)
        mass[:, list(parts)] = inside + share * held
        mass[:, whole] = np.where(total[:, 0] > 0, 0.0, held[:, 0])
    return Votes(mass, votes.nearest, votes.class_nearest, votes.distance)


def winners(share: ArrayLike, class_nearest: ArrayLike) -> Integers:
    """[N] column of the winning class, by the tie rule.

    1. the class with the largest share; shares within ``TIE`` of the largest are tied;
    2. of those tied, the class with the nearest voter (compared exactly);
    3. of those still tied, the class that comes first in the order of the columns.
    """
    share = np.asarray(share, dtype=np.float64)
    tied = share >= share.max(axis=1, keepdims=True) - TIE
    # a tied class without a voter of its own ranks below every one with a voter
    near = np.maximum(np.asarray(class_nearest, dtype=np.float64), -np.finfo(np.float64).max)
    near = np.where(tied, near, -np.inf)
    result: Integers = np.argmax(near, axis=1)
    return result


def prior_weights(counts: ArrayLike, target: ArrayLike | None = None) -> Floats:
    """Factors that make votes speak for classes occurring as in ``target``.

    A neighbour of a frequent class is near by chance more often; weighting each vote by
    (target share / reference share) undoes that (Saerens et al., Neural Computation 2002).
    counts: [C] references a class. target: [C] expected shares, None for all equal. A class
    without references has factor 0. Returns [C], scaled so that the largest factor is 1.
    """
    count = np.asarray(counts, dtype=np.float64)
    wanted = np.ones_like(count) if target is None else np.asarray(target, dtype=np.float64)
    factor = np.divide(wanted, count, out=np.zeros_like(count), where=count > 0)
    top = factor.max(initial=0.0)
    return factor / top if top > 0 else factor

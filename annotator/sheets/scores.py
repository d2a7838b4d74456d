"""What the labels so far say of many unlabelled cells at once: the class of each and how surely.

Two answers are averaged: the vote of the nearest labelled neighbours, as everywhere in CellKin, and
a linear classifier fitted to the labels of the data set, which adapts to a laboratory with the
first labels. Where they differ neither is sure, and that is what a sheet must know.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from retrieval.answers.voting import count_votes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Vectors = NDArray[np.float32]

VOTERS = 15
STRENGTH = 100.0  # inverse regularisation of the linear classifier; vectors have length 1
TAUGHT = 4000  # labels the linear classifier is fitted to, drawn evenly by class
_PART = 512  # rows compared at a time, to bound memory


@dataclass(frozen=True)
class Scores:
    """N cells and C classes: ids [N], vectors [N, D], probabilities [N, C], rows sum to 1."""

    ids: Integers
    vectors: Vectors
    classes: tuple[str, ...]
    probabilities: Floats

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def top(self) -> Integers:
        """[N] the column of the most probable class."""
        return self.probabilities.argmax(axis=1) if self.classes else np.zeros(0, np.int64)

    @property
    def sureness(self) -> Floats:
        """[N] the probability of the most probable class."""
        return self.probabilities.max(axis=1) if self.classes else np.zeros(0)

    def without(self, ids: set[int]) -> Scores:
        """The same for the cells that are not among ``ids``."""
        keep = ~np.isin(self.ids, list(ids))
        return self.rows(np.flatnonzero(keep))

    def rows(self, rows: Integers) -> Scores:
        """The same for some rows."""
        return Scores(self.ids[rows], self.vectors[rows], self.classes, self.probabilities[rows])


def score(
    ids: Integers,
    vectors: Vectors,
    taught: Vectors,
    codes: Sequence[str],
    *,
    k: int = VOTERS,
    seed: int = 0,
) -> Scores:
    """Score cells ``ids`` [N] of ``vectors`` [N, D] by labelled ones: ``taught`` [R, D], ``codes``.

    Without labelled cells there are no classes.
    """
    if not len(taught):
        return Scores(ids, vectors, (), np.zeros((len(ids), 0)))
    classes, columns = np.unique(np.asarray(codes, dtype=str), return_inverse=True)
    votes = _vote(vectors, taught, columns, len(classes), k)
    if len(classes) > 1 and len(ids):
        votes = (votes + _linear(vectors, taught, columns, len(classes), seed)) / 2
    return Scores(ids, vectors, tuple(classes.tolist()), votes)


def _vote(vectors: Vectors, taught: Vectors, columns: Integers, classes: int, k: int) -> Floats:
    near = min(k, len(taught))
    found = np.zeros((len(vectors), classes))
    for start in range(0, len(vectors), _PART):
        similar = vectors[start : start + _PART] @ taught.T
        nearest = np.argpartition(-similar, near - 1, axis=1)[:, :near]
        similarity = np.take_along_axis(similar, nearest, axis=1)
        found[start : start + _PART] = count_votes(similarity, columns[nearest], classes).share
    return found


def _linear(
    vectors: Vectors, taught: Vectors, columns: Integers, classes: int, seed: int
) -> Floats:
    rows = _even(columns, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough after 200 steps
        model = LogisticRegression(C=STRENGTH, max_iter=200).fit(taught[rows], columns[rows])
    found: Floats = np.zeros((len(vectors), classes))
    found[:, model.classes_] = model.predict_proba(vectors)
    return found


def _even(columns: Integers, seed: int) -> Integers:
    """At most TAUGHT rows, as evenly by class as they allow."""
    if len(columns) <= TAUGHT:
        return np.arange(len(columns))
    mixed = np.random.default_rng(seed).permutation(len(columns))
    turn = np.empty(len(columns), dtype=np.int64)
    for column in np.unique(columns):
        mine = mixed[columns[mixed] == column]
        turn[mine] = np.arange(len(mine))
    return np.sort(np.argsort(turn, kind="stable")[:TAUGHT])

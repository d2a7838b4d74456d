"""What the labels so far say of many unlabelled cells at once: the class of each and how surely.

Three answers are averaged. The vote of the nearest labelled neighbours, as everywhere in CellKin;
the adaptation to the laboratory (``retrieval.folder``), which also learns from the cells without
labels; and a linear classifier on the same features, which is bolder. Where they differ none is
sure, and that is what a sheet must know.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from retrieval.answers.voting import count_votes
from retrieval.folder import Adaptation, Folder, adapt

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Vectors = NDArray[np.float32]

VOTERS = 15
STRENGTH = 100.0  # inverse regularisation of the linear classifier; its rows have length 1
PENALTY = 1.0  # of the adaptation: more modest than where one cell is proposed at a time
_PART = 512  # rows compared at a time, to bound memory


@dataclass(frozen=True)
class Learned:
    """An adaptation to so many ``cells``; ``fingerprint`` names the cells and the labels."""

    adaptation: Adaptation
    cells: int
    fingerprint: str


@dataclass(frozen=True)
class Scores:
    """N cells and C classes: ids [N], vectors [N, D], probabilities [N, C], rows sum to 1.

    ``learned`` is what had a part in them, None where neighbours alone voted.
    """

    ids: Integers
    vectors: Vectors
    classes: tuple[str, ...]
    probabilities: Floats
    learned: Learned | None = None

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
        return replace(
            self,
            ids=self.ids[rows],
            vectors=self.vectors[rows],
            probabilities=self.probabilities[rows],
        )


@dataclass(frozen=True)
class Taught:
    """R labelled cells: unit vectors [R, D] and class codes [R].

    ``own`` [n] are rows of a folder that holds the labelled cells of the data set itself, and
    ``own_codes`` [n] their classes.
    """

    vectors: Vectors
    codes: Sequence[str]
    own: Integers
    own_codes: Sequence[str]


def probabilities(
    vectors: Vectors,
    rows: Integers,
    folder: Folder,
    taught: Taught,
    *,
    before: Sequence[str] = (),
    k: int = VOTERS,
) -> tuple[tuple[str, ...], Floats, Adaptation | None]:
    """Classes [C] and probabilities [N, C] of N cells that are ``rows`` [N] of ``folder``.

    ``before`` are the classes of which the model's own word counts before there are labels of them.
    Without labelled cells there are no classes. The third value is the adaptation that had a part
    in the probabilities, None without one.
    """
    if not len(taught.codes):
        return (), np.zeros((len(rows), 0)), None
    classes = np.union1d(np.asarray(taught.codes, dtype=str), np.asarray(before, dtype=str))
    columns = np.searchsorted(classes, np.asarray(taught.codes, dtype=str))
    answers = [vote(vectors, taught.vectors, columns, len(classes), k)]
    own = np.searchsorted(classes, np.asarray(taught.own_codes, dtype=str))
    learned = None
    if len(np.unique(own)) > 1 and len(rows):
        names = tuple(classes.tolist())
        start = before_labels(folder, names)
        learned = adapt(folder, taught.own, own, names, start=start, penalty=PENALTY)
        if learned.probabilities is not None:
            answers.append(np.asarray(learned.probabilities, dtype=np.float64)[rows])
        points = folder.outside(folder.points)
        answers.append(linear(points[rows], points[taught.own], own, len(classes)))
    return tuple(classes.tolist()), np.mean(answers, axis=0), learned


def before_labels(folder: Folder, classes: Sequence[str]) -> Vectors | None:
    """[N, C] what the model itself says of the cells of ``folder``; None where it says nothing.

    How far it is believed is measured on the labels of the data set (``retrieval.folder``).
    """
    if not set(folder.space.score_classes) & set(classes):
        return None
    start = np.zeros((len(folder), len(classes)), dtype=np.float32)
    for column, code in enumerate(folder.space.score_classes):
        if code in classes:
            start[:, classes.index(code)] = folder.cells.scores[:, column]
    return folder.outside(start)


def vote(vectors: Vectors, taught: Vectors, columns: Integers, classes: int, k: int) -> Floats:
    """[N, C] the share of the vote that each class has among the k nearest labelled cells."""
    near = min(k, len(taught))
    found = np.zeros((len(vectors), classes))
    for start in range(0, len(vectors), _PART):
        similar = vectors[start : start + _PART] @ taught.T
        nearest = np.argpartition(-similar, near - 1, axis=1)[:, :near]
        similarity = np.take_along_axis(similar, nearest, axis=1)
        found[start : start + _PART] = count_votes(similarity, columns[nearest], classes).share
    return found


def linear(points: Vectors, taught: Vectors, columns: Integers, classes: int) -> Floats:
    """[N, C] what a logistic regression on labelled rows says of ``points`` [N, E]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough after 200 steps
        model = LogisticRegression(C=STRENGTH, max_iter=200).fit(taught, columns)
    found: Floats = np.zeros((len(points), classes))
    found[:, model.classes_] = model.predict_proba(points)
    return found


def evenly(columns: Integers, most: int, seed: int) -> Integers:
    """At most ``most`` rows, as evenly by class as they allow, ascending."""
    if len(columns) <= most:
        return np.arange(len(columns))
    mixed = np.random.default_rng(seed).permutation(len(columns))
    turn = np.empty(len(columns), dtype=np.int64)
    for column in np.unique(columns):
        mine = mixed[columns[mixed] == column]
        turn[mine] = np.arange(len(mine))
    return np.sort(np.argsort(turn, kind="stable")[:most])

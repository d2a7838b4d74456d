"""How a laboratory's few labels are used: the ways there are, each tried by cross-validation.

The cells that hold labels teach a ridge on the laboratory's own centred features; its answers are
mixed with what is known without labels, and diffused over the cells' neighbours with the labels
held fast. The neighbours vote that this replaces is one of the ways, so that it is kept where it
is better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.folder.folder import Folder
from retrieval.folder.graph import shares
from retrieval.folder.readout import neighbour_shares
from retrieval.folder.ridge import Linear, ridge, soft
from retrieval.folder.space import Booleans, Floats, Integers

ALPHA = 0.7
VOTERS = 5
PENALTY = 0.3  # of the ridge where nothing speaks for another
HALF = 2.5  # labels a class at which they weigh as much as what is known without them
MANY_FOLDS, FEW_FOLDS = 10, 5
MANY = 100  # labels from which few folds do
JUDGED = 400  # labelled cells at most on which ways are compared
NOISE = 1.5


@dataclass(frozen=True)
class Way:
    """One way to use labels.

    penalty: of the ridge; None for a vote of the nearest labelled cells instead. before: 0..1,
    weight of what is known without labels. diffused: over the cells' neighbours.
    """

    penalty: float | None
    before: float
    diffused: bool


NEIGHBOURS_ALONE = Way(None, 0.0, False)


@dataclass(frozen=True)
class Labelled:
    """n labelled cells of a folder: rows [n] inside it, columns [n] their class numbers.

    groups: [n] patient or slide numbers, negative where unknown; None where none is.
    """

    rows: Integers
    columns: Integers
    classes: int
    groups: Integers | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def counts(self) -> Integers:
        """[C] labels of each class."""
        found: Integers = np.bincount(self.columns, minlength=self.classes)
        return found

    @property
    def each(self) -> float:
        """Labels of the middle one of the classes that have any."""
        counts = self.counts
        return float(np.median(counts[counts > 0]))

    def part(self, mask: Booleans) -> Labelled:
        """Those of ``mask`` [n]."""
        groups = None if self.groups is None else self.groups[mask]
        return Labelled(self.rows[mask], self.columns[mask], self.classes, groups)

    @property
    def units(self) -> Integers:
        """[n] what is left out together: the cells of one patient or slide.

        Each cell by itself where that would leave a class of several labels without any.
        """
        each: Integers = np.arange(len(self), dtype=np.int64)
        if self.groups is None:
            return each
        units = np.where(self.groups >= 0, self.groups, self.groups.max(initial=-1) + 1 + each)
        for column in np.flatnonzero(self.counts > 1):
            if len(np.unique(units[self.columns == column])) < 2:
                return each
        return units


def ways(each: float, known: bool, penalty: float = PENALTY) -> tuple[Way, ...]:
    """The ways worth trying with ``each`` labels a class, the one to prefer first.

    known: whether anything is known without labels. penalty: of the ridge of the first.
    """
    before = HALF / (HALF + each) if known else 0.0
    others = [
        Way(penalty / 3, before, True),
        Way(penalty * 3, before, True),
        Way(penalty, before / 3, True),
        Way(penalty, min(2 * before, 0.9), True),
        Way(penalty, before, False),
        Way(None, before, False),
    ]
    return tuple(dict.fromkeys((Way(penalty, before, True), *others, NEIGHBOURS_ALONE)))


def known_before(start: Floats | None, labelled: Labelled, allowed: Booleans) -> Floats | None:
    """[N, C] what is known without labels, less of it for classes that have none.

    That m labels a class were given and none of this class speaks against it: by 1 / (1 + m) for
    its being rare, and as much again for labels being given to what one looks for.
    """
    if start is None:
        return None
    unseen = labelled.counts == 0
    factor = np.where(unseen, 1 / (1 + labelled.each) ** 2, 1.0) * allowed
    return shares(start * factor[None, :].astype(np.float32))


def answer(folder: Folder, labelled: Labelled, before: Floats | None, way: Way) -> Floats:
    """[N, C] probabilities that ``way`` gives to all cells, taught by ``labelled``."""
    [start] = _starts(folder, labelled, before, (way,))
    return shares(folder.diffuse(start, ALPHA) if way.diffused else start)


def _starts(
    folder: Folder, labelled: Labelled, before: Floats | None, tried: Sequence[Way]
) -> Iterator[Floats]:
    """[N, C] of each way: what is diffused where it is, with the labels put in."""
    own = {penalty: _own(folder, labelled, penalty) for penalty in {way.penalty for way in tried}}
    unseen = labelled.counts == 0
    for way in tried:
        start = own[way.penalty]
        if before is not None and way.before:
            # labels say nothing of a class that has none: what is known without them stands
            told = np.where(unseen, 0, start) * (1 - before[:, unseen].sum(axis=1, keepdims=True))
            start = np.where(unseen, before, (1 - way.before) * told + way.before * before)
        if way.diffused:
            start = start.copy()
            start[labelled.rows] = 0
            start[labelled.rows, labelled.columns] = 1
        yield start


def _own(folder: Folder, labelled: Labelled, penalty: float | None) -> Floats:
    if penalty is None:
        vectors = np.asarray(folder.cells.vectors, dtype=np.float32)
        return neighbour_shares(
            vectors, vectors[labelled.rows], labelled.columns, labelled.classes, VOTERS
        )
    learned = taught_ridge(folder, labelled, penalty)
    return soft(learned.scores(folder.points), labelled.counts > 0)


def taught_ridge(folder: Folder, labelled: Labelled, penalty: float) -> Linear:
    """The ridge that ``labelled`` teach."""
    return ridge(folder.points[labelled.rows], labelled.columns, labelled.classes, penalty)


def folds(labelled: Labelled) -> tuple[Integers, Booleans]:
    """([n] fold of each labelled cell, [n] whether it is judged); classes are dealt out evenly.

    Cells of one patient or slide share a fold (see ``Labelled.units``).
    """
    order = np.lexsort((labelled.rows, labelled.columns))
    _, first, unit = np.unique(labelled.units[order], return_index=True, return_inverse=True)
    wanted = min(MANY_FOLDS if len(labelled) < MANY else FEW_FOLDS, len(first))
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first)) % wanted
    fold = np.empty(len(labelled), dtype=np.int64)
    fold[order] = place[unit]
    judged = np.zeros(len(labelled), dtype=bool)
    judged[order[np.linspace(0, len(order) - 1, min(len(order), JUDGED)).astype(np.int64)]] = True
    return fold, judged


def left_out(
    folder: Folder, labelled: Labelled, before: Floats | None, tried: Sequence[Way]
) -> NDArray[np.float32]:
    """[W, n, C] probabilities of each labelled cell by every way, its fold not teaching.

    Of more than JUDGED cells only so many are judged, dealt out over the classes; the rest is NaN.
    Diffusion is the same matrix from everywhere to everywhere, and symmetric: so it is run once,
    from the judged cells, and not once a fold and way.
    """
    fold, judged = folds(labelled)
    asked = np.flatnonzero(judged)
    reached = np.zeros((len(folder), len(asked)), dtype=np.float32)
    if any(way.diffused for way in tried):
        reached[labelled.rows[asked], np.arange(len(asked))] = 1
        reached = folder.diffuse(reached, ALPHA)
    found = np.full((len(tried), len(labelled), labelled.classes), np.nan, dtype=np.float32)
    for number in np.unique(fold[judged]):
        here = np.flatnonzero(fold[asked] == number)
        out = asked[here]
        rest = labelled.part(fold != number)
        if not len(rest):
            even = np.full((len(out), labelled.classes), 1 / labelled.classes)
            found[:, out] = even if before is None else before[labelled.rows[out]]
            continue
        for i, start in enumerate(_starts(folder, rest, before, tried)):
            spread = tried[i].diffused
            found[i, out] = reached[:, here].T @ start if spread else start[labelled.rows[out]]
    return found / found.sum(axis=2, keepdims=True)


def choose(
    probabilities: NDArray[np.float32], labelled: Labelled
) -> tuple[int, NDArray[np.float64]]:
    """(number of the way chosen, [W] balanced accuracy of each) by left-out ``probabilities``.

    The first way is kept unless another is better by more than NOISE standard errors of the
    difference (after Breiman et al., "Classification and Regression Trees", 1984). Classes of one
    label say nothing: without it they cannot be answered.
    """
    counts = labelled.counts
    told = (counts[labelled.columns] > 1) & np.isfinite(probabilities[0, :, 0])
    if not told.any():
        return 0, np.full(len(probabilities), np.nan)
    judged = np.bincount(labelled.columns[told], minlength=labelled.classes)
    weight = 1 / judged[labelled.columns[told]]
    weight = weight / weight.sum()
    right = (probabilities.argmax(axis=2) == labelled.columns[None, :])[:, told]
    accuracy = (right * weight).sum(axis=1)
    gain = right.astype(float) - right[0]
    spread = np.sqrt(((gain - (accuracy - accuracy[0])[:, None]) ** 2 * weight**2).sum(axis=1))
    clear = np.where(accuracy - accuracy[0] > NOISE * spread, accuracy, -1.0)
    clear[0] = accuracy[0]
    return int(clear.argmax()), accuracy

"""Orders that spread over the cells: typical ones, a diverse batch, a balance of classes."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans

from annotator.queues.candidates import Candidates, Floats, Integers

GROUPS = 24  # groups beyond what is labelled: some for each class, and for kinds within it
MOST_GROUPS = 200
NEAR = 20  # neighbours by which it is judged how typical a cell is, as in the paper
BATCH = 50  # cells of a diverse batch; by then the order has been worked out again


def by_typicality(found: Candidates) -> Integers:
    """From every group of alike cells the most typical, groups without a label first.

    TypiClust (Hacohen, Dekel and Weinshall, "Active Learning on a Budget: Opposite Strategies Suit
    High and Low Budgets", ICML 2022): with few labels, cells in the thick of a group teach more
    than doubtful ones. k-means finds the groups; typical is who is nearest to its neighbours.
    """
    n = len(found)
    if n < 3:
        return np.arange(n)
    groups = min(GROUPS + len(found.labelled), MOST_GROUPS, max(2, n // 3))
    means = KMeans(groups, n_init=1, random_state=found.seed).fit(found.vectors)
    typical = _typicality(found.vectors, means.labels_)
    known = np.zeros(groups, dtype=np.bool_)
    if len(found.labelled):
        known[means.predict(found.labelled)] = True
    size = np.bincount(means.labels_, minlength=groups)
    turn = np.empty(n, dtype=np.int64)  # the how manieth of its group a cell is
    for group in range(groups):
        rows = np.flatnonzero(means.labels_ == group)
        turn[rows[np.argsort(-typical[rows], kind="stable")]] = np.arange(len(rows))
    # A group with a label waits a turn; within a turn the largest groups come first.
    turn += known[means.labels_]
    return np.lexsort((-size[means.labels_], turn)).astype(np.int64)


def _typicality(vectors: np.ndarray, groups: np.ndarray) -> Floats:
    """[N] the mean similarity of each cell to its NEAR nearest of the same group."""
    typical = np.zeros(len(vectors))
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        near = min(NEAR, len(rows) - 1)
        if near < 1:
            continue
        similar = vectors[rows] @ vectors[rows].T
        np.fill_diagonal(similar, -np.inf)
        typical[rows] = np.partition(similar, -near, axis=1)[:, -near:].mean(axis=1)
    return typical


def by_diversity(found: Candidates) -> Integers:
    """A batch that is doubtful and of all sorts, then the rest by doubt.

    Each cell is represented as in BADGE (Ash et al., "Deep Batch Active Learning by Diverse,
    Uncertain Gradient Lower Bounds", ICLR 2020): the gradient its most probable class would have
    in the last layer, (p - e_top) x vector, long where doubtful. The batch is a greedy k-centre of
    them (Sener and Savarese, ICLR 2018), begun with the longest, so it needs no draw.
    """
    n = len(found)
    if n == 0:
        return np.arange(0)
    error = found.probabilities.copy()
    error[np.arange(n), error.argmax(axis=1)] -= 1.0
    length = (error**2).sum(axis=1)  # the vectors have length 1
    chosen = [int(length.argmax())]
    # Squared distance of a (x) u and b (x) v: |a|^2 + |b|^2 - 2 (a.b)(u.v), never made explicit.
    nearest = np.full(n, np.inf)
    for _ in range(min(BATCH, n) - 1):
        last = chosen[-1]
        inner = (error @ error[last]) * (found.vectors @ found.vectors[last])
        nearest = np.minimum(nearest, length + length[last] - 2 * inner)
        nearest[chosen] = -np.inf
        chosen.append(int(nearest.argmax()))
    rest = [row for row in np.argsort(-found.doubt, kind="stable").tolist() if row not in chosen]
    return np.array(chosen + rest, dtype=np.int64)


def by_balance(found: Candidates) -> Integers:
    """So that labels of all classes are expected to become equally many.

    Each next cell is the surest of the class of which fewest are labelled or already in line.
    """
    n = len(found)
    if n == 0 or not found.classes:
        return np.arange(n)
    top = found.probabilities.argmax(axis=1)
    lead = found.probabilities.max(axis=1)
    have = np.array([float(found.counts.get(code, 0)) for code in found.classes])
    lines = [
        list(np.flatnonzero(top == column)[np.argsort(lead[top == column], kind="stable")])
        for column in range(len(found.classes))
    ]
    order: list[int] = []
    while len(order) < n:
        column = min((c for c in range(len(lines)) if lines[c]), key=lambda c: have[c])
        row = int(lines[column].pop())
        have += found.probabilities[row]
        order.append(row)
    return np.array(order, dtype=np.int64)

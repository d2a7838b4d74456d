"""Which cells to label first: typical, diverse and doubtful ones.

A set of cells is sought that stands for all others: every cell is covered by its nearest labelled
one (facility location, greedily: Wei, Iyer and Bilmes, "Submodularity in Data Subset Selection and
Active Learning", ICML 2015). Its first picks are typical of large regions, the next of regions
without one, as is best with few labels (Hacohen, Dekel and Weinshall, "Active Learning on a
Budget", ICML 2022). Once there are labels, classes weigh the same by what the cells are taken for,
so that rare ones are not passed over, and doubtful cells weigh more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from retrieval.folder.errors import AdaptError
from retrieval.folder.folder import Folder
from retrieval.folder.graph import shares
from retrieval.folder.space import Floats, Integers

CANDIDATES = 1500  # cells among which is chosen
COVERED = 4000  # cells that shall be covered
REACH = 0.15  # temperature of the cosine: beyond some .3 less similar nothing is covered
DOUBT = 3.0  # weight of doubt beside 1


def choose_cells(
    folder: Folder, labelled: ArrayLike, n: int, probabilities: ArrayLike | None = None
) -> Integers:
    """[n] rows of the cells to label next, the most telling first, without those ``labelled``.

    labelled: rows of cells that have a label. probabilities: [N, C] what the cells are taken for
    after the last adaptation; what is known without labels is not good enough to lead the choice,
    so it is not looked at while there are none. Rows are those of the cells as given to
    ``folder``. Fewer come where fewer are left. Raises AdaptError for n below 1.
    """
    if n < 1:
        raise AdaptError(f"{n} cells are asked for, allowed is 1 or more", "ask for some")
    known = folder.rows(np.asarray(labelled, dtype=np.int64))
    free = np.setdiff1d(np.arange(len(folder)), known)
    candidates = _spread(free, max(CANDIDATES, n))
    cover = _spread(np.arange(len(folder)), COVERED)
    weight = np.ones(len(cover), dtype=np.float32)
    if probabilities is not None and len(known):
        weight = _weights(folder.inside(np.asarray(probabilities, np.float32)))[cover]
    near = _closeness(folder.points[cover], folder.points[candidates])
    covered = np.zeros(len(cover), dtype=np.float32)
    for start in range(0, len(known), CANDIDATES):
        some = known[start : start + CANDIDATES]
        np.maximum(
            covered, _closeness(folder.points[cover], folder.points[some]).max(axis=1), out=covered
        )
    chosen: list[int] = []
    for _ in range(min(n, len(candidates))):
        gain = weight @ np.maximum(near - covered[:, None], 0)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        np.maximum(covered, near[:, best], out=covered)
    picked = folder.order[candidates[np.asarray(chosen, dtype=np.int64)]]
    result: Integers = picked.astype(np.int64)
    return result


def _spread(rows: Integers, most: int) -> Integers:
    """At most ``most`` of ``rows``, evenly spread over the order of content."""
    if len(rows) <= most:
        return rows
    result: Integers = rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
    return result


def _closeness(of: Floats, to: Floats) -> Floats:
    result: Floats = np.exp((of @ to.T - 1) / REACH, dtype=np.float32)
    return result


def _weights(probabilities: Floats) -> Floats:
    """[N] how much each cell counts: the same for every class, more where it is doubtful.

    Probabilities are taken more modestly than they come (their roots): a class of which a few cells
    are sure would weigh too much, and what was labelled last be thought settled.
    """
    probabilities = shares(np.sqrt(probabilities))
    mass = probabilities.sum(axis=0)
    present = mass > 0.01 * mass.sum()
    weight = (probabilities[:, present] / mass[present]).sum(axis=1)
    if probabilities.shape[1] > 1:
        ordered = np.sort(probabilities, axis=1)
        weight = weight * (1 + DOUBT * (1 - (ordered[:, -1] - ordered[:, -2])))
    result: Floats = weight.astype(np.float32)
    return result

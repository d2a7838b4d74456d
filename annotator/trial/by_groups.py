"""Working with groups that a person judges by a page of their cells: clusters, lassos on the map.

Both follow the published tools as far as they are described, at their best: the page is a fair
sample, the group is drawn without effort, and the reader sees at a glance what most of it is.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN, KMeans

from annotator.trial.bench import Bench

PAGE = 60  # cells looked at, of a group that may be larger
MIXED = 0.1  # share of foreign cells on the page from which a group is taken for mixed
SMALLEST = 12  # cells of a group worth the effort
SIZES = (64, 32, 16, 8)  # smallest cluster, round by round

Rows = NDArray[np.int64]


def clusters(bench: Bench) -> None:
    """Clusters validated by a page each, named, grown page by page, what is left singly.

    After MorphoCluster (Schroeder, Kiko and Koch, Sensors 2020): HDBSCAN in rounds of falling
    cluster size; a validated cluster grows by its ranked nearest cells, where bisection finds the
    last page that is pure.
    """
    for size in SIZES:
        if len(bench.open) < 2 * size:
            break
        for rows in _dense(bench.cells.vectors, bench.open, size):
            label = _validate(bench, rows)
            if label is not None:
                _grow(bench, rows, label)
            bench.mark()
    _singly(bench)


def lasso(bench: Bench) -> None:
    """Islands of the map lassoed, judged by a page, labelled at once or cut in two.

    After PatchSorter (Walker et al., Journal of Pathology: Clinical Research 2024): a lasso on the
    UMAP of the embedding labels all it holds.
    """
    _lasso(bench, whole=False)


def lasso_whole(bench: Bench) -> None:
    """The same, but the reader pages through all that a lasso holds before it is labelled."""
    _lasso(bench, whole=True)


def _lasso(bench: Bench, *, whole: bool) -> None:
    from retrieval.maps.layout import fit

    flat = fit(bench.cells.vectors, seed=bench.seed)
    waiting = _dense(flat, bench.open, SIZES[1])
    while waiting:
        rows = waiting.pop(0)
        if _validate(bench, rows, whole=whole) is None and len(rows) >= 2 * SMALLEST:
            half = KMeans(2, n_init=3, random_state=bench.seed).fit_predict(flat[rows])
            waiting += [rows[half == part] for part in (0, 1) if (half == part).sum() >= SMALLEST]
        bench.mark()
    _singly(bench)


def _dense(points: np.ndarray, among: Rows, size: int) -> list[Rows]:
    """HDBSCAN's clusters of ``points`` [N, D] within ``among``, largest first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        found = HDBSCAN(min_cluster_size=size, copy=True).fit_predict(points[among])
    groups = [among[found == label] for label in np.unique(found) if label >= 0]
    return sorted(groups, key=len, reverse=True)


def _validate(bench: Bench, rows: Rows, *, whole: bool = False) -> int | None:
    """Look at a page of a group (``whole``: at all pages); label it unless it is mixed."""
    draw = np.random.default_rng((bench.seed, int(rows[0]), len(rows)))
    mixed = draw.permutation(rows).tolist()
    page = mixed[:PAGE]
    label = bench.reader.kind(page)
    struck = bench.reader.look(page, label)
    if len(struck) > MIXED * len(page):
        return None
    bench.reader.call(label)
    for start in range(PAGE, len(mixed) if whole else 0, PAGE):
        struck += bench.reader.look(mixed[start : start + PAGE], label)
    for cell in mixed:
        bench.give(cell, label, batch=True)
    for cell in struck:
        bench.give(cell, bench.reader.correct(cell))
    return label


def _grow(bench: Bench, rows: Rows, label: int) -> None:
    """Take in the nearest cells without a label up to the last pure page, found by bisection."""
    left = bench.open
    if not len(left):
        return
    centre = bench.cells.vectors[rows].mean(axis=0)
    ranked = left[np.argsort(-(bench.cells.vectors[left] @ centre), kind="stable")]
    low, high = 0, -(-len(ranked) // PAGE)  # pages known to be pure, and the first known not to be
    while low < high:
        middle = (low + high) // 2
        page = ranked[middle * PAGE : (middle + 1) * PAGE].tolist()
        if bench.reader.look(page, label):
            high = middle
        else:
            low = middle + 1
    for cell in ranked[: low * PAGE].tolist():
        bench.give(cell, label, batch=True)


def _singly(bench: Bench) -> None:
    for cell in bench.open.tolist():
        bench.give(cell, bench.reader.name(cell))
    bench.mark()

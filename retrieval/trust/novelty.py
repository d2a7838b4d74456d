"""How unlike the known cells a cell is: another kind, another laboratory, or no white cell at all.

Five measures, each blind to what another sees:

- distance: mean distance to the nearest references in the embedding (Sun et al., "Out-of-
  distribution detection with deep nearest neighbours", ICML 2022);
- ratio: that distance against the distance the references there have to each other, so that a
  scattered class is not novel in itself (Breunig et al., "LOF", SIGMOD 2000);
- class: Mahalanobis distance to the nearest class, shared covariance (Lee et al., NeurIPS 2018);
- relative: the same less the distance to all cells together (Ren et al., 2021);
- residual: what of the features lies outside the references' main directions (the residual of
  ViM: Wang et al., CVPR 2022).

Each is measured in units of known cells (0 their median, 1 their 95th percentile), and their mean
is ranked among known cells. "Known cells" are labelled cells that neither the network nor the
references hold, so that a cell of a known kind is not called novel for not having been taught.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.covariance import ledoit_wolf

from retrieval.answers.voting import Floats, Integers
from retrieval.trust.errors import TrustError

ALERT = 0.95
"""Novelty above which a cell is shown as novel: one known cell in twenty is."""

NEIGHBOURS = 5
MOST = 4000  # references used; more change nothing and cost time
PARTS = 512  # cells measured together
MAIN = 0.95  # share of the features' variance that is no residual
MOST_MAIN = 128
LARGEST = 12.0  # units beyond which a measure says no more
MEASURES = ("distance", "ratio", "class", "relative", "residual")


@dataclass(frozen=True)
class _Gauss:
    """Class means [C, E], whitening of what is shared [E, E], overall mean [E] and whitening."""

    means: Floats
    whitening: Floats
    mean: Floats
    overall: Floats

    @classmethod
    def of(cls, features: Floats, classes: Integers) -> _Gauss:
        present = [features[classes == c] for c in np.unique(classes)]
        means = np.stack([rows.mean(axis=0) for rows in present])
        within = np.concatenate([rows - rows.mean(axis=0) for rows in present])
        mean = features.mean(axis=0)
        return cls(means, _whitening(within), mean, _whitening(features - mean))

    def distances(self, features: Floats) -> tuple[Floats, Floats]:
        """[N] to the nearest class, and [N] the same less that to all cells."""
        shared = features @ self.whitening
        centres = self.means @ self.whitening
        squared = (
            (shared**2).sum(1)[:, None] + (centres**2).sum(1)[None] - 2 * shared @ centres.T
        ).min(axis=1)
        every = (((features - self.mean) @ self.overall) ** 2).sum(axis=1)
        width = features.shape[1]
        return np.sqrt(np.maximum(squared, 0) / width), (squared - every) / width


@dataclass(frozen=True)
class NoveltyModel:
    """Novelty against one set of references, scaled by known cells; see ``learn``."""

    vectors: NDArray[np.float32]
    spacing: Floats
    gauss: _Gauss
    main: Floats
    middle: Floats
    unit: Floats
    known: Floats

    @classmethod
    def learn(
        cls,
        vectors: ArrayLike,
        classes: ArrayLike,
        *,
        features: ArrayLike | None = None,
        known: ArrayLike | None = None,
        known_features: ArrayLike | None = None,
        seed: int = 0,
    ) -> NoveltyModel:
        """From references: unit vectors [R, D], class numbers [R], features [R, E].

        features: None or [R, 0] for the vectors themselves. known: unit vectors [M, D] (features
        [M, E]) of known cells outside the references; without them a fifth of the references,
        drawn by ``seed``, is set aside as known. Needs NEIGHBOURS + 1 references of a class or
        more, and 20 known cells, else TrustError.
        """
        v, f = _pair(vectors, features)
        column = np.asarray(classes, dtype=np.int64)
        rng = np.random.default_rng(seed)
        order = _even(column, rng)
        if known is None:
            aside = order[::5]
            order = np.setdiff1d(order, aside)
            kv, kf = v[aside], f[aside]
        else:
            kv, kf = _pair(known, known_features)
        chosen = np.sort(order[:MOST])
        if len(chosen) <= NEIGHBOURS or len(kv) < 20:
            raise TrustError(
                f"{len(chosen)} references and {len(kv)} known cells, novelty needs at least "
                f"{NEIGHBOURS + 1} and 20",
                "label some more cells",
            )
        v, f, column = v[chosen], f[chosen], column[chosen]
        spacing = np.sqrt(_nearest(v, v, True)[0].mean(axis=1) + 1e-6)
        made = cls(
            v,
            spacing,
            _Gauss.of(f, column),
            _main_directions(f),
            np.zeros(len(MEASURES)),
            np.ones(len(MEASURES)),
            np.zeros(0),
        )
        raw = made.measures(kv, kf)
        middle = np.median(raw, axis=0)
        unit = np.maximum(np.quantile(raw, 0.95, axis=0) - middle, 1e-9)
        scaled = cls(v, spacing, made.gauss, made.main, middle, unit, np.zeros(0))
        ranks = np.sort(scaled.strangeness(kv, kf))
        return cls(v, spacing, made.gauss, made.main, middle, unit, ranks)

    def measures(self, vectors: ArrayLike, features: ArrayLike | None = None) -> Floats:
        """[N, 5] the MEASURES of cells, in their own units; larger is stranger."""
        v, f = _pair(vectors, features)
        parts = [
            self._measures(v[at : at + PARTS], f[at : at + PARTS]) for at in range(0, len(v), PARTS)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(MEASURES)))

    def _measures(self, v: NDArray[np.float32], f: Floats) -> Floats:
        near, rows = _nearest(v, self.vectors, False)
        distance = np.sqrt(near.mean(axis=1) + 1e-6)
        ratio = np.log(distance) - np.log(self.spacing[rows].mean(axis=1))
        nearest, relative = self.gauss.distances(f)
        away = f - self.gauss.mean
        left = (away**2).sum(axis=1) - ((away @ self.main) ** 2).sum(axis=1)
        residual = np.sqrt(np.maximum(left, 0.0))
        return np.column_stack([distance, ratio, nearest, relative, residual])

    def strangeness(self, vectors: ArrayLike, features: ArrayLike | None = None) -> Floats:
        """[N] mean of the measures in units of known cells: 0 ordinary, 1 unusual, no end."""
        scaled = (self.measures(vectors, features) - self.middle) / self.unit
        result: Floats = np.clip(scaled, -LARGEST, LARGEST).mean(axis=1)
        return result

    def score(self, vectors: ArrayLike, features: ArrayLike | None = None) -> Floats:
        """[N] novelty from 0 to 1: the share of known cells that are less strange.

        Above ALERT lie 5% of known cells. Beyond all known cells it goes on rising towards 1, so
        that stranger cells stay in order.
        """
        asked = self.strangeness(vectors, features)
        return rank_among(asked, self.known)


def rank_among(asked: Floats, known: Floats) -> Floats:
    """[N] rank of ``asked`` among sorted ``known`` [M], 0..1; beyond the last it nears 1."""
    count = len(known)
    below = np.searchsorted(known, asked, side="left")
    upto = np.searchsorted(known, asked, side="right")
    share = (below + upto) / 2 / (count + 1)
    last = known[-1]
    scale = max(float(last - known[int(0.95 * (count - 1))]), 1e-3)
    with np.errstate(over="ignore"):
        beyond = 1 - np.exp(-np.maximum(asked - last, 0.0) / scale) * (1 - count / (count + 1))
    result: Floats = np.where(asked > last, beyond, share)
    return result


def _pair(vectors: ArrayLike, features: ArrayLike | None) -> tuple[NDArray[np.float32], Floats]:
    v = np.asarray(vectors, dtype=np.float32)
    f = np.asarray(v if features is None else features, dtype=np.float64)
    if not f.shape[1]:
        f = v.astype(np.float64)
    if v.ndim != 2 or len(f) != len(v):
        raise TrustError(
            f"vectors have shape {v.shape} and features {f.shape}, allowed is [N, D] and [N, E]",
            "give one row of each for each cell",
        )
    return v, f


def _even(classes: Integers, rng: np.random.Generator) -> Integers:
    """Row numbers so that any first part holds the classes about equally."""
    order = rng.permutation(len(classes))
    turn = np.empty(len(classes), dtype=np.int64)
    for column in np.unique(classes):
        mine = order[classes[order] == column]
        turn[mine] = np.arange(len(mine))
    result: Integers = order[np.argsort(turn[order], kind="stable")]
    return result


def _nearest(
    asked: NDArray[np.float32], known: NDArray[np.float32], same: bool
) -> tuple[Floats, Integers]:
    """Cosine distances [N, K] to, and rows [N, K] of, the nearest ``known``; ``same`` leaves out
    each vector itself."""
    k = min(NEIGHBOURS, len(known) - same)
    distances, rows = [], []
    for at in range(0, len(asked), PARTS):
        similarity = asked[at : at + PARTS] @ known.T
        if same:
            here = np.arange(len(similarity))
            similarity[here, at + here] = -np.inf
        found = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        rows.append(found)
        distances.append(1.0 - np.take_along_axis(similarity, found, axis=1))
    return np.maximum(np.concatenate(distances).astype(np.float64), 0.0), np.concatenate(rows)


def _whitening(centred: Floats) -> Floats:
    """[E, E] of the inverse of the shrunk covariance (Ledoit and Wolf 2004) of centred rows."""
    covariance, _ = ledoit_wolf(centred, assume_centered=True)
    values, axes = np.linalg.eigh(covariance)
    floor = max(float(values.max()) * 1e-6, 1e-12)
    result: Floats = axes / np.sqrt(np.maximum(values, floor))
    return result


def _main_directions(features: Floats) -> Floats:
    """[E, M] the directions that hold MAIN of the variance, at most MOST_MAIN and half of them."""
    centred = features - features.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    share = np.cumsum(values[::-1]) / max(float(values.sum()), 1e-12)
    count = min(int(np.searchsorted(share, MAIN)) + 1, MOST_MAIN, max(features.shape[1] // 2, 1))
    result: Floats = axes[:, ::-1][:, :count]
    return result

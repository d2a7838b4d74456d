"""How unlike the known cells a cell is: another kind, another laboratory, or no white cell at all.

Two measures, each blind to what the other sees:

- distance: mean distance to the nearest references in the embedding (Sun et al., "Out-of-
  distribution detection with deep nearest neighbours", ICML 2022);
- class: Mahalanobis distance to the nearest class, shared covariance, on the features of every
  part, of networks taught these classes and of one that was not (Lee et al., NeurIPS 2018).

Each is measured in units of known cells (0 their median, 1 their 95th percentile), and their mean
is ranked among known cells. "Known cells" are labelled cells that neither the network nor the
references hold, so that a cell of a known kind is not called novel for not having been taught.
Measured beside them, each class left out in turn, and not taken: the ratio of distances (LOF), the
relative Mahalanobis distance and the residual of ViM; see docs/trust.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.covariance import ledoit_wolf

from retrieval.answers.voting import Floats, Integers
from retrieval.trust.errors import TrustError

ALERT = 0.95
"""Novelty above which a cell is shown as novel: one known cell in twenty is."""

NEIGHBOURS = 5
MOST = 4000  # references used; more change nothing and cost time
LEAST_KNOWN = 20
PARTS = 512  # cells measured together
SMALLEST, LARGEST = -1.0, 12.0  # units beyond which a measure says no more
MEASURES = ("distance", "class")


@dataclass(frozen=True)
class _Gauss:
    """Class means [C, E] and the whitening [E, E] of what the classes share."""

    means: Floats
    whitening: Floats

    @classmethod
    def of(cls, features: Floats, classes: Integers) -> _Gauss:
        present = [features[classes == c] for c in np.unique(classes)]
        within = np.concatenate([rows - rows.mean(axis=0) for rows in present])
        return cls(np.stack([rows.mean(axis=0) for rows in present]), _whitening(within))

    def distance(self, features: Floats) -> Floats:
        """[N] to the nearest class, about 1 for cells like those learned from."""
        shared = features @ self.whitening
        centres = self.means @ self.whitening
        squared = (shared**2).sum(1)[:, None] + (centres**2).sum(1)[None] - 2 * shared @ centres.T
        result: Floats = np.sqrt(np.maximum(squared.min(axis=1), 0) / features.shape[1])
        return result


@dataclass(frozen=True)
class NoveltyModel:
    """Novelty against one set of references, scaled by known cells; see ``learn``."""

    vectors: NDArray[np.float32]
    gauss: _Gauss
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
        if len(chosen) <= NEIGHBOURS or len(kv) < LEAST_KNOWN:
            raise TrustError(
                f"{len(chosen)} references and {len(kv)} known cells, novelty needs at least "
                f"{NEIGHBOURS + 1} and {LEAST_KNOWN}",
                "label some more cells",
            )
        nothing = np.zeros(len(MEASURES))
        made = cls(
            v[chosen], _Gauss.of(f[chosen], column[chosen]), nothing, nothing + 1, np.zeros(0)
        )
        raw = made.measures(kv, kf)
        middle = np.median(raw, axis=0)
        unit = np.maximum(np.quantile(raw, 0.95, axis=0) - middle, 1e-9)
        return replace(made, middle=middle, unit=unit).among(kv, kf)

    def measures(self, vectors: ArrayLike, features: ArrayLike | None = None) -> Floats:
        """[N, 2] the MEASURES of cells, in their own units; larger is stranger."""
        v, f = _pair(vectors, features)
        parts = [
            self._measures(v[at : at + PARTS], f[at : at + PARTS]) for at in range(0, len(v), PARTS)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(MEASURES)))

    def _measures(self, v: NDArray[np.float32], f: Floats) -> Floats:
        distance = np.sqrt(_nearest(v, self.vectors).mean(axis=1))
        return np.column_stack([distance, self.gauss.distance(f)])

    def strangeness(self, vectors: ArrayLike, features: ArrayLike | None = None) -> Floats:
        """[N] mean of the measures in units of known cells: 0 ordinary, 1 unusual, no end."""
        scaled = (self.measures(vectors, features) - self.middle) / self.unit
        result: Floats = np.clip(scaled, SMALLEST, LARGEST).mean(axis=1)
        return result

    def among(self, vectors: ArrayLike, features: ArrayLike | None = None) -> NoveltyModel:
        """This model with novelty ranked among other known cells, those of one laboratory.

        vectors: [M, D], features [M, E] of labelled cells there, 20 or more. What sets the whole
        laboratory apart then makes none of its cells novel.
        """
        if len(np.asarray(vectors)) < LEAST_KNOWN:
            return self
        return replace(self, known=np.sort(self.strangeness(vectors, features)))

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


def _nearest(asked: NDArray[np.float32], known: NDArray[np.float32]) -> Floats:
    """[N, NEIGHBOURS] cosine distances to the nearest ``known``, in no order."""
    similarity = asked @ known.T
    nearest = -np.partition(-similarity, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    result: Floats = np.maximum(1.0 - nearest.astype(np.float64), 0.0)
    return result


def _whitening(centred: Floats) -> Floats:
    """[E, E] of the inverse of the shrunk covariance (Ledoit and Wolf 2004) of centred rows."""
    covariance, _ = ledoit_wolf(centred, assume_centered=True)
    values, axes = np.linalg.eigh(covariance)
    floor = max(float(values.max()) * 1e-6, 1e-12)
    result: Floats = axes / np.sqrt(np.maximum(values, floor))
    return result

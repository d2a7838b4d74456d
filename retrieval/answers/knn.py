"""The classifier by nearest neighbours as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from retrieval.answers.voting import (
    NO_VOTE,
    TEMPERATURE,
    Floats,
    Integers,
    Votes,
    count_votes,
    first_of_group,
    keep_nearest,
    prior_weights,
    winners,
)

METRICS = ("cosine", "euclidean")
_SPARE = 8  # candidates fetched beyond k, so that float32 rounding in FAISS cannot drop a true one
_PART = 1 << 22  # numbers gathered at once (32 MB): bounds the memory of a large query


class NeighbourClassifier(ClassifierMixin, BaseEstimator):
    """Names a cell by a distance-weighted vote of its nearest labelled neighbours.

    The neighbours are exact: FAISS's flat search finds the candidates, their similarity is then
    computed again in float64. Votes and ties follow ``retrieval.answers.voting``, which the
    atlas's proposer uses as well.

    Parameters
    ----------
    n_neighbors: neighbours that vote, at least 1; all references where fewer exist.
    metric: "cosine" (similarity = inner product of the vectors scaled to unit length, -1..1) or
        "euclidean" (similarity = -squared distance / 2, so that on unit vectors both metrics
        give the same answers).
    temperature: > 0, in units of the similarity; smaller leans more on the nearest neighbour.
    prior: None takes the votes as they are; "uniform" corrects for unequal numbers of references
        a class, towards all classes equally likely; a mapping from class to share (or a sequence
        of shares in the order of ``classes_``) corrects towards these shares.

    With ``fit(..., groups=)`` each group (patient, slide) has one vote on a cell: only its nearest
    reference counts, and ``n_neighbors`` counts groups. A group of None, NaN or "" is unknown:
    such a reference votes by itself.

    Ties: the largest share wins; of shares within 1e-9, the class with the nearest voter; of
    equally near ones, the class that comes first in ``classes_``.

    Fitted attributes: ``classes_`` [C], ``n_features_in_``, ``references_`` [N, D] float64,
    ``columns_`` [N], ``groups_`` [N] or None, ``class_weights_`` [C].
    """

    def __init__(
        self,
        n_neighbors: int = 15,
        *,
        metric: str = "cosine",
        temperature: float = TEMPERATURE,
        prior: str | Mapping[Any, float] | ArrayLike | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.temperature = temperature
        self.prior = prior

    def fit(
        self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None
    ) -> NeighbourClassifier:
        """Keep the references X [N, D] with their classes y [N] and, if given, groups [N]."""
        features, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self._check_parameters()
        self.classes_, self.columns_ = np.unique(y, return_inverse=True)
        self.references_ = self._prepare(features)
        self.groups_ = None
        if groups is not None:
            check_consistent_length(features, groups)
            self.groups_ = number_groups(groups)
        counts = np.bincount(self.columns_, minlength=len(self.classes_))
        self.class_weights_ = self._class_weights(counts)
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """[N, C] share of the vote of each class, in the order of ``classes_``."""
        return np.concatenate([votes.share for votes in self._votes(X)])

    def predict(self, X: ArrayLike) -> np.ndarray:
        """[N] the winning class of each row, by the tie rule."""
        column = [winners(votes.share, votes.class_nearest) for votes in self._votes(X)]
        labels: np.ndarray = self.classes_[np.concatenate(column)]
        return labels

    def kneighbors(self, X: ArrayLike, n_neighbors: int | None = None) -> tuple[Floats, Integers]:
        """The voting neighbours of each row, nearest first.

        Returns (similarity [N, K] float64, index into the references [N, K] int64); where groups
        leave fewer than K voters the rest is -inf and -1. Equally similar references stand in the
        order in which they were fitted.
        """
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        parts = list(self._neighbours(self._prepare(features), k))
        return np.concatenate([s for s, _ in parts]), np.concatenate([i for _, i in parts])

    def _check_parameters(self) -> None:
        if isinstance(self.n_neighbors, bool) or int(self.n_neighbors) != self.n_neighbors:
            raise ValueError(f"n_neighbors is {self.n_neighbors!r}, allowed is a whole number")
        if self.n_neighbors < 1:
            raise ValueError(f"n_neighbors is {self.n_neighbors}, allowed is at least 1")
        if self.metric not in METRICS:
            raise ValueError(f"metric is {self.metric!r}, allowed is one of {', '.join(METRICS)}")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature!r}, allowed is above 0")

    def _class_weights(self, counts: Integers) -> Floats | None:
        if self.prior is None:
            return None
        if isinstance(self.prior, str):
            if self.prior != "uniform":
                raise ValueError(
                    f"prior is {self.prior!r}, allowed is None, 'uniform' or shares by class"
                )
            return prior_weights(counts)
        if isinstance(self.prior, Mapping):
            missing = [c for c in self.classes_.tolist() if c not in self.prior]
            if missing:
                raise ValueError(f"prior lacks the classes {missing}")
            target = np.array([self.prior[c] for c in self.classes_], dtype=np.float64)
        else:
            target = np.asarray(self.prior, dtype=np.float64)
        if target.shape != counts.shape or (target < 0).any() or not target.sum() > 0:
            raise ValueError(
                f"prior has shape {target.shape}, allowed is {len(counts)} shares of at least 0"
            )
        return prior_weights(counts, target)

    def _prepare(self, X: Floats) -> Floats:
        if self.metric != "cosine":
            return X
        length = np.linalg.norm(X, axis=1, keepdims=True)
        return np.divide(X, length, out=np.zeros_like(X), where=length > 0)

    def _votes(self, X: ArrayLike) -> Iterator[Votes]:
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        for similarity, index in self._neighbours(self._prepare(features), self.n_neighbors):
            columns = np.where(index >= 0, self.columns_[index], NO_VOTE)
            yield count_votes(
                similarity,
                columns,
                len(self.classes_),
                temperature=self.temperature,
                class_weights=self.class_weights_,
            )

    def _neighbours(self, queries: Floats, k: int) -> Iterator[tuple[Floats, Integers]]:
        total, width = self.references_.shape
        k = min(int(k), total)
        fetch = min(k + _SPARE, total)
        rows = max(1, _PART // (fetch * width))
        for start in range(0, len(queries), rows):
            part = queries[start : start + rows]
            if self.groups_ is None:
                similarity, index = self._candidates(part, fetch)
                yield similarity[:, :k], index[:, :k]
            else:
                yield self._one_a_group(part, k, self.groups_)

    def _one_a_group(self, queries: Floats, k: int, groups: Integers) -> tuple[Floats, Integers]:
        """The nearest reference of each of the ``k`` nearest groups."""
        total = len(groups)
        similarity = np.full((len(queries), k), -np.inf)
        index = np.full((len(queries), k), -1, dtype=np.int64)
        pending = np.arange(len(queries))
        fetch = min(4 * k + _SPARE, total)
        while len(pending):
            sim, found = self._candidates(queries[pending], fetch)
            keep = keep_nearest(first_of_group(groups[found], np.ones(found.shape, bool)), k)
            done = (keep.sum(axis=1) == k) | (fetch == total)
            row, place = np.nonzero(keep[done])
            rank = np.cumsum(keep[done], axis=1)[row, place] - 1
            similarity[pending[done][row], rank] = sim[done][row, place]
            index[pending[done][row], rank] = found[done][row, place]
            pending = pending[~done]
            fetch = min(4 * fetch, total)
        return similarity, index

    def _candidates(self, queries: Floats, fetch: int) -> tuple[Floats, Integers]:
        """The ``fetch`` nearest references by FAISS, ordered by float64 similarity, then index."""
        import faiss

        inner = self.metric == "cosine"
        _, found = faiss.knn(
            np.ascontiguousarray(queries, dtype=np.float32),
            np.ascontiguousarray(self.references_, dtype=np.float32),
            fetch,
            metric=faiss.METRIC_INNER_PRODUCT if inner else faiss.METRIC_L2,
        )
        index: Integers = np.sort(found, axis=1)
        near = self.references_[index]
        if inner:
            similarity = np.einsum("nd,nkd->nk", queries, near)
        else:
            similarity = -0.5 * np.square(near - queries[:, None, :]).sum(axis=2)
        order = np.argsort(-similarity, axis=1, kind="stable")
        return np.take_along_axis(similarity, order, 1), np.take_along_axis(index, order, 1)


def number_groups(groups: ArrayLike | Sequence[Any]) -> Integers:
    """[N] a number 0.. for each distinct group; -1 where the group is None, NaN or empty."""
    names = np.asarray(groups, dtype=object)
    unknown = np.array([g is None or g == "" or g != g for g in names], dtype=bool)
    numbers = np.full(len(names), -1, dtype=np.int64)
    _, numbers[~unknown] = np.unique(names[~unknown].astype(str), return_inverse=True)
    return numbers

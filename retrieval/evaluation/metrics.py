"""Retrieval figures: how many of a cell's nearest references are of its class.

The arithmetic of P@1, R-precision and MAP@R is pytorch-metric-learning's ``AccuracyCalculator``
(Musgrave, Belongie and Lim, "A metric learning reality check", ECCV 2020). It is driven here in
blocks of queries, so that memory does not grow with their number, and asked for one value a query,
so that intervals can be drawn by patient or slide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator, precision_at_k

from retrieval.evaluation.errors import EvaluationError

BLOCK = 256
_LABELS_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True)
class RetrievalMetrics:
    """Means over the queries that have at least one reference of their label; all in 0..1.

    ``per_query`` holds each measure by name as float64 [Q], NaN for a query without any permitted
    reference of its label; ``lone`` counts those.
    """

    precision_at_1: float
    precision_at_k: dict[int, float]
    r_precision: float
    map_at_r: float
    map_at_5_lenient: float
    map_at_5_strict: float
    queries: int
    references: int
    lone: int
    per_query: dict[str, np.ndarray] = field(repr=False, compare=False)


class _PerQueryCalculator(AccuracyCalculator):
    """The library's calculator with P@k and the two readings of mAP@5 beside its own measures."""

    def __init__(self, ks: Sequence[int], **options: Any) -> None:
        self.ks = tuple(ks)
        super().__init__(
            include=("r_precision", "mean_average_precision_at_r", "shallow"),
            k="max_bin_count",
            return_per_class=True,
            device=torch.device("cpu"),
            **options,
        )

    def requires_knn(self) -> list[str]:
        return [*super().requires_knn(), "shallow"]

    def determine_k(
        self, bin_counts: torch.Tensor, num_reference_embeddings: int, ref_includes_query: bool
    ) -> int:
        deepest = super().determine_k(bin_counts, num_reference_embeddings, ref_includes_query)
        return int(min(max(deepest, 5, *self.ks), num_reference_embeddings))

    def calculate_shallow(
        self,
        knn_labels: torch.Tensor,
        query_labels: torch.Tensor,
        not_lone_query_mask: torch.Tensor,
        label_counts: tuple[torch.Tensor, torch.Tensor],
        **_: Any,
    ) -> dict[str, np.ndarray]:
        """P@k for each k asked for, and mAP@5 lenient and strict, one value a query not lone."""
        mask = not_lone_query_mask
        near, own = knn_labels[mask], query_labels[mask][:, None]
        values: dict[str, np.ndarray] = {}
        for k in self.ks:
            values[f"precision_at_{k}"] = np.asarray(
                precision_at_k(near, own, k, False, True, self.label_comparison_fn)
                if len(near)
                else []
            )
        hits = self.label_comparison_fn(own, near[:, :5]).numpy().astype(np.float64)
        relevant = label_counts[1].numpy()[mask.numpy()]
        values["map_at_5_lenient"] = average_precision_lenient(hits)
        values["map_at_5_strict"] = _summed_precision(hits) / np.minimum(relevant, 5)
        return values


def _summed_precision(hits: np.ndarray) -> np.ndarray:
    """Sum over the hits of the precision at their rank; [Q, K] of 0 and 1 → float64 [Q]."""
    rank = np.arange(1, hits.shape[1] + 1)
    summed: np.ndarray = (np.cumsum(hits, axis=1) / rank * hits).sum(axis=1)
    return summed


def average_precision_lenient(hits: np.ndarray) -> np.ndarray:
    """Average precision over the hits among the first K, as the retrieval literature computes it.

    ``AP@K = sum_{i<=K} P(i) rel(i) / sum_{i<=K} rel(i)``, and 0 without a hit, where ``P(i)`` is
    the precision among the first i. It is called lenient because it divides by the hits *found*:
    one hit at rank 1 and four misses count as 1.0. Used as mAP@5 by Mahbod et al. 2024 ("Evaluating
    pre-trained convolutional neural networks and foundation models as feature extractors for
    content-based medical image retrieval"). The strict form divides by min(K, relevant references).

    ``hits``: [Q, K], 1 where the reference at that rank has the query's label. → float64 [Q].
    """
    hits = np.asarray(hits, np.float64)
    found = hits.sum(axis=1)
    return np.where(found > 0, _summed_precision(hits) / np.maximum(found, 1), 0.0)


def retrieval_metrics(
    query: np.ndarray,
    query_labels: Sequence[Any] | np.ndarray,
    reference: np.ndarray,
    reference_labels: Sequence[Any] | np.ndarray,
    *,
    same_source: bool,
    ks: Sequence[int] = (5, 10),
    exclude: Sequence[tuple[np.ndarray, np.ndarray]] = (),
) -> RetrievalMetrics:
    """P@1, P@k, R-precision, MAP@R and mAP@5 of ``query`` [Q, D] among ``reference`` [N, D].

    Both are float unit vectors, compared by inner product (larger is closer; equal similarity: the
    earlier row first). Labels are [Q] and [N] of any one sortable type.

    ``same_source``: the queries are the references, row by row, and no query finds itself.
    ``exclude``: pairs of integer keys ([Q], [N]), for example patients: a reference whose key
    equals the query's is not among its references, and is not counted in its R; a negative query
    key excludes nothing. Several pairs exclude together.

    With R the number of permitted references of the query's label: R-precision is the share of
    them among the first R; MAP@R = (1/R) * sum_{i<=R} P(i) rel(i). Queries with R = 0 are left
    out of every mean and counted in ``lone``.
    """
    query = np.ascontiguousarray(query, np.float32)
    reference = np.ascontiguousarray(reference, np.float32)
    _check(query, query_labels, reference, reference_labels, same_source, exclude, ks)
    pairs = [_codes(query_labels, reference_labels)]
    if same_source:
        pairs.append((np.arange(len(query)), np.arange(len(reference))))
    pairs += [_excluding_codes(*pair) for pair in exclude]
    query_keys = np.stack([pair[0] for pair in pairs], axis=1)
    reference_keys = np.stack([pair[1] for pair in pairs], axis=1)
    blocks = [
        _measure_block(
            query[at : at + BLOCK], query_keys[at : at + BLOCK], reference, reference_keys, ks
        )
        for at in range(0, len(query), BLOCK)
    ]
    values = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    means = {name: _mean(value) for name, value in values.items()}
    return RetrievalMetrics(
        precision_at_1=means["precision_at_1"],
        precision_at_k={k: means[f"precision_at_{k}"] for k in ks},
        r_precision=means["r_precision"],
        map_at_r=means["map_at_r"],
        map_at_5_lenient=means["map_at_5_lenient"],
        map_at_5_strict=means["map_at_5_strict"],
        queries=len(query),
        references=len(reference),
        lone=int(np.isnan(values["map_at_r"]).sum()),
        per_query=values,
    )


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _codes(first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both label lists as integers of one numbering."""
    first, second = np.asarray(first), np.asarray(second)
    numbers = np.unique(np.concatenate([first, second]), return_inverse=True)[1]
    return numbers[: len(first)], numbers[len(first) :]


def _excluding_codes(queries: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exclusion keys as small integers; -1 (queries) and -2 (references) never meet."""
    queries, references = np.asarray(queries), np.asarray(references)
    first, second = _codes(queries, references)
    return np.where(queries < 0, -1, first), np.where(references < 0, -2, second)


def _measure_block(
    query: np.ndarray,
    query_keys: np.ndarray,
    reference: np.ndarray,
    reference_keys: np.ndarray,
    ks: Sequence[int],
) -> dict[str, np.ndarray]:
    """Each measure of a block of queries, float64 [B]; keys are the label, then exclusions."""
    q_keys, r_keys = torch.from_numpy(query_keys), torch.from_numpy(reference_keys)
    similarity = torch.from_numpy(query) @ torch.from_numpy(reference).T
    for column in range(1, q_keys.shape[1]):
        similarity[q_keys[:, column, None] == r_keys[None, :, column]] = -torch.inf

    def nearest(_: Any, k: int, __: Any, ___: bool) -> tuple[torch.Tensor, torch.Tensor]:
        values, rows = similarity.sort(descending=True, stable=True)
        return values[:, :k], rows[:, :k]

    def same(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        # Column 0 numbers the queries of the block; see below.
        hit = one[..., 1] == other[..., 1]
        for column in range(2, one.shape[-1]):
            hit = hit & (one[..., column] != other[..., column])
        return hit

    # The calculator averages by distinct label. With the query's number as part of its label every
    # query is a label of its own, so "per class" is per query, in order.
    own = np.column_stack([np.arange(len(query)), query_keys])
    other = np.column_stack([np.full(len(reference), -1), reference_keys])
    calculator = _PerQueryCalculator(sorted({1, *ks}), knn_func=nearest, label_comparison_fn=same)
    found = calculator.get_accuracy(query, own, reference, other)
    relevant = _relevant(query_keys, reference_keys)
    values = dict(found.pop("shallow"))
    values["r_precision"] = np.asarray(found["r_precision"])
    values["map_at_r"] = np.asarray(found["mean_average_precision_at_r"])
    return {name: _spread(value, relevant > 0) for name, value in values.items()}


def _relevant(query_keys: np.ndarray, reference_keys: np.ndarray) -> np.ndarray:
    """R: permitted references of the query's label, int [B]."""
    hit = query_keys[:, None, 0] == reference_keys[None, :, 0]
    for column in range(1, query_keys.shape[1]):
        hit &= query_keys[:, None, column] != reference_keys[None, :, column]
    count: np.ndarray = hit.sum(axis=1)
    return count


def _spread(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """``values`` of the queries that are not lone, NaN elsewhere."""
    full = np.full(len(where), np.nan)
    if where.any():
        full[where] = values
    return full


def _check(
    query: np.ndarray,
    query_labels: Any,
    reference: np.ndarray,
    reference_labels: Any,
    same_source: bool,
    exclude: Sequence[tuple[np.ndarray, np.ndarray]],
    ks: Sequence[int],
) -> None:
    """Refuse what would give a wrong figure rather than none."""
    if query.ndim != 2 or reference.ndim != 2 or query.shape[1] != reference.shape[1]:
        raise EvaluationError(
            f"embeddings have shapes {query.shape} and {reference.shape}, "
            "allowed are [Q, D] and [N, D] of one width",
            "embed queries and references with the same model",
        )
    if not len(query) or not len(reference):
        raise EvaluationError(
            f"there are {len(query)} queries and {len(reference)} references, "
            "at least one of each is needed",
            "give labelled cells on both sides",
        )
    lengths = {"query": (query, query_labels), "reference": (reference, reference_labels)}
    for name, (vectors, labels) in lengths.items():
        if len(vectors) != len(labels):
            raise EvaluationError(
                f"{len(vectors)} {name} embeddings have {len(labels)} labels",
                "give one label for each embedding",
            )
        if not np.isfinite(vectors).all():
            raise EvaluationError(
                f"{name} embeddings contain NaN or infinity", "embed these cells again"
            )
    if same_source and query.shape != reference.shape:
        raise EvaluationError(
            f"same_source needs the references to be the queries, row by row; received "
            f"{len(query)} queries and {len(reference)} references",
            "use exclude= to keep single cells out",
        )
    if any(len(a) != len(query) or len(b) != len(reference) for a, b in exclude):
        raise EvaluationError(
            "exclusion keys differ in length from the embeddings", "give one key for each cell"
        )
    if any(k < 1 for k in ks):
        raise EvaluationError(f"ks are {tuple(ks)}, each must be at least 1", "give k of 1 or more")
    if len(reference) >= _LABELS_EXACT_IN_FLOAT32:
        raise EvaluationError(
            f"{len(reference)} references, fewer than {_LABELS_EXACT_IN_FLOAT32} are allowed",
            "measure on a sample of them",
        )

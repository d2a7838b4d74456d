from __future__ import annotations

import numpy as np
import pytest
import torch

from retrieval.evaluation import average_precision_lenient, retrieval_metrics
from retrieval.evaluation.errors import EvaluationError


def unit(rng: np.random.Generator, count: int, width: int = 6) -> np.ndarray:
    vectors = rng.normal(size=(count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def naive(query, query_labels, reference, reference_labels, allowed, ks=(5, 10)):
    """Plain loops over queries and ranks, from the definitions."""
    rows = []
    for q in range(len(query)):
        order = sorted(
            (r for r in range(len(reference)) if allowed(q, r)),
            key=lambda r: (-float(query[q] @ reference[r]), r),
        )
        hit = [reference_labels[r] == query_labels[q] for r in order]
        relevant = sum(hit)
        if relevant == 0:
            continue
        row = {"precision_at_1": float(hit[0])}
        for k in ks:
            row[f"precision_at_{k}"] = sum(hit[:k]) / k
        row["r_precision"] = sum(hit[:relevant]) / relevant
        row["map_at_r"] = (
            sum(sum(hit[: i + 1]) / (i + 1) for i in range(relevant) if hit[i]) / relevant
        )
        summed = sum(sum(hit[: i + 1]) / (i + 1) for i in range(min(5, len(hit))) if hit[i])
        row["map_at_5_lenient"] = summed / sum(hit[:5]) if any(hit[:5]) else 0.0
        row["map_at_5_strict"] = summed / min(5, relevant)
        rows.append(row)
    return {name: np.mean([row[name] for row in rows]) for name in rows[0]}, len(query) - len(rows)


def as_dict(found):
    return {
        "precision_at_1": found.precision_at_1,
        **{f"precision_at_{k}": value for k, value in found.precision_at_k.items()},
        "r_precision": found.r_precision,
        "map_at_r": found.map_at_r,
        "map_at_5_lenient": found.map_at_5_lenient,
        "map_at_5_strict": found.map_at_5_strict,
    }


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_naive_loop_between_two_sets(seed):
    rng = np.random.default_rng(seed)
    query, reference = unit(rng, 40), unit(rng, 90)
    query_labels, reference_labels = rng.integers(0, 6, 40), rng.integers(0, 5, 90)
    found = retrieval_metrics(query, query_labels, reference, reference_labels, same_source=False)
    expected, lone = naive(query, query_labels, reference, reference_labels, lambda q, r: True)
    assert as_dict(found) == pytest.approx(expected, abs=1e-9)
    assert found.lone == lone == np.isnan(found.per_query["map_at_r"]).sum()


def test_equals_the_naive_loop_over_several_blocks_of_one_source(monkeypatch):
    monkeypatch.setattr("retrieval.evaluation.metrics.BLOCK", 17)
    rng = np.random.default_rng(7)
    cells = unit(rng, 60)
    labels = np.array(["neutrophil", "monocyte", "basophil"])[rng.integers(0, 3, 60)]
    found = retrieval_metrics(cells, labels, cells, labels, same_source=True)
    expected, _ = naive(cells, labels, cells, labels, lambda q, r: q != r)
    assert as_dict(found) == pytest.approx(expected, abs=1e-9)


def test_equals_the_library_called_plainly():
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    rng = np.random.default_rng(3)
    query, reference = unit(rng, 50), unit(rng, 80)
    a, b = rng.integers(0, 4, 50), rng.integers(0, 4, 80)
    found = retrieval_metrics(query, a, reference, b, same_source=False)
    plain = AccuracyCalculator(
        include=("precision_at_1", "r_precision", "mean_average_precision_at_r"),
        k="max_bin_count",
        device=torch.device("cpu"),
        knn_func=lambda q, k, r, _: (q @ r.T).topk(k),
    ).get_accuracy(query, a, reference, b)
    assert found.precision_at_1 == pytest.approx(plain["precision_at_1"])
    assert found.r_precision == pytest.approx(plain["r_precision"])
    assert found.map_at_r == pytest.approx(plain["mean_average_precision_at_r"])


def test_a_patient_is_left_out_of_its_own_references():
    rng = np.random.default_rng(5)
    cells, labels = unit(rng, 70), rng.integers(0, 3, 70)
    patients = rng.integers(-1, 8, 70)
    found = retrieval_metrics(
        cells, labels, cells, labels, same_source=True, exclude=[(patients, patients)]
    )
    expected, lone = naive(
        cells,
        labels,
        cells,
        labels,
        lambda q, r: q != r and (patients[q] < 0 or patients[q] != patients[r]),
    )
    assert as_dict(found) == pytest.approx(expected, abs=1e-9)
    assert found.lone == lone


def test_every_query_of_one_patient_is_lone():
    rng = np.random.default_rng(5)
    cells, labels = unit(rng, 6), np.zeros(6, int)
    found = retrieval_metrics(
        cells, labels, cells, labels, same_source=True, exclude=[(np.ones(6, int), np.ones(6, int))]
    )
    assert found.lone == 6
    assert np.isnan(found.map_at_r)


def test_perfect_and_hopeless():
    corners = np.eye(4, dtype=np.float32)
    labels = np.arange(4)
    assert retrieval_metrics(corners, labels, corners, labels, same_source=False).map_at_r == 1.0
    wrong = retrieval_metrics(corners, np.roll(labels, 1), corners, labels, same_source=False)
    assert wrong.precision_at_1 == 0.0


def test_lenient_average_precision_by_hand():
    hits = np.array([[1, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    # second row: (1/2 + 2/4) / 2 hits
    assert average_precision_lenient(hits).tolist() == [1.0, 0.5, 0.0, 1.0]
    # (1 + 2/2 + 3/4) / 3, the example that Mahbod et al. print beside their code
    assert average_precision_lenient([[1, 1, 0, 1, 0]])[0] == pytest.approx(0.9167, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"query": np.zeros((2, 3), np.float32)}, r"shapes \(2, 3\) and \(4, 2\)"),
        ({"query": np.zeros((0, 2), np.float32), "query_labels": []}, "0 queries"),
        ({"query_labels": [1]}, "2 query embeddings have 1 labels"),
        ({"query": np.full((2, 2), np.nan, np.float32)}, "NaN"),
        ({"same_source": True}, "row by row"),
        ({"exclude": [(np.zeros(1), np.zeros(4))]}, "exclusion keys"),
        ({"ks": (0,)}, "at least 1"),
    ],
)
def test_refuses(change, match):
    given = {
        "query": np.eye(2, dtype=np.float32),
        "query_labels": [0, 1],
        "reference": np.ones((4, 2), np.float32),
        "reference_labels": [0, 1, 0, 1],
        "same_source": False,
    } | change
    with pytest.raises(EvaluationError, match=match):
        retrieval_metrics(**given)

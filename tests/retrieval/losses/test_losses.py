"""Every registered loss against plain loops, by its paper's arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from retrieval.losses import LOSSES, HierarchicalSoftmax, LossError, build_loss

DIM, CLASSES = 6, 3


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    vectors = torch.nn.functional.normalize(torch.randn(12, DIM, generator=generator), dim=1)
    return vectors, torch.arange(12) % CLASSES


def pairs_of(labels: torch.Tensor) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    count = len(labels)
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    return (
        [(i, j) for i, j in pairs if labels[i] == labels[j]],
        [(i, j) for i, j in pairs if labels[i] != labels[j]],
    )


def naive_contrastive(s: np.ndarray, labels: torch.Tensor, weights: object) -> float:
    positive, negative = pairs_of(labels)
    pulls = [0.9 - s[i, j] for i, j in positive if s[i, j] < 0.9]
    pushes = [s[i, j] - 0.4 for i, j in negative if s[i, j] > 0.4]
    # the library averages over the pairs that still cost something
    return float(np.mean(pulls)) + float(np.mean(pushes))


def naive_triplet(s: np.ndarray, labels: torch.Tensor, weights: object) -> float:
    positive, negative = pairs_of(labels)
    costs = [
        s[i, n] - s[i, j] + 0.2
        for i, j in positive
        for a, n in negative
        if a == i and s[i, n] - s[i, j] + 0.2 > 0
    ]
    return float(np.mean(costs))


def naive_multi_similarity(s: np.ndarray, labels: torch.Tensor, weights: object) -> float:
    positive, negative = pairs_of(labels)
    total = 0.0
    for i in range(len(labels)):
        own = [s[i, j] for a, j in positive if a == i]
        other = [s[i, j] for a, j in negative if a == i]
        hard_own = [v for v in own if v - 0.1 < max(other)]
        hard_other = [v for v in other if v + 0.1 > min(own)]
        total += math.log1p(sum(math.exp(-2 * (v - 0.5)) for v in hard_own)) / 2
        total += math.log1p(sum(math.exp(50 * (v - 0.5)) for v in hard_other)) / 50
    return total / len(labels)


def naive_supcon(s: np.ndarray, labels: torch.Tensor, weights: object) -> float:
    positive, _ = pairs_of(labels)
    total = []
    for i in range(len(labels)):
        everyone = sum(math.exp(s[i, j] / 0.1) for j in range(len(labels)) if j != i)
        own = [j for a, j in positive if a == i]
        total.append(-np.mean([math.log(math.exp(s[i, j] / 0.1) / everyone) for j in own]))
    return float(np.mean(total))


def naive_ntxent(s: np.ndarray, labels: torch.Tensor, weights: object) -> float:
    positive, negative = pairs_of(labels)
    costs = []
    for i, j in positive:
        others = sum(math.exp(s[i, n] / 0.1) for a, n in negative if a == i)
        own = math.exp(s[i, j] / 0.1)
        costs.append(-math.log(own / (own + others)))
    return float(np.mean(costs))


def naive_circle(s: np.ndarray, labels: torch.Tensor, weights: object) -> float:
    positive, negative = pairs_of(labels)
    m, gamma, costs = 0.4, 80, []
    for i in range(len(labels)):
        own = [
            -gamma * max(1 + m - s[i, j], 0) * (s[i, j] - (1 - m)) for a, j in positive if a == i
        ]
        other = [gamma * max(s[i, j] + m, 0) * (s[i, j] - m) for a, j in negative if a == i]
        costs.append(math.log1p(sum(map(math.exp, own)) * sum(map(math.exp, other))))
    return float(np.mean(costs))


NAIVE = {
    "contrastive": naive_contrastive,
    "triplet": naive_triplet,
    "multi_similarity": naive_multi_similarity,
    "supcon": naive_supcon,
    "ntxent": naive_ntxent,
    "circle": naive_circle,
}


def naive_proxy_anchor(vectors: torch.Tensor, labels: torch.Tensor, proxies: torch.Tensor) -> float:
    s = (vectors @ torch.nn.functional.normalize(proxies, dim=1).T).double().numpy()
    total = 0.0
    for c in range(CLASSES):
        own = sum(math.exp(-32 * (s[i, c] - 0.1)) for i in range(12) if labels[i] == c)
        other = sum(math.exp(32 * (s[i, c] + 0.1)) for i in range(12) if labels[i] != c)
        total += (math.log1p(own) + math.log1p(other)) / CLASSES
    return total


def naive_arcface(vectors: torch.Tensor, labels: torch.Tensor, centres: torch.Tensor) -> float:
    cosines = (vectors @ torch.nn.functional.normalize(centres, dim=0)).double().numpy()
    nearest = cosines.reshape(12, CLASSES, 3).max(2)
    costs = []
    for i in range(12):
        logits = nearest[i].copy()
        own = int(labels[i])
        logits[own] = math.cos(math.acos(logits[own]) + math.radians(28.6))
        costs.append(-32 * logits[own] + math.log(sum(math.exp(32 * v) for v in logits)))
    return float(np.mean(costs))


@pytest.mark.parametrize("name", sorted(NAIVE))
def test_pair_losses_match_plain_loops(name: str, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    vectors, labels = batch
    similarity = (vectors @ vectors.T).double().numpy()
    expected = NAIVE[name](similarity, labels, None)
    assert float(build_loss(name, CLASSES, DIM)(vectors, labels)) == pytest.approx(
        expected, rel=1e-4
    )


def test_proxy_anchor_matches_plain_loops(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    torch.manual_seed(0)
    loss = build_loss("proxy_anchor", CLASSES, DIM)
    expected = naive_proxy_anchor(*batch, loss.loss.proxies.detach())
    assert float(loss(*batch).detach()) == pytest.approx(expected, rel=1e-4)


def test_subcentre_arcface_matches_plain_loops(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    torch.manual_seed(0)
    loss = build_loss("subcentre_arcface", CLASSES, DIM)
    expected = naive_arcface(*batch, loss.loss.W.detach())
    assert float(loss(*batch).detach()) == pytest.approx(expected, rel=1e-3)


def test_softmax_matches_plain_loops(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    torch.manual_seed(0)
    vectors, labels = batch
    loss = build_loss("softmax", CLASSES, DIM)
    scores = loss.loss.linear(8 * vectors).detach().double().numpy()
    costs = []
    for row, label in zip(scores, labels, strict=True):
        log_p = row - math.log(sum(math.exp(value) for value in row))
        target = [0.05 / CLASSES + 0.95 * (c == int(label)) for c in range(CLASSES)]
        costs.append(-sum(t * p for t, p in zip(target, log_p, strict=True)))
    assert float(loss(vectors, labels).detach()) == pytest.approx(float(np.mean(costs)), rel=1e-5)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_builds_and_descends(
    name: str, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    torch.manual_seed(1)
    free = batch[0].clone().requires_grad_()
    loss = build_loss(name, CLASSES, DIM)
    optimizer = torch.optim.SGD([free, *loss.parameters()], lr=0.01)
    values = []
    for _ in range(40):
        value = loss(torch.nn.functional.normalize(free, dim=1), batch[1])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert torch.isfinite(free).all()
    assert min(values[-5:]) < values[0]


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_batch_without_positives_is_finite(name: str) -> None:
    vectors = torch.nn.functional.normalize(torch.randn(3, DIM), dim=1).requires_grad_()
    value = build_loss(name, CLASSES, DIM)(vectors, torch.arange(3))
    value.backward()
    assert torch.isfinite(value)
    assert vectors.grad is None or torch.isfinite(vectors.grad).all()


def test_memory_sees_earlier_batches_and_forgets_on_reset(
    batch: tuple[torch.Tensor, torch.Tensor],
) -> None:
    vectors, labels = batch
    plain = build_loss("multi_similarity", CLASSES, DIM)
    remembering = build_loss("multi_similarity", CLASSES, DIM, memory=24)
    turned = vectors.roll(1, dims=1)
    remembering(turned, labels)
    with_memory = float(remembering(vectors, labels))
    remembering.reset()
    alone = float(remembering(vectors, labels))
    assert with_memory != pytest.approx(alone)
    assert alone == pytest.approx(float(plain(vectors, labels)), rel=1e-5)


def test_unknown_loss_and_useless_memory_are_refused() -> None:
    with pytest.raises(LossError, match="unknown loss 'tripelt', allowed is one of contrastive"):
        build_loss("tripelt", 3, 4)
    with pytest.raises(LossError, match="proxy_anchor compares no pairs"):
        build_loss("proxy_anchor", 3, 4, memory=10)


def test_hierarchical_term_sums_over_the_leaves_a_label_allows() -> None:
    torch.manual_seed(2)
    # labels: neutrophil (band or segmented), band, segmented, eosinophil; leaves: the last three
    leaves_of = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.bool)
    term = HierarchicalSoftmax(leaves_of, DIM)
    vectors = torch.nn.functional.normalize(torch.randn(4, DIM), dim=1)
    scores = term.linear(8 * vectors).detach().double().numpy()
    expected = []
    for row, allowed in zip(scores, leaves_of.numpy(), strict=True):
        p = np.exp(row) / np.exp(row).sum()
        expected.append(-math.log(p[allowed].sum()))
    assert float(term(vectors, torch.arange(4)).detach()) == pytest.approx(
        float(np.mean(expected)), rel=1e-5
    )

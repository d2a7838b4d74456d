"""The plain classifier as a peer: cross-entropy of a linear layer on the scaled embedding."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from retrieval.losses.objective import Objective

SCALE = 8.0


class SoftmaxLoss(nn.Module):
    """Cross-entropy, labels smoothed by .05, of a linear layer on eight times the embedding."""

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, classes)

    def forward(
        self, embeddings: torch.Tensor, labels: torch.Tensor, pairs: object = None
    ) -> torch.Tensor:
        return functional.cross_entropy(
            self.linear(SCALE * embeddings), labels, label_smoothing=0.05
        )


def build(classes: int, dim: int) -> Objective:
    """The classifier with one output a class."""
    return Objective(SoftmaxLoss(classes, dim), pairwise=False)

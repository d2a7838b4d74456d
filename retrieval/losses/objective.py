"""What every loss of CellKin is: a pytorch-metric-learning loss with the miner that suits it."""

from __future__ import annotations

import torch
from pytorch_metric_learning.losses import CrossBatchMemory
from torch import nn


class Objective(nn.Module):
    """Maps embeddings [B, D] and labels [B] to one loss value.

    ``pairwise`` says that the loss compares cells with cells, so that a cross-batch memory can
    stand behind it; losses with proxies or a classifier compare cells with learned vectors.
    """

    def __init__(
        self, loss: nn.Module, miner: nn.Module | None = None, *, pairwise: bool = True
    ) -> None:
        super().__init__()
        self.loss = loss
        self.miner = miner
        self.pairwise = pairwise

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        pairs = self.miner(embeddings, labels) if self.miner is not None else None
        value: torch.Tensor = self.loss(embeddings, labels, pairs)
        return value


class MemoryObjective(nn.Module):
    """An objective whose pairs reach into the last ``size`` embeddings.

    Wang et al., "Cross-batch memory for embedding learning", CVPR 2020.
    """

    def __init__(self, objective: Objective, dim: int, size: int) -> None:
        super().__init__()
        self.memory = CrossBatchMemory(
            objective.loss, embedding_size=dim, memory_size=size, miner=objective.miner
        )

    def reset(self) -> None:
        """Forget the memory: done at each epoch's start, so that a resumed run is the same run."""
        self.memory.reset_queue()

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = self.memory(embeddings, labels)
        return value

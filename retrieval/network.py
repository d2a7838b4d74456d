"""The embedding network: a backbone, pooled features, and a head to a unit vector."""

from __future__ import annotations

import torch
import torch.fx.experimental.optimization as fx_optimization
from torch import nn
from torch.nn import functional

from retrieval.backbones import backbone


class EmbeddingNetwork(nn.Module):
    """Maps pictures [N, 3, S, S], normalised floats, to unit vectors [N, D].

    The head is dropout and one linear layer on the backbone's pooled features, as in Musgrave et
    al., "A metric learning reality check", ECCV 2020.
    """

    def __init__(self, backbone_name: str, dim: int, input_size: int, dropout: float = 0.2) -> None:
        super().__init__()
        entry = backbone(backbone_name)
        self.backbone_name = backbone_name
        self.dim = dim
        self.trunk = entry.build(input_size)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(entry.width, dim)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        pooled = self.trunk(pictures)
        return functional.normalize(self.head(self.dropout(pooled)).float(), dim=1)


def for_inference(network: EmbeddingNetwork) -> EmbeddingNetwork:
    """``network`` in evaluation mode with batch norms folded into convolutions where it has any.

    Folding is exact but for rounding and, on a CPU, nearly halves the time of MobileNetV2.
    """
    network.eval()
    if any(isinstance(module, nn.BatchNorm2d) for module in network.trunk.modules()):
        network.trunk = fx_optimization.fuse(network.trunk)
    return network.to(memory_format=torch.channels_last)

"""The hierarchical term: subclasses lie inside their class.

A linear layer scores the leaves of the taxonomy; a class's probability is the sum over its
leaves. A cell labelled to the leaf teaches the leaf, one labelled only to its class teaches the
sum, so that "immature granulocyte" and "promyelocyte" are never set against each other
(marginalised cross-entropy, as in Dalvi et al. and Deng et al., "HEX graphs", ECCV 2014).
"""

from __future__ import annotations

import torch
from torch import nn

SCALE = 8.0


class HierarchicalSoftmax(nn.Module):
    """Negative log-likelihood of what is known of each cell.

    ``leaves_of`` is a boolean matrix [L labels, F leaves]: which leaves a label allows. Labels
    [B] index its rows; each row allows at least one leaf.
    """

    leaves_of: torch.Tensor

    def __init__(self, leaves_of: torch.Tensor, dim: int) -> None:
        super().__init__()
        self.register_buffer("leaves_of", leaves_of.bool())
        self.linear = nn.Linear(dim, leaves_of.shape[1])

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        scores = self.linear(SCALE * embeddings).log_softmax(1)
        allowed = self.leaves_of[labels]
        return -scores.masked_fill(~allowed, -torch.inf).logsumexp(1).mean()

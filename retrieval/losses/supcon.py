"""Supervised contrastive loss: all cells of the class against all others, by softmax.

Khosla et al., "Supervised contrastive learning", NeurIPS 2020.
"""

from __future__ import annotations

from pytorch_metric_learning import losses

from retrieval.losses.objective import Objective


def build(classes: int, dim: int) -> Objective:
    """Temperature .1."""
    return Objective(losses.SupConLoss(temperature=0.1))

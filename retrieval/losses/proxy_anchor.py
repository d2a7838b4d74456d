"""Proxy anchor: each class has a learned proxy that gathers its cells.

Kim et al., "Proxy anchor loss for deep metric learning", CVPR 2020.
"""

from __future__ import annotations

from pytorch_metric_learning import losses

from retrieval.losses.objective import Objective


def build(classes: int, dim: int) -> Objective:
    """Margin .1, alpha 32, one proxy a class."""
    return Objective(losses.ProxyAnchorLoss(classes, dim, margin=0.1, alpha=32), pairwise=False)

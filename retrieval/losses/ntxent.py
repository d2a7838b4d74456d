"""NT-Xent: each positive pair against all negatives, by softmax.

Sohn, "Improved deep metric learning with multi-class N-pair loss objective", NeurIPS 2016; Chen
et al., "A simple framework for contrastive learning", ICML 2020.
"""

from __future__ import annotations

from pytorch_metric_learning import losses

from retrieval.losses.objective import Objective


def build(classes: int, dim: int) -> Objective:
    """Temperature .1."""
    return Objective(losses.NTXentLoss(temperature=0.1))

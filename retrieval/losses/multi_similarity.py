"""Multi-similarity loss: pairs weighed by their own and their neighbours' similarity.

Wang et al., "Multi-similarity loss with general pair weighting", CVPR 2019.
"""

from __future__ import annotations

from pytorch_metric_learning import losses, miners

from retrieval.losses.objective import Objective


def build(classes: int, dim: int) -> Objective:
    """Alpha 2, beta 50, base .5, with the paper's miner at epsilon .1."""
    return Objective(
        losses.MultiSimilarityLoss(alpha=2, beta=50, base=0.5),
        miners.MultiSimilarityMiner(epsilon=0.1),
    )

"""Siamese training: pairs pulled together or pushed apart beyond a margin.

Hadsell et al., "Dimensionality reduction by learning an invariant mapping", CVPR 2006.
"""

from __future__ import annotations

from pytorch_metric_learning import distances, losses, miners

from retrieval.losses.objective import Objective


def build(classes: int, dim: int) -> Objective:
    """Contrastive loss on cosine similarity: alike above .9, unlike below .4, hard pairs mined."""
    loss = losses.ContrastiveLoss(
        pos_margin=0.9, neg_margin=0.4, distance=distances.CosineSimilarity()
    )
    return Objective(loss, miners.PairMarginMiner(0.9, 0.4, distance=distances.CosineSimilarity()))

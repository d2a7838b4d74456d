"""Triplets: an anchor is nearer to its class than to another by a margin.

Schroff et al., "FaceNet", CVPR 2015: semi-hard triplets.
"""

from __future__ import annotations

from pytorch_metric_learning import distances, losses, miners

from retrieval.losses.objective import Objective


def build(classes: int, dim: int) -> Objective:
    """Triplet margin loss on cosine similarity, margin .2, triplets inside the margin mined."""
    similarity = distances.CosineSimilarity()
    return Objective(
        losses.TripletMarginLoss(margin=0.2, distance=similarity),
        miners.TripletMarginMiner(margin=0.2, type_of_triplets="all", distance=similarity),
    )

"""Sub-centre ArcFace: several centres a class, so that noisy labels find their own.

Deng et al., "Sub-center ArcFace", ECCV 2020.
"""

from __future__ import annotations

from pytorch_metric_learning import losses

from retrieval.losses.objective import Objective


def build(classes: int, dim: int) -> Objective:
    """Three sub-centres a class, margin 28.6 degrees, scale 32."""
    loss = losses.SubCenterArcFaceLoss(
        num_classes=classes, embedding_size=dim, margin=28.6, scale=32, sub_centers=3
    )
    return Objective(loss, pairwise=False)

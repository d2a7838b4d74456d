"""Circle loss: each similarity is pulled as hard as it is far from its optimum.

Sun et al., "Circle loss", CVPR 2020.
"""

from __future__ import annotations

from pytorch_metric_learning import losses

from retrieval.losses.objective import Objective


def build(classes: int, dim: int) -> Objective:
    """Relaxation .4, scale 80."""
    return Objective(losses.CircleLoss(m=0.4, gamma=80))

"""The one registry of losses. Adding one: a module with ``build``, a line here, a test, a docs row.

Every ``build(classes, dim)`` returns an Objective that maps embeddings [B, D] and labels [B] to a
loss value.
"""

from __future__ import annotations

from collections.abc import Callable

from index.errors import CellKinError
from retrieval.losses import (
    circle,
    contrastive,
    multi_similarity,
    ntxent,
    proxy_anchor,
    softmax,
    subcentre_arcface,
    supcon,
    triplet,
)
from retrieval.losses.hierarchy import HierarchicalSoftmax
from retrieval.losses.objective import MemoryObjective, Objective

LOSSES: dict[str, Callable[[int, int], Objective]] = {
    "contrastive": contrastive.build,
    "triplet": triplet.build,
    "multi_similarity": multi_similarity.build,
    "proxy_anchor": proxy_anchor.build,
    "subcentre_arcface": subcentre_arcface.build,
    "supcon": supcon.build,
    "circle": circle.build,
    "ntxent": ntxent.build,
    "softmax": softmax.build,
}


class LossError(CellKinError):
    """An unknown loss, or an option that the loss cannot take."""


def build_loss(name: str, classes: int, dim: int, memory: int = 0) -> Objective | MemoryObjective:
    """The registered loss ``name``, with a cross-batch memory of ``memory`` cells where asked.

    Raises LossError for an unknown name, and for a memory behind a loss that has no pairs.
    """
    if name not in LOSSES:
        raise LossError(
            f"unknown loss {name!r}, allowed is one of {', '.join(LOSSES)}",
            "give --loss one of these",
        )
    objective = LOSSES[name](classes, dim)
    if memory == 0:
        return objective
    if not objective.pairwise:
        raise LossError(
            f"the loss {name} compares no pairs, so a memory of {memory} cells has no use",
            "leave --memory out, or choose a loss of pairs such as multi_similarity",
        )
    return MemoryObjective(objective, dim, memory)


__all__ = [
    "LOSSES",
    "HierarchicalSoftmax",
    "LossError",
    "MemoryObjective",
    "Objective",
    "build_loss",
]

"""What the first layers of a trunk see in the middle of the picture: colour, grain, edges.

A trunk's last layer pools over the whole picture and speaks of objects. A cell under the cell view
stands in the middle: channels of early layers, averaged over its core, its body and its rim, say
how its granules and its cytoplasm look, and cost nothing, since the trunk computes them anyway.
"""

from __future__ import annotations

import torch
from torch import nn

LEVELS: dict[str, tuple[int, ...]] = {"mobilenet_v2": (3, 6, 10)}
"""By backbone, the blocks of ``features`` whose output is pooled."""

BODY, CORE = 0.22, 0.12  # standard deviations of the windows about the centre, in sides
RIM, RIM_WIDTH = 0.24, 0.06  # radius of the ring and its standard deviation, in sides


def windows(side: int) -> torch.Tensor:
    """Weights [3, side, side] of body, core and rim, each summing to 1."""
    axis = (torch.arange(side) + 0.5) / side - 0.5
    radius = torch.hypot(axis[:, None], axis[None, :])
    shapes = torch.stack(
        [
            torch.exp(-(radius**2) / (2 * BODY**2)),
            torch.exp(-(radius**2) / (2 * CORE**2)),
            torch.exp(-((radius - RIM) ** 2) / (2 * RIM_WIDTH**2)),
        ]
    )
    return shapes / shapes.sum((1, 2), keepdim=True)


def in_windows(channels: torch.Tensor) -> torch.Tensor:
    """[N, C, S, S] to [N, 3 C]: the means over body, core and rim, one after another."""
    weights = windows(channels.shape[-1]).to(channels)
    return torch.einsum("nchw,khw->nkc", channels, weights).flatten(1)


def early_width(backbone_name: str) -> int:
    """How many values ``pooled_with_early`` adds; 0 for a backbone without levels."""
    return {"mobilenet_v2": 3 * (24 + 32 + 64)}.get(backbone_name, 0)


def pooled_with_early(
    features: nn.Module, levels: tuple[int, ...], pictures: torch.Tensor
) -> torch.Tensor:
    """Pooled features of the last block of ``features``, then those of ``levels`` in windows."""
    early = []
    seen = pictures
    for number, block in enumerate(features.children()):
        seen = block(seen)
        if number in levels:
            early.append(in_windows(seen.float()))
    return torch.cat([seen.float().mean((2, 3)), *early], 1)

"""The network that finds cells: a small U-Net with a map of the cell and a map of its nucleus."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (16, 32, 48, 64, 64)
SIDE = 96
"""Side of its input and of its maps, in pixels."""


class _Block(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        )


class CellUNet(nn.Module):
    """Pictures [N, 3, 96, 96] in -2..2 to logits [N, 2, 96, 96]: cell, nucleus.

    After Ronneberger et al., "U-Net: convolutional networks for biomedical image segmentation",
    MICCAI 2015, with five levels of few channels and one convolution a level on the way up.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        self.down = nn.ModuleList()
        channels = 3
        for width in widths:
            self.down.append(nn.Sequential(_Block(channels, width), _Block(width, width)))
            channels = width
        self.up = nn.ModuleList()
        for width in widths[-2::-1]:
            self.up.append(_Block(channels + width, width))
            channels = width
        self.head = nn.Conv2d(channels, 2, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        kept: list[torch.Tensor] = []
        level = pictures
        for number, block in enumerate(self.down):
            level = block(level)
            if number < len(self.down) - 1:
                kept.append(level)
                level = functional.max_pool2d(level, 2)
        for block in self.up:
            level = functional.interpolate(level, scale_factor=2.0, mode="nearest")
            level = block(torch.cat([level, kept.pop()], 1))
        logits: torch.Tensor = self.head(level)
        return logits

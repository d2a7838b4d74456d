"""The network's input made from a picture and what was found in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from retrieval.cellview.finder import FILLED, LARGEST, SMALLEST, WHITE, Finding
from retrieval.view import IMAGENET_MEAN, IMAGENET_STD

GAINS = (0.5, 4.0)  # limits of a channel's gain, so that a dark picture does not become noise


def laboratory_diameter(findings: Iterable[Finding]) -> float | None:
    """Median diameter of the cells found, in pixels; None where none was found."""
    diameters = [finding.diameter for finding in findings if finding.found]
    return float(np.median(diameters)) if diameters else None


@dataclass(frozen=True)
class CellView:
    """Part of a model: how a found cell becomes its input.

    The cell's centre is the input's centre; the side is the geometric mean of the cell's own
    diameter and its laboratory's median diameter, over ``filled``: sizes keep half their meaning
    (a lymphocyte stays smaller than a monocyte) and half of what differs between cameras goes.
    The background becomes ``WHITE`` by a gain a channel.
    """

    input_size: int = 128
    filled: float = FILLED
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def as_dict(self) -> dict[str, Any]:
        """The view as plain JSON values; part of what a model's id is the hash of."""
        return {
            "kind": "cell",
            "input_size": self.input_size,
            "filled": self.filled,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CellView:
        """The inverse of ``as_dict``."""
        return cls(
            int(values["input_size"]),
            float(values["filled"]),
            tuple(values["mean"]),
            tuple(values["std"]),
        )

    def side(self, finding: Finding, typical: float | None, whole: float) -> float:
        """Side of the square that is taken, in pixels of the picture of side ``whole``."""
        own = finding.diameter if finding.found else (typical or finding.diameter)
        usual = typical or own
        return float(np.clip(np.sqrt(own * usual) / self.filled, SMALLEST * whole, LARGEST * whole))

    def picture(
        self, rgb: np.ndarray, finding: Finding, typical: float | None = None
    ) -> np.ndarray:
        """The network's input uint8 [S, S, 3] of ``rgb`` uint8 [H, W, 3].

        typical: the laboratory's median diameter in pixels of ``rgb``; None where not known, the
        cell is then scaled by itself alone. What lies beyond the picture is background.
        """
        height, width = rgb.shape[:2]
        side = self.side(finding, typical, max(height, width))
        left, top = finding.x - side / 2, finding.y - side / 2
        margin = int(np.ceil(max(0.0, -left, -top, left + side - width, top + side - height)))
        if margin:
            around = np.empty((height + 2 * margin, width + 2 * margin, 3), np.uint8)
            around[:] = np.round(finding.background)
            around[margin : margin + height, margin : margin + width] = rgb
            rgb, left, top = around, left + margin, top + margin
        size = (self.input_size, self.input_size)
        box = (left, top, left + side, top + side)
        image = Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR, box=box)
        return white_balanced(np.asarray(image), finding.background)


def white_balanced(rgb: np.ndarray, background: tuple[float, float, float]) -> np.ndarray:
    """``rgb`` uint8 [H, W, 3] with ``background`` brought to WHITE by a gain a channel."""
    gain = np.clip(WHITE / (np.asarray(background, np.float32) + 2), *GAINS)
    levels = np.arange(256, dtype=np.float32)[:, None] + 2
    table = np.clip(np.round(levels * gain), 0, 255).astype(np.uint8)
    balanced: np.ndarray = table[rgb, np.arange(3)]
    return balanced

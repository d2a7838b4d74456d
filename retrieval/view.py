"""How a picture of a cell becomes the network's input: square, central crop, one size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def square(rgb: np.ndarray) -> np.ndarray:
    """``rgb`` uint8 [H, W, 3] padded to a square by repeating its edge, the cell kept central."""
    height, width = rgb.shape[:2]
    side = max(height, width)
    if height == width:
        return rgb
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(
        rgb, ((top, side - height - top), (left, side - width - left), (0, 0)), mode="edge"
    )


@dataclass(frozen=True)
class View:
    """Part of a model: input side in pixels, central share kept, mean and std of RGB in 0..1."""

    input_size: int = 144
    crop: float = 0.75
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def as_dict(self) -> dict[str, Any]:
        """The view as plain JSON values; part of what a model's id is the hash of."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> View:
        """The inverse of ``as_dict``."""
        return cls(
            int(values["input_size"]),
            float(values["crop"]),
            tuple(values["mean"]),
            tuple(values["std"]),
        )

    @property
    def full_size(self) -> int:
        """Side of the whole square picture at the scale of the input, in pixels."""
        return round(self.input_size / self.crop)

    def picture(self, rgb: np.ndarray) -> np.ndarray:
        """The input of the network: ``rgb`` uint8 [H, W, 3] to uint8 [S, S, 3].

        Resampling is antialiased, so that a 360-pixel crop and its 192-pixel copy look alike.
        """
        image = Image.fromarray(square(rgb))
        side = image.width
        margin = side * (1 - self.crop) / 2
        box = (margin, margin, side - margin, side - margin)
        size = (self.input_size, self.input_size)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))

    def whole(self, rgb: np.ndarray) -> np.ndarray:
        """The whole square picture at the input's scale, uint8 [F, F, 3]: training crops it."""
        image = Image.fromarray(square(rgb))
        size = (self.full_size, self.full_size)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR))

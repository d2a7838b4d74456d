"""What a training run is told; kept beside the run so that resuming can hold it to the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from index.errors import CellKinError
from retrieval.backbones import backbone
from retrieval.cellview import CellView
from retrieval.losses import build_loss
from retrieval.training.augment import level
from retrieval.view import View

PRECISIONS = ("auto", "float32", "bfloat16")
VIEWS = ("plain", "cell")


class TrainingError(CellKinError):
    """A training run that cannot start or go on as asked."""


def parse_sources(text: str) -> dict[str, float]:
    """``"pbc:2,bccd,raabin"`` as data sets with their weights, 1 where none is given.

    Raises TrainingError for a weight that is not a positive number, or a name given twice.
    """
    weights: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, colon, number = part.rpartition(":")
        if not colon:
            name, number = part, "1"
        try:
            weight = float(number)
        except ValueError:
            weight = float("nan")
        if not 0 < weight < float("inf") or not name:
            raise TrainingError(
                f"the source {part!r} has no positive weight after its colon",
                "write sources as NAME or NAME:WEIGHT, such as pbc:2,raabin",
            )
        if name in weights:
            raise TrainingError(
                f"the source {name} is named twice", "name each data set once in --sources"
            )
        weights[name] = weight
    return weights


@dataclass(frozen=True)
class TrainingOptions:
    """One training run. Rates are the peaks of a one-cycle schedule (Smith, 2018)."""

    loss: str = "multi_similarity"
    backbone: str = "mobilenet_v2"
    weights: str = "shipped"
    dim: int = 128
    input_size: int = 144
    crop: float = 0.75  # of the plain view
    view: str = "plain"
    sources: str = ""  # data sets with weights, "pbc:2,raabin"; empty: all, as one
    background: float = 0.5  # share of pictures whose background is replaced, cell view alone
    augment: str = "medium"
    epochs: int = 10
    steps_per_epoch: int = 0  # 0: as many as draw each training cell once on average
    batch_size: int = 64
    classifier: float = 0.5  # weight of the plain classifier beside the loss
    hierarchy: float = 0.0  # weight of the hierarchical term, for subclasses inside their class
    memory: int = 0  # cells in the cross-batch memory
    learning_rate: float = 1e-3
    trunk_rate: float = 4e-4
    weight_decay: float = 0.02
    averaging: float = 0.995  # decay of the weights' running mean, which is what is kept
    patience: int = 4  # epochs without a better val MAP@R before stopping
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value; TrainingError says which is outside what is allowed."""
        backbone(self.backbone)
        level(self.augment)
        limits = {
            "dim": (2, 4096),
            "input_size": (32, 1024),
            "crop": (0.2, 1.0),
            "background": (0, 1),
            "epochs": (1, 10_000),
            "steps_per_epoch": (0, 10**7),
            "batch_size": (4, 4096),
            "classifier": (0, 100),
            "hierarchy": (0, 100),
            "memory": (0, 10**6),
            "learning_rate": (1e-7, 1),
            "trunk_rate": (0, 1),
            "weight_decay": (0, 1),
            "averaging": (0, 0.99999),
            "patience": (1, 10_000),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise TrainingError(
                    f"{name} is {value}, allowed is {low:g} to {high:g}",
                    f"give --{name.replace('_', '-')} another value",
                )
        build_loss(self.loss, 2, 2, self.memory)  # raises for a loss or memory that cannot be
        for name, allowed in (("precision", PRECISIONS), ("view", VIEWS)):
            value = getattr(self, name)
            if value not in allowed:
                raise TrainingError(
                    f"{name} is {value!r}, allowed is one of {', '.join(allowed)}",
                    f"give --{name} one of these",
                )
        parse_sources(self.sources)

    @property
    def model_view(self) -> View | CellView:
        """The view of the model that is trained."""
        if self.view == "cell":
            return CellView(self.input_size)
        return View(self.input_size, self.crop)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

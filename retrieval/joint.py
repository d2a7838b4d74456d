"""Models of several trunks: a finder, taught trunks with heads, a frozen one, projections.

The taught trunks give the vectors (their unit vectors joined, so that an inner product is the mean
of the trunks' cosines) and the class scores (the mean of their softmaxes). All trunks give pooled
features, of which linear projections are kept for heads fitted later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.fx.experimental.optimization as fx_optimization
from torch import nn
from torch.nn import functional

from retrieval.backbones import backbone
from retrieval.cellview import CellFinder, CellUNet, CellView
from retrieval.described import Described
from retrieval.early import LEVELS, early_width, pooled_with_early
from retrieval.model import Model
from retrieval.modelfile import ModelError, model_id
from retrieval.precision import restored
from retrieval.view import View

AnyView = View | CellView


class Trunk(nn.Module):
    """A backbone at its own input size, with the heads it was taught with, if it was.

    early: the first layers' features join the pooled ones, see ``retrieval.early``. head: pooled
    features to the D values of the embedding. classes, leaves: the embedding's unit
    vector times ``sharpness`` to logits of classes, and of the kinds below them.
    """

    def __init__(
        self,
        backbone_name: str,
        input_size: int,
        dim: int = 0,
        classes: int = 0,
        leaves: int = 0,
        early: bool = False,
    ) -> None:
        super().__init__()
        entry = backbone(backbone_name)
        self.backbone_name, self.input_size = backbone_name, input_size
        self.early = early
        self.width = entry.width + (early_width(backbone_name) if early else 0)
        self.trunk = entry.build(input_size)
        self.head = nn.Linear(self.width, dim) if dim else None
        self.classes = nn.Linear(dim, classes) if dim and classes else None
        self.leaves = nn.Linear(dim, leaves) if dim and leaves else None

    def as_dict(self) -> dict[str, Any]:
        """Its shape as plain JSON values, the arguments it is made with."""
        return {
            "backbone_name": self.backbone_name,
            "input_size": self.input_size,
            "dim": self.head.out_features if self.head else 0,
            "classes": self.classes.out_features if self.classes else 0,
            "leaves": self.leaves.out_features if self.leaves else 0,
            "early": self.early,
        }

    def pooled(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pooled features [N, W] of normalised pictures [N, 3, S, S], brought to its own size."""
        if pictures.shape[-1] != self.input_size:
            size = (self.input_size, self.input_size)
            pictures = functional.interpolate(
                pictures, size=size, mode="bilinear", align_corners=False, antialias=True
            ).contiguous(memory_format=torch.channels_last)
        if self.early:
            blocks = self.trunk.get_submodule("features")
            return pooled_with_early(blocks, LEVELS[self.backbone_name], pictures)
        features: torch.Tensor = self.trunk(pictures)
        return features


@dataclass(frozen=True)
class Projection:
    """A part of the features: ``matrix`` (pooled - mean), of some trunks' pooled features joined.

    name: the part's name; several of one name follow each other and make one part. trunks:
    numbers of the trunks. mean: float [W], the sum of their widths. matrix: float [E, W].
    """

    name: str
    trunks: tuple[int, ...]
    mean: torch.Tensor
    matrix: torch.Tensor


def parts_of(projections: Sequence[Projection]) -> tuple[tuple[str, int], ...]:
    """Name and width of each part of the features, in order."""
    widths: dict[str, int] = {}
    for each in projections:
        widths[each.name] = widths.get(each.name, 0) + len(each.matrix)
    return tuple(widths.items())


def preprocessing_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What of the metadata is part of the id: all but the id itself and what is said about it."""
    return {key: value for key, value in metadata.items() if key not in ("id", "about")}


def view_of(values: Mapping[str, Any]) -> AnyView:
    """The view that ``as_dict`` of either kind described."""
    if values.get("kind") == "cell":
        return CellView.from_dict(dict(values))
    return View.from_dict(dict(values))


class JointModel(Model):
    """A model of format 2. Made by ``joint_model`` from what a file holds."""

    def __init__(
        self,
        trunks: Sequence[Trunk],
        projections: Sequence[Projection],
        finder: CellFinder | None,
        metadata: dict[str, Any],
    ) -> None:
        self.id = metadata["id"]
        self.metadata = metadata
        self.view = view_of(metadata["view"])
        self.finder = finder
        self.finder_id = metadata["finder"]["id"] if finder is not None else None
        self.score_classes = tuple(metadata["classes"])
        self.leaf_classes = tuple(metadata["leaves"])
        self.feature_parts = parts_of(projections)
        self.dim = int(metadata["dim"])
        self._sharpness = float(metadata["sharpness"])
        self._trunks = [_for_inference(trunk) for trunk in trunks]
        self._projections = tuple(projections)
        self._set_scale(self.view)

    def describe_pictures(self, pictures: np.ndarray) -> Described:
        """As of ``Model``: every trunk runs once over the batch."""
        if not len(pictures):
            return self._nothing()
        with torch.inference_mode():
            batch = self._normalised(pictures)
            pooled = [trunk.pooled(batch).float() for trunk in self._trunks]
            taught = [
                (trunk, functional.normalize(trunk.head(each), dim=1))
                for trunk, each in zip(self._trunks, pooled, strict=True)
                if trunk.head is not None
            ]
            vectors = torch.cat([vector for _, vector in taught], 1) / len(taught) ** 0.5
            parts = self._features(pooled)
            scores = self._scores(taught, "classes", len(self.score_classes))
            leaves = self._scores(taught, "leaves", len(self.leaf_classes))
        return Described(
            vectors.numpy(), parts.numpy().astype(np.float16), scores.numpy(), leaves.numpy()
        )

    def _features(self, pooled: Sequence[torch.Tensor]) -> torch.Tensor:
        if not self._projections:
            return pooled[0].new_empty(len(pooled[0]), 0)
        return torch.cat(
            [
                (torch.cat([pooled[number] for number in each.trunks], 1) - each.mean)
                @ each.matrix.T
                for each in self._projections
            ],
            1,
        )

    def _scores(
        self, taught: Sequence[tuple[Trunk, torch.Tensor]], head: str, width: int
    ) -> torch.Tensor:
        """The mean of the trunks' softmaxes [N, width]."""
        total = taught[0][1].new_zeros(len(taught[0][1]), width)
        for trunk, vector in taught if width else ():
            total += getattr(trunk, head)(vector * self._sharpness).softmax(1)
        return total / len(taught)


def _for_inference(trunk: Trunk) -> Trunk:
    """``trunk`` in evaluation mode, batch norms folded away, channels last."""
    trunk.eval()
    if trunk.early:
        blocks = trunk.trunk.get_submodule("features")
        for name, block in list(blocks.named_children()):
            setattr(blocks, name, fx_optimization.fuse(block))
    elif any(isinstance(module, nn.BatchNorm2d) for module in trunk.trunk.modules()):
        trunk.trunk = fx_optimization.fuse(trunk.trunk)
    return trunk.to(memory_format=torch.channels_last)


def _below(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors below ``prefix``, under their names there."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def _filled(module: nn.Module, state: Mapping[str, torch.Tensor], what: str) -> None:
    """Load ``state`` into ``module``; only counters of batches may be absent."""
    missing, unknown = module.load_state_dict(dict(state), strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unknown:
        raise ModelError(
            f"the tensors of {what} do not fit: {len(missing)} are absent and {len(unknown)} "
            f"unknown, such as {[*missing, *unknown][0]}",
            "use the CellKin that wrote the model, or pack it again",
        )


def joint_model(small: Mapping[str, torch.Tensor], metadata: dict[str, Any]) -> JointModel | None:
    """The model of a format-2 file's tensors and metadata; None where they do not match the id."""
    if model_id(small, preprocessing_of(metadata)) != metadata["id"]:
        return None
    state = restored(small)
    trunks = trunks_of(state, metadata)
    projections = projections_of(state, metadata)
    network = finder_network(small, metadata)
    finder = CellFinder(fx_optimization.fuse(network.eval())) if network is not None else None
    return JointModel(trunks, projections, finder, metadata)


def trunks_of(state: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> list[Trunk]:
    """The trunks as they were taught, batch norms and all, of a file's restored tensors."""
    trunks = []
    for number, shape in enumerate(metadata["trunks"]):
        trunk = Trunk(**shape)
        _filled(trunk, _below(state, f"trunks.{number}."), f"trunk {number}")
        trunks.append(trunk)
    return trunks


def projections_of(
    state: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]
) -> list[Projection]:
    """The projections of a file's restored tensors."""
    return [
        Projection(
            each["name"],
            tuple(each["trunks"]),
            state[f"projections.{number}.mean"],
            state[f"projections.{number}.matrix"],
        )
        for number, each in enumerate(metadata["projections"])
    ]


def finder_network(
    small: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]
) -> CellUNet | None:
    """The network that finds cells, of a model file's tensors; None where it holds none."""
    if metadata.get("finder") is None:
        return None
    network = CellUNet(tuple(metadata["finder"]["widths"]))
    _filled(network, restored(_below(small, "finder.")), "the finder")
    return network


def first_trunk_state(
    small: Mapping[str, torch.Tensor], metadata: Mapping[str, Any], backbone_name: str
) -> dict[str, torch.Tensor]:
    """Trunk and head of the first taught trunk on a backbone, as of an ``EmbeddingNetwork``.

    Empty where there is none.
    """
    for number, shape in enumerate(metadata["trunks"]):
        if shape["backbone_name"] == backbone_name and shape["dim"]:
            return restored(_below(small, f"trunks.{number}."))
    return {}

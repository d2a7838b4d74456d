"""The one registry of backbones: torchvision networks without their classifier.

Each entry builds a module that maps float pictures [N, 3, S, S] to pooled features [N, width].
Adding one touches a line of BACKBONES, a row of docs/embedding.md and nothing else; the tests
build every entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.error import URLError

import torch
import torchvision
from torch import nn

from index.errors import CellKinError


class BackboneError(CellKinError):
    """An unknown backbone, or weights that cannot be had or do not fit."""


def _drop_attribute(name: str) -> Callable[[nn.Module], None]:
    def drop(network: nn.Module) -> None:
        setattr(network, name, nn.Identity())

    return drop


def _drop_last_of_classifier(network: nn.Module) -> None:
    # ConvNeXt's classifier begins with the norm and flatten that pooled features need.
    classifier = network.get_submodule("classifier")
    setattr(classifier, str(len(list(classifier.children())) - 1), nn.Identity())


@dataclass(frozen=True)
class Backbone:
    """A torchvision network: its name there, its feature width and the input it was made for."""

    name: str
    width: int
    input_size: int
    weights: str
    drop_classifier: Callable[[nn.Module], None]
    fixed_input: bool = False

    def build(self, input_size: int) -> nn.Module:
        """A network of random weights for pictures of ``input_size`` pixels a side."""
        options = {"image_size": input_size} if self.fixed_input else {}
        network: nn.Module = torchvision.models.get_model(self.name, weights=None, **options)
        self.drop_classifier(network)
        return network

    def download(self) -> dict[str, torch.Tensor]:
        """torchvision's ImageNet weights; BackboneError where they cannot be reached."""
        entry = torchvision.models.get_weight(self.weights)
        try:
            state: dict[str, torch.Tensor] = entry.get_state_dict(progress=True, check_hash=True)
        except (URLError, OSError, RuntimeError) as error:
            raise BackboneError(
                f"the ImageNet weights of {self.name} could not be downloaded ({error})",
                f"fetch {entry.url} on another machine and give it with --weights FILE",
            ) from error
        return state


_classifier, _fc, _heads = (_drop_attribute(name) for name in ("classifier", "fc", "heads"))

BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        Backbone("mobilenet_v2", 1280, 224, "MobileNet_V2_Weights.DEFAULT", _classifier),
        Backbone("mobilenet_v3_large", 960, 224, "MobileNet_V3_Large_Weights.DEFAULT", _classifier),
        Backbone("efficientnet_b0", 1280, 224, "EfficientNet_B0_Weights.DEFAULT", _classifier),
        Backbone("resnet18", 512, 224, "ResNet18_Weights.DEFAULT", _fc),
        Backbone("resnet50", 2048, 224, "ResNet50_Weights.DEFAULT", _fc),
        Backbone(
            "convnext_tiny", 768, 224, "ConvNeXt_Tiny_Weights.DEFAULT", _drop_last_of_classifier
        ),
        Backbone("vit_b_16", 768, 224, "ViT_B_16_Weights.DEFAULT", _heads, fixed_input=True),
    )
}


def backbone(name: str) -> Backbone:
    """The registered backbone ``name``; BackboneError with the list otherwise."""
    if name not in BACKBONES:
        raise BackboneError(
            f"unknown backbone {name!r}, allowed is one of {', '.join(BACKBONES)}",
            "give --backbone one of these",
        )
    return BACKBONES[name]

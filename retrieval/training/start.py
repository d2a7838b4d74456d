"""Where training starts: torchvision's weights, a file, or an earlier CellKin model."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import torch

from index import Atlas
from retrieval.backbones import BackboneError, backbone
from retrieval.cellview import CellUNet
from retrieval.joint import (
    Projection,
    Trunk,
    finder_network,
    first_trunk_state,
    projections_of,
    trunks_of,
)
from retrieval.model import atlas_model_file, read_model_file, shipped_model_path
from retrieval.network import EmbeddingNetwork
from retrieval.precision import restored


def _state_of_file(path: Path, backbone_name: str) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise BackboneError(f"there is no weights file {path}", "give --weights an existing file")
    if path.suffix == ".safetensors":
        state, metadata = read_model_file(path)
        return first_trunk_state(state, metadata, backbone_name) if "trunks" in metadata else state
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about a file's pickle protocol
            # weights_only: tensors alone are read, no code in the file can run
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        # torch's own words for a pickled object advise how to load it all the same
        unsafe = isinstance(error, pickle.UnpicklingError)
        why = "it holds more than tensors" if unsafe else str(error).splitlines()[0]
        raise BackboneError(
            f"the weights file {path} cannot be read as tensors ({why})",
            "give a .safetensors file, or a .pth state dict of torchvision",
        ) from error
    if not isinstance(state, dict) or not all(torch.is_tensor(item) for item in state.values()):
        raise BackboneError(
            f"the weights file {path} does not hold a state dict of tensors",
            "give a .safetensors file, or a .pth state dict of torchvision",
        )
    return state


def shipped_finder_network() -> CellUNet:
    """The network of the shipped model that finds cells; BackboneError where it has none."""
    small, metadata = read_model_file(shipped_model_path())
    network = finder_network(small, metadata)
    if network is None:
        raise BackboneError(
            "the shipped model finds no cells, so the cell view cannot be made",
            "train with --view plain",
        )
    return network


def shipped_frozen() -> tuple[Trunk, list[Projection]] | None:
    """The shipped model's trunk that nobody taught, and the projections of it; None without one."""
    small, metadata = read_model_file(shipped_model_path())
    state = restored(small)
    trunks = trunks_of(state, metadata) if "trunks" in metadata else []
    for number, trunk in enumerate(trunks):
        if trunk.head is None:
            return trunk, [
                each for each in projections_of(state, metadata) if each.trunks == (number,)
            ]
    return None


def load_start(network: EmbeddingNetwork, weights: str, atlas: Atlas | None = None) -> None:
    """Fill ``network`` from ``weights``; BackboneError where they are absent or do not fit.

    ``weights`` is ``random``, ``imagenet`` (torchvision's download), ``shipped``, ``active`` (the
    atlas's present model) or a file. A state dict of torchvision fills the trunk, a CellKin model
    of the same backbone trunk and, at the same dimension, head: of several, those of the first.
    """
    name = network.backbone_name
    if weights == "random":
        return
    if weights == "imagenet":
        state = backbone(name).download()
    elif weights == "shipped":
        state = _state_of_file(shipped_model_path(), name)
    elif weights == "active" and atlas is not None and atlas.active_model is not None:
        state = _state_of_file(atlas_model_file(atlas, atlas.active_model), name)
    else:
        state = _state_of_file(Path(weights), name)
    of_cellkin = any(key.startswith("trunk.") for key in state)
    target = network.state_dict()
    wanted = {key if of_cellkin else f"trunk.{key}": value for key, value in state.items()}
    fitting = {
        key: value
        for key, value in wanted.items()
        if key in target and target[key].shape == value.shape
    }
    trunk = [key for key in target if key.startswith("trunk.")]
    missing = [key for key in trunk if key not in fitting and "num_batches_tracked" not in key]
    if missing:
        raise BackboneError(
            f"the weights {weights} do not fit the backbone {name}: {len(missing)} of its "
            f"{len(trunk)} tensors are absent or of another shape, such as {missing[0][6:]}",
            "give the weights of this backbone, or --backbone the one they are of",
        )
    network.load_state_dict(fitting, strict=False)

"""Models: weights and view in one safetensors file, named by the hash of both."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from index.errors import CellKinError
from retrieval.network import EmbeddingNetwork, for_inference
from retrieval.view import View

if TYPE_CHECKING:
    from index import Atlas

FORMAT = 1
SHIPPED = Path(__file__).parent / "shipped" / "cellkin-pbc.safetensors"


class ModelError(CellKinError):
    """A model file that is missing, damaged, or not one of CellKin's."""


def model_id(state: Mapping[str, torch.Tensor], preprocessing: Mapping[str, Any]) -> str:
    """SHA-256 over the preprocessing and every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(preprocessing, sort_keys=True).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _preprocessing(backbone_name: str, dim: int, view: View) -> dict[str, Any]:
    return {"backbone": backbone_name, "dim": dim, "view": view.as_dict()}


class Model:
    """A frozen embedding model: pictures in, unit vectors out.

    ``id`` is the hash of weights and preprocessing, ``metadata`` what its file says of it.
    """

    def __init__(
        self, network: EmbeddingNetwork, view: View, metadata: dict[str, Any], identity: str
    ) -> None:
        self.id = identity
        self.dim = network.dim
        self.view = view
        self.metadata = metadata
        self._network = for_inference(network)
        self._scale = 1.0 / (255.0 * torch.tensor(view.std)).view(1, 3, 1, 1)
        self._shift = -(torch.tensor(view.mean) / torch.tensor(view.std)).view(1, 3, 1, 1)

    def embed_batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors float32 [N, D] of RGB pictures, each uint8 [H, W, 3] of any size."""
        if not images:
            return np.empty((0, self.dim), np.float32)
        return self.embed_pictures(np.stack([self.view.picture(image) for image in images]))

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Unit vectors float32 [N, D] of pictures already brought to the view, [N, S, S, 3]."""
        with torch.inference_mode():
            # the array is channels-last in memory already; permuting only renames the axes
            batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
            batch = batch * self._scale + self._shift
            vectors: np.ndarray = self._network(batch).numpy()
        return vectors


def save_model(
    path: Path, network: EmbeddingNetwork, view: View, about: Mapping[str, Any] | None = None
) -> str:
    """Write ``network`` and ``view`` to ``path`` (safetensors) and return the model's id.

    ``about`` is kept beside them as JSON: data, licence, command, figures. The file appears whole
    or not at all.
    """
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    preprocessing = _preprocessing(network.backbone_name, network.dim, view)
    identity = model_id(state, preprocessing)
    metadata = {"format": FORMAT, "id": identity, **preprocessing, "about": dict(about or {})}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    try:
        save_file(state, temporary, metadata={"cellkin": json.dumps(metadata, sort_keys=True)})
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return identity


def read_model_file(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and the metadata of a model file; ModelError for anything else."""
    if not path.is_file():
        raise ModelError(
            f"there is no model file {path}", "give the path of a .safetensors file of CellKin"
        )
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = json.loads((handle.metadata() or {}).get("cellkin", "null"))
            state = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"the model file {path} cannot be read ({error})",
            "copy it again, or train or choose another model",
        ) from error
    if metadata is None:
        raise ModelError(
            f"{path} is a safetensors file but not a CellKin model",
            "give a file that cellkin train wrote",
        )
    if metadata["format"] > FORMAT:
        raise ModelError(
            f"the model {path} has format {metadata['format']}, this CellKin reads up to {FORMAT}",
            "use a newer CellKin",
        )
    return state, metadata


def load_model(path: Path) -> Model:
    """The model in ``path``, checked against its own id; ModelError when it is damaged."""
    state, metadata = read_model_file(path)
    view = View.from_dict(metadata["view"])
    identity = model_id(state, _preprocessing(metadata["backbone"], metadata["dim"], view))
    if identity != metadata["id"]:
        raise ModelError(
            f"the model file {path} was changed: its content does not match its id",
            "copy it again, or train or choose another model",
        )
    network = EmbeddingNetwork(metadata["backbone"], metadata["dim"], view.input_size)
    network.load_state_dict(state)
    return Model(network, view, metadata, identity)


def shipped_model_path() -> Path:
    """The model that comes with CellKin."""
    return SHIPPED


def atlas_model(atlas: Atlas) -> Model:
    """The active model of ``atlas``; the shipped one is registered when it has none."""
    if atlas.active_model is None:
        register_model(atlas, shipped_model_path())
    active = atlas.active_model
    if active is None:
        raise ModelError(f"the atlas {atlas.path} has no model", "run cellkin embed")
    model = load_model(atlas.model_file(active))
    if model.id != active:
        raise ModelError(
            f"the atlas expects model {active[:12]} and its file holds {model.id[:12]}",
            "restore the atlas from a backup, or train again",
        )
    return model


def register_model(atlas: Atlas, path: Path) -> str:
    """Add the model in ``path`` to ``atlas``, make it the active one and return its id."""
    _, metadata = read_model_file(path)
    atlas.add_model(metadata["id"], path, metadata)
    atlas.set_active_model(metadata["id"])
    identity: str = metadata["id"]
    return identity

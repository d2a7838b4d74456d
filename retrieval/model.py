"""Models: pictures in, unit vectors (and, of some, features and scores) out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from index.errors import UnknownModelError
from retrieval.cellview.finder import CellFinder, Finding, as_tensor, unfound
from retrieval.cellview.view import CellView
from retrieval.described import Described
from retrieval.modelfile import ModelError, changed, model_id, read_model_file, write_model_file
from retrieval.network import EmbeddingNetwork, for_inference
from retrieval.view import View

if TYPE_CHECKING:
    from index import Atlas

SHIPPED = Path(__file__).parent / "shipped" / "cellkin.safetensors"

__all__ = [
    "Described",
    "Model",
    "ModelError",
    "atlas_model",
    "atlas_model_file",
    "load_model",
    "model_id",
    "read_model_file",
    "register_model",
    "save_model",
    "shipped_model_path",
]


def _preprocessing(backbone_name: str, dim: int, view: View) -> dict[str, Any]:
    return {"backbone": backbone_name, "dim": dim, "view": view.as_dict()}


class Model:
    """A frozen embedding model: pictures in, unit vectors out.

    ``id`` is the hash of weights and preprocessing, ``metadata`` what its file says of it.
    ``finder`` finds the cell before the picture is brought to the view; None in a model that
    takes the picture as it is. ``feature_parts`` names the parts of the features with their
    widths, ``score_classes`` and ``leaf_classes`` the taxonomy codes that are scored; all three
    are empty in a model of one network.
    """

    finder: CellFinder | None = None
    finder_id: str | None = None
    feature_parts: tuple[tuple[str, int], ...] = ()
    score_classes: tuple[str, ...] = ()
    leaf_classes: tuple[str, ...] = ()
    id: str
    dim: int
    view: View | CellView
    metadata: dict[str, Any]

    def __init__(
        self, network: EmbeddingNetwork, view: View, metadata: dict[str, Any], identity: str
    ) -> None:
        self.id = identity
        self.dim = network.dim
        self.view = view
        self.metadata = metadata
        self._network = for_inference(network)
        self._set_scale(view)

    def _set_scale(self, view: View | CellView) -> None:
        self._scale = 1.0 / (255.0 * torch.tensor(view.std)).view(1, 3, 1, 1)
        self._shift = -(torch.tensor(view.mean) / torch.tensor(view.std)).view(1, 3, 1, 1)

    def _normalised(self, pictures: np.ndarray) -> torch.Tensor:
        # the array is channels-last in memory already; permuting only renames the axes
        batch = as_tensor(pictures).permute(0, 3, 1, 2).float()
        return batch * self._scale + self._shift

    def picture(
        self, rgb: np.ndarray, finding: Finding | None = None, typical: float | None = None
    ) -> np.ndarray:
        """The network's input uint8 [S, S, 3] of ``rgb`` uint8 [H, W, 3].

        finding: what the finder found in it; by default it is asked now. typical: the median
        diameter of the picture's laboratory, in pixels of ``rgb``. Both mean nothing to a model
        without finder.
        """
        if isinstance(self.view, View):
            return self.view.picture(rgb)
        if finding is None and self.finder is not None:
            finding = self.finder.find([rgb])[0]
        return self.view.picture(rgb, finding or unfound(rgb), typical)

    def describe(
        self,
        images: Sequence[np.ndarray],
        findings: Sequence[Finding] | None = None,
        typical: float | None = None,
    ) -> Described:
        """What the model says of RGB pictures, each uint8 [H, W, 3] of any size.

        findings: one a picture, by default found now. typical: the median diameter of the
        laboratory's cells in pixels; without it each cell is scaled by itself.
        """
        if not images:
            return self._nothing()
        if findings is None and self.finder is not None:
            findings = self.finder.find(images)
        known: Sequence[Finding | None] = findings or [None] * len(images)
        pictures = [
            self.picture(image, finding, typical)
            for image, finding in zip(images, known, strict=True)
        ]
        said = self.describe_pictures(np.stack(pictures))
        if findings is None:
            return said
        return said.with_found(
            [finding.found for finding in findings], [finding.others for finding in findings]
        )

    def describe_pictures(self, pictures: np.ndarray) -> Described:
        """What the model says of pictures already brought to the view, uint8 [N, S, S, 3]."""
        with torch.inference_mode():
            return Described.plain(self._network(self._normalised(pictures)).numpy())

    def _nothing(self) -> Described:
        features = sum(width for _, width in self.feature_parts)
        return Described(
            np.empty((0, self.dim), np.float32),
            np.empty((0, features), np.float16),
            np.empty((0, len(self.score_classes)), np.float32),
            np.empty((0, len(self.leaf_classes)), np.float32),
        )

    def embed_batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors float32 [N, D] of RGB pictures, each uint8 [H, W, 3] of any size."""
        return self.describe(images).vectors

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Unit vectors float32 [N, D] of pictures already brought to the view, [N, S, S, 3]."""
        return self.describe_pictures(pictures).vectors


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
    metadata = {"format": 1, "id": identity, **preprocessing, "about": dict(about or {})}
    write_model_file(path, state, metadata)
    return identity


def load_model(path: Path) -> Model:
    """The model in ``path``, checked against its own id; ModelError when it is damaged."""
    state, metadata = read_model_file(path)
    if metadata["format"] == 2:
        from retrieval.joint import joint_model

        joint = joint_model(state, metadata)
        if joint is None:
            raise changed(path)
        return joint
    view = View.from_dict(metadata["view"])
    identity = model_id(state, _preprocessing(metadata["backbone"], metadata["dim"], view))
    if identity != metadata["id"]:
        raise changed(path)
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
    model = load_model(atlas_model_file(atlas, active))
    if model.id != active:
        raise ModelError(
            f"the atlas expects model {active[:12]} and its file holds {model.id[:12]}",
            "restore the atlas from a backup, or train again",
        )
    return model


def atlas_model_file(atlas: Atlas, identity: str) -> Path:
    """The file of a model of ``atlas``; where it is gone and is the shipped one, copied anew.

    Raises UnknownModelError for another that is gone.
    """
    try:
        return Path(atlas.model_file(identity))
    except UnknownModelError:
        shipped = load_model(shipped_model_path())  # its id is checked against its weights
        if shipped.id != identity:
            raise
        atlas.add_model(identity, shipped_model_path(), shipped.metadata)
        return Path(atlas.model_file(identity))


def register_model(atlas: Atlas, path: Path) -> str:
    """Add the model in ``path`` to ``atlas``, make it the active one and return its id."""
    _, metadata = read_model_file(path)
    atlas.add_model(metadata["id"], path, metadata)
    atlas.set_active_model(metadata["id"])
    identity: str = metadata["id"]
    return identity

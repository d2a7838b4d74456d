"""Write a model of format 2: finder, trunks, projections and view into one small file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retrieval.cellview import CellUNet
from retrieval.joint import AnyView, Projection, Trunk, parts_of, preprocessing_of
from retrieval.modelfile import FORMAT, ModelError, model_id, write_model_file
from retrieval.precision import shrunk

SHARPNESS = 8.0


@dataclass(frozen=True)
class Parts:
    """What a file of format 2 holds.

    trunks: taught ones (with heads) first; a frozen one has none. classes, leaves: taxonomy codes
    in the order of the heads' outputs. sharpness: what the unit vectors were multiplied by before
    the class heads. finder: None for a model that sees the plain picture.
    """

    trunks: Sequence[Trunk]
    view: AnyView
    finder: CellUNet | None = None
    projections: Sequence[Projection] = ()
    classes: Sequence[str] = ()
    leaves: Sequence[str] = ()
    sharpness: float = SHARPNESS
    about: Mapping[str, Any] = field(default_factory=dict)


def pack_model(path: Path, parts: Parts, *, stored: str = "int8") -> str:
    """Write ``parts`` to ``path`` and return the model's id.

    stored: "int8", "float16" or "float32", see ``retrieval.precision``. The file appears whole or
    not at all. Raises ModelError where the parts do not fit together.
    """
    _check(parts)
    small: dict[str, torch.Tensor] = {}
    for number, trunk in enumerate(parts.trunks):
        small |= _under(f"trunks.{number}.", shrunk(trunk.state_dict(), stored))
    for number, each in enumerate(parts.projections):
        matrix = shrunk({"matrix": each.matrix}, stored)
        small |= _under(f"projections.{number}.", {**matrix, "mean": each.mean.float()})
    finder = None
    if parts.finder is not None:
        network = shrunk(parts.finder.state_dict(), stored)
        small |= _under("finder.", network)
        shape: dict[str, Any] = {"kind": "unet", "widths": list(parts.finder.widths)}
        finder = {**shape, "id": model_id(network, shape)[:16]}
    taught = [trunk for trunk in parts.trunks if trunk.head is not None]
    metadata: dict[str, Any] = {
        "format": FORMAT,
        "backbone": parts.trunks[0].backbone_name,
        "dim": sum(trunk.head.out_features for trunk in taught if trunk.head is not None),
        "view": parts.view.as_dict(),
        "stored": stored,
        "trunks": [trunk.as_dict() for trunk in parts.trunks],
        "projections": [
            {"name": each.name, "trunks": list(each.trunks)} for each in parts.projections
        ],
        "feature_parts": [list(part) for part in parts_of(parts.projections)],
        "classes": list(parts.classes),
        "leaves": list(parts.leaves),
        "sharpness": parts.sharpness,
        "finder": finder,
    }
    identity = model_id(small, preprocessing_of(metadata))
    write_model_file(path, small, {**metadata, "id": identity, "about": dict(parts.about)})
    return identity


def components(rows: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean [W] and the first ``width`` principal components [width, W] of ``rows`` [N, W].

    ``width`` is at most W and at most N - 1, beyond which nothing varies.
    """
    mean = rows.mean(0)
    _, vectors = np.linalg.eigh(np.cov((rows - mean).T))
    return mean, vectors[:, ::-1][:, :width].T


def _under(prefix: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor.contiguous() for name, tensor in state.items()}


def _check(parts: Parts) -> None:
    taught = [trunk for trunk in parts.trunks if trunk.head is not None]
    if not taught:
        raise ModelError("no trunk has an embedding head", "give at least one taught trunk")
    for trunk in taught:
        for name, head, codes in (
            ("class", trunk.classes, parts.classes),
            ("leaf", trunk.leaves, parts.leaves),
        ):
            width = head.out_features if head is not None else 0
            if width != len(codes):
                raise ModelError(
                    f"a trunk's {name} head has {width} outputs for {len(codes)} codes",
                    "give one code an output, the same for every taught trunk",
                )
    for each in parts.projections:
        known = all(0 <= number < len(parts.trunks) for number in each.trunks)
        width = sum(parts.trunks[number].width for number in each.trunks) if known else -1
        if each.matrix.ndim != 2 or each.matrix.shape[1] != width or each.mean.shape != (width,):
            raise ModelError(
                f"projection {each.name} of trunks {list(each.trunks)} has shape "
                f"{tuple(each.matrix.shape)} and mean {tuple(each.mean.shape)}, its trunks give "
                f"{width if known else 'nothing: there is none of that number'}",
                "give a matrix [E, W] and a mean [W] of the trunks' joined features",
            )

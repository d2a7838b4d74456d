"""Model files: tensors and JSON in one safetensors file, named by the hash of both."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from index.errors import CellKinError

FORMAT = 2
"""The newest that is read: 1 is one network and a ``View``, 2 several (``retrieval.joint``)."""


class ModelError(CellKinError):
    """A model file that is missing, damaged, or not one of CellKin's; parts that do not fit."""


def model_id(state: Mapping[str, torch.Tensor], preprocessing: Mapping[str, Any]) -> str:
    """SHA-256 over the preprocessing and every tensor's name, type, shape and bytes as stored."""
    digest = hashlib.sha256(json.dumps(preprocessing, sort_keys=True).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def write_model_file(
    path: Path, state: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]
) -> None:
    """Write tensors and ``metadata`` to ``path``; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    try:
        text = json.dumps(metadata, sort_keys=True)
        save_file(dict(state), temporary, metadata={"cellkin": text})
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


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


def changed(path: Path) -> ModelError:
    """The error for a file whose content is not what its id says."""
    return ModelError(
        f"the model file {path} was changed: its content does not match its id",
        "copy it again, or train or choose another model",
    )

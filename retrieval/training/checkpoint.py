"""Checkpoints: everything a run needs to go on, as safetensors and JSON, written whole or not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from retrieval.training.options import TrainingError

FILE = "checkpoint.safetensors"


def _flat_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], Any]:
    state = optimizer.state_dict()
    tensors = {
        f"optimizer.{index}.{name}": value
        for index, slots in state["state"].items()
        for name, value in slots.items()
    }
    return tensors, state["param_groups"]


def save_checkpoint(
    folder: Path,
    modules: dict[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    facts: dict[str, Any],
) -> None:
    """Write modules, optimizer, schedule and ``facts`` (JSON) to ``folder``, atomically."""
    tensors, groups = _flat_optimizer(optimizer)
    for prefix, module in modules.items():
        for name, value in module.state_dict().items():
            tensors[f"{prefix}.{name}"] = value
    numbers = {
        key: value
        for key, value in schedule.state_dict().items()
        if isinstance(value, int | float | bool | str | list)
    }
    about = json.dumps({"groups": groups, "schedule": numbers, "facts": facts})
    temporary = folder / f".{FILE}.partial"
    save_file(
        {name: value.clone().contiguous() for name, value in tensors.items()},
        temporary,
        metadata={"checkpoint": about},
    )
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    temporary.replace(folder / FILE)


def load_checkpoint(
    folder: Path,
    modules: dict[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> dict[str, Any]:
    """Fill modules, optimizer and schedule from ``folder`` and return the facts."""
    try:
        with safe_open(folder / FILE, framework="pt") as handle:
            about = json.loads(handle.metadata()["checkpoint"])
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"the checkpoint in {folder} cannot be read ({error})",
            "train without --resume to begin anew",
        ) from error
    for prefix, module in modules.items():
        module.load_state_dict(
            {
                name[len(prefix) + 1 :]: value
                for name, value in tensors.items()
                if name.startswith(f"{prefix}.")
            }
        )
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, slot = name.split(".", 2)
            slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({"state": slots, "param_groups": about["groups"]})
    schedule.load_state_dict(about["schedule"])
    facts: dict[str, Any] = about["facts"]
    return facts


def checkpoint_facts(folder: Path) -> dict[str, Any] | None:
    """The facts of the checkpoint in ``folder``, or None where there is none."""
    if not (folder / FILE).is_file():
        return None
    try:
        with safe_open(folder / FILE, framework="pt") as handle:
            facts: dict[str, Any] = json.loads(handle.metadata()["checkpoint"])["facts"]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"the checkpoint in {folder} cannot be read ({error})",
            "train without --resume to begin anew",
        ) from error
    return facts

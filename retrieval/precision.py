"""Weights stored small: eight-bit integers with a scale a row, or half precision."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from retrieval.modelfile import ModelError

STORED = ("int8", "float16", "float32")
LONG = 24  # values an output channel needs for eight bits: depthwise kernels have fewer
FEW = 5000  # values below which half precision costs little: the first layers, the most delicate
SCALE = ".scale"
_LEVELS = 127
_WIDE = ("running_var",)  # variances reach below what half precision resolves


def shrunk(state: Mapping[str, torch.Tensor], stored: str) -> dict[str, torch.Tensor]:
    """``state`` as it is stored: each floating tensor in the precision that it can bear.

    int8: matrices and convolutions of at least FEW values, LONG an output channel, become int8
    with one float16 scale a channel beside them (``NAME.scale``), the rest float16. float16: all.
    float32: left alone. Variances stay float32; counters of batches are left out.
    """
    if stored not in STORED:
        raise ModelError(
            f"stored precision is {stored!r}, allowed is one of {', '.join(STORED)}",
            "choose one of these",
        )
    small: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        value = tensor.detach().float().contiguous()
        if stored == "float32" or name.endswith(_WIDE):
            small[name] = value
        elif stored == "int8" and _is_large(value):
            small[name], small[name + SCALE] = _rows(value)
        else:
            small[name] = value.half()
    return small


def _is_large(value: torch.Tensor) -> bool:
    return value.ndim >= 2 and value.numel() >= FEW and value[0].numel() >= LONG


def _rows(value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Integers -127..127 of ``value``'s shape and the float16 scale of each row."""
    flat = value.flatten(1)
    # never 0, also not in half precision, so that a row of zeros stays one
    scale = (flat.abs().amax(1) / _LEVELS).half().clamp(min=2**-24)
    whole = (flat / scale.float()[:, None]).round().clamp(-_LEVELS, _LEVELS)
    return whole.to(torch.int8).reshape(value.shape), scale


def restored(small: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The float32 tensors that ``shrunk`` stored."""
    state: dict[str, torch.Tensor] = {}
    for name, tensor in small.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in small:
            continue
        value = tensor.float()
        scale = small.get(name + SCALE)
        if scale is not None:
            value *= scale.float().reshape(-1, *[1] * (value.ndim - 1))
        state[name] = value
    return state

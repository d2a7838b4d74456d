"""A network taught under the cell view, packed with what it needs.

The finder, its heads, and what a laboratory's few labels are learned from: its own pooled features,
and those of the trunk that nobody taught, which ships with CellKin.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retrieval.cellview import CellView
from retrieval.joint import Projection, Trunk
from retrieval.packing import Parts, components, pack_model
from retrieval.training.data import TrainingSet
from retrieval.training.loop import Outcome
from retrieval.training.start import shipped_finder_network, shipped_frozen

WIDTH = 144  # of the projection of what was taught; on four laboratories 72 to 576 answer alike
PER_GROUP = 150  # cells of one class and laboratory that the projection is made from
BATCH = 64


def save_cell_model(
    path: Path, outcome: Outcome, data: TrainingSet, view: CellView, about: dict[str, Any]
) -> str:
    """Write what was taught as a model of one taught trunk to ``path`` and return the model's id.

    The pictures of ``data`` must still be there: its principal directions are taken from them.
    """
    trunk = taught_trunk(outcome, data, view)
    trunks, projections = [trunk], [taught_projection(trunk, data, view)]
    frozen = shipped_frozen()
    if frozen is not None:
        trunks.append(frozen[0])
        projections += [replace(each, trunks=(1,)) for each in frozen[1]]
    return pack_model(
        path,
        Parts(
            trunks=trunks,
            view=view,
            finder=shipped_finder_network(),
            projections=projections,
            classes=data.classes if trunk.classes is not None else (),
            leaves=data.leaves if trunk.leaves is not None else (),
            about=about,
        ),
        stored="float16",
    )


def taught_trunk(outcome: Outcome, data: TrainingSet, view: CellView) -> Trunk:
    """The trunk with the heads it was taught with."""
    network, heads = outcome.network, outcome.heads
    trunk = Trunk(
        network.backbone_name,
        view.input_size,
        network.dim,
        len(data.classes) if "classes.weight" in heads else 0,
        len(data.leaves) if "leaves.weight" in heads else 0,
    )
    state = {
        name: value
        for name, value in network.state_dict().items()
        if name.startswith(("trunk.", "head."))
    }
    trunk.load_state_dict({**state, **heads}, strict=True)
    return trunk.eval()


def taught_projection(trunk: Trunk, data: TrainingSet, view: CellView) -> Projection:
    """Principal directions of the pooled features of the cells that taught, classes in balance."""
    groups = data.class_of * len(data.laboratories or "1")
    if data.laboratory_of is not None:
        groups = groups + data.laboratory_of
    rng = np.random.default_rng(0)
    rows = np.sort(
        np.concatenate(
            [
                rng.permutation(np.flatnonzero((groups == each) & ~data.is_val))[:PER_GROUP]
                for each in np.unique(groups)
            ]
        )
    )
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (view.mean, view.std))
    edge = (data.pictures.shape[1] - view.input_size) // 2
    inner = slice(edge, edge + view.input_size)
    pooled = []
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            seen = np.ascontiguousarray(data.pictures[rows[start : start + BATCH], inner, inner])
            batch = torch.from_numpy(seen).permute(0, 3, 1, 2).float().div_(255)
            batch = ((batch - mean) / std).contiguous(memory_format=torch.channels_last)
            pooled.append(trunk.pooled(batch).float().numpy())
    joined = np.concatenate(pooled).astype(np.float64)
    width = max(1, min(WIDTH, joined.shape[1], len(joined) - 1))
    middle, directions = (
        torch.from_numpy(np.ascontiguousarray(each, np.float32))
        for each in components(joined, width)
    )
    return Projection("taught", (0,), middle, directions)

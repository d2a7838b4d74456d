"""A network taught under the cell view, packed with what it needs: the finder and its heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retrieval.cellview import CellView
from retrieval.joint import Trunk
from retrieval.packing import Parts, pack_model
from retrieval.training.data import TrainingSet
from retrieval.training.loop import Outcome
from retrieval.training.start import shipped_finder_network


def save_cell_model(
    path: Path, outcome: Outcome, data: TrainingSet, view: CellView, about: dict[str, Any]
) -> str:
    """Write what was taught as a model of one trunk to ``path`` and return the model's id."""
    network, heads = outcome.network, outcome.heads
    has_classes, has_leaves = "classes.weight" in heads, "leaves.weight" in heads
    trunk = Trunk(
        network.backbone_name,
        view.input_size,
        network.dim,
        len(data.classes) if has_classes else 0,
        len(data.leaves) if has_leaves else 0,
    )
    state = {
        name: value
        for name, value in network.state_dict().items()
        if name.startswith(("trunk.", "head."))
    }
    trunk.load_state_dict({**state, **heads}, strict=True)
    return pack_model(
        path,
        Parts(
            trunks=[trunk],
            view=view,
            finder=shipped_finder_network(),
            classes=data.classes if has_classes else (),
            leaves=data.leaves if has_leaves else (),
            about=about,
        ),
        stored="float16",
    )

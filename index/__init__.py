"""The atlas: catalogue, vectors and taxonomy. Imports neither torch nor Flask.

The public names below are loaded when they are first used, so that ``import index`` is light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from index.atlas import Atlas
    from index.errors import CellKinError
    from index.records import (
        AddReport,
        Cell,
        CellFilter,
        CellRecord,
        Label,
        ModelRow,
        Neighbours,
        NewLabel,
        User,
    )
    from index.taxonomy import Node, Taxonomy

_HOME = {
    "Atlas": "index.atlas",
    "CellKinError": "index.errors",
    **dict.fromkeys(
        (
            "AddReport",
            "Cell",
            "CellFilter",
            "CellRecord",
            "Label",
            "ModelRow",
            "Neighbours",
            "NewLabel",
            "User",
        ),
        "index.records",
    ),
    **dict.fromkeys(("Node", "Taxonomy"), "index.taxonomy"),
}

__all__ = [
    "AddReport",
    "Atlas",
    "Cell",
    "CellFilter",
    "CellKinError",
    "CellRecord",
    "Label",
    "ModelRow",
    "Neighbours",
    "NewLabel",
    "Node",
    "Taxonomy",
    "User",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'index' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)

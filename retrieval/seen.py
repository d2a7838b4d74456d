"""What the network saw: a cell's picture as the atlas's model takes it in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from index.errors import CellKinError
from retrieval.reading.decode import read_cell
from retrieval.view import View

if TYPE_CHECKING:
    from index import Atlas
    from index.records import Cell
    from retrieval.model import Model


class NoViewError(CellKinError):
    """The atlas has no model, or its model does not say how it looks at a picture."""


def viewed_by(atlas: Atlas) -> str | None:
    """The id of the active model, if it says how it looks at a picture; else None."""
    active = atlas.active_model
    return active if active and "view" in atlas.model_metadata(active) else None


class NetworkEyes:
    """Pictures of an atlas's cells as its active model sees them; safe for several threads.

    A model that only crops and resizes is not loaded: its file says how. One that looks for the
    cell first is loaded at the first question, and kept.
    """

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._model: Model | None = None
        self._lock = threading.Lock()

    def picture(self, cell: Cell) -> np.ndarray:
        """The network's input uint8 [S, S, 3], before its colours are scaled.

        Raises NoViewError, ImageError where the picture is gone, ModelError.
        """
        active = self._atlas.active_model
        told = self._atlas.model_metadata(active or "")
        if "view" not in told:
            raise NoViewError(
                "no model of this atlas says how it looks at a picture",
                f"Run: cellkin embed {self._atlas.path}",
            )
        rgb = read_cell(self._atlas, cell)
        if told.get("format", 1) == 1:
            return View.from_dict(told["view"]).picture(rgb)
        with self._lock:
            if self._model is None or self._model.id != active:
                from retrieval.model import atlas_model

                self._model = atlas_model(self._atlas)
            from retrieval.finding import network_view

            return network_view(self._atlas, self._model, cell, rgb)

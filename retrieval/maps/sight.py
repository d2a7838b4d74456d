"""What a map page needs of every cell, kept in the atlas: where it lies and how novel it is.

The labels of cells are not in it: they change with every key pressed and are read fresh.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index import Atlas
from retrieval.maps.atlas_map import FOLDER, AtlasMap
from retrieval.writing import write_whole

FORMAT = 1


@dataclass(frozen=True)
class Sight:
    """N cells on the map of ``model_id``, by id.

    ``cell_ids`` int64 [N], ascending; ``coordinates`` float32 [N, 2] as the layout gave them;
    ``placed`` bool [N]: put on a map that was fitted without it; ``novelty`` float32 [N], 0 to 1,
    NaN where there was no reference to compare with.
    """

    model_id: str
    cell_ids: np.ndarray
    coordinates: np.ndarray
    placed: np.ndarray
    novelty: np.ndarray

    @classmethod
    def of(cls, drawn: AtlasMap) -> Sight:
        """The sight of a map just drawn."""
        ids = drawn.table["id"].to_numpy(dtype=np.int64)
        novelty = np.full(len(ids), np.nan) if drawn.novelty is None else drawn.novelty
        order = np.argsort(ids)
        return cls(
            drawn.model_id,
            ids[order],
            drawn.coordinates[order].astype(np.float32),
            drawn.placed[order],
            novelty[order].astype(np.float32),
        )

    def save(self, path: Path) -> None:
        """Write it to ``path``; the file appears whole or not at all."""
        held = io.BytesIO()
        np.savez(
            held,
            format=np.int64(FORMAT),
            model_id=np.array(self.model_id),
            cell_ids=self.cell_ids,
            coordinates=self.coordinates,
            placed=self.placed,
            novelty=self.novelty,
        )
        write_whole(path, held.getvalue())

    def unit_square(self) -> np.ndarray:
        """The coordinates float32 [N, 2] within 0..1, aspect kept, y upwards."""
        low, high = self.coordinates.min(axis=0), self.coordinates.max(axis=0)
        span = float((high - low).max()) or 1.0
        return ((self.coordinates - (low + high) / 2) / span + 0.5).astype(np.float32)


def sight_file(atlas: Atlas, model_id: str) -> Path:
    """Where the sight of the map of ``model_id`` is kept in the atlas."""
    return Path(atlas.path) / FOLDER / f"{model_id[:16]}.sight.npz"


def load_sight(path: Path) -> Sight | None:
    """The sight kept in ``path``; None where there is none or it cannot be used any more.

    It is a cache: a damaged one, or one of another CellKin, is drawn anew.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            if int(arrays["format"]) != FORMAT:
                return None
            found = Sight(
                str(arrays["model_id"]),
                arrays["cell_ids"],
                arrays["coordinates"],
                arrays["placed"],
                arrays["novelty"],
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    count = len(found.cell_ids)
    if found.coordinates.shape != (count, 2) or len(found.novelty) != count or not count:
        return None
    return found

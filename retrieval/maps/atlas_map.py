"""The map of one atlas: which cells, where they lie, and what is known of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from index import Atlas, CellFilter
from index.settings import setting
from retrieval.answers.errors import NoReferencesError
from retrieval.answers.proposer import Proposer
from retrieval.maps.layout import KeptMap, MapError, fit, load_map

FOLDER = "maps"
BATCH = 1024

# Told what is under way ("layout", "placing" or "novelty"), how many cells are done, of how many.
Report = Callable[[str, int, int], None]


def _silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class AtlasMap:
    """Cells of an atlas on a map.

    ``coordinates`` float32 [N, 2]; ``placed`` bool [N]: put on a map that was fitted without it.
    ``table`` has a row a cell: id, file, dataset, patient, slide, label (a class code or None).
    ``novelty`` float64 [N] in 0..1, or None where there is no reference or nobody asked.
    """

    model_id: str
    coordinates: np.ndarray
    placed: np.ndarray
    table: pd.DataFrame
    novelty: np.ndarray | None


def map_file(atlas: Atlas, model_id: str) -> Path:
    """Where the fitted map of ``model_id`` is kept in the atlas."""
    return Path(atlas.path) / FOLDER / f"{model_id[:16]}.npz"


def map_atlas(
    atlas: Atlas,
    *,
    fitted_anew: bool | None = None,
    novelty: bool = True,
    seed: int | None = None,
    most: int = 20_000,
    report: Report = _silent,
) -> AtlasMap:
    """The map of all cells embedded under the active model.

    ``fitted_anew`` True fits a new map and keeps it; False places the cells on the kept one, and
    is a MapError without one; None places them if there is one. Of more than ``most`` cells the map
    is fitted on a seeded draw and the others are placed. ``report`` is told how far it is. Raises
    MapError where nothing is embedded.
    """
    chosen_seed = int(setting("seed", seed))
    model_id = atlas.active_model
    wanted = CellFilter(embedded_with=model_id) if model_id is not None else None
    if model_id is None or not atlas.count(wanted):
        raise MapError(
            f"the atlas {atlas.path} has no embedded cell", "run cellkin embed on it first"
        )
    ids, vectors = atlas.embeddings(model_id)
    file = map_file(atlas, model_id)
    kept = None if fitted_anew else load_map(file)
    if fitted_anew is False and kept is None:
        raise MapError(
            f"the atlas {atlas.path} keeps no map of its model", "draw one with --fit first"
        )
    if kept is None or kept.model_id != model_id:
        report("layout", 0, min(len(ids), most))
        kept = _fitted(model_id, ids, vectors, chosen_seed, most)
        kept.save(file)
    report("placing", 0, len(ids))
    coordinates, placed = _coordinates(kept, ids, vectors)
    table = atlas.table(wanted)
    table = table.set_index("id", drop=False).loc[ids.tolist()].reset_index(drop=True)
    table = table.rename(columns={"class_code": "label"})
    columns = ["id", "file", "dataset", "patient", "slide", "label", "sha256"]
    known = table[columns].astype(object).where(table[columns].notna(), None)
    scores = _novelty(atlas, model_id, known, vectors, report) if novelty else None
    return AtlasMap(model_id, coordinates, placed, known, scores)


def _fitted(model_id: str, ids: np.ndarray, vectors: np.ndarray, seed: int, most: int) -> KeptMap:
    if len(ids) > most:
        rows = np.sort(np.random.default_rng(seed).permutation(len(ids))[:most])
        ids, vectors = ids[rows], vectors[rows]
    return KeptMap(model_id, seed, ids, vectors, fit(vectors, seed=seed))


def _coordinates(
    kept: KeptMap, ids: np.ndarray, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fitted cells where they were fitted, the others placed; and which are which."""
    row_of = {cell_id: row for row, cell_id in enumerate(kept.cell_ids.tolist())}
    rows = np.array([row_of.get(cell_id, -1) for cell_id in ids.tolist()])
    placed = rows < 0
    coordinates = np.empty((len(ids), 2), np.float32)
    coordinates[~placed] = kept.coordinates[rows[~placed]]
    if placed.any():
        coordinates[placed] = kept.place(vectors[placed])
    return coordinates, placed


def _novelty(
    atlas: Atlas, model_id: str, table: pd.DataFrame, vectors: np.ndarray, report: Report
) -> np.ndarray | None:
    """Novelty of each cell, itself and its twins left out; None without references."""
    try:
        proposer = Proposer(atlas, model_id=model_id)
        proposer.references  # noqa: B018 - raises where nothing may vote
    except NoReferencesError:
        return None
    ids, hashes = table["id"].tolist(), table["sha256"].tolist()
    found: list[float] = []
    for at in range(0, len(vectors), BATCH):
        report("novelty", at, len(vectors))
        part = slice(at, at + BATCH)
        proposals = proposer.propose(vectors[part], not_cells=ids[part], not_hashes=hashes[part])
        found += [proposal.novelty for proposal in proposals]
    return np.array(found)

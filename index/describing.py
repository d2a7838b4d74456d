"""The part of an atlas that keeps what models see in cells: findings, features, scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Select, select
from sqlalchemy.dialects.sqlite import insert as upsert

from index.describing_tables import features as features_table
from index.describing_tables import findings as findings_table
from index.errors import VectorError
from index.filters import among, conditions
from index.keeping import KeepingPart, known_model, require_cells
from index.records import CellFilter
from index.schema import cells, models

FINDING = ("x", "y", "diameter", "nucleus", "r", "g", "b", "found", "others")
"""The columns of a finding: centre, diameter, share of nucleus (0..1), background's colour
(0..255), 1 where a cell was found, how many more cells there are. Lengths in pixels."""


class DescribingPart(KeepingPart):
    """Findings, features and scores of the cells of an atlas."""

    # findings -------------------------------------------------------------------------------

    def add_findings(self, finder_id: str, cell_ids: np.ndarray, values: np.ndarray) -> None:
        """Keep what a finder found in cells, in place of an earlier finding of the same.

        ``cell_ids`` int64 [N] without repeats, ``values`` float [N, 9] of the columns FINDING.
        Raises VectorError, UnknownCellError; then none was added.
        """
        ids = np.asarray(cell_ids, dtype=np.int64)
        block = np.asarray(values, dtype=np.float64)
        if block.shape != (len(ids), len(FINDING)) or not np.isfinite(block).all():
            raise VectorError(
                f"findings of {len(ids)} cells have shape {block.shape}, allowed are finite "
                f"numbers [N, {len(FINDING)}]",
                "give one row a cell",
            )
        if not len(ids):
            return
        rows = [
            {"finder_id": finder_id, "cell_id": cell_id, **dict(zip(FINDING, row, strict=True))}
            for cell_id, row in zip(ids.tolist(), block.tolist(), strict=True)
        ]
        for row in rows:
            row["found"], row["others"] = bool(row["found"]), int(row["others"])
        statement = upsert(findings_table)
        statement = statement.on_conflict_do_update(
            set_={name: statement.excluded[name] for name in FINDING}
        )
        with self.database.write() as connection:
            require_cells(connection, ids)
            connection.execute(statement, rows)

    def findings(
        self, finder_id: str, filter: CellFilter | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What a finder found in the cells within ``filter``.

        Returns ids int64 [N], ascending, and values float64 [N, 9] of the columns FINDING; only
        cells in which it has looked, so N may be 0.
        """
        query = self._of_finder(finder_id)
        with self.database.read() as connection:
            wanted = conditions(filter, self.taxonomy, connection)
            if wanted:
                within = select(cells.c.id).where(*wanted)
                query = query.where(findings_table.c.cell_id.in_(within))
            return _table(self.database.tuples(connection, query))

    def findings_of(self, finder_id: str, cell_ids: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """The same as ``findings`` of those of ``cell_ids`` in which the finder has looked."""
        query = self._of_finder(finder_id)
        query = query.where(findings_table.c.cell_id.in_(among(cell_ids)))
        with self.database.read() as connection:
            return _table(self.database.tuples(connection, query))

    @staticmethod
    def _of_finder(finder_id: str) -> Select:
        columns = (findings_table.c.cell_id, *(findings_table.c[name] for name in FINDING))
        mine = findings_table.c.finder_id == finder_id
        return select(*columns).where(mine).order_by(findings_table.c.cell_id)

    # features -------------------------------------------------------------------------------

    def add_features(
        self,
        model_id: str,
        cell_ids: np.ndarray,
        features: np.ndarray,
        scores: np.ndarray,
        typical: np.ndarray | None = None,
    ) -> None:
        """Keep features and scores of cells under a model, in place of earlier ones.

        ``cell_ids`` int64 [N] without repeats, ``features`` [N, E] (kept as float16), ``scores``
        [N, S] in 0..1 (kept as float16), ``typical`` float [N] the diameter in pixels each was
        scaled by, not finite where it was scaled by itself alone. Raises VectorError,
        UnknownModelError, UnknownCellError; then none was added.
        """
        ids = np.asarray(cell_ids, dtype=np.int64)
        # nothing in half precision is larger; a feature beyond it is as good as at its end
        end = np.finfo(np.float16).max
        wide = np.asarray(features, dtype=np.float32)
        kept = np.clip(wide, -end, end).astype("<f2")
        shares = np.ascontiguousarray(scores, dtype="<f2")
        scale = np.full(len(ids), np.nan) if typical is None else np.asarray(typical, float)
        _check(ids, wide, shares, scale)
        if not len(ids):
            return
        with self.database.write() as connection:
            model = known_model(connection, model_id).id
            require_cells(connection, ids)
            rows = [
                {
                    "model_id": model,
                    "cell_id": cell_id,
                    "typical": size if np.isfinite(size) else None,
                    "features": feature.tobytes(),
                    "scores": score.tobytes(),
                }
                for cell_id, size, feature, score in zip(
                    ids.tolist(), scale.tolist(), kept, shares, strict=True
                )
            ]
            statement = upsert(features_table)
            names = ("typical", "features", "scores")
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["model_id", "cell_id"],
                    set_={name: statement.excluded[name] for name in names},
                ),
                rows,
            )

    def features(
        self, model_id: str | None = None, filter: CellFilter | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features and scores within ``filter`` under a model, or under the active one.

        Returns ids int64 [N], ascending, features float16 [N, E] and scores float32 [N, S]; N may
        be 0, and is for a model without either. Raises UnknownModelError.
        """
        chosen = self._chosen_model(model_id)
        with self.database.read() as connection:
            model = known_model(connection, chosen).id
            query = (
                select(features_table.c.cell_id, features_table.c.features, features_table.c.scores)
                .where(features_table.c.model_id == model)
                .order_by(features_table.c.cell_id)
            )
            wanted = conditions(filter, self.taxonomy, connection)
            if wanted:
                within = select(cells.c.id).where(*wanted)
                query = query.where(features_table.c.cell_id.in_(within))
            rows = self.database.tuples(connection, query)
        ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        features = _unpacked([row[1] for row in rows])
        scores = _unpacked([row[2] for row in rows]).astype(np.float32)
        return ids, features, scores

    def features_of(
        self, model_id: str, cell_ids: Iterable[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same as ``features`` of those of ``cell_ids`` that have some under a model."""
        query = (
            select(features_table.c.cell_id, features_table.c.features, features_table.c.scores)
            .join(models, models.c.id == features_table.c.model_id)
            .where(models.c.name == model_id, features_table.c.cell_id.in_(among(cell_ids)))
            .order_by(features_table.c.cell_id)
        )
        with self.database.read() as connection:
            rows = self.database.tuples(connection, query)
        ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        scores = _unpacked([row[2] for row in rows]).astype(np.float32)
        return ids, _unpacked([row[1] for row in rows]), scores

    def scaled_by(
        self, model_id: str, filter: CellFilter | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """By which typical diameter the cells within ``filter`` were scaled under a model.

        Returns ids int64 [N], ascending, and diameters float64 [N] in pixels, NaN where a cell
        was scaled by itself alone.
        """
        query = (
            select(features_table.c.cell_id, features_table.c.typical)
            .join(models, models.c.id == features_table.c.model_id)
            .where(models.c.name == model_id)
            .order_by(features_table.c.cell_id)
        )
        with self.database.read() as connection:
            wanted = conditions(filter, self.taxonomy, connection)
            if wanted:
                within = select(cells.c.id).where(*wanted)
                query = query.where(features_table.c.cell_id.in_(within))
            rows = self.database.tuples(connection, query)
        ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        return ids, np.array([row[1] for row in rows], dtype=np.float64)


def _check(ids: np.ndarray, features: np.ndarray, scores: np.ndarray, typical: np.ndarray) -> None:
    shapes = (features.shape[:1], scores.shape[:1], typical.shape)
    if features.ndim != 2 or scores.ndim != 2 or any(shape != ids.shape for shape in shapes):
        raise VectorError(
            f"{len(ids)} cells have features {features.shape}, scores {scores.shape} and "
            f"typical {typical.shape}, allowed are [N, E], [N, S] and [N]",
            "give one row of each a cell",
        )
    if len(np.unique(ids)) != len(ids):
        raise VectorError("a cell comes twice among the features", "give one row a cell")
    if not np.isfinite(features).all() or not np.isfinite(scores).all():
        raise VectorError(
            "a feature or score is not a finite number", "check the pictures and the model"
        )


def _unpacked(blobs: Sequence[bytes]) -> np.ndarray:
    """Blobs of half-precision numbers, all of one width, as an array [N, width]."""
    joined = b"".join(blobs)
    width = len(blobs[0]) // 2 if blobs else 0
    if len(joined) != len(blobs) * width * 2:
        raise VectorError(
            f"{len(blobs)} cells hold features of different widths",
            "restore the last 'cellkin backup'",
        )
    return np.frombuffer(joined, dtype="<f2").astype(np.float16).reshape(len(blobs), width)


def _table(rows: Sequence[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray]:
    ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
    values = np.array([row[1:] for row in rows], dtype=np.float64)
    return ids, values.reshape(len(rows), len(FINDING))

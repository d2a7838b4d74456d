"""Labels and embeddings of chosen cells, and the log of labels across cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from sqlalchemy import func, select

from index.filters import among, conditions
from index.keeping import unpack
from index.labelling import taken_back, votes_of
from index.origins import TIMES, times
from index.part import Part
from index.records import CellFilter, Label, Marks
from index.schema import (
    cells,
    embedding_marks,
    embeddings,
    labels,
    meta,
    models,
    present_labels,
)

PAGE = 5000


class LookupPart(Part):
    """Reads that the annotator needs for each cell it shows, without scanning the atlas."""

    def last_label(self, author: str, *, how: str | None = None) -> Label | None:
        """The newest label of ``author`` (given ``how``, if named) that still stands, or None.

        A label stands unless an undo that itself stands takes it back.
        """
        query = select(labels).where(labels.c.author == author, labels.c.how != "undo")
        if how is not None:
            query = query.where(labels.c.how == how)
        with self.database.read() as connection:
            for row in connection.execute(query.order_by(labels.c.id.desc())):
                if row.id not in taken_back(votes_of(connection, row.cell_id)):
                    return Label(**row._mapping)
        return None

    def present_of(self, cell_ids: Iterable[int]) -> dict[int, str]:
        """The present class code of those of ``cell_ids`` that have one, by id."""
        present = present_labels.c
        query = select(present.cell_id, present.class_code).where(
            present.class_code.is_not(None), present.cell_id.in_(among(cell_ids))
        )
        with self.database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def present_votes(self, cell_ids: Iterable[int]) -> dict[int, tuple[str, str]]:
        """Class code and author of the present label of those of ``cell_ids`` that have one."""
        present = present_labels.c
        query = select(present.cell_id, present.class_code, present.author).where(
            present.class_code.is_not(None), present.cell_id.in_(among(cell_ids))
        )
        with self.database.read() as connection:
            return {row[0]: (row[1], row[2]) for row in connection.execute(query)}

    def marks(self, model_id: str) -> Marks:
        """How far labels, embeddings under a model and origins of cells have come.

        What depends on these alone is as it was while all three are.
        """
        last = select(func.max(labels.c.id)).scalar_subquery()
        batch = (
            select(func.max(embedding_marks.c.last_id))
            .join(models, models.c.id == embedding_marks.c.model_id)
            .where(models.c.name == model_id)
            .scalar_subquery()
        )
        origins = select(times).where(meta.c.name == TIMES).scalar_subquery()
        with self.database.read() as connection:
            row = connection.execute(select(last, batch, origins)).one()
        return Marks(row[0] or 0, row[1] or 0, row[2] or 0)

    def model_metadata(self, model_id: str) -> dict[str, Any]:
        """What the file of a model says of it; empty for a model that is not kept."""
        query = select(models.c["metadata"]).where(models.c.name == model_id)
        with self.database.read() as connection:
            return dict(connection.execute(query).scalar() or {})

    def labelled_since(self, label_id: int) -> list[int]:
        """The ids of the cells with a label (or an undo) newer than ``label_id``, ascending."""
        query = select(labels.c.cell_id).where(labels.c.id > int(label_id)).distinct()
        with self.database.read() as connection:
            return sorted(connection.execute(query).scalars())

    def embeddings_of(
        self, model_id: str, cell_ids: Iterable[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The embeddings under a model of those of ``cell_ids`` that have one.

        Returns ids int64 [N], ascending, and unit vectors float32 [N, D]; N may be 0.
        """
        query = (
            select(embeddings.c.cell_id, embeddings.c.vector, models.c.dimension)
            .join(models, models.c.id == embeddings.c.model_id)
            .where(models.c.name == model_id, embeddings.c.cell_id.in_(among(cell_ids)))
            .order_by(embeddings.c.cell_id)
        )
        with self.database.read() as connection:
            rows = connection.execute(query).fetchall()
        return unpack(rows, rows[0].dimension if rows else 0)

    def log(self, filter: CellFilter | None = None) -> Iterator[Label]:
        """Every label of the cells within ``filter``, oldest first, read in pages."""
        last = 0
        while True:
            with self.database.read() as connection:
                wanted = conditions(filter, self.taxonomy, connection)
                query = select(labels).where(labels.c.id > last)
                if wanted:
                    query = query.where(labels.c.cell_id.in_(select(cells.c.id).where(*wanted)))
                rows = connection.execute(query.order_by(labels.c.id).limit(PAGE)).fetchall()
            yield from (Label(**row._mapping) for row in rows)
            if len(rows) < PAGE:
                return
            last = rows[-1].id

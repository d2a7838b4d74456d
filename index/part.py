"""What all parts of an atlas share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, insert, select

from index.database import Database
from index.filters import conditions
from index.moment import now
from index.records import CellFilter
from index.schema import cells, events
from index.taxonomy import Taxonomy


class Part:
    """The folder, the database and the classes of one atlas."""

    path: Path
    database: Database
    taxonomy: Taxonomy

    def cell_ids(self, filter: CellFilter | None = None) -> np.ndarray:
        """The ids of the cells within ``filter``: int64 [N], ascending."""
        with self.database.read() as connection:
            query = select(cells.c.id).where(*conditions(filter, self.taxonomy, connection))
            rows = self.database.tuples(connection, query)
        found = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        found.sort()
        return found

    def _record(
        self,
        connection: Connection,
        author: str,
        action: str,
        detail: dict[str, Any],
        cell_id: int | None = None,
    ) -> None:
        record(connection, author, action, detail, cell_id)


def record(
    connection: Connection,
    author: str,
    action: str,
    detail: dict[str, Any],
    cell_id: int | None = None,
) -> None:
    """Write to the audit log, within the caller's transaction."""
    connection.execute(
        insert(events).values(
            time=now(), author=author, action=action, cell_id=cell_id, detail=detail
        )
    )

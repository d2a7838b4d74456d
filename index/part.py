"""What all parts of an atlas share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from index.database import Database
from index.moment import now
from index.schema import events
from index.taxonomy import Taxonomy


class Part:
    """The folder, the database and the classes of one atlas."""

    path: Path
    database: Database
    taxonomy: Taxonomy

    def _record(
        self,
        connection: Connection,
        author: str,
        action: str,
        detail: dict[str, Any],
        cell_id: int | None = None,
    ) -> None:
        """Write to the audit trail, within the caller's transaction."""
        connection.execute(
            insert(events).values(
                time=now(), author=author, action=action, cell_id=cell_id, detail=detail
            )
        )

"""Which cells of a selection have come onto sheets so far."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from index.part import Part
from index.sheet_records import DROPPED, OPEN
from index.sheet_tables import batches, members


@dataclass(frozen=True)
class Placed:
    """The cells of a selection that have been on a sheet of it (``ever``), and those that wait on
    one that is open (``waiting``)."""

    ever: frozenset[int]
    waiting: frozenset[int]


def placed(atlas: Part, author: str, selection_id: str) -> Placed:
    """What has become of a selection on the sheets of ``author``."""
    query = (
        select(members.c.cell_id, batches.c.state, members.c.verdict)
        .join(batches, batches.c.id == members.c.sheet_id)
        .where(
            batches.c.author == author,
            batches.c.selection_id == selection_id,
            members.c.planted.is_(None),
        )
    )
    with atlas.database.read() as connection:
        rows = connection.execute(query).fetchall()
    waiting = (cell for cell, state, verdict in rows if state == OPEN and verdict is None)
    return Placed(frozenset(row[0] for row in rows), frozenset(waiting))


def begun_selection(atlas: Part, author: str, dataset: str | None) -> str | None:
    """The selection of which the author's newest sheet of a selection was made; None without one,
    and where that sheet was put away: its reader has had enough of it."""
    same = batches.c.dataset.is_(None) if dataset is None else batches.c.dataset == dataset
    query = (
        select(batches.c.selection_id, batches.c.state)
        .where(batches.c.author == author, batches.c.selection_id.is_not(None), same)
        .order_by(batches.c.id.desc())
        .limit(1)
    )
    with atlas.database.read() as connection:
        row = connection.execute(query).first()
    return None if row is None or row.state == DROPPED else str(row.selection_id)

"""What the atlas knows of cells planted on sheets: which a reader has met, and how long ago."""

from __future__ import annotations

from sqlalchemy import func, select

from index.part import Part
from index.people_tables import checks
from index.sheet_records import ACCEPTED, OPEN
from index.sheet_tables import batches, members

_MET = batches.c.state.in_((OPEN, ACCEPTED))  # neither put away nor split


def met_by(atlas: Part, reader: str) -> set[int]:
    """The cells with which ``reader`` has been checked, or is on a sheet that is open."""
    on_sheets = (
        select(members.c.cell_id)
        .join(batches, batches.c.id == members.c.sheet_id)
        .where(batches.c.author == reader, members.c.planted.is_not(None))
    )
    singly = select(checks.c.cell_id).where(checks.c.reader == reader)
    with atlas.database.read() as connection:
        return set(connection.execute(on_sheets.union(singly)).scalars())


def sheets_without(atlas: Part, reader: str) -> tuple[int, int]:
    """How many sheets of ``reader`` have come since the last with a planted cell; its id, or 0.

    Sheets that were put away or split do not count: nobody decided on them as a whole.
    """
    mine = (batches.c.author == reader) & _MET
    last = (
        select(func.coalesce(func.max(batches.c.id), 0))
        .join(members, members.c.sheet_id == batches.c.id)
        .where(mine, members.c.planted.is_not(None))
    )
    with atlas.database.read() as connection:
        newest = int(connection.execute(last).scalar_one())
        since = select(func.count()).select_from(batches).where(mine, batches.c.id > newest)
        return int(connection.execute(since).scalar_one()), newest

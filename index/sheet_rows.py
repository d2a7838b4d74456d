"""Rows of sheets, read and changed within the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from sqlalchemy import Connection, Row, and_, bindparam, insert, select, update

from index.filters import among
from index.moment import now
from index.sheet_records import OPEN, OUT, Sheet, SheetCell, SheetError
from index.sheet_tables import batches, members


def read_sheet(connection: Connection, sheet_id: int) -> Sheet:
    """One sheet with its cells in their order. Raises SheetError."""
    row: Row | None = connection.execute(
        select(batches).where(batches.c.id == int(sheet_id))
    ).first()
    if row is None:
        raise SheetError(f"there is no sheet {sheet_id}", "open the page of sheets anew")
    query = select(members).where(members.c.sheet_id == row.id).order_by(members.c.position)
    names = [each.name for each in fields(SheetCell)]
    cells = tuple(
        SheetCell(**{name: each._mapping[name] for name in names})
        for each in connection.execute(query)
    )
    return Sheet(**row._mapping, cells=cells)


def insert_sheet(connection: Connection, sheet: Sheet) -> int:
    """Write a new open sheet; its id."""
    names = ("class_code", "author", "dataset", "model_id", "target", "confidence", "catch_rate",
             "parent_id", "adaptation_id", "wanted", "selection_id", "said")  # fmt: skip
    row = {name: getattr(sheet, name) for name in names}
    made = connection.execute(
        insert(batches).values(**row, state=OPEN, made=now()).returning(batches.c.id)
    )
    sheet_id = int(made.scalar_one())
    rows = [
        {**vars(cell), "sheet_id": sheet_id, "position": position}
        for position, cell in enumerate(sheet.cells)
    ]
    connection.execute(insert(members), rows)
    return sheet_id


def require_open(found: Sheet) -> None:
    """Raise SheetError unless a sheet is open."""
    if found.state != OPEN:
        raise SheetError(
            f"sheet {found.id} is {found.state}, allowed is open", "ask for the next sheet"
        )


def set_verdict(
    connection: Connection, sheet_id: int, cell_ids: Iterable[int], verdict: str | None
) -> None:
    """Note what became of some cells of a sheet; None: that is open again."""
    wanted = and_(members.c.sheet_id == sheet_id, members.c.cell_id.in_(among(cell_ids)))
    connection.execute(update(members).where(wanted).values(verdict=verdict))


def set_checked(connection: Connection, sheet_id: int, cell_id: int, checked: bool) -> None:
    """Let an undecided cell of a sheet be one to look at singly, or one of the others again."""
    wanted = and_(members.c.sheet_id == sheet_id, members.c.cell_id == cell_id)
    undecided = and_(wanted, members.c.verdict.is_(None))
    connection.execute(update(members).where(undecided).values(checked=checked))


def link_labels(connection: Connection, sheet_id: int, by_cell: Mapping[int, int]) -> None:
    """Note the newest entry of the log by which the sheet spoke on each cell."""
    if by_cell:
        wanted = and_(members.c.sheet_id == sheet_id, members.c.cell_id == bindparam("of_cell"))
        connection.execute(
            update(members).where(wanted).values(label_id=bindparam("entry")),
            [{"of_cell": cell, "entry": entry} for cell, entry in by_cell.items()],
        )


def forget_former(connection: Connection, sheet_id: int) -> None:
    """Let an acceptance that was taken back be of no account any more."""
    mine = members.c.sheet_id == sheet_id
    connection.execute(update(members).where(mine).values(was=None))
    connection.execute(update(members).where(mine, ~members.c.checked).values(label_id=None))


def put_drafts(connection: Connection, found: Sheet, out: Mapping[int, str | None]) -> None:
    """Keep what the reader gave each cell of a sheet: a class or OUT to those taken out."""
    mine = members.c.sheet_id == found.id
    connection.execute(update(members).where(mine).values(draft=None))
    rows = [
        {"of_cell": cell.cell_id, "given": out[cell.cell_id] or OUT}
        for cell in found.cells
        if cell.cell_id in out
    ]
    if rows:
        wanted = and_(mine, members.c.cell_id == bindparam("of_cell"))
        connection.execute(update(members).where(wanted).values(draft=bindparam("given")), rows)


def set_state(connection: Connection, sheet_id: int, state: str) -> None:
    """Let a sheet be in ``state`` from now on."""
    values = {"state": state, "decided": None if state == OPEN else now()}
    connection.execute(update(batches).where(batches.c.id == sheet_id).values(**values))


def want(connection: Connection, sheet_id: int) -> None:
    """Let a sheet come before all others of its reader: it was asked for."""
    connection.execute(update(batches).where(batches.c.id == sheet_id).values(wanted=now()))

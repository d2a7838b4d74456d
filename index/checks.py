"""Checks of a reader's attention: known-answer cells, planted proposals, and what became of them.

A check is made for one reader and one cell and answered once. What a reader answers to a check
that was missed, or on a known-answer cell, is kept here and never becomes a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from index.moment import now
from index.part import Part, record
from index.people_tables import actions, checks, gold

RUNNER_UP, GOLD, SHEET = "runner_up", "gold", "sheet"
KINDS = (RUNNER_UP, GOLD, SHEET)


@dataclass(frozen=True)
class Check:
    """One check. ``shown_class`` is the wrong class proposed (None: nothing was), ``action`` the
    number of the reader's action at which it was made; ``caught`` is None until it is answered,
    and stays so where the answer says nothing of attention."""

    id: int
    reader: str
    cell_id: int
    kind: str
    shown_class: str | None
    model_id: str | None
    action: int
    answer_class: str | None = None
    caught: bool | None = None
    answered: str | None = None


_FIELDS = tuple(Check.__dataclass_fields__)
_COLUMNS = tuple(checks.c[name] for name in _FIELDS)


def _check(row: Row | None) -> Check | None:
    return None if row is None else Check(*row)


# known answers ---------------------------------------------------------------------------------


def set_gold(atlas: Part, answers: Mapping[int, str], author: str) -> None:
    """Let the cells ``answers`` (class code by cell) be the known-answer cells from now on."""
    time = now()
    rows = [
        {"cell_id": int(cell), "class_code": code, "author": author, "time": time}
        for cell, code in answers.items()
    ]
    with atlas.database.write() as connection:
        connection.execute(delete(gold))
        if rows:
            connection.execute(insert(gold), rows)
        record(connection, author, "known answers", {"cells": len(rows)})


def gold_answers(atlas: Part) -> dict[int, str]:
    """The class of each known-answer cell by id. Never shown to who may be checked with them."""
    with atlas.database.read() as connection:
        rows = connection.execute(select(gold.c.cell_id, gold.c.class_code))
        return {row[0]: row[1] for row in rows}


def gold_of(connection: Connection, cell_id: int) -> str | None:
    """The known answer of a cell, within the caller's transaction; None of an ordinary cell."""
    return connection.execute(select(gold.c.class_code).where(gold.c.cell_id == cell_id)).scalar()


def gold_left(atlas: Part, reader: str) -> list[int]:
    """The known-answer cells that ``reader`` has not met yet, ascending."""
    met = select(checks.c.cell_id).where(checks.c.reader == reader)
    query = select(gold.c.cell_id).where(gold.c.cell_id.not_in(met)).order_by(gold.c.cell_id)
    with atlas.database.read() as connection:
        return list(connection.execute(query).scalars())


# checks ----------------------------------------------------------------------------------------


def plant(
    atlas: Part, reader: str, cell_id: int, kind: str, shown: str | None, model_id: str | None
) -> Check:
    """Note that ``reader`` is shown the wrong class ``shown`` for a cell from now on.

    A check of that reader and cell that is still open is returned in its place.
    """
    with atlas.database.write() as connection:
        found = open_check(connection, reader, cell_id)
        if found is not None:
            return found
        made = Check(0, reader, cell_id, kind, shown, model_id, _count(connection, reader))
        row = {name: vars(made)[name] for name in _FIELDS if name != "id"}
        new = insert(checks).values(**row, time=now()).returning(checks.c.id)
        return replace(made, id=int(connection.execute(new).scalar_one()))


def open_check(connection: Connection, reader: str, cell_id: int) -> Check | None:
    """The check that waits for the reader's answer on a cell, or None."""
    query = select(*_COLUMNS).where(
        checks.c.reader == reader, checks.c.cell_id == cell_id, checks.c.answered.is_(None)
    )
    return _check(connection.execute(query).first())


def open_checks(atlas: Part, reader: str) -> dict[int, Check]:
    """All checks that wait for the reader's answer, by cell."""
    query = select(*_COLUMNS).where(checks.c.reader == reader, checks.c.answered.is_(None))
    with atlas.database.read() as connection:
        return {row.cell_id: Check(*row) for row in connection.execute(query)}


def answer(
    connection: Connection,
    check: Check,
    class_code: str | None,
    caught: bool | None,
    label_id: int | None = None,
) -> Check:
    """Close a check within the caller's transaction; ``class_code`` None: it was passed over."""
    values: dict[str, Any] = {"answer_class": class_code, "caught": caught, "answered": now()}
    connection.execute(
        update(checks).where(checks.c.id == check.id).values(**values, label_id=label_id)
    )
    return replace(check, **values)


def void(atlas: Part, check: Check) -> None:
    """Close a check that nobody can answer any more: it was neither caught nor missed."""
    with atlas.database.write() as connection:
        answer(connection, check, None, None)


def note(
    connection: Connection,
    reader: str,
    cell_id: int,
    kind: str,
    shown: str | None,
    class_code: str | None,
    caught: bool | None,
) -> None:
    """Write a check that was made and answered at once, within the caller's transaction."""
    time = now()
    connection.execute(
        insert(checks).values(
            reader=reader,
            cell_id=cell_id,
            kind=kind,
            shown_class=shown,
            action=_count(connection, reader),
            time=time,
            answer_class=class_code,
            caught=caught,
            answered=time,
        )
    )


def note_outcome(atlas: Part, reader: str, cell_id: int, shown: str | None, caught: bool) -> None:
    """Count a check that another page made by its own means, such as a cell of another class
    planted in a sheet."""
    with atlas.database.write() as connection:
        note(connection, reader, cell_id, SHEET, shown, None, caught)


def outcomes(atlas: Part, reader: str) -> list[Check]:
    """The answered checks of a reader, oldest first."""
    query = select(*_COLUMNS).where(checks.c.reader == reader, checks.c.answered.is_not(None))
    with atlas.database.read() as connection:
        return [Check(*row) for row in connection.execute(query.order_by(checks.c.id))]


def last_made(atlas: Part, reader: str) -> Check | None:
    """The newest check of a reader, answered or not."""
    query = select(*_COLUMNS).where(checks.c.reader == reader).order_by(checks.c.id.desc())
    with atlas.database.read() as connection:
        return _check(connection.execute(query.limit(1)).first())


def was_checked(atlas: Part, reader: str, cell_id: int) -> bool:
    """Whether ``reader`` has met a check on that cell."""
    query = select(checks.c.id).where(checks.c.reader == reader, checks.c.cell_id == cell_id)
    with atlas.database.read() as connection:
        return connection.execute(query.limit(1)).first() is not None


def checked_readers(atlas: Part) -> list[str]:
    """Who has been checked, by name."""
    with atlas.database.read() as connection:
        query = select(checks.c.reader).distinct().order_by(checks.c.reader)
        return list(connection.execute(query).scalars())


# actions ---------------------------------------------------------------------------------------


def _count(connection: Connection, reader: str) -> int:
    query = select(actions.c.count).where(actions.c.reader == reader)
    return int(connection.execute(query).scalar() or 0)


def count_action(connection: Connection, reader: str) -> None:
    """One more action of a reader: a label, a sheet, an answer to a check."""
    new = upsert(actions).values(reader=reader, count=1)
    more = new.on_conflict_do_update(set_={"count": actions.c.count + 1})
    connection.execute(more)


def actions_of(atlas: Part, reader: str) -> int:
    """How many actions a reader has taken."""
    with atlas.database.read() as connection:
        return _count(connection, reader)

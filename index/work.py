"""Work that is shared out: which cells wait for whom, and who holds which for a while."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    delete,
    exists,
    func,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from index.errors import AssignmentError
from index.filters import among, conditions
from index.labelling import standing, votes_by_cell
from index.moment import now
from index.part import Part, record
from index.people_tables import assigned, assignments, gold, leases
from index.records import CellFilter
from index.schema import cells, labels, patients, present_labels, slides


@dataclass(frozen=True)
class Assignment:
    """Cells shared out among readers.

    ``scope`` names the data set, patient and slide meant; ``overlap`` is the share of cells that
    two readers read; ``cells``, ``shared`` and ``done`` count those assigned, those with two
    readers, and the readings given.
    """

    id: int
    scope: Mapping[str, str]
    readers: tuple[str, ...]
    unit: str
    overlap: float
    author: str
    time: str
    ended: str | None
    cells: int
    shared: int
    readings: int
    done: int


def assign(
    atlas: Part,
    shares: Mapping[str, Sequence[int]],
    *,
    scope: Mapping[str, str],
    unit: str,
    overlap: float,
    seed: int,
    author: str,
) -> int:
    """Give each reader of ``shares`` the cells named, in one transaction; the assignment's id.

    Cells that a reader has already been assigned are passed over. Raises AssignmentError when
    nothing is left.
    """
    with atlas.database.write() as connection:
        new = insert(assignments).values(
            scope=dict(scope),
            readers=sorted(shares),
            unit=unit,
            overlap=overlap,
            seed=seed,
            author=author,
            time=now(),
        )
        number = int(connection.execute(new.returning(assignments.c.id)).scalar_one())
        rows = [
            {"cell_id": int(cell), "reader": reader, "assignment_id": number}
            for reader, mine in sorted(shares.items())
            for cell in mine
        ]
        if rows:
            connection.execute(upsert(assigned).on_conflict_do_nothing(), rows)
        mine = assigned.c.assignment_id == number
        if not connection.execute(select(func.count()).where(mine)).scalar_one():
            raise AssignmentError(
                "no cell is left to assign there",
                "choose another data set, or end the assignment that holds them",
            )
        detail = {"assignment": number, "scope": dict(scope), "readers": sorted(shares)}
        record(connection, author, "assign", {**detail, "unit": unit, "overlap": overlap})
    return number


def end(atlas: Part, number: int, author: str) -> None:
    """Take back what of an assignment is not yet read. Raises AssignmentError."""
    with atlas.database.write() as connection:
        open_ = (assignments.c.id == number) & assignments.c.ended.is_(None)
        changed = connection.execute(update(assignments).where(open_).values(ended=now()))
        if changed.rowcount == 0:
            raise AssignmentError(
                f"there is no open assignment {number}", "see the page of the people"
            )
        mine = assigned.c.assignment_id == number
        connection.execute(delete(assigned).where(mine, ~_labelled_by(assigned.c.reader)))
        record(connection, author, "end assignment", {"assignment": number})


def _labelled_by(reader: Any, cell: Any = None) -> ColumnElement[bool]:
    """Whether ``reader`` has ever labelled the cell of a row of ``assigned``."""
    own = labels.alias("own")
    found: ColumnElement[bool] = exists(
        select(own.c.id).where(
            own.c.cell_id == (assigned.c.cell_id if cell is None else cell),
            own.c.author == reader,
            own.c.how != "undo",
        )
    )
    return found


def all_assignments(atlas: Part) -> list[Assignment]:
    """Every assignment, newest first."""
    per_cell = (
        select(
            assigned.c.assignment_id,
            assigned.c.cell_id,
            func.count().label("readers"),
            func.sum(type_coerce(_labelled_by(assigned.c.reader), Integer)).label("done"),
        )
        .group_by(assigned.c.assignment_id, assigned.c.cell_id)
        .subquery()
    )
    query = select(
        per_cell.c.assignment_id,
        func.count(),
        func.sum(type_coerce(per_cell.c.readers > 1, Integer)),
        func.sum(per_cell.c.readers),
        func.sum(per_cell.c.done),
    ).group_by(per_cell.c.assignment_id)
    with atlas.database.read() as connection:
        counts = {row[0]: tuple(row[1:]) for row in connection.execute(query)}
        rows = connection.execute(select(assignments).order_by(assignments.c.id.desc())).fetchall()
    return [
        Assignment(
            row.id,
            row.scope,
            tuple(row.readers),
            row.unit,
            row.overlap,
            row.author,
            row.time,
            row.ended,
            *(int(each or 0) for each in counts.get(row.id, (0, 0, 0, 0))),
        )
        for row in rows
    ]


def has_work(atlas: Part, reader: str) -> bool:
    """Whether cells have been assigned to ``reader``."""
    with atlas.database.read() as connection:
        return _has_work(connection, reader)


def _has_work(connection: Connection, reader: str) -> bool:
    query = select(assigned.c.cell_id).where(assigned.c.reader == reader).limit(1)
    return connection.execute(query).first() is not None


def assigned_to(atlas: Part, reader: str, filter: CellFilter | None = None) -> np.ndarray:
    """The cells within ``filter`` that are assigned to ``reader``: int64 [N], ascending."""
    mine = select(assigned.c.cell_id).where(assigned.c.reader == reader)
    with atlas.database.read() as connection:
        wanted = conditions(filter, atlas.taxonomy, connection)
        query = select(cells.c.id).where(cells.c.id.in_(mine), *wanted)
        return _ids(atlas.database.tuples(connection, query))


def group_names(atlas: Part) -> dict[str, list[str]]:
    """The names of patients and of slides, sorted."""
    with atlas.database.read() as connection:
        return {
            "patient": sorted(set(connection.execute(select(patients.c.name)).scalars())),
            "slide": sorted(set(connection.execute(select(slides.c.name)).scalars())),
        }


def assigned_cells(atlas: Part) -> set[int]:
    """Every cell that is assigned to somebody."""
    with atlas.database.read() as connection:
        return set(connection.execute(select(assigned.c.cell_id).distinct()).scalars())


def answered_by(atlas: Part, reader: str, cell_ids: Iterable[int]) -> set[int]:
    """Those of ``cell_ids`` that ``reader`` has ever labelled."""
    query = select(labels.c.cell_id).where(
        labels.c.author == reader,
        labels.c.how != "undo",
        labels.c.cell_id.in_(among(cell_ids)),
    )
    with atlas.database.read() as connection:
        return set(connection.execute(query).scalars())


def read_count(atlas: Part, reader: str) -> int:
    """How many cells ``reader`` has read: a label by the reader stands; imports do not count."""
    with atlas.database.read() as connection:
        return len(_read_by(connection, reader, without=("imported",)))


def _ids(rows: list[tuple[Any, ...]]) -> np.ndarray:
    return np.sort(np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows)))


def may_label(atlas: Part, reader: str, cell_ids: Iterable[int]) -> set[int]:
    """Those of ``cell_ids`` that are for ``reader`` to read: the reader's own, where the reader
    was assigned some; else those assigned to nobody."""
    wanted = set(map(int, cell_ids))
    with atlas.database.read() as connection:
        query = select(assigned.c.cell_id).where(assigned.c.cell_id.in_(among(wanted)))
        if _has_work(connection, reader):
            return set(connection.execute(query.where(assigned.c.reader == reader)).scalars())
        return wanted - set(connection.execute(query).scalars())


def waiting(
    atlas: Part, reader: str, filter: CellFilter | None = None, *, alone: bool = False
) -> np.ndarray:
    """The ids of the cells that wait for ``reader``, int64 ascending.

    With work assigned: the cells assigned that the reader has not labelled (what others say of
    them does not matter). Else the cells without a present label that are assigned to nobody and
    not leased to another. ``alone`` passes over assignments and
    leases, for an annotator without accounts. Known-answer cells never wait.
    """
    with atlas.database.read() as connection:
        wanted = conditions(filter, atlas.taxonomy, connection)
        wanted.append(cells.c.id.not_in(select(gold.c.cell_id)))
        if not alone and _has_work(connection, reader):
            mine = select(assigned.c.cell_id).where(assigned.c.reader == reader)
            gone = among(_read_by(connection, reader))
            wanted += [cells.c.id.in_(mine), cells.c.id.not_in(gone)]
        else:
            decided = present_labels.c.class_code.is_not(None)
            wanted.append(cells.c.id.not_in(select(present_labels.c.cell_id).where(decided)))
            if not alone:
                others = (leases.c.reader != reader) & (leases.c.until > time.time())
                wanted += [
                    cells.c.id.not_in(select(assigned.c.cell_id)),
                    cells.c.id.not_in(select(leases.c.cell_id).where(others)),
                ]
        rows = atlas.database.tuples(connection, select(cells.c.id).where(*wanted))
    return _ids(rows)


def waiting_among(atlas: Part, reader: str, cell_ids: Iterable[int]) -> set[int]:
    """Those of ``cell_ids`` that ``reader`` has not labelled and that, unless they are assigned to
    the reader, nobody else has labelled either."""
    wanted = {int(each) for each in cell_ids}
    with atlas.database.read() as connection:
        own = _own(connection, reader, list(wanted))
        gone = {
            cell
            for cell, votes in votes_by_cell(connection, wanted)
            if any(vote.author == reader or cell not in own for vote in standing(votes))
        }
    return wanted - gone


def _read_by(connection: Connection, reader: str, without: tuple[str, ...] = ()) -> set[int]:
    """The cells of which a label by ``reader`` stands, not counting those given ``without``."""
    ways = ("undo", *without)
    given = select(labels.c.cell_id).where(labels.c.author == reader, labels.c.how.not_in(ways))
    found = set(connection.execute(given).scalars())
    undone = select(labels.c.cell_id).where(
        labels.c.how == "undo", labels.c.cell_id.in_(among(found))
    )
    touched = set(connection.execute(undone).scalars())
    for cell, votes in votes_by_cell(connection, touched):
        if not any(v.author == reader and v.how not in ways for v in standing(votes)):
            found.discard(cell)
    return found


# leases ----------------------------------------------------------------------------------------


def lease(
    atlas: Part, reader: str, cell_ids: Sequence[int], seconds: float, need: int | None = None
) -> list[int]:
    """Hold cells for ``reader`` for a while; returns those that nobody else holds, in order.

    Cells assigned to the reader need no lease: two readers of one cell read independently.
    Nothing is written while the first ``need`` cells (None: all) are held for half of ``seconds``
    still, so that asking for more than are needed saves most of the writes.
    """
    wanted = [int(each) for each in cell_ids]
    with atlas.database.read() as connection:
        own = _own(connection, reader, wanted)
        mine = (leases.c.reader == reader) & (leases.c.until > time.time() + seconds / 2)
        held = set(connection.execute(select(leases.c.cell_id).where(mine)).scalars()) | own
    if all(each in held for each in wanted[:need]):
        return [each for each in wanted if each in held]
    with atlas.database.write() as connection:
        moment = time.time()
        connection.execute(delete(leases).where(leases.c.until <= moment))
        others = leases.c.cell_id.in_(among(wanted)) & (leases.c.reader != reader)
        taken = set(connection.execute(select(leases.c.cell_id).where(others)).scalars())
        free = [each for each in wanted if each in own or each not in taken]
        rows = [
            {"cell_id": each, "reader": reader, "until": moment + seconds}
            for each in free
            if each not in own
        ]
        if rows:
            new = upsert(leases)
            kept = {"reader": new.excluded.reader, "until": new.excluded.until}
            connection.execute(new.on_conflict_do_update(set_=kept), rows)
    return free


def _own(connection: Connection, reader: str, cell_ids: Sequence[int]) -> set[int]:
    query = select(assigned.c.cell_id).where(
        assigned.c.cell_id.in_(among(cell_ids)), assigned.c.reader == reader
    )
    return set(connection.execute(query).scalars())


def held_by_others(atlas: Part, reader: str) -> set[int]:
    """The cells that others hold now."""
    query = select(leases.c.cell_id).where(leases.c.reader != reader, leases.c.until > time.time())
    with atlas.database.read() as connection:
        return set(connection.execute(query).scalars())


def on_other_screens(
    atlas: Part, reader: str, filter: CellFilter | None = None
) -> tuple[int, float]:
    """How many cells within ``filter`` would wait for ``reader``, did others not hold them now,
    and the seconds until the last of them comes back (0 without one)."""
    with atlas.database.read() as connection:
        if _has_work(connection, reader):
            return 0, 0.0
        wanted = conditions(filter, atlas.taxonomy, connection)
        decided = present_labels.c.class_code.is_not(None)
        query = (
            select(func.count(), func.max(leases.c.until))
            .select_from(cells.join(leases, leases.c.cell_id == cells.c.id))
            .where(
                *wanted,
                leases.c.reader != reader,
                leases.c.until > time.time(),
                cells.c.id.not_in(select(gold.c.cell_id)),
                cells.c.id.not_in(select(assigned.c.cell_id)),
                cells.c.id.not_in(select(present_labels.c.cell_id).where(decided)),
            )
        )
        count, until = connection.execute(query).one()
    return int(count), max(0.0, until - time.time()) if count else 0.0


def release(atlas: Part, reader: str, cell_ids: Iterable[int] | None = None) -> None:
    """Give cells back before their lease ends; None: all that ``reader`` holds."""
    mine = leases.c.reader == reader
    if cell_ids is not None:
        mine &= leases.c.cell_id.in_(among(cell_ids))
    with atlas.database.write() as connection:
        connection.execute(delete(leases).where(mine))

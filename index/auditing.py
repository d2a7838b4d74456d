"""The audit log: every change of an atlas by a person, in the order in which they came."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from index.facts import all_facts
from index.labelling import append
from index.lookups import LookupPart
from index.moment import now
from index.part import Part, record
from index.records import Label, NewLabel
from index.schema import documents, events

PAGE = 5000


@dataclass(frozen=True)
class Change:
    """One change: when (ISO 8601, UTC), who, what, which cell if it is of one, and the details."""

    time: str
    author: str
    action: str
    cell_id: int | None
    detail: dict[str, Any]


def put_audited(atlas: Part, name: str, value: dict[str, Any], author: str, action: str) -> None:
    """Keep a document, and in the same transaction who changed it and what it was."""
    with atlas.database.write() as connection:
        before = connection.execute(
            select(documents.c.value).where(documents.c.name == name)
        ).scalar()
        row = {"name": name, "value": json.loads(json.dumps(value)), "changed": now()}
        connection.execute(upsert(documents).values(**row).on_conflict_do_update(set_=row))
        record(connection, author, action, {"from": before, "to": value})


def note(atlas: Part, author: str, action: str, detail: dict[str, Any]) -> None:
    """Write something that happened to the audit log."""
    with atlas.database.write() as connection:
        record(connection, author, action, detail)


def take_in(atlas: Part, new: Sequence[NewLabel], author: str, source: str) -> list[int]:
    """Add labels of a file, which says whose they are, and in the same transaction that ``author``
    took them in; their ids in the order given. Raises LabelError, UnknownCellError,
    UnknownClassError; then nothing was added."""
    with atlas.database.write() as connection:
        ids = append(connection, list(new), atlas.taxonomy)
        told = {"source": source, "labels": len(ids), "from": min(ids), "to": max(ids)}
        record(connection, author, "import labels", told)
    return ids


def changes(atlas: LookupPart) -> Iterator[Change]:
    """Every change, oldest first: labels with their conditions, and all else that was recorded."""
    return heapq.merge(_labels(atlas), _events(atlas), key=lambda change: change.time)


def _labels(atlas: LookupPart) -> Iterator[Change]:
    facts = all_facts(atlas)
    for label in atlas.log():
        told = {name: value for name, value in _told(label) if value is not None}
        known = facts.get(label.id)
        if known is not None:
            told |= {name: value for name, value in vars(known).items() if value is not None}
        action = "undo" if label.how == "undo" else "label"
        yield Change(label.time, label.author, action, label.cell_id, told)


def _told(label: Label) -> Iterator[tuple[str, Any]]:
    yield "label", label.id
    yield "class", label.class_code
    yield from (
        (name, getattr(label, name))
        for name in (
            "how",
            "proposed_class",
            "proposed_probability",
            "model_id",
            "proposal_visible",
            "source",
            "note",
            "retracts",
        )
    )


def _events(atlas: Part) -> Iterator[Change]:
    last = 0
    while True:
        with atlas.database.read() as connection:
            query = select(events).where(events.c.id > last).order_by(events.c.id).limit(PAGE)
            rows = connection.execute(query).fetchall()
        for row in rows:
            yield Change(row.time, row.author, row.action, row.cell_id, row.detail or {})
        if len(rows) < PAGE:
            return
        last = rows[-1].id


def latest(atlas: Part) -> Iterator[Change]:
    """What was done besides labelling, newest first."""
    with atlas.database.read() as connection:
        rows = connection.execute(select(events).order_by(events.c.id.desc()).limit(PAGE))
        for row in rows.fetchall():
            yield Change(row.time, row.author, row.action, row.cell_id, row.detail or {})

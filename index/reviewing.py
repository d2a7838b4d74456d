"""Reviewing, on disk: decisions that keep all former labels, cells put aside, pixel sizes.

A decision is appended and never changed. It settles a matter (a queue and one or two cells) until
a label comes that is newer than it, or until it is taken back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from index.errors import LabelError, RecordError
from index.facts import LabelFacts, append_with_facts
from index.filters import among, unknown_dataset
from index.labelling import standing, undo, unknown_cell
from index.moment import now
from index.part import Part, record
from index.records import Label, NewLabel
from index.review_tables import decisions, pixel_sizes, skipped
from index.schema import cells, datasets, labels

VERDICTS = ("kept", "same", "different")  # beside "adjudicated" and "reopened"
LARGEST_PIXEL = 100.0  # micrometres


@dataclass(frozen=True)
class Decision:
    """One decision of a review.

    ``former`` are the labels that stood before it (id, cell, class, author, how). ``upto`` is the
    id of the newest label of its cells once it was made. ``party``: the author had labelled one
    of the cells before, and was no third reader.
    """

    id: int
    time: str
    author: str
    queue: str
    cell_id: int
    other_id: int | None
    verdict: str
    label_id: int | None
    former: list[dict[str, Any]]
    upto: int
    party: bool
    note: str | None


def adjudicate(
    atlas: Part,
    queue: str,
    label: NewLabel,
    *,
    other: NewLabel | None = None,
    facts: LabelFacts | None = None,
) -> tuple[int, int]:
    """Give a cell its adjudicated ``label``; returns the ids of its decision and label.

    ``other`` is the label of the other cell, of a matter of two: each has a decision then. All is
    on disk, in one transaction, with the ``facts`` of the labels, when this returns; no former
    label is touched.
    """
    given = [label] if other is None else [label, other]
    for each in given:
        if each.how != "adjudicated":
            raise LabelError(
                f"label is given by {each.how!r}, a review gives it by 'adjudicated'",
                "use Atlas.add_labels for other labels",
            )
    with atlas.database.write() as connection:
        # Before any label is given: what stood until now, and who had labelled, is kept of both.
        rows = [_row(connection, queue, label.author, label.cell_id, None, label.note)]
        if other is not None:
            pairs = ((label, other.cell_id), (other, label.cell_id))
            rows = [_row(connection, queue, e.author, e.cell_id, o, e.note) for e, o in pairs]
        ids = append_with_facts(connection, atlas, given, [facts or LabelFacts()] * len(given))
        decision = 0
        for row, label_id in reversed(list(zip(rows, ids, strict=True))):
            row |= {"verdict": "adjudicated", "label_id": label_id, "upto": max(ids)}
            decision = _put(connection, row)
        return decision, ids[0]


def settle(
    atlas: Part,
    queue: str,
    verdict: str,
    author: str,
    cell_id: int,
    *,
    other_id: int | None = None,
    note: str | None = None,
) -> int:
    """Record that a matter needs no label, by one of VERDICTS; returns the id of the decision."""
    if verdict not in VERDICTS:
        raise RecordError(
            f"verdict is {verdict!r}, allowed is one of {', '.join(VERDICTS)}", "give one of these"
        )
    with atlas.database.write() as connection:
        row = _row(connection, queue, author, cell_id, other_id, note)
        return _put(connection, {**row, "verdict": verdict, "label_id": None})


def reopen(atlas: Part, decision_id: int, author: str) -> Decision:
    """Take a decision back: its label by an undo, the matter by an entry of its own.

    Of a matter of two cells that were both given a label, both are taken back, all in one
    transaction. Returns the new entry. Raises RecordError where it is none or was taken back
    already.
    """
    with atlas.database.write() as connection:
        found = connection.execute(select(decisions).where(decisions.c.id == decision_id)).first()
        if found is None or found.verdict == "reopened" or found.id != _newest(connection, found):
            raise RecordError(
                f"decision {decision_id} is not one that stands",
                "take back the newest decision on the cell",
            )
        new = _reopen(connection, atlas, found, author)
        twin = _twin(connection, found)
        if twin is not None and twin.verdict == "adjudicated":
            _reopen(connection, atlas, twin, author)
        made = connection.execute(select(decisions).where(decisions.c.id == new)).one()
        return Decision(**made._mapping)


def _reopen(connection: Connection, atlas: Part, found: Any, author: str) -> int:
    if found.label_id is not None:
        undo(connection, found.label_id, author, atlas.taxonomy)
    row = _row(connection, found.queue, author, found.cell_id, found.other_id, None)
    return _put(connection, {**row, "verdict": "reopened", "label_id": None})


def _twin(connection: Connection, found: Any) -> Any:
    """The newest decision on the other cell of the same matter of two, None without one."""
    query = select(decisions).where(
        decisions.c.queue == found.queue,
        decisions.c.cell_id == found.other_id,
        decisions.c.other_id == found.cell_id,
    )
    return connection.execute(query.order_by(decisions.c.id.desc()).limit(1)).first()


def decisions_of(
    atlas: Part, *, queue: str | None = None, cell_id: int | None = None
) -> list[Decision]:
    """The decisions made, oldest first; of one queue or about one cell where asked."""
    query = select(decisions).order_by(decisions.c.id)
    if queue is not None:
        query = query.where(decisions.c.queue == queue)
    if cell_id is not None:
        query = query.where((decisions.c.cell_id == cell_id) | (decisions.c.other_id == cell_id))
    with atlas.database.read() as connection:
        return [Decision(**row._mapping) for row in connection.execute(query)]


def settled(atlas: Part, queue: str) -> set[tuple[int, int | None]]:
    """The matters (cell, other cell or None) of ``queue`` that are decided and still so.

    A cell with a label newer than the decision on it is open again.
    """
    newest = {(each.cell_id, each.other_id): each for each in decisions_of(atlas, queue=queue)}
    held = {key: each for key, each in newest.items() if each.verdict != "reopened"}
    touched = {cell for key in held for cell in key if cell is not None}
    query = (
        select(labels.c.cell_id, func.max(labels.c.id))
        .where(labels.c.cell_id.in_(among(touched)))
        .group_by(labels.c.cell_id)
    )
    with atlas.database.read() as connection:
        last = {row[0]: row[1] for row in connection.execute(query)}
    return {
        key
        for key, each in held.items()
        if all(last.get(cell, 0) <= each.upto for cell in key if cell is not None)
    }


def standing_labels(atlas: Part, cell_ids: Iterable[int]) -> dict[int, list[Label]]:
    """The labels of each of ``cell_ids`` that no undo has taken back, oldest first."""
    query = (
        select(labels)
        .where(labels.c.cell_id.in_(among(cell_ids)))
        .order_by(labels.c.cell_id, labels.c.id)
    )
    with atlas.database.read() as connection:
        rows = connection.execute(query).fetchall()
    found: dict[int, list[Label]] = {}
    for row in rows:
        found.setdefault(row.cell_id, []).append(Label(**row._mapping))
    return {cell_id: standing(each) for cell_id, each in found.items()}


def last_said(labels: Iterable[Label]) -> list[Label]:
    """Of the standing labels of one cell, oldest first, those that decide what it is called: the
    newest of each author and source. Who had a second thought says that alone."""
    return sorted(
        {(each.author, each.source): each for each in labels}.values(), key=lambda each: each.id
    )


def read_by_several(atlas: Part) -> list[int]:
    """The ids of the cells that more than one author has labelled, ascending."""
    query = (
        select(labels.c.cell_id)
        .where(labels.c.how != "undo")
        .group_by(labels.c.cell_id)
        .having(func.min(labels.c.author) != func.max(labels.c.author))
    )
    with atlas.database.read() as connection:
        return sorted(connection.execute(query).scalars())


# cells put aside --------------------------------------------------------------------------------


def skip(atlas: Part, author: str, cell_id: int) -> None:
    """Remember that ``author`` has put a cell behind all others."""
    with atlas.database.write() as connection:
        put_behind(connection, author, cell_id)


def put_behind(connection: Connection, author: str, cell_id: int) -> None:
    """``skip`` within the caller's transaction."""
    row = {"author": author, "cell_id": int(cell_id), "time": now()}
    connection.execute(
        upsert(skipped).values(**row).on_conflict_do_update(set_={"time": row["time"]})
    )


def unskip(atlas: Part, author: str, cell_id: int) -> None:
    """Forget that; nothing happens where it was not so."""
    mine = (skipped.c.author == author) & (skipped.c.cell_id == int(cell_id))
    with atlas.database.read() as connection:
        if connection.execute(select(skipped.c.cell_id).where(mine)).first() is None:
            return
    with atlas.database.write() as connection:
        connection.execute(delete(skipped).where(mine))


def skipped_cells(atlas: Part, author: str) -> list[int]:
    """The cells ``author`` has put behind all others, longest ago first."""
    query = select(skipped.c.cell_id).where(skipped.c.author == author)
    with atlas.database.read() as connection:
        return list(connection.execute(query.order_by(skipped.c.time, skipped.c.cell_id)).scalars())


# pixel sizes ------------------------------------------------------------------------------------


def set_pixel_size(atlas: Part, dataset: str, micrometres: float, author: str) -> None:
    """Note how wide a pixel of a data set's stored pictures is. Raises RecordError."""
    if not 0 < micrometres <= LARGEST_PIXEL:
        raise RecordError(
            f"a pixel of {micrometres:g} µm was given, allowed is above 0 to {LARGEST_PIXEL:g}",
            "give the width of one pixel of the stored picture in micrometres, such as 0.1",
        )
    with atlas.database.write() as connection:
        known = {row.name: row.id for row in connection.execute(select(datasets))}
        if dataset not in known:
            raise unknown_dataset(dataset, list(known))
        row = {"micrometres": float(micrometres), "author": author, "time": now()}
        connection.execute(
            upsert(pixel_sizes)
            .values(dataset_id=known[dataset], **row)
            .on_conflict_do_update(set_=row)
        )
        detail = {"dataset": dataset, "micrometres": float(micrometres)}
        record(connection, author, "pixel size", detail)


def pixel_sizes_of(atlas: Part) -> dict[str, float]:
    """Micrometres a pixel of the data sets of which it is known, by name."""
    query = select(datasets.c.name, pixel_sizes.c.micrometres).join(
        datasets, datasets.c.id == pixel_sizes.c.dataset_id
    )
    with atlas.database.read() as connection:
        return {row[0]: float(row[1]) for row in connection.execute(query)}


def _row(
    connection: Connection,
    queue: str,
    author: str,
    cell_id: int,
    other_id: int | None,
    note: str | None,
) -> dict[str, Any]:
    about = [cell_id] if other_id is None else [cell_id, other_id]
    found = set(
        connection.execute(select(cells.c.id).where(cells.c.id.in_(among(about)))).scalars()
    )
    for each in about:
        if each not in found:
            raise unknown_cell(each)
    query = select(labels).where(labels.c.cell_id.in_(among(about))).order_by(labels.c.id)
    every = [Label(**row._mapping) for row in connection.execute(query)]
    former = [
        label
        for each in about
        for label in standing([label for label in every if label.cell_id == each])
    ]
    keep = ("id", "cell_id", "class_code", "author", "how")
    return {
        "time": now(),
        "author": author,
        "queue": queue,
        "cell_id": cell_id,
        "other_id": other_id,
        "former": [{name: getattr(label, name) for name in keep} for label in former],
        "upto": max((label.id for label in every), default=0),
        "party": any(label.author == author and label.how != "undo" for label in every),
        "note": note,
    }


def _newest(connection: Connection, row: Any) -> int:
    same = (decisions.c.queue == row.queue) & (decisions.c.cell_id == row.cell_id)
    other = decisions.c.other_id.is_not_distinct_from(row.other_id)
    return int(connection.execute(select(func.max(decisions.c.id)).where(same, other)).scalar_one())


def _put(connection: Connection, row: dict[str, Any]) -> int:
    made = connection.execute(insert(decisions).values(**row).returning(decisions.c.id))
    number = int(made.scalar_one())
    detail = {"decision": number, "queue": row["queue"], "label": row["label_id"]}
    record(connection, row["author"], f"review: {row['verdict']}", detail, row["cell_id"])
    return number

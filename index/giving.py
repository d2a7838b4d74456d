"""One answer of a reader on one cell, written as a whole: label, facts, check, count, lease.

Everything that follows from the answer is in one transaction, on disk before it is acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, select

from index import checks
from index.checks import GOLD, Check
from index.facts import LabelFacts, append_with_facts
from index.labelling import standing, votes_of
from index.part import Part
from index.people_tables import assigned, leases
from index.records import NewLabel
from index.reviewing import put_behind


@dataclass(frozen=True)
class Given:
    """What became of an answer.

    ``label_id`` is None where no label was kept: the answer was to a check. ``check`` is the
    check it answered, if any. ``newer`` are the standing labels of the cell that the reader's
    page did not know of, oldest first: nothing was overwritten, all stand beside the new one.
    """

    label_id: int | None
    check: Check | None
    newer: tuple[int, ...] = ()


def give(atlas: Part, label: NewLabel, facts: LabelFacts) -> Given:
    """Write the answer ``label`` (by hand) of ``label.author``; on disk when this returns.

    Raises LabelError, UnknownCellError, UnknownClassError; then nothing was written.
    """
    with atlas.database.write() as connection:
        known = checks.gold_of(connection, label.cell_id)
        found = checks.open_check(connection, label.author, label.cell_id)
        newer = _newer(connection, label, facts)
        kept, caught = _judged(atlas, label, found, known)
        label_id = None
        if kept is not None:
            if kept.proposed_class is None:
                facts = replace(facts, adaptation_id=None)
            (label_id,) = append_with_facts(connection, atlas, [kept], [facts])
        else:
            atlas.taxonomy.node(label.class_code)
        if found is not None:
            found = checks.answer(connection, found, label.class_code, caught, label_id)
        elif known is not None:
            shown = label.proposed_class
            checks.note(
                connection, label.author, label.cell_id, GOLD, shown, label.class_code, None
            )
        checks.count_action(connection, label.author)
        connection.execute(
            delete(leases).where(leases.c.cell_id == label.cell_id, leases.c.reader == label.author)
        )
    return Given(label_id, found, newer if label_id is not None else ())


def _judged(
    atlas: Part, label: NewLabel, found: Check | None, known: str | None
) -> tuple[NewLabel | None, bool | None]:
    """The label to keep of an answer (None: none), and whether it catches what was planted."""
    if found is None:
        return (label if known is None else None), None
    accepted = found.shown_class is not None and label.class_code in atlas.taxonomy.descendants(
        found.shown_class
    )
    if found.kind == GOLD:
        # Without a proposal there is nothing to catch: the answer itself is right or wrong.
        right = known is not None and atlas.taxonomy.agreed([label.class_code, known]) is not None
        return None, not accepted if found.shown_class is not None else right
    if accepted:
        return None, False
    # The planted proposal is no proposal of the model: the label does not carry it.
    plain = {"proposed_class": None, "proposed_probability": None, "model_id": None}
    return replace(label, **plain), True  # type: ignore[arg-type]


def _newer(connection: Connection, label: NewLabel, facts: LabelFacts) -> tuple[int, ...]:
    """The standing labels of the cell after the version that the reader's page knew.

    On a cell assigned to the reader and not labelled by them yet, others' labels are meant to be
    unknown: two independent readings are no conflict.
    """
    if facts.cell_version is None:
        return ()
    votes = votes_of(connection, label.cell_id)
    if not any(vote.author == label.author for vote in votes):
        mine = (assigned.c.cell_id == label.cell_id) & (assigned.c.reader == label.author)
        if connection.execute(select(assigned.c.cell_id).where(mine)).first() is not None:
            return ()
    if not any(vote.id > facts.cell_version for vote in votes):
        return ()
    return tuple(vote.id for vote in standing(votes) if vote.id > facts.cell_version)


def pass_over(atlas: Part, reader: str, cell_id: int, *, behind: bool = False) -> None:
    """The reader puts a cell aside without an answer: a check on it is void, its lease ends.

    behind: it comes after all others from now on, as by ``reviewing.skip``.
    """
    with atlas.database.write() as connection:
        if behind:
            put_behind(connection, reader, cell_id)
        found = checks.open_check(connection, reader, cell_id)
        if found is not None:
            checks.answer(connection, found, None, None)
        connection.execute(
            delete(leases).where(leases.c.cell_id == cell_id, leases.c.reader == reader)
        )

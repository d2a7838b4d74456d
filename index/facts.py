"""Facts of a label that are no part of it: under which conditions it was given.

They are written in the transaction of the label, and as append-only as the label itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Connection, Row, func, insert, select

from index.errors import LabelError
from index.filters import among
from index.labelling import append
from index.part import Part
from index.records import NewLabel
from index.schema import label_facts, labels

BLIND, AFTER_OWN, WITH_PROPOSAL = "blind", "after_own", "with_proposal"
SHOWN = (BLIND, AFTER_OWN, WITH_PROPOSAL)
CHECKED = "purity check"  # policy of the single answer to the check of a sheet


@dataclass(frozen=True)
class LabelFacts:
    """How a label came about; None where it is not known.

    ``shown`` is one of SHOWN: the author gave it without the proposal, gave it before the
    proposal was uncovered, or had the proposal in sight; ``policy`` the rule that decided this.
    ``sheet_id`` is the sheet that the label came with, ``seconds`` the time taken (at least 0; of
    the time a sheet took, each label that it gave has an equal share), ``cell_version`` the id of
    the newest label of the cell that the author's page knew of (0: of none), ``peers_visible``
    whether the author could see another's label of the cell before, ``adaptation_id`` the
    adaptation (``index.adaptations``) that made the proposal, ``asked_by`` the order of the queue
    whose turn the cell was (None: the author came to it otherwise).
    """

    shown: str | None = None
    policy: str | None = None
    sheet_id: int | None = None
    seconds: float | None = None
    cell_version: int | None = None
    peers_visible: bool | None = None
    adaptation_id: int | None = None
    asked_by: str | None = None

    @property
    def independent(self) -> bool:
        """True when the label rests on the cell alone: neither proposal nor peer was in sight."""
        return self.shown in (BLIND, AFTER_OWN) and not self.peers_visible


_COLUMNS = tuple(label_facts.c[each.name] for each in fields(LabelFacts))


def add_labels(atlas: Part, new: Sequence[NewLabel], facts: Sequence[LabelFacts]) -> list[int]:
    """Add N labels with their N facts in one transaction, on disk before it returns.

    The ids in the order given. Raises LabelError, UnknownCellError, UnknownClassError; then
    nothing was added.
    """
    with atlas.database.write() as connection:
        return append_with_facts(connection, atlas, new, facts)


def append_with_facts(
    connection: Connection, atlas: Part, new: Sequence[NewLabel], facts: Sequence[LabelFacts]
) -> list[int]:
    """``add_labels`` within the caller's transaction."""
    if len(new) != len(facts):
        raise LabelError(
            f"{len(new)} labels come with {len(facts)} facts, allowed is one each",
            "give the facts of every label",
        )
    for each in facts:
        _check(each)
    ids = append(connection, list(new), atlas.taxonomy)
    rows = [{"label_id": i, **vars(each)} for i, each in zip(ids, facts, strict=True)]
    if rows:
        connection.execute(insert(label_facts), rows)
    return ids


def _check(facts: LabelFacts) -> None:
    if facts.shown is not None and facts.shown not in SHOWN:
        raise LabelError(
            f"label was shown {facts.shown!r}, allowed is one of {', '.join(SHOWN)}",
            "say whether the proposal was in sight",
        )
    if facts.seconds is not None and not (math.isfinite(facts.seconds) and facts.seconds >= 0):
        raise LabelError(
            f"label took {facts.seconds!r} seconds, allowed is a number from 0",
            "give the time taken or leave it out",
        )


def facts_of(atlas: Part, label_ids: Iterable[int]) -> dict[int, LabelFacts]:
    """The facts of those of ``label_ids`` that have some, by label id."""
    wanted = label_facts.c.label_id.in_(among(label_ids))
    with atlas.database.read() as connection:
        rows = connection.execute(select(label_facts.c.label_id, *_COLUMNS).where(wanted))
        return {row.label_id: _facts(row) for row in rows}


def all_facts(atlas: Part) -> dict[int, LabelFacts]:
    """The facts of every label that has some, by label id."""
    with atlas.database.read() as connection:
        rows = connection.execute(select(label_facts.c.label_id, *_COLUMNS))
        return {row.label_id: _facts(row) for row in rows}


def _facts(row: Row) -> LabelFacts:
    return LabelFacts(**{each.name: row._mapping[each.name] for each in fields(LabelFacts)})


def cell_versions(atlas: Part, cell_ids: Iterable[int]) -> dict[int, int]:
    """The id of the newest label (or undo) of each of ``cell_ids``; 0 without one."""
    wanted = [int(each) for each in cell_ids]
    with atlas.database.read() as connection:
        query = (
            select(labels.c.cell_id, func.max(labels.c.id))
            .where(labels.c.cell_id.in_(among(wanted)))
            .group_by(labels.c.cell_id)
        )
        found = {row[0]: int(row[1]) for row in connection.execute(query)}
    return {each: found.get(each, 0) for each in wanted}

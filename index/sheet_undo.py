"""Taking back what was done to sheets, and doing it again: each at once, with the labels of it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from index.labelling import append, taken_back, votes_by_cell
from index.labelling import undo as undo_label
from index.part import Part
from index.records import NewLabel
from index.reviewing import put_behind
from index.sheet_records import (
    ACCEPTED,
    DROPPED,
    FAILED,
    OPEN,
    PASSED,
    SKIPPED,
    SPLIT,
    TAKEN_OUT,
    UNDONE,
    Sheet,
    SheetError,
)
from index.sheet_rows import link_labels, read_sheet, set_checked, set_state, set_verdict, want
from index.sheet_tables import batches, members


@dataclass(frozen=True)
class AnswerBack:
    """An answer to a check that was taken back.

    ``label_id`` is the undo of its label, ``verdict`` what it had shown. Where it had split the
    sheet, ``parts`` are the sheets that were closed to open it again; ``stays`` is True where it
    stays split, because a part was worked on already.
    """

    label_id: int
    verdict: str | None
    parts: tuple[int, ...] = ()
    reopened: bool = False
    stays: bool = False


def checked_by(atlas: Part, label_id: int) -> int | None:
    """The sheet of which a label answered a check, or None."""
    query = select(members.c.sheet_id).where(members.c.label_id == label_id, members.c.checked)
    with atlas.database.read() as connection:
        found = connection.execute(query).scalar()
        return None if found is None else int(found)


def undo_answer(atlas: Part, sheet_id: int, cell_id: int, label_id: int, author: str) -> AnswerBack:
    """Take back the answer to a check: its label, its verdict, and the split that it caused.

    The parts are closed and the sheet opens as it was, unless one of them was worked on: then it
    stays split, and only what the answer said no longer counts. Raises LabelError.
    """
    with atlas.database.write() as connection:
        back = undo_label(connection, label_id, author, atlas.taxonomy)
        found = read_sheet(connection, sheet_id)
        verdict = next((c.verdict for c in found.cells if c.cell_id == cell_id), None)
        if verdict not in (PASSED, FAILED):
            return AnswerBack(back, None)
        set_verdict(connection, sheet_id, [cell_id], None)
        link_labels(connection, sheet_id, {cell_id: back})
        failed = sum(cell.verdict == FAILED for cell in found.cells)
        if found.state != SPLIT or verdict != FAILED or failed > 1:
            return AnswerBack(back, verdict)
        parts = _join(connection, sheet_id)
        return AnswerBack(back, verdict, parts or (), parts is not None, parts is None)


def redo_answer(atlas: Part, sheet_id: int, cell_id: int, back: AnswerBack, author: str) -> None:
    """Give an answer that ``undo_answer`` took back anew, with all that it did."""
    with atlas.database.write() as connection:
        entry = undo_label(connection, back.label_id, author, atlas.taxonomy)
        if back.verdict is None:
            return
        set_verdict(connection, sheet_id, [cell_id], back.verdict)
        link_labels(connection, sheet_id, {cell_id: entry})
        if back.reopened and read_sheet(connection, sheet_id).state == OPEN:
            set_state(connection, sheet_id, SPLIT)
            for part in back.parts:
                set_state(connection, part, OPEN)


def undo_rename(atlas: Part, sheet_id: int, part: int) -> None:
    """Close the sheet ``part`` that was made by renaming another, and open that as it was.

    Raises SheetError where the new one was worked on.
    """
    with atlas.database.write() as connection:
        if not _untouched(read_sheet(connection, part)):
            raise SheetError(
                f"sheet {part} was worked on since it was renamed", "go on with that sheet"
            )
        found = read_sheet(connection, sheet_id)
        wrong = [cell.cell_id for cell in found.cells if cell.verdict == TAKEN_OUT]
        set_verdict(connection, sheet_id, wrong, None)
        set_state(connection, part, UNDONE)
        set_state(connection, sheet_id, OPEN)
        want(connection, sheet_id)


def redo_rename(atlas: Part, sheet_id: int, part: int) -> None:
    """Rename a sheet anew as it was. Raises SheetError unless that was taken back."""
    with atlas.database.write() as connection:
        found, new = read_sheet(connection, sheet_id), read_sheet(connection, part)
        if (found.state, new.state) != (OPEN, UNDONE):
            raise SheetError(f"sheet {sheet_id} is {found.state}", "read the sheet again")
        wrong = [c.cell_id for c in new.cells if c.draft is None and c.planted is None]
        set_verdict(connection, sheet_id, wrong, TAKEN_OUT)
        set_state(connection, sheet_id, SPLIT)
        set_state(connection, part, OPEN)
        want(connection, part)


def undo_drop(atlas: Part, sheet_id: int) -> tuple[int, ...]:
    """Open a sheet that was put away; it comes first, and what was made of its cells since closes:
    the ids of those sheets.

    Raises SheetError unless the sheet is put away, or where such a later sheet was worked on or is
    another reader's.
    """
    with atlas.database.write() as connection:
        found = read_sheet(connection, sheet_id)
        if found.state != DROPPED:
            raise SheetError(
                f"sheet {sheet_id} is {found.state}, allowed is {DROPPED}", "read the sheet again"
            )
        mine = select(members.c.cell_id).where(members.c.sheet_id == sheet_id)
        query = (
            select(batches.c.id)
            .join(members, members.c.sheet_id == batches.c.id)
            .where(
                batches.c.state == OPEN, members.c.cell_id.in_(mine), members.c.planted.is_(None)
            )
            .distinct()
        )
        later = [read_sheet(connection, each) for each in connection.execute(query).scalars().all()]
        for each in later:
            if each.author != found.author or not _untouched(each):
                raise SheetError(
                    f"cells of sheet {sheet_id} lie on sheet {each.id} by now",
                    "go on with that sheet",
                )
        for each in later:
            set_state(connection, each.id, UNDONE)
        set_state(connection, sheet_id, OPEN)
        want(connection, sheet_id)
        return tuple(each.id for each in later)


def redo_drop(atlas: Part, sheet_id: int, closed: tuple[int, ...]) -> None:
    """Put a sheet away anew, with those open again that ``undo_drop`` had closed for it.

    Raises SheetError unless the sheet is open.
    """
    with atlas.database.write() as connection:
        found = read_sheet(connection, sheet_id)
        if found.state != OPEN:
            raise SheetError(f"sheet {sheet_id} is {found.state}", "read the sheet again")
        set_state(connection, sheet_id, DROPPED)
        for each in closed:
            set_state(connection, each, OPEN)


def undo_skip(atlas: Part, sheet_id: int, cell_id: int, instead: int | None) -> None:
    """Let a check that was skipped wait for its answer again, and not the one in its place."""
    with atlas.database.write() as connection:
        found = read_sheet(connection, sheet_id)
        skipped = {cell.cell_id for cell in found.cells if cell.verdict == SKIPPED}
        if found.state == OPEN and cell_id in skipped:
            set_verdict(connection, sheet_id, [cell_id], None)
            if instead is not None:
                set_checked(connection, sheet_id, instead, False)


def redo_skip(atlas: Part, sheet_id: int, cell_id: int, author: str, instead: int | None) -> None:
    """Skip a check anew; only the cell is put behind the others where it waits no more."""
    with atlas.database.write() as connection:
        found = read_sheet(connection, sheet_id)
        if found.state == OPEN and cell_id in found.waiting:
            set_verdict(connection, sheet_id, [cell_id], SKIPPED)
            if instead is not None:
                set_checked(connection, sheet_id, instead, True)
        put_behind(connection, author, cell_id)


def _join(connection: Connection, sheet_id: int) -> tuple[int, ...] | None:
    """Open a sheet that was split again and close its parts: their ids; None where one of them
    was worked on."""
    query = select(batches.c.id).where(batches.c.parent_id == sheet_id, batches.c.state != UNDONE)
    parts = [read_sheet(connection, each) for each in connection.execute(query).scalars().all()]
    if not all(_untouched(each) for each in parts):
        return None
    for each in parts:
        set_state(connection, each.id, UNDONE)
    set_state(connection, sheet_id, OPEN)
    return tuple(each.id for each in parts)


def _untouched(part: Sheet) -> bool:
    return part.state in (OPEN, DROPPED) and all(cell.verdict is None for cell in part.cells)


def undo(atlas: Part, sheet_id: int, author: str) -> list[int]:
    """Take back all labels that accepting the sheet gave, in one transaction; ids of the undos.

    The sheet opens as it was, with what the reader took out, and comes first. What was taken back
    one by one before stays so. The answers to its checks stay: they were actions of their own.
    Raises SheetError unless the sheet is accepted.
    """
    with atlas.database.write() as connection:
        found = read_sheet(connection, sheet_id)
        if found.state != ACCEPTED:
            raise SheetError(
                f"sheet {sheet_id} is {found.state}, allowed is {ACCEPTED}", "read the sheet again"
            )
        ids = _flip(connection, atlas, found, author, stood=True)
        connection.execute(
            update(members)
            .where(members.c.sheet_id == sheet_id, ~members.c.checked)
            .values(was=members.c.verdict, verdict=None)
        )
        set_state(connection, sheet_id, OPEN)
        want(connection, sheet_id)
        return ids


def redo(atlas: Part, sheet_id: int, author: str) -> list[int]:
    """Bring back what ``undo`` took back, whatever was changed on the sheet meanwhile.

    Raises SheetError unless the acceptance of the sheet was taken back.
    """
    with atlas.database.write() as connection:
        found = read_sheet(connection, sheet_id)
        taken = all(cell.was is not None for cell in found.cells if not cell.checked)
        if found.state not in (OPEN, DROPPED) or not taken or found.waiting:
            raise SheetError(
                f"sheet {sheet_id} is {found.state}, allowed is an acceptance taken back",
                "read the sheet again",
            )
        ids = _flip(connection, atlas, found, author, stood=False)
        connection.execute(
            update(members)
            .where(members.c.sheet_id == sheet_id, ~members.c.checked)
            .values(verdict=members.c.was, was=None)
        )
        set_state(connection, sheet_id, ACCEPTED)
        return ids


def _flip(
    connection: Connection, atlas: Part, found: Sheet, author: str, *, stood: bool
) -> list[int]:
    """Take back the newest entry of the sheet on each cell where the label stands by it, or where
    not (``stood``); ids of the undos."""
    given = [cell for cell in found.cells if cell.given and not cell.checked]
    every = dict(votes_by_cell(connection, [cell.cell_id for cell in given]))
    back = []
    for cell in given:
        votes = {vote.id: vote for vote in every[cell.cell_id]}
        last = votes[cell.label_id or 0]
        depth, step = 0, last
        while step.retracts is not None:
            depth, step = depth + 1, votes[step.retracts]
        # An even depth: the label stands by it, unless it was taken back one by one since.
        if last.id not in taken_back(list(votes.values())) and (depth % 2 == 0) == stood:
            back.append(NewLabel(cell.cell_id, last.class_code, author, "undo", retracts=last.id))
    ids = append(connection, back, atlas.taxonomy)
    link_labels(connection, found.id, dict(zip((b.cell_id for b in back), ids, strict=True)))
    return ids

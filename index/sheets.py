"""Sheets as the atlas keeps them: made, checked, accepted or split, each at once.

What a step changes of a sheet and of the labels is one transaction, so that a sheet is found after
the end of the program as it was left, and its labels all stand or none. Steps are taken back by
``index.sheet_undo``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, select, update

from index.checks import SHEET, count_action, note
from index.facts import BLIND, CHECKED, WITH_PROPOSAL, LabelFacts, append_with_facts
from index.labelling import standing, votes_by_cell
from index.moment import now
from index.part import Part
from index.records import Label, NewLabel
from index.reviewing import put_behind
from index.sheet_records import (
    ACCEPTED,
    CORRECTED,
    DROPPED,
    FAILED,
    FOLDED,
    KEPT,
    LEFT,
    MOVED,
    OPEN,
    PASSED,
    SHOWN,
    SKIPPED,
    SPLIT,
    TAKEN_OUT,
    Accepted,
    Outcome,
    Sheet,
    SheetError,
)
from index.sheet_rows import (
    forget_former,
    insert_sheet,
    link_labels,
    put_drafts,
    read_sheet,
    require_open,
    set_checked,
    set_state,
    set_verdict,
)
from index.sheet_tables import batches, members


def make(atlas: Part, sheets: Sequence[Sheet]) -> list[int]:
    """Keep new open sheets, on disk before it returns; their ids in the order given."""
    with atlas.database.write() as connection:
        return [insert_sheet(connection, sheet) for sheet in sheets]


def sheet(atlas: Part, sheet_id: int) -> Sheet:
    """One sheet with its cells in their order. Raises SheetError."""
    with atlas.database.read() as connection:
        return read_sheet(connection, sheet_id)


def open_sheets(atlas: Part, author: str) -> list[Sheet]:
    """The author's open sheets: those asked for first, newest wish first; else the oldest first."""
    query = select(batches.c.id).where(batches.c.author == author, batches.c.state == OPEN)
    order = (batches.c.wanted.is_(None), batches.c.wanted.desc(), batches.c.id)
    with atlas.database.read() as connection:
        ids = connection.execute(query.order_by(*order)).scalars().all()
        return [read_sheet(connection, each) for each in ids]


def last_accepted(atlas: Part, author: str) -> Sheet | None:
    """The author's sheet that was accepted last and still stands, or None."""
    query = select(batches.c.id).where(batches.c.author == author, batches.c.state == ACCEPTED)
    with atlas.database.read() as connection:
        found = connection.execute(
            query.order_by(batches.c.decided.desc(), batches.c.id.desc()).limit(1)
        ).scalar()
        return None if found is None else read_sheet(connection, found)


def is_newer(sheet: Sheet, label: Label) -> bool:
    """Whether a sheet was accepted at or after the time of a label.

    The labels of a sheet are a moment older than its acceptance, so they never count as newer.
    """
    return sheet.decided is not None and sheet.decided >= label.time


def reserved(atlas: Part, author: str, since: str) -> set[int]:
    """The cells that wait on an open sheet: of ``author``, or of others made after ``since``.

    ``since`` is a time as the atlas writes it: a sheet begun and forgotten keeps nobody off.
    """
    query = (
        select(members.c.cell_id)
        .join(batches, batches.c.id == members.c.sheet_id)
        .where(
            batches.c.state == OPEN,
            members.c.verdict.is_(None),
            (batches.c.author == author) | (batches.c.made > since),
        )
    )
    with atlas.database.read() as connection:
        return set(connection.execute(query).scalars())


def pending(atlas: Part, dataset: str | None) -> int:
    """How many cells of a data set (None: over all) are folded away on open sheets of anyone."""
    query = (
        select(func.count())
        .select_from(members.join(batches, batches.c.id == members.c.sheet_id))
        .where(batches.c.state == OPEN, members.c.part == FOLDED, members.c.verdict.is_(None))
        .where(batches.c.dataset.is_(None) if dataset is None else batches.c.dataset == dataset)
    )
    with atlas.database.read() as connection:
        return int(connection.execute(query).scalar_one())


def outcomes(atlas: Part, dataset: str | None) -> list[Outcome]:
    """What became of the cells of sheets of a data set (None: of those over all data sets).

    A check counts once it is answered, the rest once the sheet is accepted; sheets taken back do
    not count. Of a sheet whose cells are all of another class the sure ones were foreign; the
    others count for nothing, as none of them was kept. A check that was skipped counts as answered
    once its reader has named the cell after all, wherever that was.
    """
    decided = batches.c.state == ACCEPTED
    checked = batches.c.state.in_((OPEN, ACCEPTED, SPLIT)) & members.c.checked
    renamed = (batches.c.state == SPLIT) & members.c.sure & (members.c.verdict == TAKEN_OUT)
    keys = (batches.c.class_code, members.c.part, members.c.sure, members.c.verdict)
    query = (
        select(*keys, func.count())
        .join(batches, batches.c.id == members.c.sheet_id)
        .where(
            members.c.verdict != SKIPPED,
            members.c.planted.is_(None),
            decided | checked | renamed,
            batches.c.dataset.is_(None) if dataset is None else batches.c.dataset == dataset,
        )
        .group_by(*keys)
    )
    with atlas.database.read() as connection:
        found = [Outcome(*row) for row in connection.execute(query)]
        return found + _skipped(connection, atlas, dataset)


def _skipped(connection: Connection, atlas: Part, dataset: str | None) -> list[Outcome]:
    """The checks that were skipped, each by what its reader has called the cell since."""
    kinds = (batches.c.class_code, members.c.part, members.c.sure)
    query = (
        select(*kinds, members.c.cell_id, batches.c.author)
        .join(batches, batches.c.id == members.c.sheet_id)
        .where(
            members.c.verdict == SKIPPED,
            batches.c.state.in_((OPEN, ACCEPTED, SPLIT)),
            batches.c.dataset.is_(None) if dataset is None else batches.c.dataset == dataset,
        )
    )
    rows = connection.execute(query).fetchall()
    votes = dict(votes_by_cell(connection, [row.cell_id for row in rows]))
    found = []
    for code, part, sure, cell_id, author in rows:
        said = [v for v in standing(votes.get(cell_id, [])) if v.author == author]
        verdict = SKIPPED
        if said:
            same = said[-1].class_code in atlas.taxonomy.descendants(code) | {code}
            verdict = PASSED if same else FAILED
        found.append(Outcome(code, part, sure, verdict, 1))
    return found


def answer_check(
    atlas: Part, sheet_id: int, label: NewLabel, *, same: bool, seconds: float | None = None
) -> int:
    """Record the single, blind label of a checked cell; ``same`` is whether it bears the sheet out.

    Returns the label's id. Raises SheetError where the cell does not wait for it.
    """
    with atlas.database.write() as connection:
        _require_waiting(read_sheet(connection, sheet_id), label.cell_id)
        facts = LabelFacts(shown=BLIND, policy=CHECKED, sheet_id=sheet_id, seconds=seconds)
        (label_id,) = append_with_facts(connection, atlas, [label], [facts])
        set_verdict(connection, sheet_id, [label.cell_id], PASSED if same else FAILED)
        link_labels(connection, sheet_id, {label.cell_id: label_id})
        count_action(connection, label.author)
        return label_id


def skip_check(atlas: Part, sheet_id: int, cell_id: int, author: str, instead: int | None) -> None:
    """Leave a checked cell without an answer, for later: it is off the sheet and behind all others.

    ``instead`` is another cell of the sheet that is to be looked at singly in its place, None where
    there is none. Raises SheetError where the cell does not wait for a check.
    """
    with atlas.database.write() as connection:
        _require_waiting(read_sheet(connection, sheet_id), cell_id)
        set_verdict(connection, sheet_id, [cell_id], SKIPPED)
        if instead is not None:
            set_checked(connection, sheet_id, instead, True)
        put_behind(connection, author, cell_id)


def _require_waiting(found: Sheet, cell_id: int) -> None:
    if found.state != OPEN or cell_id not in found.waiting:
        raise SheetError(
            f"cell {cell_id} does not wait for a check of sheet {found.id}", "read the sheet again"
        )


def accept(
    atlas: Part,
    sheet_id: int,
    new: Sequence[NewLabel],
    *,
    out: Mapping[int, str | None] | None = None,
    moved: Iterable[int] = (),
    blocked: Iterable[int] = (),
    seconds: float | None = None,
) -> Accepted:
    """Accept a sheet: add the labels ``new``, and take out the cells that have none among them.

    All in one transaction, with what became of planted cells. ``out`` are the cells the reader took
    out, with the class given or None; it is kept for when this is taken back. A planted cell is
    judged by the first acceptance alone. Those of ``moved`` among the cells taken out were so by
    the program, which says nothing of what readers notice. A cell that has come by a label of the
    same author elsewhere since the sheet was made, or is among ``blocked``, is left as it is.
    Raises SheetError unless the sheet is open and all its checks are answered.
    """
    with atlas.database.write() as connection:
        found = read_sheet(connection, sheet_id)
        require_open(found)
        if found.waiting:
            raise SheetError(
                f"sheet {sheet_id} has {len(found.waiting)} cells to look at singly first",
                "answer its checks, then accept it",
            )
        mine = {cell.cell_id for cell in found.open_cells}
        odd = [each.cell_id for each in new if each.cell_id not in mine]
        if odd:
            raise SheetError(
                f"cell {odd[0]} does not wait on sheet {sheet_id}", "read the sheet again"
            )
        elsewhere = _standing(connection, mine, found.author) | (mine & set(blocked))
        given = {each.cell_id: each for each in new if each.cell_id not in elsewhere}
        shown = {cell.cell_id for cell in found.cells if cell.part == SHOWN}
        facts = [
            LabelFacts(
                shown=WITH_PROPOSAL if cell_id in shown else None,
                policy="sheet" if cell_id in shown else "sheet, not displayed",
                sheet_id=sheet_id,
                seconds=None if seconds is None else seconds / len(given),
                adaptation_id=found.adaptation_id,
            )
            for cell_id in given
        ]
        ids = append_with_facts(connection, atlas, list(given.values()), facts)
        forget_former(connection, sheet_id)
        put_drafts(connection, found, out or {})
        _decide(connection, found, given, elsewhere, set(moved) & set(out or {}))
        link_labels(connection, sheet_id, dict(zip(given, ids, strict=True)))
        noticed, missed = _planted(connection, found, set(out or {}))
        count_action(connection, found.author)
        set_state(connection, sheet_id, ACCEPTED)
        return Accepted(tuple(ids), tuple(sorted(elsewhere)), noticed, missed)


def _decide(
    connection: Connection,
    found: Sheet,
    given: Mapping[int, NewLabel],
    elsewhere: set[int],
    moved: set[int],
) -> None:
    """Note what became of the cells to be labelled with a sheet; ``given`` are the labels."""
    mine = {cell.cell_id for cell in found.open_cells} - elsewhere
    program = mine & moved
    mine -= program
    kept = {c for c in mine & set(given) if given[c].class_code == found.class_code}
    set_verdict(connection, found.id, elsewhere, LEFT)
    set_verdict(connection, found.id, program, MOVED)
    set_verdict(connection, found.id, mine - set(given), TAKEN_OUT)
    set_verdict(connection, found.id, kept, KEPT)
    set_verdict(connection, found.id, mine & set(given) - kept, CORRECTED)


def _planted(
    connection: Connection, found: Sheet, out: set[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Note of each planted cell whether the reader noticed it, unless that was judged before."""
    for was in (TAKEN_OUT, LEFT):
        again = [cell.cell_id for cell in found.planted if cell.was == was]
        set_verdict(connection, found.id, again, was)
    cells = [cell.cell_id for cell in found.planted if cell.was is None]
    for cell in cells:
        note(connection, found.author, cell, SHEET, found.class_code, None, cell in out)
    noticed = tuple(cell for cell in cells if cell in out)
    missed = tuple(cell for cell in cells if cell not in out)
    set_verdict(connection, found.id, noticed, TAKEN_OUT)
    set_verdict(connection, found.id, missed, LEFT)
    return noticed, missed


def split(atlas: Part, sheet_id: int, children: Sequence[Sheet]) -> list[int]:
    """Close an open sheet and keep ``children`` in its place; returns their ids."""
    with atlas.database.write() as connection:
        found = read_sheet(connection, sheet_id)
        require_open(found)
        set_state(connection, sheet_id, SPLIT)
        return [
            insert_sheet(
                connection,
                replace(
                    each,
                    parent_id=sheet_id,
                    wanted=found.wanted,
                    selection_id=found.selection_id,
                ),
            )
            for each in children
        ]


def rename(atlas: Part, sheet_id: int, renamed: Sheet, out: Mapping[int, str | None]) -> int:
    """Close an open sheet whose cells are all of another class, and keep ``renamed`` in its place.

    The cells of it without a draft were taken for the old class wrongly, and are noted so; ``out``
    are those that the reader had taken out, as in ``accept``. Returns the id of the new sheet.
    """
    with atlas.database.write() as connection:
        found = read_sheet(connection, sheet_id)
        require_open(found)
        put_drafts(connection, found, out)
        wrong = [c.cell_id for c in renamed.cells if c.draft is None and c.planted is None]
        set_verdict(connection, sheet_id, wrong, TAKEN_OUT)
        set_state(connection, sheet_id, SPLIT)
        new = replace(renamed, parent_id=sheet_id, wanted=now(), selection_id=found.selection_id)
        return insert_sheet(connection, new)


def unfold(atlas: Part, sheet_id: int) -> None:
    """From now on all cells of an open sheet count as displayed. Raises SheetError."""
    with atlas.database.write() as connection:
        require_open(read_sheet(connection, sheet_id))
        connection.execute(update(members).where(members.c.sheet_id == sheet_id).values(part=SHOWN))


def drop(atlas: Part, sheet_id: int) -> None:
    """Close an open sheet without labels; the answers to its checks stay."""
    with atlas.database.write() as connection:
        require_open(read_sheet(connection, sheet_id))
        set_state(connection, sheet_id, DROPPED)


def _standing(connection: Connection, cell_ids: Iterable[int], author: str) -> set[int]:
    """Those of ``cell_ids`` with a label of ``author`` that stands."""
    return {
        cell_id
        for cell_id, votes in votes_by_cell(connection, cell_ids)
        if any(vote.author == author for vote in standing(votes))
    }

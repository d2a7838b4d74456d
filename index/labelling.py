"""Labels: append-only, and the present label that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, Row, delete, func, insert, select

from index.errors import LabelError, UnknownCellError
from index.filters import among
from index.moment import now
from index.records import HOW, NewLabel
from index.schema import cells, labels, present_labels
from index.taxonomy import Taxonomy


class Vote(NamedTuple):
    """What of a label counts for the present label."""

    id: int
    cell_id: int
    class_code: str
    author: str
    how: str
    source: str | None
    retracts: int | None


class Present(NamedTuple):
    """The present label of a cell; all None where it is disputed."""

    class_code: str | None
    label_id: int | None
    author: str | None


class Entry(Protocol):
    """What of a vote or a label tells whether it stands."""

    @property
    def id(self) -> int:
        """Its number in the log."""

    @property
    def how(self) -> str:
        """One of ``records.HOW``."""

    @property
    def retracts(self) -> int | None:
        """The entry that an undo takes back."""


AnyEntry = TypeVar("AnyEntry", bound=Entry)


def taken_back(entries: Sequence[Entry]) -> set[int]:
    """The ids among all entries of one cell or of several, in order of id, that an undo took back.

    An undo may itself be undone, and always comes after what it takes back.
    """
    gone: set[int] = set()
    for entry in reversed(entries):
        if entry.retracts is not None and entry.id not in gone:
            gone.add(entry.retracts)
    return gone


def standing(entries: Sequence[AnyEntry]) -> list[AnyEntry]:
    """All entries of one cell or of several, in order of id, that count: no undo, none undone."""
    gone = taken_back(entries)
    return [entry for entry in entries if entry.how != "undo" and entry.id not in gone]


def decide(votes: Sequence[Vote], agreed: Callable[[Iterable[str]], str | None]) -> Present | None:
    """The present label of one cell from all its votes in order of id; None without any.

    The latest adjudicated label wins. Else the latest of each author and source are compared: if
    they agree (``agreed`` gives the deepest class of one line of descent) that is it, else the
    cell is disputed.
    """
    valid = standing(votes)
    if not valid:
        return None
    adjudicated = [vote for vote in valid if vote.how == "adjudicated"]
    latest = (
        adjudicated[-1:]
        if adjudicated
        else list({(vote.author, vote.source): vote for vote in valid}.values())
    )
    code = agreed(vote.class_code for vote in latest)
    if code is None:
        return Present(None, None, None)
    winner = max((vote for vote in latest if vote.class_code == code), key=lambda vote: vote.id)
    return Present(code, winner.id, winner.author)


def refresh_present(connection: Connection, cell_ids: Iterable[int], taxonomy: Taxonomy) -> None:
    """Derive the present labels of ``cell_ids`` anew, within the caller's transaction."""
    changed = sorted(set(cell_ids))
    found = []
    for cell_id, votes in votes_by_cell(connection, changed):
        present = decide(votes, taxonomy.agreed)
        if present is not None:
            found.append({"cell_id": cell_id, **present._asdict()})
    connection.execute(delete(present_labels).where(present_labels.c.cell_id.in_(among(changed))))
    if found:
        connection.execute(insert(present_labels), found)


def append(connection: Connection, given: Sequence[NewLabel], taxonomy: Taxonomy) -> list[int]:
    """Write labels and derive the present ones; returns the new ids in the order given.

    Raises LabelError, UnknownCellError, UnknownClassError.
    """
    if not given:
        return []
    for label in given:
        _check(label, taxonomy)
    _check_cells(connection, given)
    first = (connection.execute(select(func.max(labels.c.id))).scalar() or 0) + 1
    time = now()
    rows: list[dict[str, Any]] = []
    for number, label in enumerate(given, start=first):
        # vars() of a frozen dataclass without slots is its fields; asdict() would copy deeply.
        rows.append({**vars(label), "id": number, "time": time})
    connection.execute(insert(labels), rows)
    refresh_present(connection, (label.cell_id for label in given), taxonomy)
    return [row["id"] for row in rows]


def _check(label: NewLabel, taxonomy: Taxonomy) -> None:
    taxonomy.node(label.class_code)
    if label.proposed_class is not None:
        taxonomy.node(label.proposed_class)
    if label.how not in HOW:
        raise LabelError(
            f"label is given by {label.how!r}, allowed is one of {', '.join(HOW)}",
            "say how the label was given",
        )
    if not label.author.strip():
        raise LabelError("label has no author", "give the name of who labels")
    if (label.how == "undo") != (label.retracts is not None):
        raise LabelError(
            f"label by {label.how!r} takes back {label.retracts!r}",
            "only an undo takes back a label, use Atlas.undo",
        )
    chance = label.proposed_probability
    if chance is not None and not 0 <= chance <= 1:
        raise LabelError(
            f"proposed probability is {chance!r}, allowed is 0 to 1", "give a probability"
        )


def _check_cells(connection: Connection, given: Sequence[NewLabel]) -> None:
    wanted = {label.cell_id for label in given}
    known = set(
        connection.execute(select(cells.c.id).where(cells.c.id.in_(among(wanted)))).scalars()
    )
    if wanted - known:
        raise unknown_cell(min(wanted - known))


def unknown_cell(cell_id: int) -> UnknownCellError:
    """The error for a cell that the atlas does not hold."""
    return UnknownCellError(
        f"cell {cell_id} is not in the atlas", "list the cells with 'cellkin info ATLAS'"
    )


def votes_of(connection: Connection, cell_id: int) -> list[Vote]:
    """All votes of one cell, in order of id."""
    query = select(*(labels.c[name] for name in Vote._fields)).where(labels.c.cell_id == cell_id)
    return [Vote(*row) for row in connection.execute(query.order_by(labels.c.id))]


def votes_by_cell(
    connection: Connection, cell_ids: Iterable[int]
) -> Iterator[tuple[int, list[Vote]]]:
    """Each of ``cell_ids`` that has any votes, ascending, with all of them in order of id.

    One question, however many cells: they are read while they are asked for.
    """
    rows = connection.execute(
        select(*(labels.c[name] for name in Vote._fields))
        .where(labels.c.cell_id.in_(among(cell_ids)))
        .order_by(labels.c.cell_id, labels.c.id)
    )
    for cell_id, votes in groupby((Vote(*row) for row in rows), key=lambda vote: vote.cell_id):
        yield cell_id, list(votes)


def undo(connection: Connection, label_id: int, author: str, taxonomy: Taxonomy) -> int:
    """Take back one label (or one undo); returns the id of the undo.

    Raises LabelError when there is no such label or it was taken back already.
    """
    row: Row | None = connection.execute(
        select(*(labels.c[name] for name in Vote._fields)).where(labels.c.id == label_id)
    ).first()
    if row is None:
        raise LabelError(f"label {label_id} is not in the atlas", "see the history of the cell")
    target = Vote(*row)
    if label_id in taken_back(votes_of(connection, target.cell_id)):
        raise LabelError(
            f"label {label_id} was taken back already", "undo that undo to bring it back"
        )
    back = NewLabel(target.cell_id, target.class_code, author, "undo", retracts=label_id)
    return append(connection, [back], taxonomy)[0]

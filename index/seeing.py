"""An atlas as one reader may see it: without the labels that would spoil an independent reading.

Hidden are, for reader R: of the cells assigned to R every label until R has labelled the cell; of
cells that nobody is assigned, in a team, what another account has labelled until R has; of the
known-answer cells every label. Hidden cells look as if nobody had labelled them. The clusters of
others are hidden as well: their names, and what was moved, say what others take cells for. So are
the flags that others set on hidden cells: they say that somebody found the cell odd.

It is done below all questions: the connections of such an atlas see temporary views in place of
the tables, which SQLite looks up first. A query that is written tomorrow is covered as well.
"""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from index.atlas import Atlas
from index.database import Database, named_error
from index.people_tables import assigned, assignments, gold
from index.schema import cells, users

if TYPE_CHECKING:
    from index.searching import _State

# Tables that tell of labels, and the column by which each row belongs to a cell and an author.
# Of known-answer cells even one's own former label is hidden: it may be the answer.
_BY_CELL = ("present_labels", "review_decisions")

# Tables of exploring that tell what readers take cells for, by the clustering they belong to.
_CLUSTERED = ("clusters", "members", "steps")


@dataclass(frozen=True)
class Sight:
    """What is hidden from whom: known answers, work assigned to ``reader``, a team's labels.

    ``mark`` changes whenever the hidden cells change by anything but a label.
    """

    reader: str
    gold: bool
    assigned: bool
    team: bool
    mark: tuple[object, ...]

    @property
    def clear(self) -> bool:
        """True when nothing is hidden."""
        return not (self.gold or self.assigned or self.team)


def sight_of(atlas: Atlas, reader: str, *, team: bool) -> Sight:
    """What ``reader`` may see now. ``team``: labels of other accounts are hidden as well, unless
    the reader has work of their own assigned."""
    counts = (
        select(func.count()).where(assigned.c.reader == reader),
        select(func.count()).select_from(gold),
        select(func.count()).select_from(users),
    )
    # Others may be chosen as known answers, or cells given in place of others, without any of the
    # numbers changing: what is new is newer, and an assignment begins and ends once.
    steps = select(
        select(func.max(gold.c.time)).scalar_subquery(),
        select(func.count(assignments.c.id)).scalar_subquery(),
        select(func.count(assignments.c.ended)).scalar_subquery(),
    )
    with atlas.database.read() as connection:
        own, golden, accounts = (int(connection.execute(each).scalar_one()) for each in counts)
        mark = (golden, own, accounts, *connection.execute(steps).one())
    return Sight(reader, golden > 0, own > 0, team and not own, mark)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _hidden(sight: Sight, cell: str) -> str:
    """The SQL condition under which the cell in column ``cell`` is hidden, own labels apart."""
    reader = _text(sight.reader)
    own = f"EXISTS (SELECT 1 FROM main.labels o WHERE o.cell_id = {cell} AND o.author = {reader})"
    parts = ["0"]
    if sight.assigned:
        parts.append(
            f"(EXISTS (SELECT 1 FROM main.people_assigned a WHERE a.cell_id = {cell}"
            f" AND a.reader = {reader}) AND NOT {own})"
        )
    if sight.team:
        parts.append(
            f"(EXISTS (SELECT 1 FROM main.labels t WHERE t.cell_id = {cell}"
            f" AND t.author <> {reader} AND t.how IN ('single', 'bulk')"
            f" AND t.author IN (SELECT name FROM main.users)) AND NOT {own})"
        )
    return " OR ".join(parts)


def _golden(sight: Sight, cell: str) -> str:
    return f"{cell} IN (SELECT cell_id FROM main.people_gold)" if sight.gold else "0"


def _flags_apart(sight: Sight) -> str:
    """The view of the cells in which a hidden one bears a flag if the reader set one.

    ``flagged`` stands by itself for the index of flagged cells, and first of the cases, so that
    the rest is asked of cells with a flag alone.
    """
    own = (
        "EXISTS (SELECT 1 FROM main.events e WHERE e.cell_id = x.id AND e.action = 'flag'"
        f" AND e.author = {_text(sight.reader)})"
    )
    seen = f"CASE WHEN x.flagged THEN {own} OR NOT ({_hidden(sight, 'x.id')}) ELSE 0 END"
    columns = ", ".join(f"x.{each.name}" for each in cells.columns if each.name != "flagged")
    return (
        f"CREATE TEMP VIEW cells AS SELECT {columns}, x.flagged AND {seen} AS flagged"
        " FROM main.cells x"
    )


def views(sight: Sight) -> Iterator[str]:
    """The SQL that lays the views over the tables of one connection."""
    reader = _text(sight.reader)
    for table in _BY_CELL:
        yield (
            f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} x"
            f" WHERE NOT ({_hidden(sight, 'x.cell_id')}) AND NOT ({_golden(sight, 'x.cell_id')})"
        )
    yield (
        "CREATE TEMP VIEW labels AS SELECT * FROM main.labels x"
        f" WHERE NOT ({_golden(sight, 'x.cell_id')})"
        f" AND (x.author = {reader} OR NOT ({_hidden(sight, 'x.cell_id')}))"
    )
    yield (
        "CREATE TEMP VIEW label_facts AS SELECT * FROM main.label_facts f"
        " WHERE f.label_id IN (SELECT id FROM temp.labels)"
    )
    yield (
        "CREATE TEMP VIEW events AS SELECT * FROM main.events x WHERE x.cell_id IS NULL"
        f" OR x.author = {reader} OR NOT ({_hidden(sight, 'x.cell_id')}"
        f" OR {_golden(sight, 'x.cell_id')})"
    )
    if sight.assigned or sight.team:
        yield _flags_apart(sight)
        mine = f"SELECT id FROM main.explore_clusterings WHERE author = {reader}"
        for table, run in (("clusterings", "id"), *((t, "clustering_id") for t in _CLUSTERED)):
            yield (
                f"CREATE TEMP VIEW explore_{table} AS SELECT * FROM main.explore_{table} x"
                f" WHERE x.{run} IN ({mine})"
            )
    # Nobody finds out by reading which cells have a known answer.
    yield "CREATE TEMP VIEW people_gold AS SELECT * FROM main.people_gold WHERE 0"
    yield "CREATE TEMP VIEW people_checks AS SELECT * FROM main.people_checks WHERE 0"


class SeenDatabase(Database):
    """The database of an atlas through the eyes of one reader; it is written as the whole one."""

    def __init__(self, whole: Database, sight: Sight) -> None:
        self._whole = whole
        self._sight = sight
        super().__init__(whole.file, timeout=whole.timeout)

    def connect(self) -> sqlite3.Connection:
        """A new plain connection with the views laid over the tables. Raises AtlasError."""
        connection = super().connect()
        try:
            for statement in views(self._sight):
                connection.execute(statement)
        except sqlite3.Error as error:
            connection.close()
            raise named_error(error, self.file) or error from error
        return connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction on the whole database: what is written follows from all labels."""
        with self._whole.write() as connection:
            yield connection

    def version(self) -> int:
        """That of the whole database."""
        return self._whole.version()


class SeenAtlas(Atlas):
    """An atlas that shows what one reader may see; it shares the vector indexes of the whole.

    Made by ``seen``. What is written through it is written to the whole atlas.
    """

    whole: Atlas
    sight: Sight

    def _level(self, model_id: str | None) -> _State:
        state = self.whole._level(model_id)
        chosen = model_id or self.whole._active[1]
        mine = self._states.get(chosen)
        if mine is None:
            mine = self._states[chosen] = copy.copy(state)
            mine.allowed, mine.asked, mine.copies = type(state.allowed)(), {}, type(state.copies)()
            mine.kept = type(state.kept)()
        if mine.version != state.version or mine.index is not state.index:
            mine.forget()
        mine.index, mine.mark, mine.saved = state.index, state.mark, state.saved
        mine.version = state.version
        return mine

    def put_document(self, name: str, value: dict[str, Any]) -> None:
        """As of the whole atlas. A calibration or an adaptation learned from what one reader sees
        does not take the place of the one learned from all; it serves this reader from memory."""
        if name.startswith("adaptation/"):
            return
        if name.startswith("calibration/") and self.whole.document(name) is not None:
            return
        self.whole.put_document(name, value)

    def close(self) -> None:
        """Close the connections of this sight; the whole atlas stays open."""
        self._states.clear()
        self.database.close()


def seen(atlas: Atlas, sight: Sight) -> Atlas:
    """``atlas`` as ``sight`` allows; ``atlas`` itself where nothing is hidden."""
    if sight.clear:
        return atlas
    view = SeenAtlas.__new__(SeenAtlas)
    view.__dict__.update(atlas.__dict__)
    view.whole, view.sight = atlas, sight
    view.database = SeenDatabase(atlas.database, sight)
    view._states = {}
    return view

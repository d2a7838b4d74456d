"""Selections, example pictures and saved searches of an atlas, and finding cells by their words.

Functions over any part of an atlas, as in ``index.facts``; the tables are in ``explore_tables``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    column,
    delete,
    func,
    insert,
    select,
    table,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from index.errors import AtlasError, UnknownModelError
from index.explore_tables import TEXTS, examples, searches, selections
from index.filters import among, conditions
from index.labelling import unknown_cell
from index.moment import now
from index.part import Part
from index.records import CellFilter
from index.schema import cells, models, present_labels

ORIGINS = ("map", "cluster", "spread", "search", "list")
LEAST_TEXT = 3  # letters: the index of words is of trigrams


class SelectionError(AtlasError):
    """A selection of cells that cannot be kept or read."""


class UnknownSelectionError(SelectionError):
    """A selection, example or saved search that the atlas does not hold."""


class SearchTextError(AtlasError):
    """A text that the index of words cannot look for."""


@dataclass(frozen=True)
class Selection:
    """Cells chosen together, in an order. ``origin`` is one of ORIGINS.

    ``class_code`` is what whoever chose them takes them for: a suggestion, no label.
    """

    id: str
    author: str
    origin: str
    title: str
    class_code: str | None
    cell_ids: tuple[int, ...]
    time: str


def add_selection(
    atlas: Part,
    cell_ids: Iterable[int],
    author: str,
    *,
    origin: str = "list",
    title: str = "",
    class_code: str | None = None,
) -> Selection:
    """Keep N cells as a selection, each once, in the order given.

    Raises SelectionError for none, UnknownCellError, UnknownClassError.
    """
    ids = list(dict.fromkeys(int(each) for each in cell_ids))
    if not ids or origin not in ORIGINS:
        raise SelectionError(
            f"a selection of {len(ids)} cells from {origin!r} was asked for, allowed are 1 or more "
            f"from one of {', '.join(ORIGINS)}",
            "select cells first",
        )
    if class_code is not None:
        class_code = atlas.taxonomy.resolve(class_code).code
    with atlas.database.write() as connection:
        _check_cells(connection, ids)
        kept = Selection(
            secrets.token_hex(8), author, origin, title[:200], class_code, tuple(ids), now()
        )
        connection.execute(
            insert(selections).values(
                id=kept.id,
                author=author,
                origin=origin,
                title=kept.title,
                class_code=class_code,
                cells=np.asarray(ids, dtype="<i8").tobytes(),
                total=len(ids),
                time=kept.time,
            )
        )
    return kept


def selection(atlas: Part, selection_id: str) -> Selection:
    """A selection that was kept. Raises UnknownSelectionError."""
    with atlas.database.read() as connection:
        query = select(selections).where(selections.c.id == str(selection_id))
        row = connection.execute(query).first()
    if row is None:
        raise UnknownSelectionError(
            f"there is no selection {str(selection_id)[:40]!r} in this atlas",
            "select the cells again",
        )
    ids = np.frombuffer(row.cells, dtype="<i8").tolist()
    return Selection(
        row.id, row.author, row.origin, row.title, row.class_code, tuple(ids), row.time
    )


def _check_cells(connection: Connection, ids: list[int]) -> None:
    known = set(connection.execute(select(cells.c.id).where(cells.c.id.in_(among(ids)))).scalars())
    for each in ids:
        if each not in known:
            raise unknown_cell(each)


# finding cells ---------------------------------------------------------------------------------


def find_cells(
    atlas: Part,
    wanted: CellFilter,
    *,
    text: str = "",
    disputed: bool = False,
    offset: int = 0,
    limit: int | None = None,
) -> tuple[np.ndarray, int]:
    """Cells within ``wanted`` about which ``text`` is written, newest first.

    ``text`` (case does not matter, at least LEAST_TEXT letters or empty) is looked for in file,
    patient, slide, data set, field, stain and scanner through an index of trigrams: the cells are
    not read. ``disputed`` asks for labels that disagree. Returns ids int64 [N], ``limit`` of them
    from ``offset`` on, and how many there are in all. Raises SearchTextError, UnknownDatasetError,
    UnknownClassError.
    """
    with atlas.database.read() as connection:
        found = conditions(wanted, atlas.taxonomy, connection)
        if text:
            found.append(says(text))
        if disputed:
            undecided = select(present_labels.c.cell_id)
            found.append(cells.c.id.in_(undecided.where(present_labels.c.class_code.is_(None))))
        total = connection.execute(select(func.count()).select_from(cells).where(*found)).scalar()
        query = select(cells.c.id).where(*found).order_by(cells.c.id.desc())
        rows = atlas.database.tuples(connection, query.limit(limit).offset(offset))
    return np.fromiter((row[0] for row in rows), np.int64, len(rows)), int(total or 0)


def says(text: str) -> ColumnElement[bool]:
    """The condition that ``text`` is written about a cell. Raises SearchTextError."""
    text = text.replace("\0", "").strip()
    if len(text) < LEAST_TEXT:
        raise SearchTextError(
            f"the text to look for is {text!r}, allowed are {LEAST_TEXT} letters or more",
            "write more of it",
        )
    phrase = '"' + text.replace('"', '""') + '"'
    matching: ColumnElement[bool] = column(TEXTS).op("MATCH")(phrase)
    rows = select(column("rowid", Integer)).select_from(table(TEXTS)).where(matching)
    return cells.c.id.in_(rows)


# example pictures ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A picture that was given to search by, embedded under ``model_id``; it is no cell.

    ``vector`` is a unit vector float32 [D], ``picture`` a small WebP.
    """

    id: str
    author: str
    title: str
    model_id: str
    vector: np.ndarray
    picture: bytes


def add_example(
    atlas: Part, model_id: str, vector: np.ndarray, picture: bytes, author: str, title: str
) -> Example:
    """Keep a picture to search by. Raises UnknownModelError."""
    kept = Example(
        secrets.token_hex(8),
        author,
        title[:200],
        model_id,
        np.asarray(vector, np.float32).ravel(),
        picture,
    )
    with atlas.database.write() as connection:
        number = connection.execute(select(models.c.id).where(models.c.name == model_id)).scalar()
        if number is None:
            raise UnknownModelError(
                f"model {model_id!r} is not in this atlas", "see 'cellkin info ATLAS'"
            )
        connection.execute(
            insert(examples).values(
                id=kept.id,
                author=author,
                title=kept.title,
                model_id=number,
                vector=kept.vector.astype("<f4").tobytes(),
                picture=picture,
                time=now(),
            )
        )
    return kept


def example(atlas: Part, example_id: str) -> Example:
    """A picture that was kept to search by. Raises UnknownSelectionError."""
    query = (
        select(examples, models.c.name.label("model"))
        .join(models, models.c.id == examples.c.model_id)
        .where(examples.c.id == str(example_id))
    )
    with atlas.database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise UnknownSelectionError(
            f"there is no example picture {str(example_id)[:40]!r} in this atlas",
            "give the picture again",
        )
    vector = np.frombuffer(row.vector, dtype="<f4").astype(np.float32)
    return Example(row.id, row.author, row.title, row.model, vector, row.picture)


# saved searches --------------------------------------------------------------------------------


@dataclass(frozen=True)
class SavedSearch:
    """A search that its author keeps under a name."""

    id: int
    author: str
    name: str
    query: dict[str, Any]
    time: str


def save_search(atlas: Part, author: str, name: str, query: dict[str, Any]) -> SavedSearch:
    """Keep a search; one of the same author and name is replaced."""
    values = {"author": author, "name": name, "query": json.loads(json.dumps(query)), "time": now()}
    changed = {key: values[key] for key in ("query", "time")}
    statement = upsert(searches).values(**values)
    statement = statement.on_conflict_do_update(
        index_elements=[searches.c.author, searches.c.name], set_=changed
    )
    with atlas.database.write() as connection:
        connection.execute(statement)
    return next(each for each in saved_searches(atlas, author) if each.name == name)


def saved_searches(atlas: Part, author: str) -> list[SavedSearch]:
    """The searches that ``author`` keeps, by name."""
    query = select(searches).where(searches.c.author == author).order_by(searches.c.name)
    with atlas.database.read() as connection:
        return [_saved(row) for row in connection.execute(query)]


def forget_search(atlas: Part, author: str, search_id: int) -> None:
    """Drop a saved search of ``author``. Raises UnknownSelectionError."""
    mine = (searches.c.author == author) & (searches.c.id == int(search_id))
    with atlas.database.write() as connection:
        if not connection.execute(delete(searches).where(mine)).rowcount:
            raise UnknownSelectionError(
                f"{author} keeps no search {search_id}", "load the page again"
            )


def _saved(row: Row) -> SavedSearch:
    return SavedSearch(row.id, row.author, row.name, row.query, row.time)

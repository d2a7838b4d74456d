"""Selections, example pictures and saved searches of an atlas.

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
    Connection,
    Row,
    delete,
    insert,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from index.errors import AtlasError, UnknownModelError
from index.explore_tables import examples, searches, selections
from index.filters import among
from index.labelling import unknown_cell
from index.moment import now
from index.part import Part
from index.schema import cells, datasets, models, present_labels

ORIGINS = ("map", "cluster", "spread", "search", "list")


class SelectionError(AtlasError):
    """A selection of cells that cannot be kept or read."""


class UnknownSelectionError(SelectionError):
    """A selection, example or saved search that the atlas does not hold."""


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


# what a map says of its cells -----------------------------------------------------------------


def origins_and_classes(atlas: Part, cell_ids: np.ndarray) -> tuple[list[str], list[str | None]]:
    """Data set, and class code of the present label (None without one), of each of N cells."""
    home = cells.join(datasets, datasets.c.id == cells.c.dataset_id).outerjoin(
        present_labels, present_labels.c.cell_id == cells.c.id
    )
    query = select(cells.c.id, datasets.c.name, present_labels.c.class_code).select_from(home)
    with atlas.database.read() as connection:
        known = {row[0]: row for row in atlas.database.tuples(connection, query)}
    rows = [known[each] for each in np.asarray(cell_ids).tolist()]
    return [row[1] for row in rows], [row[2] for row in rows]


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

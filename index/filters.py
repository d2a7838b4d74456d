"""A CellFilter as conditions of SQL."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, Select, Table, func, literal, or_, select

from index.errors import UnknownDatasetError
from index.records import CellFilter
from index.schema import cells, datasets, embeddings, models, patients, present_labels, slides
from index.taxonomy import Taxonomy


def among(ids: Iterable[int]) -> Select[tuple[int]]:
    """A sub-query that lists ``ids``; one SQL variable, however many they are."""
    listed = func.json_each(json.dumps([int(each) for each in ids])).table_valued("value")
    return select(listed.c.value)


def conditions(
    wanted: CellFilter | None, taxonomy: Taxonomy, connection: Connection
) -> list[ColumnElement[bool]]:
    """What a row of ``cells`` must satisfy to be within ``wanted``.

    Raises UnknownDatasetError and UnknownClassError.
    """
    if wanted is None:
        return []
    _check_datasets((*wanted.datasets, *wanted.not_datasets), connection)
    found: list[ColumnElement[bool]] = []
    if wanted.datasets:
        found.append(cells.c.dataset_id.in_(_dataset_ids(wanted.datasets)))
    if wanted.not_datasets:
        found.append(cells.c.dataset_id.not_in(_dataset_ids(wanted.not_datasets)))
    for table, names, others in (
        (patients, wanted.patients, wanted.not_patients),
        (slides, wanted.slides, wanted.not_slides),
    ):
        column = cells.c[f"{table.name[:-1]}_id"]
        if names:
            found.append(column.in_(_named(table, names)))
        if others:
            found.append(or_(column.is_(None), column.not_in(_named(table, others))))
    if wanted.splits:
        found.append(cells.c.split.in_(wanted.splits))
    if wanted.not_cells:
        found.append(cells.c.id.not_in(among(wanted.not_cells)))
    if wanted.flagged is not None:
        found.append(cells.c.flagged.is_(wanted.flagged))
    if wanted.embedded_with is not None:
        embedded = select(embeddings.c.cell_id).join(models, models.c.id == embeddings.c.model_id)
        found.append(cells.c.id.in_(embedded.where(models.c.name == wanted.embedded_with)))
    return found + _label_conditions(wanted, taxonomy)


def _label_conditions(wanted: CellFilter, taxonomy: Taxonomy) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    decided = select(present_labels.c.cell_id).where(present_labels.c.class_code.is_not(None))
    if wanted.classes:
        codes: set[str] = set()
        for name in wanted.classes:
            codes |= taxonomy.descendants(taxonomy.resolve(name).code)
        found.append(cells.c.id.in_(decided.where(present_labels.c.class_code.in_(sorted(codes)))))
    if wanted.authors:
        found.append(cells.c.id.in_(decided.where(present_labels.c.author.in_(wanted.authors))))
    if wanted.labelled is True:
        found.append(cells.c.id.in_(decided))
    elif wanted.labelled is False:
        found.append(cells.c.id.not_in(decided))
    return found


def _dataset_ids(names: Sequence[str]) -> Select[tuple[int]]:
    return select(datasets.c.id).where(datasets.c.name.in_(names))


def _named(table: Table, names: Sequence[str]) -> Select[tuple[int]]:
    """Ids of patients or slides called one of ``names``, plain or as dataset/name."""
    full = datasets.c.name + literal("/") + table.c.name
    return (
        select(table.c.id)
        .join(datasets, datasets.c.id == table.c.dataset_id)
        .where(or_(table.c.name.in_(names), full.in_(names)))
    )


def _check_datasets(names: Sequence[str], connection: Connection) -> None:
    if not names:
        return
    known = list(connection.execute(select(datasets.c.name)).scalars())
    for name in names:
        if name not in known:
            raise unknown_dataset(name, known)


def unknown_dataset(name: str, known: Sequence[str]) -> UnknownDatasetError:
    """The error for a data set that is not among ``known``."""
    close = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(sorted(known)[:10]) or "none yet"
    return UnknownDatasetError(
        f"data set {name!r} is not in the atlas, it holds {listed}",
        f"did you mean {close[0]!r}" if close else "see 'cellkin info ATLAS'",
    )

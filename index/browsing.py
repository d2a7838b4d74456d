"""Pages of cells and counts, without reading the whole atlas: for lists that people look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Select, and_, column, exists, func, select, table, text

from index.browse_tables import by_dataset, tally
from index.explore_tables import TEXTS
from index.filters import among, conditions
from index.part import Part
from index.records import CellFilter, Label
from index.schema import cells, datasets, embedding_marks, labels, models, present_labels

COUNTED = 10_000  # cells with a searched text that are counted; beyond, the count says "at least"
SHORTEST = 3  # letters of a text that the index of trigrams can look up

# As the index of flagged cells says it: SQLAlchemy's own "flagged IS 1" would not use it.
_FLAGGED = text("cells.flagged")
_texts = table(TEXTS, column("rowid"), column("words"))


@dataclass(frozen=True)
class Wanted:
    """The cells to list: those within ``limit``, disputed ones only if ``disputed``, of which
    file, patient, slide or another word of origin contains ``text``."""

    limit: CellFilter = field(default_factory=CellFilter)
    disputed: bool = False
    text: str = ""


@dataclass(frozen=True)
class Tally:
    """So many cells of ``dataset`` have a present label of ``class_code`` by ``author``.

    Both are empty for disputed cells.
    """

    dataset: str
    class_code: str
    author: str
    cells: int


def page_of(atlas: Part, wanted: Wanted, size: int, before: int | None = None) -> list[int]:
    """The ids of the ``size`` newest of the wanted cells older than cell ``before``, newest first.

    A page costs the same wherever it is in a list. Raises UnknownDatasetError, UnknownClassError.
    """
    with atlas.database.read() as connection:
        query = _ids(atlas, wanted, connection)
        if before is not None:
            query = query.where(cells.c.id < int(before))
        rows = connection.execute(query.order_by(cells.c.id.desc()).limit(int(size)))
        return [row[0] for row in rows]


def how_many(atlas: Part, wanted: Wanted) -> tuple[int, bool]:
    """How many cells are wanted, and whether that is exact: a text is counted up to COUNTED."""
    limit = wanted.limit
    counted = CellFilter(limit.datasets, classes=limit.classes, authors=limit.authors)
    if not wanted.text and not wanted.disputed:
        if replace(limit, labelled=None) == counted and (limit.labelled is not False):
            return _sum(atlas, limit), True
        if limit == replace(counted, classes=(), authors=(), labelled=False):
            everything = CellFilter(limit.datasets)
            labelled = CellFilter(limit.datasets, labelled=True)
            return _sum(atlas, everything) - _sum(atlas, labelled), True
    with atlas.database.read() as connection:
        query = _ids(atlas, wanted, connection)
        if wanted.text:
            query = query.limit(COUNTED + 1)
        found = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    if wanted.text and found > COUNTED:
        return COUNTED, False
    return int(found), True


def within(atlas: Part, limit: CellFilter, cell_ids: Iterable[int]) -> list[int]:
    """Those of ``cell_ids`` that are within ``limit``, ascending; costs nothing for the others."""
    with atlas.database.read() as connection:
        query = _ids(atlas, Wanted(limit), connection).where(cells.c.id.in_(among(cell_ids)))
        return [row[0] for row in connection.execute(query.order_by(cells.c.id))]


def tallies(atlas: Part) -> list[Tally]:
    """How many cells each author's present labels of each class hold, by data set."""
    with atlas.database.read() as connection:
        # A reader from whom labels are hidden sees a view in place of the present labels: what is
        # counted ahead would tell of them.
        counted = _counted_anew() if _is_veiled(connection) else select(tally)
        source = counted.subquery()
        query = (
            select(datasets.c.name, source.c.class_code, source.c.author, source.c.cells)
            .join(datasets, datasets.c.id == source.c.dataset_id)
            .where(source.c.cells > 0)
            .order_by(source.c.dataset_id, source.c.class_code, source.c.author)
        )
        return [Tally(*row) for row in connection.execute(query)]


def cells_by_dataset(atlas: Part) -> dict[str, int]:
    """How many cells each data set holds, in the order they were added; 0 for an empty one."""
    query = (
        select(datasets.c.name, func.ifnull(by_dataset.c.cells, 0))
        .select_from(datasets.outerjoin(by_dataset, by_dataset.c.dataset_id == datasets.c.id))
        .order_by(datasets.c.id)
    )
    with atlas.database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def flagged(atlas: Part) -> int:
    """How many cells are set aside for a second look."""
    query = select(func.count()).select_from(cells).where(_FLAGGED)
    with atlas.database.read() as connection:
        return int(connection.execute(query).scalar_one())


def embedded(atlas: Part, model_id: str) -> int:
    """How many cells have an embedding under a model; 0 for a model the atlas does not hold."""
    query = (
        select(embedding_marks.c.total)
        .join(models, models.c.id == embedding_marks.c.model_id)
        .where(models.c.name == model_id)
        .order_by(embedding_marks.c.last_id.desc())
        .limit(1)
    )
    with atlas.database.read() as connection:
        return int(connection.execute(query).scalar() or 0)


def _sum(atlas: Part, limit: CellFilter) -> int:
    """Count by the tallies. ``limit`` names data sets, classes, authors and labelled alone."""
    sets = cells_by_dataset(atlas)
    with atlas.database.read() as connection:
        conditions(limit, atlas.taxonomy, connection)  # for its errors
    inside = limit.datasets or tuple(sets)
    if not limit.classes and not limit.authors and limit.labelled is None:
        return sum(sets[name] for name in set(inside))
    codes = _codes(atlas, limit.classes)
    return sum(
        each.cells
        for each in tallies(atlas)
        if each.class_code
        and each.dataset in inside
        and (not codes or each.class_code in codes)
        and (not limit.authors or each.author in limit.authors)
    )


def _codes(atlas: Part, names: Iterable[str]) -> set[str]:
    """The codes of the classes named and of all below them."""
    found: set[str] = set()
    for name in names:
        found |= atlas.taxonomy.descendants(atlas.taxonomy.resolve(name).code)
    return found


def _ids(atlas: Part, wanted: Wanted, connection: Connection) -> Select[Any]:
    """The ids of the wanted cells, so that SQLite can stop after a page of them."""
    limit = wanted.limit
    source: Any = cells
    taken: dict[str, Any] = {"classes": (), "authors": (), "labelled": None}
    if limit.flagged:
        taken["flagged"] = None
    if len(limit.datasets) == 1:
        conditions(limit, atlas.taxonomy, connection)  # for its errors
        taken["datasets"] = ()
    found: list[Any] = conditions(replace(limit, **taken), atlas.taxonomy, connection)
    if len(limit.datasets) == 1:
        # One value keeps the index in order of id; "IN (SELECT …)" would sort the whole data set.
        named = select(datasets.c.id).where(datasets.c.name == limit.datasets[0])
        found.append(cells.c.dataset_id == named.scalar_subquery())
    if limit.flagged:
        found.append(_FLAGGED)
    if limit.labelled or limit.classes or limit.authors or wanted.disputed:
        source = source.join(present_labels, present_labels.c.cell_id == cells.c.id)
        found.append(present_labels.c.class_code.is_(None) == wanted.disputed)
    if limit.classes:
        found.append(present_labels.c.class_code.in_(sorted(_codes(atlas, limit.classes))))
    if limit.authors:
        found.append(present_labels.c.author.in_(limit.authors))
    if limit.labelled is False and not wanted.disputed:
        other = present_labels.alias()
        decided = and_(other.c.cell_id == cells.c.id, other.c.class_code.is_not(None))
        found.append(~exists().where(decided))
    if wanted.text:
        source = source.join(_texts, _texts.c.rowid == cells.c.id)
        found.append(_contains(wanted.text))
    return select(cells.c.id).select_from(source).where(*found)


def _contains(words: str) -> Any:
    if len(words) < SHORTEST:
        return _texts.c.words.icontains(words, autoescape=True)
    quoted = words.replace('"', '""')
    return text(f"{TEXTS} MATCH :searched").bindparams(searched=f'"{quoted}"')


def _is_veiled(connection: Connection) -> bool:
    found = connection.execute(
        text("SELECT 1 FROM sqlite_temp_schema WHERE name = :name"), {"name": present_labels.name}
    )
    return found.first() is not None


def _counted_anew() -> Select[Any]:
    present = present_labels.c
    return (
        select(
            cells.c.dataset_id,
            func.ifnull(present.class_code, "").label("class_code"),
            func.ifnull(present.author, "").label("author"),
            func.count().label("cells"),
        )
        .join(cells, cells.c.id == present.cell_id)
        .group_by(cells.c.dataset_id, present.class_code, present.author)
    )


def labels_of(atlas: Part, cell_ids: Iterable[int]) -> list[Label]:
    """Every label of ``cell_ids``, undone ones and undos included, oldest first."""
    wanted = labels.c.cell_id.in_(among(cell_ids))
    with atlas.database.read() as connection:
        rows = connection.execute(select(labels).where(wanted).order_by(labels.c.id))
        return [Label(**row._mapping) for row in rows]

"""The adaptations of an atlas to its data sets: append-only, so that a label can say by which one
its proposal was made long after others have taken its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Row, func, insert, select

from index.adaptation_tables import adaptations
from index.filters import among
from index.moment import now
from index.part import Part
from index.schema import cells, datasets, labels, present_labels


@dataclass(frozen=True)
class AdaptationRecord:
    """One adaptation to ``dataset``, or one reading of it as a whole where ``labels`` is empty.

    Sheets over all data sets are adapted to all of them at once: ``dataset`` is then empty.
    ``fingerprint`` names everything it rests on: the same one under the same model is the same
    adaptation. ``labels`` counts by class code. ``way`` says how they are used. ``accuracy`` and
    ``neighbour_accuracy`` (0 to 1) are None where too few labels tell. ``sight`` is the reader
    from whom labels were hidden, None where it rests on all of them.
    """

    model_id: str
    dataset: str
    fingerprint: str
    labels: dict[str, int]
    cells: int
    way: dict[str, Any] = field(default_factory=dict)
    accuracy: float | None = None
    neighbour_accuracy: float | None = None
    sight: str | None = None
    seconds: float = 0.0
    made: str = ""
    id: int = 0

    @property
    def count(self) -> int:
        """How many labels it rests on."""
        return sum(self.labels.values())


def keep_adaptation(atlas: Part, record: AdaptationRecord) -> AdaptationRecord:
    """Keep an adaptation; what is kept already under its fingerprint is given back as it is."""
    same = (
        (adaptations.c.dataset == record.dataset)
        & (adaptations.c.model_id == record.model_id)
        & (adaptations.c.fingerprint == record.fingerprint)
    )
    query = select(adaptations).where(same).order_by(adaptations.c.id.desc()).limit(1)
    with atlas.database.write() as connection:
        found = connection.execute(query).first()
        if found is None:
            values = {**asdict(record), "made": now()}
            del values["id"]
            connection.execute(insert(adaptations).values(**values))
            found = connection.execute(query).one()
        return _record(found)


def adaptation(atlas: Part, number: int) -> AdaptationRecord | None:
    """One entry of the log; None where there is none of that number."""
    with atlas.database.read() as connection:
        query = select(adaptations).where(adaptations.c.id == int(number))
        row = connection.execute(query).first()
        return None if row is None else _record(row)


def adaptations_of(atlas: Part, dataset: str | None = None) -> list[AdaptationRecord]:
    """The adaptations to ``dataset`` (None: to any), oldest first."""
    query = select(adaptations).order_by(adaptations.c.id)
    if dataset is not None:
        query = query.where(adaptations.c.dataset == dataset)
    with atlas.database.read() as connection:
        return [_record(row) for row in connection.execute(query)]


def label_counts(atlas: Part, dataset: str) -> dict[str, int]:
    """How many cells of ``dataset`` have each class as their present label."""
    present = present_labels.c
    query = (
        select(present.class_code, func.count())
        .join(cells, cells.c.id == present.cell_id)
        .join(datasets, datasets.c.id == cells.c.dataset_id)
        .where(datasets.c.name == dataset, present.class_code.is_not(None))
        .group_by(present.class_code)
    )
    with atlas.database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def newly_said(atlas: Part, dataset: str, since: int) -> list[int]:
    """The cells of ``dataset`` with a label, or an undo, newer than label ``since``, ascending."""
    query = (
        select(labels.c.cell_id)
        .join(cells, cells.c.id == labels.c.cell_id)
        .join(datasets, datasets.c.id == cells.c.dataset_id)
        .where(labels.c.id > int(since), datasets.c.name == dataset)
        .distinct()
    )
    with atlas.database.read() as connection:
        return sorted(connection.execute(query).scalars())


def datasets_of(atlas: Part, cell_ids: Iterable[int]) -> dict[int, str]:
    """The data set of each of ``cell_ids`` that the atlas holds."""
    query = (
        select(cells.c.id, datasets.c.name)
        .join(datasets, datasets.c.id == cells.c.dataset_id)
        .where(cells.c.id.in_(among(cell_ids)))
    )
    with atlas.database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def _record(row: Row) -> AdaptationRecord:
    return AdaptationRecord(**row._mapping)

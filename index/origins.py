"""Where cells come from, as imports tell it: taken in where nothing was known, else kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Integer, Text, bindparam, cast, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from index.filters import among
from index.records import CellRecord, Differing
from index.schema import cells, meta, patients, slides

TOLD = ("patient", "slide", "split", "stain", "scanner", "field")
NAMED = ("patient", "slide")  # of which a cell holds an id
TIMES = "origins"  # in ``meta``: how many transactions have told more of cells that were there

times = cast(meta.c.value, Integer)


class Origins:
    """What one import tells of the cells of a data set: ``filled`` counts cells by column."""

    def __init__(self, dataset_id: int) -> None:
        self.filled: Counter[str] = Counter()
        self._dataset_id = dataset_id
        self._patients: dict[str | None, int | None] = {None: None}
        self._slides: dict[tuple[int | None, str | None], int | None] = {}
        # By column the first that differs (file, held, told), and the cells of all that do.
        self._first: dict[str, tuple[str, str, str]] = {}
        self._differ: dict[str, set[int]] = {}

    @property
    def differing(self) -> list[Differing]:
        """The columns of which another value is told than the atlas holds."""
        return [
            Differing(name, len(self._differ[name]), *self._first[name])
            for name in TOLD
            if name in self._first
        ]

    def ids(
        self, connection: Connection, patient: str | None, slide: str | None
    ) -> tuple[int | None, int | None]:
        """The ids of a patient, and of a slide of that patient, which are made where new."""
        if patient not in self._patients:
            where = {"dataset_id": self._dataset_id, "name": patient}
            self._patients[patient] = _find_or_insert(connection, patients, where)
        patient_id = self._patients[patient]
        if slide is None:
            return patient_id, None
        if (patient_id, slide) not in self._slides:
            where = {"dataset_id": self._dataset_id, "patient_id": patient_id, "name": slide}
            self._slides[patient_id, slide] = _find_or_insert(connection, slides, where)
        return patient_id, self._slides[patient_id, slide]

    def take(self, connection: Connection, told: Sequence[tuple[int, CellRecord]]) -> None:
        """Take in what records tell of cells that are there, within the caller's transaction."""
        known = _known(connection, {cell_id for cell_id, _ in told})
        changed: set[int] = set()
        for cell_id, record in told:
            held = known[cell_id]
            for name in TOLD:
                value = getattr(record, name)
                if value is None or value == held[name]:
                    continue
                if held[name] is None:
                    held[name] = value
                    self.filled[name] += 1
                    changed.add(cell_id)
                else:
                    self._first.setdefault(name, (record.place, held[name], value))
                    self._differ.setdefault(name, set()).add(cell_id)
        if changed:
            self._write(connection, {cell_id: known[cell_id] for cell_id in sorted(changed)})

    def _write(self, connection: Connection, now: dict[int, dict[str, Any]]) -> None:
        rows = []
        for cell_id, held in now.items():
            patient_id, slide_id = self.ids(connection, held["patient"], held["slide"])
            plain = {f"new_{name}": held[name] for name in TOLD if name not in NAMED}
            rows.append(
                {"of": cell_id, "new_patient_id": patient_id, "new_slide_id": slide_id, **plain}
            )
        columns = [f"{name}_id" if name in NAMED else name for name in TOLD]
        values: dict[str, Any] = {column: bindparam(f"new_{column}") for column in columns}
        connection.execute(
            update(cells).where(cells.c.id == bindparam("of")).values(**values), rows
        )
        more = cast(times + 1, Text)
        connection.execute(
            upsert(meta)
            .values(name=TIMES, value="1")
            .on_conflict_do_update(index_elements=[meta.c.name], set_={"value": more})
        )


def _known(connection: Connection, cell_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """What the atlas holds of ``cell_ids`` in each column of TOLD."""
    plain = [cells.c[name] for name in TOLD if name not in NAMED]
    named = [
        table.c.name.label(name) for table, name in zip((patients, slides), NAMED, strict=True)
    ]
    source = cells.outerjoin(patients, patients.c.id == cells.c.patient_id)
    source = source.outerjoin(slides, slides.c.id == cells.c.slide_id)
    query = select(cells.c.id, *plain, *named).select_from(source)
    rows = connection.execute(query.where(cells.c.id.in_(among(cell_ids))))
    return {row.id: dict(row._mapping) for row in rows}


def _find_or_insert(connection: Connection, table: Any, where: dict[str, Any]) -> int:
    matches = [table.c[name].is_not_distinct_from(value) for name, value in where.items()]
    found = connection.execute(select(table.c.id).where(*matches)).scalar()
    if found is None:
        found = connection.execute(insert(table).values(**where).returning(table.c.id)).scalar_one()
    return int(found)

"""How records become cells: in batches, without duplicates, repeatable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from index.errors import RecordError
from index.filters import among
from index.labelling import append
from index.moment import now
from index.origins import Origins
from index.records import SPLITS, AddReport, CellRecord, NewLabel, place
from index.schema import cells, labels
from index.taxonomy import Taxonomy

BATCH = 512

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Kept(NamedTuple):
    """A cell that the atlas holds."""

    id: int
    place: str
    stored: str | None


def check_record(record: CellRecord) -> None:
    """Raise RecordError unless ``record`` may become a cell."""
    if not record.file:
        raise RecordError("a cell has no file", "give the path of its picture")
    if not _SHA256.fullmatch(record.sha256):
        raise RecordError(
            f"sha256 of {record.file} is {record.sha256!r}, allowed are 64 hexadecimal digits",
            "give the hash of the decoded pixels",
        )
    if record.width < 1 or record.height < 1:
        raise RecordError(
            f"size of {record.file} is {record.width} x {record.height}, allowed is 1 x 1 or more",
            "give width and height in pixels",
        )
    if record.split is not None and record.split not in SPLITS:
        raise RecordError(
            f"split of {record.file} is {record.split!r}, allowed is one of {', '.join(SPLITS)}",
            "correct the split or leave it out",
        )


class Importer:
    """Adds batches of records to one data set and counts what happened in ``report``."""

    def __init__(self, dataset_id: int, author: str, taxonomy: Taxonomy) -> None:
        self.report = AddReport()
        self._dataset_id = dataset_id
        self._origins = Origins(dataset_id)
        self._author = author
        self._taxonomy = taxonomy
        # What this call has said of each cell, by the place it came from.
        self._said: dict[int, dict[str, str]] = {}
        self._listed: set[frozenset[tuple[str, str]]] = set()

    def add(self, connection: Connection, batch: Sequence[CellRecord]) -> None:
        """Add one batch within the caller's transaction. Raises RecordError, UnknownClassError."""
        for record in batch:
            check_record(record)
            if record.class_code is not None:
                self._taxonomy.node(record.class_code)
        kept = self._kept(connection, batch)
        before = {each.id for each in kept.values()}
        number = (connection.execute(select(func.max(cells.c.id))).scalar() or 0) + 1
        rows: list[dict[str, Any]] = []
        given: list[tuple[int, CellRecord]] = []
        told: list[tuple[int, CellRecord]] = []  # of cells that are there
        time = now()
        for record in batch:
            same = kept.get(record.sha256)
            if same is None:
                rows.append(self._row(connection, record, number, time))
                kept[record.sha256] = same = Kept(number, record.place, record.stored)
                number += 1
                self.report.added += 1
            else:
                told.append((same.id, record))
                if same.place == record.place:
                    self.report.existing += 1
                else:
                    self.report.duplicates.append((record.place, same.place))
            given.append((same.id, record))
        if rows:
            connection.execute(insert(cells), rows)
        if told:
            self._origins.take(connection, told)
            self.report.filled = dict(self._origins.filled)
            self.report.differing = self._origins.differing
        self._store_copies(connection, batch, kept)
        self._add_labels(connection, given, before)

    def _kept(self, connection: Connection, batch: Sequence[CellRecord]) -> dict[str, Kept]:
        columns = (cells.c.sha256, cells.c.id, cells.c.file, cells.c.frame, cells.c.member)
        found = connection.execute(
            select(*columns, cells.c.stored).where(
                cells.c.dataset_id == self._dataset_id,
                cells.c.sha256.in_([record.sha256 for record in batch]),
            )
        )
        return {
            sha256: Kept(cell_id, place(file, frame, member), stored)
            for sha256, cell_id, file, frame, member, stored in found
        }

    def _row(
        self, connection: Connection, record: CellRecord, number: int, time: str
    ) -> dict[str, Any]:
        patient_id, slide_id = self._origins.ids(connection, record.patient, record.slide)
        left, top, width, height = record.box or (None, None, None, None)
        return {
            "id": number,
            "dataset_id": self._dataset_id,
            "file": record.file,
            "frame": record.frame,
            "member": record.member,
            "sha256": record.sha256,
            "width": record.width,
            "height": record.height,
            "patient_id": patient_id,
            "slide_id": slide_id,
            "stain": record.stain,
            "scanner": record.scanner,
            "field": record.field,
            "box_left": left,
            "box_top": top,
            "box_width": width,
            "box_height": height,
            "split": record.split,
            "stored": record.stored,
            "flagged": False,
            "added": time,
        }

    def _store_copies(
        self, connection: Connection, batch: Sequence[CellRecord], kept: dict[str, Kept]
    ) -> None:
        """Note the copies that a later import with copying has made of cells already known."""
        for record in batch:
            same = kept[record.sha256]
            if record.stored is not None and same.stored is None:
                connection.execute(
                    update(cells).where(cells.c.id == same.id).values(stored=record.stored)
                )

    def _add_labels(
        self,
        connection: Connection,
        given: Sequence[tuple[int, CellRecord]],
        before: set[int],
    ) -> None:
        earlier = self._earlier(connection, before)
        new: list[NewLabel] = []
        for cell_id, record in given:
            code = record.class_code
            if code is None:
                if cell_id not in before:
                    self.report.unlabelled[cell_id] = record.file
                continue
            self.report.unlabelled.pop(cell_id, None)
            said = self._said.setdefault(cell_id, {})
            source = record.place
            repeat = 1
            while said.get(source, code) != code:
                # One list names one picture under two classes: both are kept, and disagree.
                repeat += 1
                source = f"{record.place} ({repeat})"
            said[source] = code
            voices = earlier.setdefault(cell_id, {})
            if voices.get(source) != code:
                label = NewLabel(cell_id, code, self._author, "imported", source=source)
                new.append(label)
                voices[source] = code
            self._list_contradictions(source, code, voices)
        append(connection, new, self._taxonomy)
        self.report.labels += len(new)

    def _earlier(self, connection: Connection, cell_ids: set[int]) -> dict[int, dict[str, str]]:
        """The latest imported label of each source, taken back or not, by cell.

        One that an expert took back is not brought again by repeating the import.
        """
        found: dict[int, dict[str, str]] = {}
        if not cell_ids:
            return found
        rows = connection.execute(
            select(labels.c.cell_id, labels.c.source, labels.c.class_code)
            .where(
                labels.c.cell_id.in_(among(cell_ids)),
                labels.c.author == self._author,
                labels.c.how == "imported",
                labels.c.source.is_not(None),
            )
            .order_by(labels.c.id)
        )
        for cell_id, source, code in rows:
            found.setdefault(cell_id, {})[source] = code
        return found

    def _list_contradictions(self, source: str, code: str, voices: dict[str, str]) -> None:
        for other, said in voices.items():
            pair = frozenset({(source, code), (other, said)})
            if other == source or pair in self._listed:
                continue
            if self._taxonomy.agreed((code, said)) is None:
                self._listed.add(pair)
                self.report.contradictions.append((source, code, other, said))

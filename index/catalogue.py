"""The catalogue part of an atlas: data sets, cells and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Select, insert, select, update

from index.browsing import Wanted, cells_by_dataset, how_many, tallies
from index.errors import RecordError
from index.filters import among, conditions, unknown_dataset
from index.importing import BATCH, Importer
from index.labelling import append, undo, unknown_cell
from index.moment import now
from index.part import Part
from index.records import AddReport, Cell, CellFilter, CellRecord, Label, NewLabel
from index.schema import cells, datasets, events, labels, patients, present_labels, slides

if TYPE_CHECKING:
    import pandas as pd

PAGE = 2000

_FROM = (
    cells.join(datasets, datasets.c.id == cells.c.dataset_id)
    .outerjoin(patients, patients.c.id == cells.c.patient_id)
    .outerjoin(slides, slides.c.id == cells.c.slide_id)
)
_COLUMNS = (
    cells,
    datasets.c.name.label("dataset"),
    datasets.c.root,
    patients.c.name.label("patient"),
    slides.c.name.label("slide"),
)


class CataloguePart(Part):
    """Data sets, cells and labels of an atlas."""

    # data sets ------------------------------------------------------------------------------

    def add_dataset(
        self,
        name: str,
        root: str,
        *,
        licence: str | None = None,
        citation: str | None = None,
    ) -> int:
        """Note a data set whose files lie below ``root``; returns its id.

        Repeated with the same name it updates what is given, so that moved pictures can be found.
        """
        if not name.strip() or "/" in name:
            raise RecordError(
                f"name of the data set is {name!r}, allowed is text without '/'",
                "give --dataset another name",
            )
        told = {"licence": licence, "citation": citation}
        values = {"root": str(root), **{key: text for key, text in told.items() if text}}
        with self.database.write() as connection:
            found = connection.execute(select(datasets.c.id).where(datasets.c.name == name))
            dataset_id = found.scalar()
            if dataset_id is not None:
                connection.execute(
                    update(datasets).where(datasets.c.id == dataset_id).values(**values)
                )
                return int(dataset_id)
            new = insert(datasets).values(name=name, added=now(), **values).returning(datasets.c.id)
            return int(connection.execute(new).scalar_one())

    def datasets(self) -> pd.DataFrame:
        """A table of the data sets: name, root, licence, citation, cells, labelled (counts)."""
        import pandas as pd

        columns = (datasets.c.name, datasets.c.root, datasets.c.licence, datasets.c.citation)
        with self.database.read() as connection:
            result = connection.execute(select(*columns).order_by(datasets.c.id))
            found = pd.DataFrame(result.fetchall(), columns=list(result.keys()))
        labelled: Counter[str] = Counter()
        for each in tallies(self):
            labelled[each.dataset] += each.cells if each.class_code else 0
        counts = cells_by_dataset(self)
        return found.assign(
            cells=[counts.get(name, 0) for name in found["name"]],
            labelled=[labelled[name] for name in found["name"]],
        )

    def _dataset_id(self, name: str) -> int:
        with self.database.read() as connection:
            known = {row.name: row.id for row in connection.execute(select(datasets))}
        if name not in known:
            raise unknown_dataset(name, list(known))
        return int(known[name])

    # cells ----------------------------------------------------------------------------------

    def add_cells(
        self, dataset: str, records: Iterable[CellRecord], *, author: str = "import"
    ) -> AddReport:
        """Add records to a data set, in transactions of some hundred.

        A picture (by its pixels) becomes one cell of a data set, however many files hold it: a
        repeated file adds nothing but a label that differs, another file of the same pixels is
        reported as a duplicate and its label kept with it as source. What a record tells of the
        origin of a cell that is there is taken in where the atlas holds nothing, and reported where
        it holds something else, which stays. added + existing +
        duplicates is the number of records. Records may be a slow generator: no lock is held
        while it works. Raises UnknownDatasetError, RecordError, UnknownClassError.
        """
        importer = Importer(self._dataset_id(dataset), author, self.taxonomy)
        waiting = iter(records)
        while batch := list(islice(waiting, BATCH)):
            with self.database.write() as connection:
                importer.add(connection, batch)
        return importer.report

    def cells(self, filter: CellFilter | None = None) -> Iterator[Cell]:
        """The cells within ``filter`` in order of id, read in pages as they are asked for."""
        last = 0
        while True:
            with self.database.read() as connection:
                query = self._select(filter, connection).where(cells.c.id > last)
                page = connection.execute(query.order_by(cells.c.id).limit(PAGE)).fetchall()
            yield from map(_cell, page)
            if len(page) < PAGE:
                return
            last = page[-1].id

    def _select(self, filter: CellFilter | None, connection: Any) -> Select:
        wanted = conditions(filter, self.taxonomy, connection)
        return select(*_COLUMNS).select_from(_FROM).where(*wanted)

    def cell(self, cell_id: int) -> Cell:
        """One cell. Raises UnknownCellError."""
        return self.cells_by_id([cell_id])[int(cell_id)]

    def cells_by_id(self, ids: Iterable[int]) -> dict[int, Cell]:
        """Cells by id, in the order of ``ids``. Raises UnknownCellError."""
        wanted = [int(each) for each in ids]
        query = select(*_COLUMNS).select_from(_FROM).where(cells.c.id.in_(among(wanted)))
        with self.database.read() as connection:
            found = {row.id: _cell(row) for row in connection.execute(query)}
        for each in wanted:
            if each not in found:
                raise unknown_cell(each)
        return {each: found[each] for each in wanted}

    def count(self, filter: CellFilter | None = None) -> int:
        """How many cells are within ``filter``."""
        return how_many(self, Wanted(filter or CellFilter()))[0]

    def table(self, filter: CellFilter | None = None) -> pd.DataFrame:
        """The cells within ``filter`` as a table in order of id.

        Columns: id, file, frame, member, dataset, patient, slide, stain, scanner, field, split,
        width, height, sha256, flagged, class_code and author of the present label (None without
        one), disputed.
        """
        import pandas as pd

        columns = (
            *(cells.c[name] for name in ("id", "file", "frame", "member")),
            *_COLUMNS[1:2],
            *_COLUMNS[3:],
            *(cells.c[name] for name in ("stain", "scanner", "field", "split", "width")),
            *(cells.c[name] for name in ("height", "sha256", "flagged")),
            present_labels.c.class_code,
            present_labels.c.author,
            (present_labels.c.cell_id.is_not(None) & present_labels.c.class_code.is_(None)).label(
                "disputed"
            ),
        )
        origin = _FROM.outerjoin(present_labels, present_labels.c.cell_id == cells.c.id)
        with self.database.read() as connection:
            wanted = conditions(filter, self.taxonomy, connection)
            query = select(*columns).select_from(origin).where(*wanted).order_by(cells.c.id)
            result = connection.execute(query)
            found = pd.DataFrame(result.fetchall(), columns=list(result.keys()), dtype=object)
        whole = dict.fromkeys(("id", "frame", "width", "height"), "int64")
        return found.astype({**whole, "flagged": "bool", "disputed": "bool"})

    def set_flag(self, cell_id: int, flagged: bool, author: str, note: str | None = None) -> None:
        """Set a cell aside for a second look, or take that back; recorded with its author."""
        with self.database.write() as connection:
            changed = connection.execute(
                update(cells).where(cells.c.id == int(cell_id)).values(flagged=flagged)
            )
            if changed.rowcount == 0:
                raise unknown_cell(cell_id)
            self._record(
                connection, author, "flag" if flagged else "unflag", {"note": note}, int(cell_id)
            )

    def events(self, cell_id: int | None = None) -> list[dict[str, Any]]:
        """What was done besides labelling, oldest first: time, author, action, cell_id, detail."""
        query = select(events).order_by(events.c.id)
        if cell_id is not None:
            query = query.where(events.c.cell_id == int(cell_id))
        with self.database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    # labels ---------------------------------------------------------------------------------

    def add_labels(self, new: Sequence[NewLabel]) -> list[int]:
        """Add labels in one transaction, on disk before it returns; their ids in the order given.

        Raises LabelError, UnknownCellError, UnknownClassError; then none was added.
        """
        with self.database.write() as connection:
            return append(connection, list(new), self.taxonomy)

    def history(self, cell_id: int) -> list[Label]:
        """All labels of a cell, oldest first, undone ones and undos included."""
        query = select(labels).where(labels.c.cell_id == int(cell_id)).order_by(labels.c.id)
        with self.database.read() as connection:
            return [Label(**row._mapping) for row in connection.execute(query)]

    def undo(self, label_id: int, author: str) -> int:
        """Take back a label, or an undo; returns the id of the new undo. Raises LabelError."""
        with self.database.write() as connection:
            return undo(connection, int(label_id), author, self.taxonomy)

    def present_labels(self, filter: CellFilter | None = None) -> dict[int, str]:
        """The present class code of each cell within ``filter`` that has one, by id.

        A cell on which labels disagree is disputed and absent until one adjudicates.
        """
        present = present_labels.c
        query = (
            select(present.cell_id, present.class_code)
            .where(present.class_code.is_not(None))
            .order_by(present.cell_id)
        )
        with self.database.read() as connection:
            wanted = conditions(filter, self.taxonomy, connection)
            if wanted:
                query = query.where(present.cell_id.in_(select(cells.c.id).where(*wanted)))
            return dict(self.database.tuples(connection, query))

    def disputed(self) -> list[int]:
        """The ids of the cells on which the labels disagree, ascending."""
        present = present_labels.c
        query = select(present.cell_id).where(present.class_code.is_(None))
        with self.database.read() as connection:
            return sorted(connection.execute(query).scalars())


def _cell(row: Row) -> Cell:
    box = (row.box_left, row.box_top, row.box_width, row.box_height)
    return Cell(
        id=row.id,
        file=row.file,
        sha256=row.sha256,
        width=row.width,
        height=row.height,
        dataset=row.dataset,
        root=row.root,
        patient=row.patient,
        slide=row.slide,
        stain=row.stain,
        scanner=row.scanner,
        field=row.field,
        box=None if row.box_left is None else box,
        split=row.split,
        frame=row.frame,
        member=row.member,
        stored=row.stored,
        flagged=bool(row.flagged),
    )

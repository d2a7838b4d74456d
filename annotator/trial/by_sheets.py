"""Working with CellKin's sheets: the very queue and sheet logic of the annotator, on an atlas."""

from __future__ import annotations

import numpy as np

from annotator.sheets import Aim, Maker, Round, Settings, Sheets
from annotator.sheets.plan import catching
from annotator.trial.bench import Bench
from index import sheets as kept
from index.atlas import Atlas
from index.checks import outcomes
from index.records import CellRecord, NewLabel
from index.sheet_records import FOLDED, OPEN

DATASET, MODEL, READER = "trial", "trial", "simulated reader"


def folding(bench: Bench) -> None:
    """Sheets as the annotator makes them: the surest cells may be folded away once measured."""
    _work(bench, fold=True)


def glancing(bench: Bench) -> None:
    """The same, but no cell is labelled that the reader has not had in sight."""
    _work(bench, fold=False)


class _Desk:
    """The bench's cells in an atlas of their own, and the reader at it."""

    def __init__(self, bench: Bench, atlas: Atlas, fold: bool) -> None:
        self.bench = bench
        self.atlas = atlas
        settings = Settings(
            aim=Aim(bench.target),
            catch_rate=lambda author: catching(outcomes(atlas, author)),
            fold=fold,
            seed=bench.seed,
        )
        self.sheets = Sheets(Maker(atlas, settings))
        self.ids = _fill(bench, atlas)
        self.place = {int(cell): place for place, cell in enumerate(self.ids)}
        self.column = {code: column for column, code in enumerate(bench.cells.classes)}

    def single(self, cell: int) -> None:
        """Name one cell outside any sheet."""
        column = self.bench.reader.name(self.place[cell])
        self.atlas.add_labels([self.label(cell, column)])
        self.bench.give(self.place[cell], column)

    def label(self, cell: int, column: int) -> NewLabel:
        """The label of a cell, seen alone."""
        code = self.bench.cells.classes[column]
        return NewLabel(cell, code, READER, "single", proposal_visible=False)

    def singles(self, due: Round) -> None:
        """Name the single cells of a round: the checks of sheets and those mixed among them."""
        for cell in due.singles:
            sheet = due.sheet_of(cell)
            if sheet is None:
                self.single(cell)
                continue
            now = kept.sheet(self.atlas, sheet.id)
            if now.state != OPEN or cell not in now.waiting:
                continue  # another check has split the sheet meanwhile
            column = self.bench.reader.name(self.place[cell])
            done = self.sheets.answer(sheet.id, self.label(cell, column))
            self.bench.give(self.place[cell], column)
            self.count("checks")
            if not done.same:
                self.count("failed checks")

    def grid(self, sheet_id: int) -> None:
        """Look at one sheet and accept it, if it is still open."""
        sheet = kept.sheet(self.atlas, sheet_id)
        if sheet.state != OPEN:
            return
        proposed = self.column[sheet.class_code]
        cells = sheet.open_cells
        shown = [self.place[cell.cell_id] for cell in sheet.displayed]
        out = self.bench.reader.glance(shown, proposed)
        corrected = {
            int(self.ids[place]): self.bench.cells.classes[column] for place, column in out.items()
        }
        self.sheets.accept(sheet.id, READER, corrected)
        for cell in cells:
            place = self.place[cell.cell_id]
            self.bench.give(place, out.get(place, proposed), batch=place not in out)
        noticed = {cell.cell_id for cell in sheet.planted} & set(corrected)
        self.count("planted noticed", len(noticed))
        self.count("sheets")
        self.count("folded", sum(cell.part == FOLDED for cell in cells))
        self.count("planted", len(sheet.planted))

    def count(self, name: str, more: int = 1) -> None:
        """Count something that the report tells of sheets."""
        self.bench.notes[name] = self.bench.notes.get(name, 0) + more


def _work(bench: Bench, *, fold: bool) -> None:
    with Atlas.open(bench.folder / "atlas", create=True) as atlas:
        desk = _Desk(bench, atlas, fold)
        while len(bench.open):
            bench.mark()
            due = desk.sheets.round(READER, DATASET)
            desk.singles(due)
            for sheet in due.sheets:
                desk.grid(sheet.id)
        bench.mark()
        maker = desk.sheets.maker
        caught = catching(outcomes(atlas, READER))
        bound = maker.record(DATASET).impurity(caught, maker.aim.confidence)
        bench.notes["impurity bound"] = round(bound, 5)
        bench.notes["catch rate taken"] = round(caught, 3)


def _fill(bench: Bench, atlas: Atlas) -> np.ndarray:
    """Put the cells into ``atlas`` without labels; their ids in the order of the bench."""
    atlas.add_dataset(DATASET, str(bench.folder))
    records = (CellRecord(f"{n:06}.png", f"{n:064x}", 1, 1) for n in range(len(bench.cells)))
    atlas.add_cells(DATASET, records)
    ids = atlas.cell_ids()
    weights = bench.folder / "weights"
    weights.write_bytes(b"a trial reads no picture")
    described = bench.cells.described
    atlas.add_model(MODEL, weights, dict(bench.cells.about))
    atlas.add_embeddings(MODEL, ids, described.vectors)
    if described.features.shape[1]:
        atlas.add_features(MODEL, ids, described.features, described.scores)
    return ids

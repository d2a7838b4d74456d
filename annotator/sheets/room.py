"""The sheets of one annotator as its readers meet them: whose they are, and what pages show."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from annotator.actions import Shown
from annotator.adapting.telling import resting
from annotator.checks import vigilance
from annotator.documents import named
from annotator.explore.selections import origin_words
from annotator.offering import check_may_label, conditions, shown_among
from annotator.pictures import picture_names
from annotator.sheets.making import COLD, Maker, Settings
from annotator.sheets.plan import LOW_CATCH_RATE, Aim, catching
from annotator.sheets.work import Sheets
from annotator.sights import View
from annotator.viewer import Person
from index import checks
from index import sheets as kept
from index.adaptations import adaptation
from index.exploring import selection
from index.records import CellFilter, NewLabel
from index.reviewing import skipped_cells
from index.sheet_records import FAILED, MOVED, Accepted, Sheet
from index.work import waiting, waiting_among

if TYPE_CHECKING:
    from annotator.desk import Desk
    from annotator.sheets.plan import Record

Document = dict[str, Any]


class SheetRoom:
    """Sheets for each reader of a desk, made anew when what the reader may see changes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.RLock()
        self._held: dict[str, tuple[View, Sheets]] = {}

    def sheets(self, person: Person) -> Sheets:
        """The sheets of a reader."""
        view = self._desk.sights.of(person, self._desk.policy)
        with self._lock:
            held = self._held.get(person.name)
            if held is None or held[0] is not view:
                held = self._held[person.name] = (view, self._new(person, view))
            return held[1]

    def _new(self, person: Person, view: View) -> Sheets:
        desk, whole = self._desk, self._desk.whole

        def waits(limit: CellFilter) -> np.ndarray:
            return waiting(whole, person.name, limit, alone=not person.account)

        def proposable(cell_ids: Sequence[int]) -> list[int]:
            return shown_among(desk, person.name, cell_ids)

        settings = Settings(
            aim=Aim(desk.config.target),
            catch_rate=lambda author: catching(checks.outcomes(whole, author)),
            proposable=proposable,
            planted=desk.planted,
            k=desk.config.k,
            seed=desk.config.seed,
        )
        return Sheets(Maker(whole, settings, seen=view.atlas, waiting=waits))

    # acting ---------------------------------------------------------------------------------

    def name_single(
        self, person: Person, cell_id: int, code: str, seconds: float | None
    ) -> Document:
        """Take the blind answer on a cell of the round: a check of a sheet, or another cell."""
        desk, sheets = self._desk, self.sheets(person)
        reader = desk.reader(person.name)
        sheet = sheets.checking(person.name, cell_id)
        if sheet is None:
            check_may_label(desk, cell_id)
            shown = Shown(visible=False)
            facts = conditions(desk, cell_id, shown, seconds, None)
            action = reader.label(cell_id, code, shown, facts=facts)
            return {"cell": cell_id, "label": action.label_id, "split": False}
        label = NewLabel(cell_id, code, person.name, "single", proposal_visible=False)
        done = sheets.answer(sheet.id, label, seconds=seconds)
        reader.answered(cell_id, done.label_id, code, sheet.id)
        return {"cell": cell_id, "label": done.label_id, "split": not done.same}

    def skip_single(self, person: Person, cell_id: int) -> Document:
        """Leave a cell of the round for later; another one is checked in the place of a check."""
        reader = self._desk.reader(person.name)
        sheets = self.sheets(person)
        sheet = sheets.checking(person.name, cell_id)
        if sheet is None:
            reader.skip(cell_id)
        else:
            reader.skip_check(cell_id, sheet.id, sheets.instead(sheet))
        return {"cell": cell_id}

    def accept(
        self,
        person: Person,
        sheet_id: int,
        out: Mapping[int, str | None],
        *,
        moved: Sequence[int] = (),
        unfolded: bool = False,
        seconds: float | None = None,
    ) -> Accepted:
        """Accept a sheet of ``person``, less what no longer waits for them.

        ``moved`` are those of ``out`` that the page took out by itself. ``unfolded``: the reader
        has looked at the cells folded away as well.
        """
        sheets = self.sheets(person)
        sheet = sheets.own(sheet_id, person.name)
        cells = [cell.cell_id for cell in sheet.open_cells]
        left = waiting_among(self._desk.whole, person.name, cells)
        blocked = set(cells) - left
        if unfolded:
            sheets.unfold(sheet_id)
        done = sheets.accept(
            sheet_id, person.name, out, moved=moved, blocked=blocked, seconds=seconds
        )
        labelled = [c for c in cells if c in left and out.get(c, sheet.class_code) is not None]
        one = next(cell.cell_id for cell in sheet.cells if cell.planted is None)
        self._desk.reader(person.name).accepted(sheet_id, labelled, one)
        return done

    def rename(
        self,
        person: Person,
        sheet_id: int,
        code: str,
        out: Mapping[int, str | None],
        *,
        unfolded: bool = False,
    ) -> int:
        """Propose all that is ticked on a sheet as another class; the number of the new sheet."""
        sheets = self.sheets(person)
        sheets.own(sheet_id, person.name)
        if unfolded:
            sheets.unfold(sheet_id)
        sheet = sheets.own(sheet_id, person.name)
        part = sheets.rename(sheet, code, out)
        one = next(cell.cell_id for cell in sheet.cells if cell.planted is None)
        self._desk.reader(person.name).renamed(sheet_id, part, one)
        return part

    def drop(self, person: Person, sheet_id: int) -> None:
        """Put a sheet of ``person`` away without labels."""
        sheets = self.sheets(person)
        sheet = sheets.own(sheet_id, person.name)
        sheets.drop(sheet_id)
        one = next(cell.cell_id for cell in sheet.cells if cell.planted is None)
        self._desk.reader(person.name).dropped(sheet_id, one)

    # documents ------------------------------------------------------------------------------

    def round_document(self, person: Person) -> Document:
        """What lies before a reader: single cells, sheets, how far it is to the first."""
        dataset = self._desk.reader(person.name).queue.dataset
        due = self.sheets(person).round(person.name, dataset)
        self.sheets(person).judge_all(due.sheets)
        return {
            "dataset": dataset,
            "singles": self._singles(person, due.singles),
            "sheets": [self.sheet_document(person, sheet) for sheet in due.sheets],
            "missing": due.missing,
            "needed": COLD,
            "left": len(self.sheets(person).maker.pool.waiting(dataset)),
            "promise": self.promise(person, dataset),
        }

    def sheet_document(self, person: Person, sheet: Sheet) -> Document:
        """A sheet for its page. Planted cells look like any other; checks are not told apart."""
        tree = self._desk.whole.taxonomy
        mine = self.sheets(person)
        moved = mine.moved(sheet)
        alike = mine.maker.references(person.name, sheet.dataset, sheet.class_code)
        displayed = self._brief([cell.cell_id for cell in sheet.displayed])
        return {
            "id": sheet.id,
            "class": named(tree, sheet.class_code),
            "waiting": len(sheet.waiting),
            "cells": [{**cell, "moved": self._moved(moved.get(cell["id"]))} for cell in displayed],
            "out": {c.cell_id: c.draft or None for c in sheet.displayed if c.draft is not None},
            "by_program": [c.cell_id for c in sheet.displayed if c.was == MOVED],
            "doubtful": [c.cell_id for c in sheet.displayed if not c.sure and c.planted is None],
            "folded": len(sheet.open_cells) - sum(c.planted is None for c in sheet.displayed),
            "target": sheet.target,
            "confidence": sheet.confidence,
            "references": self._brief(alike),
            "because": self._because(sheet),
            "selection": self._selection(person, sheet),
            "rests": resting(
                adaptation(self._desk.whole, sheet.adaptation_id) if sheet.adaptation_id else None
            ),
        }

    def _because(self, sheet: Sheet) -> str | None:
        """Why a sheet took the place of another: a ``check`` failed, or a reader did ``rename`` it;
        None of any other."""
        if sheet.parent_id is None:
            return None
        before = kept.sheet(self._desk.whole, sheet.parent_id)
        return "check" if any(cell.verdict == FAILED for cell in before.cells) else "rename"

    def _selection(self, person: Person, sheet: Sheet) -> Document | None:
        """Of what selection a sheet is: from where, its cells to come, and those on no sheet."""
        if sheet.selection_id is None:
            return None
        chosen = selection(self._desk.whole, sheet.selection_id)
        coming, elsewhere = self.sheets(person).maker.coming(person.name, sheet.dataset, chosen)
        undecided = sum(c.planted is None and c.verdict is None for c in sheet.cells)
        return {
            "words": origin_words(chosen),
            "follow": coming - undecided,
            "elsewhere": elsewhere,
        }

    def folded_document(self, sheet: Sheet) -> list[Document]:
        """The cells of a sheet that are folded away."""
        shown = set(sheet.displayed)
        return self._brief([c.cell_id for c in sheet.open_cells if c not in shown])

    def moved_document(self, person: Person, sheet: Sheet) -> list[Document]:
        """The displayed cells that are proposed as another class by now."""
        found = self.sheets(person).moved(sheet)
        return [{"cell": cell, "moved": self._moved(each)} for cell, each in found.items()]

    def _moved(self, found: tuple[str, float] | None) -> Document | None:
        if found is None:
            return None
        words = named(self._desk.whole.taxonomy, found[0]) or {}
        return {**words, "probability": round(found[1], 4)}

    def promise(self, person: Person, dataset: str | None) -> Document:
        """What may be said of all accepted sheets of a data set, and on what it rests."""
        maker = self.sheets(person).maker
        record: Record = maker.record(dataset)
        rate = maker.settings.catch_rate(person.name)
        every = record.everything
        seen = vigilance(self._desk.whole, person.name)
        return {
            "labelled": every.kept + every.folded,
            "folded": every.folded,
            "looked_at": every.glanced,
            "foreign": every.noticed,
            "checked": every.checked,
            "failed": every.failed,
            "skipped": every.skipped,
            "catch_rate": round(rate, 3),
            "planted": seen.glanced,
            "noticed": seen.glanced_caught,
            "unread": seen.noticed,
            "slowed": rate < LOW_CATCH_RATE,
            "precision": round(1.0 - record.impurity(rate, maker.aim.confidence), 4),
            "target": maker.aim.target,
            "confidence": maker.aim.confidence,
        }

    def _singles(self, person: Person, cell_ids: Sequence[int]) -> list[Document]:
        """Cells to name alone, with what the reader has done to them: flagged or skipped."""
        seen = self._desk.sights.of(person, self._desk.policy).atlas
        cells = seen.cells_by_id(cell_ids)
        skipped = set(skipped_cells(self._desk.whole, person.name))
        return [
            {**each, "flagged": cells[each["id"]].flagged, "skipped": each["id"] in skipped}
            for each in self._brief(cell_ids)
        ]

    def _brief(self, cell_ids: Sequence[int]) -> list[Document]:
        """Cells for a grid: number and pictures alone. Where a cell is from, or that it has a class
        or a flag, would tell a planted one from the others."""
        cells = self._desk.whole.cells_by_id(cell_ids)
        found = []
        for each in cell_ids:
            if each in cells:
                full, thumb = picture_names(each, cells[each].sha256)
                found.append({"id": each, "picture": full, "thumbnail": thumb, "present": None})
        return found

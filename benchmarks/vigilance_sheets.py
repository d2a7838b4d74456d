"""Is a reader noticed who accepts every sheet unread, and one who reads them left alone?

Every simulated reader works through the annotator's own sheets, on an atlas of synthetic vectors
without a label of the new cells to begin with. Cells that stand alone are named rightly, as a key
has to be pressed for each. A share of the sheets is accepted unread; of the foreign cells on the
others, planted or not, each is noticed with probability ``notices``.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotator.checks import vigilance
from annotator.config import AnnotatorConfig
from annotator.desk import Desk
from annotator.sheets.room import SheetRoom
from annotator.viewer import Person, seen_by
from benchmarks.report import table
from benchmarks.vigilance_atlas import CLASSES, SEED, make_atlas
from index import sheets as kept
from index.sheet_records import OPEN
from retrieval.evaluation.intervals import wilson_interval

CELLS = 4000  # cells to read
ACTIONS = 200
# What share of the sheets is accepted unread, and which of the foreign cells are noticed otherwise.
READERS = ((1.0, 0.0), (0.5, 0.9), (0.0, 0.7), (0.0, 0.9))


@dataclass
class Seen:
    """What became of one reader: action and sheet at which it was noticed (None: it was not),
    sheets accepted, cells planted on them, and planted cells that were given a label."""

    noticed_at: int | None = None
    noticed_sheet: int | None = None
    actions: int = 0
    sheets: int = 0
    planted: int = 0
    planted_kept: int = 0


class Reading:
    """One simulated reader at the sheets of a desk."""

    def __init__(
        self, desk: Desk, name: str, unread: float, notices: float, truth: dict[int, str]
    ) -> None:
        self.desk = desk
        self.person = Person(name)
        self.room = SheetRoom(desk)
        self.unread = unread
        self.notices = notices
        self.truth = truth
        self.dice = random.Random(f"{SEED}/{name}/{unread}/{notices}")
        self.seen = Seen()

    @property
    def over(self) -> bool:
        """True when ACTIONS are taken, or a reader of nothing is noticed: what is measured is."""
        noticed = self.unread == 1 and self.seen.noticed_at is not None
        return noticed or self.seen.actions >= ACTIONS

    def read(self) -> Seen:
        """Read until it is over or nothing is left; what came of it."""
        with seen_by(self.person):
            while not self.over:
                due = self.room.round_document(self.person)
                if not due["singles"] and not due["sheets"]:
                    break
                for cell in due["singles"]:
                    if not self.over:
                        self._single(cell["id"])
                for sheet in due["sheets"]:
                    if not self.over:
                        self._sheet(sheet["id"])
        return self.seen

    def _single(self, cell: int) -> None:
        self.room.name_single(self.person, cell, self.truth[cell], 1.0)
        self.seen.actions += 1

    def _sheet(self, number: int) -> None:
        sheet = kept.sheet(self.desk.whole, number)
        if sheet.state != OPEN or sheet.waiting:
            return  # a check has split it, or is still to come
        out: dict[int, str | None] = {}
        if self.dice.random() >= self.unread:
            for cell in sheet.displayed:
                foreign = self.truth[cell.cell_id] != sheet.class_code
                if foreign and self.dice.random() < self.notices:
                    out[cell.cell_id] = self.truth[cell.cell_id]
        planted = [cell.cell_id for cell in sheet.planted]
        before = [len(self.desk.whole.history(cell)) for cell in planted]
        self.room.accept(self.person, number, out, seconds=5.0)
        after = [len(self.desk.whole.history(cell)) for cell in planted]
        seen = self.seen
        seen.actions += 1
        seen.sheets += 1
        seen.planted += len(planted)
        seen.planted_kept += sum(after) - sum(before)
        if seen.noticed_at is None and vigilance(self.desk.whole, self.person.name).noticed:
            seen.noticed_at, seen.noticed_sheet = seen.actions, seen.sheets


def simulate(
    start: Path, truth: dict[int, str], unread: float, notices: float, readers: int
) -> Iterator[Seen]:
    """``readers`` of one kind, each on a copy of the atlas ``start``."""
    for number in range(readers):
        with tempfile.TemporaryDirectory(dir=start.parent) as place:
            shutil.copytree(start, Path(place) / "atlas")
            config = AnnotatorConfig(
                atlas=Path(place) / "atlas",
                author="-",
                dataset="new",
                planted=0.02,
                seed=number,
                accounts=False,
            )
            desk = Desk(config)
            try:
                yield Reading(desk, f"reader {number}", unread, notices, truth).read()
            finally:
                desk.close()


def on_sheets(readers: int) -> str:
    """Measure; the text with its table. ``readers`` accept everything, a quarter as many do not."""
    rows, said = [], ""
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start"
        truth = make_atlas(start, CELLS)
        for unread, notices in READERS:
            began = time.monotonic()
            count = readers if unread == 1 else max(1, readers // 4)
            seen = list(simulate(start, truth, unread, notices, count))
            noticed = [each for each in seen if each.noticed_at is not None]
            interval = wilson_interval(len(noticed), len(seen))
            at = [each.noticed_at or 0 for each in noticed]
            sheets = [each.noticed_sheet or 0 for each in noticed]
            rows.append(
                (
                    f"{unread:.0%}",
                    f"{notices:.0%}" if unread < 1 else "–",
                    f"{len(noticed)}/{len(seen)} ({interval.low:.3f}–{interval.high:.3f})",
                    f"{np.median(at):.0f} / {np.median(sheets):.0f}" if at else "–",
                    f"{max(at)} / {max(sheets)}" if at else "–",
                    f"{np.mean([each.actions for each in seen]):.0f}",
                    f"{np.mean([each.sheets for each in seen]):.1f}",
                    f"{np.mean([each.planted for each in seen]):.1f}",
                    sum(each.planted_kept for each in seen),
                )
            )
            if unread == 1:
                said = (
                    f"Readers who accept every sheet unread, noticed within {ACTIONS} actions: "
                    f"**{len(noticed) / len(seen):.1%}** ({interval.low:.3f}–{interval.high:.3f}; "
                    f"to reach: 95%); {CELLS:,} new cells of {len(CLASSES)} classes without a "
                    "label at the start, 2% of the cells on sheets planted. An action is a sheet "
                    "accepted or a cell named alone (those are named rightly)."
                )
            print(*rows[-1], f"{time.monotonic() - began:.0f} s", sep="\t", flush=True)
    header = (
        "sheets accepted unread",
        "foreign cells noticed on the others",
        "noticed (95% interval)",
        "median action / sheet",
        "last action / sheet",
        "actions taken",
        "sheets",
        "planted cells met",
        "planted labels kept",
    )
    return f"{said}\n\n{table(header, rows)}"

"""Is a reader who accepts everything noticed within 200 actions, and a careful one left alone?

Every simulated reader works through the annotator's own desk: the real queue, planting, evidence
and writing of answers, on an atlas of synthetic vectors. A reader of rate p looks at a cell with
probability p, then gives its true class; else accepts what is proposed. Careless ones (p 0) must
be noticed, attentive ones must not; those between show the curve. ``vigilance_sheets`` does
the same for readers of sheets.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotator.actions import Reader
from annotator.checks import vigilance
from annotator.config import AnnotatorConfig
from annotator.desk import Desk
from annotator.offering import ahead, conditions, offers
from annotator.team import choose_gold
from annotator.viewer import Person, seen_by
from benchmarks.report import table, write_section
from benchmarks.vigilance_atlas import CLASSES, NEW, SEED, make_atlas
from benchmarks.vigilance_sheets import on_sheets
from index.checks import outcomes
from retrieval.evaluation.intervals import wilson_interval

ACTIONS = 200
TARGET = 0.95


@dataclass(frozen=True)
class Seen:
    """What became of one reader: the action at which it was noticed (None: it was not), checks
    met, and wrong classes that came to stand as labels because they were planted."""

    noticed_at: int | None
    checks: int
    planted_kept: int


def read(desk: Desk, name: str, rate: float, truth: dict[int, str], dice: random.Random) -> Seen:
    """Let one reader take ACTIONS actions; what came of it."""
    noticed_at = None
    with seen_by(Person(name)):
        reader: Reader = desk.reader(name)
        for action in range(1, ACTIONS + 1):
            cells = ahead(desk, reader, 1)
            if not cells:
                break
            cell = cells[0]
            proposal = offers(desk, [cell])[cell].proposal
            looked = proposal is None or dice.random() < rate
            code = truth[cell] if looked or proposal is None else proposal.class_code
            shown = desk.shown(cell, desk.sign(cell, proposal) if proposal else None, True)
            done = reader.label(cell, code, shown, facts=conditions(desk, cell, shown, None, None))
            judged = done.check is not None
            if judged and noticed_at is None and vigilance(desk.whole, name).noticed:
                noticed_at = action
                if rate == 0:
                    break  # what is to be measured is
    seen = vigilance(desk.whole, name)
    return Seen(noticed_at, seen.planted, _planted_kept(desk, name))


def _planted_kept(desk: Desk, name: str) -> int:
    """Labels by ``name`` of the class that was planted for the cell when it was given."""
    planted = {each.cell_id: each for each in outcomes(desk.whole, name)}
    return sum(
        label.author == name
        and label.cell_id in planted
        and label.proposed_class == planted[label.cell_id].shown_class
        and label.time <= (planted[label.cell_id].answered or "")
        for label in desk.whole.log()
    )


def simulate(folder: Path, rate: float, readers: int, share: float, gold: bool) -> Iterator[Seen]:
    """``readers`` of one rate, each on the atlas as it was at the start."""
    dice = random.Random(f"{SEED}/{rate}/{share}/{gold}")
    start = folder / f"start-{rate}-{gold}"
    truth = make_atlas(start)
    for number in range(readers):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            shutil.copytree(start, Path(place) / "atlas")
            config = AnnotatorConfig(
                atlas=Path(place) / "atlas",
                author="-",
                dataset="new",
                planted=share,
                seed=number,
                accounts=False,
            )
            desk = Desk(config)
            try:
                if gold:
                    choose_gold(desk, {"count": "40", "dataset": "reference"}, "-")
                desk.set_queue(f"reader {number}", "random", "new")
                yield read(desk, f"reader {number}", rate, truth, dice)
            finally:
                desk.close()


def main() -> None:
    """Measure, print, and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--readers",
        type=int,
        default=100,
        help="careless readers of each kind, four times the others",
    )
    parser.add_argument("--dry", action="store_true", help="do not write RESULTS.md")
    given = parser.parse_args()
    rows = []
    careless = 0
    with tempfile.TemporaryDirectory() as folder:
        for rate, gold in ((0.0, False), (0.0, True), (0.5, True), (0.9, True), (1.0, True)):
            began = time.monotonic()
            readers = given.readers if rate == 0 else max(1, given.readers // 4)
            seen = list(simulate(Path(folder), rate, readers, 0.02, gold))
            noticed = [each.noticed_at for each in seen if each.noticed_at is not None]
            if rate == 0:
                careless += len(noticed)
            interval = wilson_interval(len(noticed), len(seen))
            rows.append(
                (
                    f"{1 - rate:.0%}",
                    "planted and known answers" if gold else "planted",
                    f"{len(noticed)}/{len(seen)} ({interval.low:.3f}–{interval.high:.3f})",
                    int(np.median(noticed)) if noticed else "–",
                    max(noticed) if noticed else "–",
                    f"{np.mean([each.checks for each in seen]):.1f}",
                    sum(each.planted_kept for each in seen),
                )
            )
            print(*rows[-1], f"{time.monotonic() - began:.0f} s", sep="\t", flush=True)
    share = careless / (2 * given.readers)
    sure = wilson_interval(careless, 2 * given.readers)
    body = (
        f"Readers who accept everything, noticed within {ACTIONS} actions: **{share:.1%}** "
        f"({sure.low:.3f}–{sure.high:.3f}; to reach: {TARGET:.0%}); 2% of the "
        f"proposals planted, {NEW} new cells of {len(CLASSES)} classes each.\n\n"
        + table(
            (
                "accepts unread",
                "checks",
                "noticed (95% interval)",
                "median action",
                "last action",
                "checks met",
                "planted labels kept",
            ),
            rows,
        )
    )
    body += "\n\n" + on_sheets(given.readers)
    print(body)
    if not given.dry:
        write_section(
            "vigilance",
            "A reader who stops reading is noticed",
            f"python -m benchmarks.vigilance --readers {given.readers}",
            body,
            seed=SEED,
            data_hash="synthetic",
        )


if __name__ == "__main__":
    main()

"""What finding the cell and making the view cost beside describing it, on one core.

python -m benchmarks.finding_time [--cells 288]
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.laboratories import rows_of
from benchmarks.report import table, write_section
from index.settings import setting
from retrieval.cellview import laboratory_diameter
from retrieval.cellview.finder import working
from retrieval.model import Model, load_model, shipped_model_path
from retrieval.reading.decode import decode

SETS = ("tecom", "pbc", "pbites")
REPEATS = 3
TARGET = 0.40


def least(work: Callable[[int], object], starts: Sequence[int], cells: int) -> float:
    """Milliseconds a cell of the quickest of REPEATS runs over batches, after one to warm up."""
    times = []
    for _ in range(REPEATS + 1):
        begun = time.perf_counter()
        for start in starts:
            work(start)
        times.append(time.perf_counter() - begun)
    return 1000 * min(times[1:]) / cells


def row(name: str, model: Model, count: int) -> list[str]:
    """Finding, view and description of ``count`` cells of a data set."""
    if model.finder is None:
        raise SystemExit("the shipped model finds no cells")
    finder, size = model.finder, int(setting("batch_size"))
    files = rows_of(name, model.score_classes)["file"].sample(count, random_state=1)
    pictures = [decode(Path(file)) for file in files]
    found = finder.find(pictures)
    usual = laboratory_diameter(found)
    views = np.stack(
        [model.picture(rgb, each, usual) for rgb, each in zip(pictures, found, strict=True)]
    )

    def find(start: int) -> None:
        some = pictures[start : start + size]
        small = np.stack([working(rgb) for rgb in some])
        finder.find_working(small, [rgb.shape[:2] for rgb in some])

    def view(start: int) -> None:
        for rgb, each in list(zip(pictures, found, strict=True))[start : start + size]:
            model.picture(rgb, each, usual)

    def describe(start: int) -> None:
        model.describe_pictures(views[start : start + size])

    starts = range(0, count, size)
    ours = [least(work, starts, count) for work in (find, view, describe)]
    share = (ours[0] + ours[1]) / sum(ours)
    return [name.upper(), *(f"{each:.1f}" for each in ours), f"{share:.0%}", f"≤ {TARGET:.0%}"]


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=288)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(shipped_model_path())
    rows = [row(name, model, given.cells) for name in SETS]
    head = ["one core, ms a cell", "find", "view", "describe", "find and view of all", "target"]
    digest = hashlib.sha256("".join([model.id, *SETS]).encode()).hexdigest()
    write_section(
        "finding_time", "Finding the cell, beside describing it",
        f"python -m benchmarks.finding_time --cells {given.cells}", table(head, rows),
        seed=1, data_hash=digest,
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""Working cell by cell, without and with proposals."""

from __future__ import annotations

import numpy as np

from annotator.sheets.scores import score
from annotator.trial.bench import Bench

AGAIN = 25  # labels after which the proposals are worked out again


def without_proposals(bench: Bench) -> None:
    """Every cell singly, in any order."""
    for cell in bench.open.tolist():
        bench.give(cell, bench.reader.name(cell))
    bench.mark()


def with_proposals(bench: Bench) -> None:
    """Every cell singly in random order, with what the labels so far say of it in sight."""
    order = np.random.default_rng(bench.seed).permutation(len(bench.cells))
    codes = np.arange(len(bench.cells.classes)).astype(str)
    for start in range(0, len(order), AGAIN):
        rows = order[start : start + AGAIN]
        taught = np.flatnonzero(bench.given >= 0)
        scores = score(
            rows,
            bench.cells.vectors[rows],
            bench.cells.vectors[taught],
            codes[bench.given[taught]].tolist(),
            seed=bench.seed,
        )
        for place, cell in enumerate(rows.tolist()):
            proposed = int(scores.classes[scores.top[place]]) if scores.classes else None
            bench.give(cell, bench.reader.name(cell, proposed))
        bench.mark()

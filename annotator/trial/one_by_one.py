"""Working cell by cell, without and with proposals."""

from __future__ import annotations

import numpy as np

from annotator.sheets.scores import Taught, probabilities
from annotator.trial.bench import Bench
from retrieval.folder import Folder
from retrieval.laboratory import model_space

AGAIN = 25  # labels after which the proposals are worked out again, at least
GROWTH = 0.1  # and as a share of those there are


def without_proposals(bench: Bench) -> None:
    """Every cell singly, in any order."""
    for cell in bench.open.tolist():
        bench.give(cell, bench.reader.name(cell))
    bench.mark()


def with_proposals(bench: Bench) -> None:
    """Every cell singly in random order, with what the labels so far say of it in sight."""
    cells = bench.cells
    folder = Folder(cells.described, model_space(cells.about))
    order = np.random.default_rng(bench.seed).permutation(len(cells))
    codes = np.asarray(cells.classes)
    column = {code: place for place, code in enumerate(cells.classes)}
    start = 0
    while start < len(order):
        rows = order[start : start + max(AGAIN, int(GROWTH * start))]
        start += len(rows)
        known = np.flatnonzero(bench.given >= 0)
        named = codes[bench.given[known]].tolist()
        taught = Taught(cells.vectors[known], named, known, named)
        classes, found, _ = probabilities(
            cells.vectors[rows], rows, folder, taught, before=folder.space.score_classes
        )
        for place, cell in enumerate(rows.tolist()):
            proposed = column.get(classes[int(found[place].argmax())]) if classes else None
            bench.give(cell, bench.reader.name(cell, proposed))
        bench.mark()

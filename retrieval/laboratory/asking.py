"""Which cells of a laboratory to label next, so that few labels teach much."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from index import Atlas
from retrieval.folder import choose_cells
from retrieval.laboratory.adapting import Gathered, fit_together

COLUMNS = ("file", "class", "proposed", "probability")


@dataclass(frozen=True)
class ToLabel:
    """A cell that a label would tell most of. proposed, probability: what it is taken for today;
    None where nothing is known of other laboratories and no cell of this one has a label."""

    cell_id: int
    file: str
    proposed: str | None
    probability: float | None

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return dict(vars(self))


def cells_to_label(atlas: Atlas, gathered: Gathered, n: int) -> list[ToLabel]:
    """The ``n`` cells of a data set to label next, the most telling first.

    ``retrieval.folder.choose_cells`` on the atlas: typical of regions without a label at first,
    and doubtful ones too once there are labels. Fewer come where fewer are without a label.
    """
    known, own, together = gathered.known, gathered.own, gathered.together
    said = None if gathered.reading is None else gathered.reading.probabilities
    taught = None
    if len(own.rows):
        taught = fit_together(atlas, known, own, together, gathered.reading).probabilities
        said = taught
    rows = choose_cells(together.folder, own.rows, n, taught)
    cells = atlas.cells_by_id(own.ids[rows].tolist())
    chosen = []
    for row in rows.tolist():
        cell_id = int(own.ids[row])
        best = None if said is None else int(said[row].argmax())
        proposed = None if best is None else known.classes[best]
        probability = None if said is None or best is None else float(said[row, best])
        chosen.append(ToLabel(cell_id, cells[cell_id].file, proposed, probability))
    return chosen


def as_table(cells: Sequence[ToLabel]) -> str:
    """``cells`` as CSV, its column ``class`` empty: to be filled in and given to an import."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in cells:
        probability = "" if each.probability is None else f"{each.probability:.3f}"
        writer.writerow([each.file, "", each.proposed or "", probability])
    return text.getvalue()

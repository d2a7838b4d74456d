"""The speed trial: a simulated reader labels cells of known class, by several ways of working.

Imports neither torch nor Flask; see docs/trial.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from annotator.trial.bench import Bench, Cells, Result, TrialError, draw_cells
from annotator.trial.by_groups import clusters, lasso, lasso_whole
from annotator.trial.by_sheets import folding, glancing
from annotator.trial.one_by_one import with_proposals, without_proposals
from annotator.trial.reader import Errors, Reader, Times

__all__ = [
    "WAYS",
    "Bench",
    "Cells",
    "Errors",
    "Reader",
    "Result",
    "Times",
    "TrialError",
    "Way",
    "draw_cells",
]


@dataclass(frozen=True)
class Way:
    """A way of working: ``work`` gives every cell of a bench its label."""

    name: str
    title: str
    work: Callable[[Bench], None]


_WAYS = (
    Way("one-by-one", "one by one", without_proposals),
    Way("proposals", "one by one with proposals", with_proposals),
    Way("lasso", "lasso on the map, judged by a page", lasso),
    Way("lasso-whole", "lasso on the map, every cell seen", lasso_whole),
    Way("clusters", "clusters, judged by a page and grown", clusters),
    Way("sheets-seen", "sheets, every cell seen", glancing),
    Way("sheets", "sheets", folding),
)
WAYS: dict[str, Way] = {way.name: way for way in _WAYS}

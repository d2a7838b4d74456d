"""What goes out, counted as it goes by: for the data card."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from annotator.exchange.records import Exported


@dataclass
class Counts:
    """How many cells there are of each kind."""

    total: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    datasets: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    authors: Counter[str] = field(default_factory=Counter)
    how: Counter[str] = field(default_factory=Counter)
    readers: Counter[int] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    patients: set[str] = field(default_factory=set)
    consensus: int = 0

    def add(self, each: Exported) -> None:
        """Count one cell."""
        self.total += 1
        self.classes[each.class_code] += 1
        self.datasets[each.cell.dataset] += 1
        self.splits[each.cell.split or "none"] += 1
        self.authors[each.author] += 1
        self.how[each.how] += 1
        self.readers[each.readers] += 1
        self.seen[_seen(each)] += 1
        self.consensus += each.consensus
        if each.model:
            self.models[each.model] += 1
        if each.cell.patient:
            self.patients.add(f"{each.cell.dataset}/{each.cell.patient}")


def _seen(each: Exported) -> str:
    if each.shown == "with_proposal" or (each.shown is None and each.proposal_visible):
        return "with a proposal in sight"
    if each.shown is None and each.how == "imported":
        return "imported: not known"
    return "without a proposal in sight"

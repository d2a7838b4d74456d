"""When a data set is to be adapted to anew. Imports neither torch nor Flask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from index.adaptations import label_counts, newly_said
from index.records import CellFilter, Marks
from retrieval.folder import FEWEST

if TYPE_CHECKING:
    from index.atlas import Atlas
    from retrieval.laboratory import HeldAnswers

CLASSES = 2  # classes that must have labels before they teach anything
LEAST = 2  # labels that each of them must have: one teaches, the other shows how well


@dataclass(frozen=True)
class Standing:
    """How the labels of a data set stand against what is held of it.

    labels: by class code. fresh: cells of which something was said since. after: so many fresh
    ones make the next adaptation due. held: labels that what is held rests on, None without it.
    unknown: a class is labelled that it does not know. grown: cells were embedded since,
    or more was told of where cells come from.
    """

    labels: Mapping[str, int]
    fresh: int
    after: int
    held: int | None
    unknown: bool
    grown: bool

    @property
    def ready(self) -> bool:
        """Whether there are labels enough to adapt by."""
        some = [code for code, count in self.labels.items() if count >= LEAST]
        return len(some) >= CLASSES and sum(self.labels.values()) >= self.after

    @property
    def missing(self) -> int:
        """How many fresh labels make the next adaptation due, as far as that is a number."""
        if self.held:
            return max(self.after - self.fresh, 0)
        return max(self.after - sum(self.labels.values()), 0)

    @property
    def due(self) -> bool:
        """Whether the labels make it worth while to adapt now."""
        if self.held is None:
            return self.ready
        if self.grown:
            return True
        if not self.held:
            return self.ready
        return self.fresh >= self.after or self.unknown


def standing(
    atlas: Atlas,
    dataset: str,
    held: HeldAnswers | None,
    marks: Marks,
    after: int,
    *,
    counted: bool = True,
) -> Standing:
    """How the labels of ``dataset`` stand; ``marks`` are the atlas's now.

    Not ``counted``: where labels were adapted to already, only what came since is looked at, which
    costs the same however many labels there are.
    """
    if held is None:
        labels = label_counts(atlas, dataset)
        return Standing(labels, sum(labels.values()), after, None, False, False)
    fresh = newly_said(atlas, dataset, held.mark)
    tree, known = atlas.taxonomy, set(held.ancestry.classes)
    classes = {tree.at_level(code, "class") for code in atlas.present_of(fresh).values()}
    labels = dict(held.record.labels) if held.record is not None else {}
    if counted or not held.labels:
        labels = label_counts(atlas, dataset)
    return Standing(
        labels,
        len(fresh),
        after,
        held.labels,
        bool(classes - known - {None}),
        marks[1:] != held.marks[1:],
    )


def worth_reading(atlas: Atlas, dataset: str, model_id: str) -> bool:
    """Whether a data set without labels enough can be read as a whole: it is large enough, and
    cells of others are labelled."""
    cells = atlas.count(CellFilter(datasets=(dataset,), embedded_with=model_id))
    others = CellFilter(not_datasets=(dataset,), labelled=True, embedded_with=model_id)
    return cells >= FEWEST and atlas.count(others) > 0

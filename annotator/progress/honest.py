"""What labels of cells drawn at random tell of all cells. Imports neither torch nor Flask.

Every other order of the queue chooses its cells by what is proposed for them, so that accuracy and
shares counted on their labels speak for the chosen cells alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.evaluation.intervals import Interval, wilson_interval

if TYPE_CHECKING:
    from index.facts import LabelFacts
    from index.records import Label
    from index.taxonomy import Taxonomy

RANDOM = "random"  # the order of the queue under which every cell is equally likely


@dataclass(frozen=True)
class Share:
    """``count`` cells of so many drawn, and the share of all cells this stands for, 0..1."""

    count: int
    interval: Interval

    @property
    def value(self) -> float:
        """The share among the cells drawn."""
        return self.count / self.interval.groups


@dataclass(frozen=True)
class Honest:
    """The first standing label of each cell that the random order asked for.

    ``cells``: how many. ``met``: those whose proposal was the label given, of ``proposed`` that
    had a proposal; ``blind`` and ``of_blind`` the same where it was not in sight. Intervals are of
    95% (Wilson), None where there is no cell. ``classes``: cells by class, the largest first.
    """

    cells: int
    proposed: int
    met: Share | None
    of_blind: int
    blind: Share | None
    classes: dict[str, Share]


def estimate(
    labels: Iterable[Label],
    facts: Mapping[int, LabelFacts],
    gone: set[int],
    blind: set[int],
    taxonomy: Taxonomy,
) -> Honest:
    """From ``labels``, oldest first; ``gone`` were taken back, at ``blind`` no proposal was in
    sight (ids of labels)."""
    first: dict[int, Label] = {}
    for label in labels:
        fact = facts.get(label.id)
        if fact is not None and fact.asked_by == RANDOM and label.id not in gone:
            first.setdefault(label.cell_id, label)
    drawn = list(first.values())
    classes = Counter(taxonomy.at_level(e.class_code, "class") or e.class_code for e in drawn)
    answered = [each for each in drawn if each.proposed_class]
    unseen = [each for each in answered if each.id in blind]
    return Honest(
        cells=len(drawn),
        proposed=len(answered),
        met=_met(answered, taxonomy),
        of_blind=len(unseen),
        blind=_met(unseen, taxonomy),
        classes={
            code: Share(count, wilson_interval(count, len(drawn)))
            for code, count in classes.most_common()
        },
    )


def _met(labels: list[Label], taxonomy: Taxonomy) -> Share | None:
    if not labels:
        return None
    met = sum(
        taxonomy.agreed((each.class_code, each.proposed_class or "")) is not None for each in labels
    )
    return Share(met, wilson_interval(met, len(labels)))

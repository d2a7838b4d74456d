"""The queues of the review, in one list: what is worth a second look, and by which search.

A new one, such as an audit of labels by another package, is a function from ``Material`` to
``Matter`` and a line in REVIEW_QUEUES; pages, API, translation and tests follow from the line. It
needs a row in docs/review.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from annotator.language import mark
from annotator.problems import BadRequestError
from annotator.review import finding
from annotator.review.matters import Find


@dataclass(frozen=True)
class ReviewQueue:
    """One reason to look again.

    ``pairs``: its matters may be two cells. ``slow``: the search reads many cells and runs on a
    thread of its own. ``blind``: readers' names are hidden until it is decided.
    """

    name: str
    title: str
    help: str
    find: Find
    pairs: bool = False
    slow: bool = False
    blind: bool = True


_QUEUES = (
    ReviewQueue(
        "disagreements",
        mark("Disagreements"),
        mark("readers have given a cell different classes; a third reader decides"),
        finding.disagreements,
    ),
    ReviewQueue(
        "suspects",
        mark("Suspect labels"),
        mark("the neighbours of a labelled cell say another class, by far"),
        finding.suspects,
        slow=True,
    ),
    ReviewQueue(
        "contradictions",
        mark("Contradictions"),
        mark("one picture stands under two classes, in two files or two data sets"),
        finding.contradictions,
        pairs=True,
    ),
    ReviewQueue(
        "duplicates",
        mark("Near-duplicates"),
        mark("two cells have nearly the same picture, or are one cell cropped otherwise"),
        finding.duplicates,
        pairs=True,
        slow=True,
        blind=False,
    ),
)
REVIEW_QUEUES: dict[str, ReviewQueue] = {queue.name: queue for queue in _QUEUES}


def known_queue(name: str) -> ReviewQueue:
    """The queue of that name. Raises BadRequestError naming the allowed ones."""
    if name not in REVIEW_QUEUES:
        raise BadRequestError(
            f"review queue is {name[:40]!r}, allowed is one of {', '.join(REVIEW_QUEUES)}",
            "name one of these",
        )
    return REVIEW_QUEUES[name]

"""What a third reader decides, and how it is taken back. Imports neither torch nor Flask."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from annotator.problems import AnnotatorError, BadRequestError
from annotator.review.matters import Key
from annotator.rooms import REVIEWERS
from index import reviewing
from index.facts import BLIND, WITH_PROPOSAL, LabelFacts, cell_versions
from index.records import NewLabel

if TYPE_CHECKING:
    from annotator.actions import Shown
    from annotator.review.queues import ReviewQueue
    from index.atlas import Atlas


class ChangedMatterError(AnnotatorError):
    """A cell under review was labelled since the reviewer's page was made."""

    status = HTTPStatus.CONFLICT


class NoThirdReaderError(AnnotatorError):
    """The reviewer is one of the readers, and there is another who could decide."""

    status = HTTPStatus.CONFLICT


@dataclass(frozen=True)
class Answer:
    """What the reviewer says: a class, or one of ``reviewing.VERDICTS``, and how it came about.

    ``version`` is the newest label of the cells that the page knew of, ``seconds`` the time taken.
    """

    class_code: str | None = None
    verdict: str | None = None
    note: str | None = None
    version: int | None = None
    seconds: float | None = None


def newest(atlas: Atlas, key: Key) -> int:
    """The id of the newest label of the cells of a matter; 0 without one."""
    return max(cell_versions(atlas, [cell for cell in key if cell is not None]).values())


def is_party(atlas: Atlas, key: Key, author: str) -> bool:
    """Whether ``author`` has labelled one of the cells, and so is no third reader."""
    said = reviewing.standing_labels(atlas, [cell for cell in key if cell is not None])
    return any(label.author == author for each in said.values() for label in each)


def someone_else(atlas: Atlas, author: str) -> bool:
    """Whether the atlas knows another account that may review."""
    return any(user.role in REVIEWERS and user.name != author for user in atlas.users())


def decide(
    atlas: Atlas, queue: ReviewQueue, key: Key, author: str, answer: Answer, shown: Shown
) -> int:
    """Record a decision on a matter; the id of the decision. It is on disk when this returns.

    A class given to a matter of two cells is given to both. Raises BadRequestError,
    ChangedMatterError, NoThirdReaderError, UnknownCellError, UnknownClassError.
    """
    if (answer.class_code is None) == (answer.verdict is None):
        raise BadRequestError(
            "a decision is a class or a verdict, one of the two", "send 'class' or 'verdict'"
        )
    cells = atlas.cells_by_id(cell for cell in key if cell is not None)
    if answer.version is not None and newest(atlas, key) != answer.version:
        raise ChangedMatterError(
            f"cell {' or '.join(map(str, cells))} was labelled since this page was made",
            "look at it again, then decide",
        )
    if answer.verdict is not None:
        return reviewing.settle(
            atlas, queue.name, answer.verdict, author, key[0], other_id=key[1], note=answer.note
        )
    if queue.blind and is_party(atlas, key, author) and someone_else(atlas, author):
        raise NoThirdReaderError(
            f"{author} has labelled the cell, and a third reader is to decide",
            "leave it to another reviewer",
        )
    facts = LabelFacts(
        shown=WITH_PROPOSAL if shown.visible else BLIND,
        policy="review",
        seconds=answer.seconds,
        cell_version=answer.version,
        peers_visible=True,
    )
    label, *others = [
        NewLabel(
            cell_id=cell,
            class_code=answer.class_code or "",
            author=author,
            how="adjudicated",
            proposed_class=shown.class_code if cell == key[0] else None,
            proposed_probability=shown.probability if cell == key[0] else None,
            model_id=shown.model_id if cell == key[0] else None,
            proposal_visible=shown.visible if cell == key[0] else None,
            note=answer.note,
        )
        for cell in key
        if cell is not None
    ]
    other = others[0] if others else None
    decision, _label = reviewing.adjudicate(atlas, queue.name, label, other=other, facts=facts)
    return decision


def reopen(atlas: Atlas, decision_id: int, author: str) -> Key:
    """Take a decision back, of both cells where there are two; the matter it was about."""
    back = reviewing.reopen(atlas, decision_id, author)
    return back.cell_id, back.other_id

"""How far the answers on a data set can be trusted, and which classes can occur there, in words.

What is told was measured when the answers were worked out in the background (``keeper``), and
holds for these: nothing is computed here. Imports neither torch nor Flask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from annotator.documents import named
from annotator.language import gettext as _
from annotator.language import ngettext

if TYPE_CHECKING:
    from annotator.desk import Desk
    from retrieval.laboratory import HeldAnswers
    from retrieval.trust.alarm import Alarm
    from retrieval.trust.expected import Expectation

Document = dict[str, Any]


def trust_document(desk: Desk, dataset: str, *, consider: bool = False) -> Document:
    """What is known of the answers on ``dataset`` for the present viewer, and what is declared.

    ``known`` is False until it has been worked out; ``consider`` begins that where it is due.
    """
    held = desk.adapting.held(desk.atlas, dataset, consider=consider)
    return {
        "dataset": dataset,
        "known": held is not None,
        "words": _waiting(desk, dataset) if held is None else _words(held),
        **_figures(held),
        **declared_document(desk, dataset),
    }


def declared_document(desk: Desk, dataset: str) -> Document:
    """The classes declared to occur in ``dataset``: their codes, none for every one, and words."""
    from retrieval.laboratory import declared_classes

    codes = declared_classes(desk.whole, dataset)
    names = [(named(desk.whole.taxonomy, code) or {"name": code})["name"] for code in codes]
    words = (
        _("Only these classes are answered there: %(names)s.", names=", ".join(names))
        if names
        else _("Any class may be answered there.")
    )
    return {"declared": list(codes), "declared_words": words}


def declare(desk: Desk, dataset: str, classes: Sequence[str], author: str) -> None:
    """Keep that ``author`` says that only ``classes`` occur in ``dataset`` (none given: any), and
    work its answers out anew. Raises UnknownDatasetError, UnknownClassError, AnswerError."""
    from retrieval.laboratory import declare_classes
    from retrieval.laboratory.declared import EVERY

    declare_classes(desk.whole, dataset, list(classes) or [EVERY], author)
    desk.adapting.anew(dataset)


def declarable(classes: Sequence[Document]) -> list[Document]:
    """Those of ``classes``, as the overview counts them, that can be declared: labelled ones."""
    return [row for row in classes if row["level"] == "class" and row["labelled"]]


def chosen(of_queue: str | None, left: Sequence[str]) -> str | None:
    """The data set to tell of: that of the queue, else the only one with cells ``left``."""
    if of_queue is None and len(left) == 1:
        return left[0]
    return of_queue


def _figures(held: HeldAnswers | None) -> Document:
    alarm = None if held is None else held.trust.alarm
    expected = None if held is None else held.trust.expected
    return {
        "unlike": None if alarm is None else alarm.unlike,
        "nearest": alarm.nearest.name if alarm is not None and alarm.nearest is not None else None,
        "expected": None
        if expected is None
        else {"accuracy": expected.accuracy, "low": expected.low, "high": expected.high},
        "right": None if held is None else held.trust.right,
    }


def _waiting(desk: Desk, dataset: str) -> str:
    progress = desk.adapting.progress(desk.atlas, dataset)
    if not desk.adapting.on:
        return _("Not measured, as adaptation is switched off: cellkin trust measures it.")
    if progress.busy:
        return _("Being measured …")
    if progress.message:
        return _("Not measured: %(message)s.", message=progress.message)
    return _(
        "Not measured: at least 50 embedded cells are needed, and labels of another data set or "
        "ten of its own."
    )


def _words(held: HeldAnswers) -> str:
    """In sentences, the most important first."""
    trust = held.trust
    said = [_likeness(trust.alarm)]
    if trust.right is not None and trust.interval is not None:
        said.append(
            _(
                "%(share)s of its %(num)s labelled cells are answered rightly without their own "
                "label (%(low)s to %(high)s).",
                share=_percent(trust.right),
                num=trust.labels,
                low=_percent(trust.interval.low),
                high=_percent(trust.interval.high),
            )
        )
    elif trust.expected is not None:
        said += _expectation(trust.expected, trust.labels > 0)
    return " ".join(said)


def _likeness(alarm: Alarm) -> str:
    near = alarm.nearest
    if alarm.unlike is None or near is None:
        return _("Not compared with known laboratories: there are too few cells.")
    distance = f"{near.distance:.2f}"
    if alarm.unlike:
        return _(
            "Unlike any known laboratory (nearest %(name)s, distance %(distance)s of 1).",
            name=near.name,
            distance=distance,
        )
    return _(
        "Like the laboratory of %(name)s (distance %(distance)s of 1).",
        name=near.name,
        distance=distance,
    )


def _expectation(expected: Expectation, labelled: bool) -> list[str]:
    said = [
        _(
            "Expected accuracy about %(share)s (%(low)s to %(high)s).",
            share=_percent(expected.accuracy),
            low=_percent(expected.low),
            high=_percent(expected.high),
        )
    ]
    goal = expected.next_goal()
    if goal is not None and labelled:
        said.append(
            ngettext(
                "About %(num)s more labelled cell a class would bring it to %(goal)s.",
                "About %(num)s more labelled cells a class would bring it to %(goal)s.",
                goal[1],
                goal=_percent(goal[0]),
            )
        )
    elif goal is not None:
        said.append(
            ngettext(
                "About %(num)s labelled cell a class would bring it to %(goal)s.",
                "About %(num)s labelled cells a class would bring it to %(goal)s.",
                goal[1],
                goal=_percent(goal[0]),
            )
        )
    return said


def _percent(share: float) -> str:
    return f"{round(100 * share)} %"

"""A proposal in plain words that do not contradict one another. Imports neither torch nor Flask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from annotator.class_names import class_name
from annotator.language import gettext as _
from annotator.language import mark

if TYPE_CHECKING:
    from annotator.proposals import Votes
    from index.adaptations import AdaptationRecord
    from index.taxonomy import Taxonomy
    from retrieval.answers.proposal import Proposal

NOVEL = 0.95  # novelty from which a cell is called strange: one labelled cell in twenty is
UNUSUAL = 0.8
LIKELY = 0.5  # probability below which the only plausible class is not called the only one

# By the keys of retrieval.answers.calibration.WHY_NOT.
WHY_NOT = {
    "strange": mark("it is stranger than all labelled cells, or no cell was found in its picture"),
    "no_proof": mark("the labels so far do not show from which sureness an answer here is safe"),
    "few": mark("with so few labels only a probability of at least 99.5 % is accepted"),
    "unsure": mark("it is less sure than what was shown to be safe here"),
    "fresh": mark("labels since the last adaptation have changed the answer"),
}

# Novelty is a rank among labelled cells. Where neighbours vote it goes by the distance to them;
# in answers on a whole data set by all features, so that a cell may rank high beside its likes.
NOVELTY_WORDS = {
    ("novel", False): mark(
        "Farther from its neighbours than %(share)s of the labelled cells are from theirs: "
        "look twice."
    ),
    ("unusual", False): mark(
        "Somewhat far from its neighbours: farther than %(share)s of the labelled cells are from "
        "theirs."
    ),
    ("usual", False): mark("As near to its neighbours as labelled cells usually are."),
    ("novel", True): mark(
        "Its features are rarer than those of %(share)s of the labelled cells, however near its "
        "neighbours: look twice."
    ),
    ("unusual", True): mark(
        "Its features are somewhat unusual: rarer than those of %(share)s of the labelled cells."
    ),
    ("usual", True): mark("Its features are usual among the labelled cells."),
}


def novelty_level(novelty: float) -> str:
    """One of usual, unusual and novel for a novelty from 0 to 1."""
    if novelty >= NOVEL:
        return "novel"
    return "unusual" if novelty >= UNUSUAL else "usual"


def say_novelty(proposal: Proposal) -> str:
    """How rare the cell is among the labelled ones, and by what that was measured."""
    by_features = proposal.adaptation is not None
    words = NOVELTY_WORDS[novelty_level(proposal.novelty), by_features]
    return _(words) % {"share": _rank(proposal.novelty)}


def _rank(novelty: float) -> str:
    """0.9578 as 95 %, 0.9931 as 99.3 %: rounded down, as no rank proves more."""
    if novelty < 0.99:
        return f"{math.floor(100 * novelty)} %"
    return f"{min(math.floor(1000 * novelty + 1e-6) / 10, 99.9):.1f} %"


def say_decision(proposal: Proposal, name: str, wider: str | None) -> str:
    """The decision in one sentence or two, with the reason where it is not accepted.

    ``name`` and ``wider`` are class names. A set of one class is said here as well, so that it and
    the decision read as one.
    """
    lower = name.lower()
    if proposal.decision == "accept":
        if proposal.adaptation is not None:
            return _("Sure enough: %(name)s.", name=lower)
        return _("The neighbours are clear: %(name)s.", name=lower)
    why = _(WHY_NOT[proposal.why_not])
    if proposal.decision == "back_off" and wider:
        if not _single(proposal):
            return _(
                "Sure only of the wider class %(name)s; which kind is for you to decide.",
                name=wider.lower(),
            )
        above = _("Sure of the wider class %(name)s.", name=wider.lower())
        return f"{above} {_of_one(proposal, lower, why)}"
    if _single(proposal):
        return _of_one(proposal, lower, why)
    return _("Not accepted: %(why)s. Please decide without CellKin.", why=why)


def _single(proposal: Proposal) -> bool:
    """Whether the proposed class alone is in the prediction set."""
    return proposal.prediction_set == (proposal.class_code,)


def _of_one(proposal: Proposal, name: str, why: str) -> str:
    if proposal.probability < LIKELY:
        return _(
            "Nothing fits better than %(name)s, and that not well: not accepted, because %(why)s.",
            name=name,
            why=why,
        )
    return _(
        "Probably %(name)s, as no other class is plausible; not accepted by itself, because "
        "%(why)s.",
        name=name,
        why=why,
    )


def say_set(proposal: Proposal, names: Sequence[str]) -> str:
    """The prediction set in one sentence; nothing where the decision has said it.

    ``names`` are the names of its classes, most probable first.
    """
    if not names:
        return _("It looks unlike the usual cells of every class it could be.")
    lower = [name.lower() for name in names]
    if len(lower) > 1:
        return _("Plausible: %(names)s or %(last)s.", names=", ".join(lower[:-1]), last=lower[-1])
    if proposal.decision != "accept" and _single(proposal):
        return ""
    return _("Nothing but %(name)s is plausible.", name=lower[0])


def say_votes(
    proposal: Proposal, votes: Sequence[Votes], record: AdaptationRecord | None, taxonomy: Taxonomy
) -> str:
    """Why the proposal is another class than the neighbours' vote; nothing where it is not.

    ``votes`` largest first, ``record`` the entry of the log of adaptations that made the proposal.
    """
    if record is None or not votes or votes[0].class_code == proposal.class_code:
        return ""
    said = {
        "theirs": class_name(taxonomy.node(votes[0].class_code)).lower(),
        "weight": f"{round(100 * votes[0].share)} %",
        "name": class_name(taxonomy.node(proposal.class_code)).lower(),
    }
    if record.labels:
        return _(
            "The neighbours alone would say %(theirs)s (%(weight)s of the weight); the adaptation "
            "to this laboratory says %(name)s.",
            **said,
        )
    return _(
        "The neighbours alone would say %(theirs)s (%(weight)s of the weight); the data set read "
        "as a whole says %(name)s.",
        **said,
    )

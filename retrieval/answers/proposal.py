"""What is said of one cell, and the evidence for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from retrieval.answers.calibration import Answers
from retrieval.answers.references import References
from retrieval.answers.tree import Ancestry
from retrieval.answers.voting import Floats, Integers


@dataclass(frozen=True, slots=True)
class Evidence:
    """A neighbour that voted. ``similarity`` is the cosine, ``distance`` 1 - cosine (0..2).

    ``class_code`` is the deepest class of its present label, ``author`` who gave that.
    """

    cell_id: int
    similarity: float
    distance: float
    class_code: str
    author: str
    dataset: str
    patient: str | None
    slide: str | None
    file: str


@dataclass(frozen=True)
class Proposal:
    """What is said of one cell.

    probability: that of ``class_code``, 0..1. probabilities: of every class that can occur, most
    probable first. prediction_set: the classes it may well be, most probable first. novelty: 0..1,
    see ``novelty.NoveltyScale``. decision: accept, back_off (then ``backed_off_to`` is the class
    above that can be trusted) or abstain. runner_up: the second most probable class, if there is
    one. evidence: the voters, nearest first. adaptation: the entry of the log of adaptations by
    which this was said; None where nothing but the neighbours was asked. remark: what a reader
    should know of the picture itself, "" for nothing. why_not: of ``calibration.WHY_NOT``, ""
    where accepted.
    """

    class_code: str
    probability: float
    probabilities: dict[str, float]
    prediction_set: tuple[str, ...]
    novelty: float
    decision: str
    backed_off_to: str | None
    runner_up: str | None
    evidence: tuple[Evidence, ...]
    adaptation: int | None = None
    remark: str = ""
    why_not: str = ""


def proposals(
    references: References, ancestry: Ancestry, answers: Answers, rows: Integers, similarity: Floats
) -> Iterator[Proposal]:
    """Put the answers on N cells and their voters, rows [N, K] of ``references``, into words."""
    codes = ancestry.classes
    # the answer comes first even where another class is exactly as probable
    leads = np.arange(len(codes))[None, :] == answers.top[:, None]
    order = np.lexsort((-answers.probabilities, ~leads), axis=1)
    ordered = np.take_along_axis(answers.probabilities, order, axis=1).tolist()
    inside = np.take_along_axis(answers.members, order, axis=1).tolist()
    for i, columns in enumerate(order.tolist()):
        names = [codes[column] for column in columns]
        parent = int(answers.parent[i])
        yield Proposal(
            class_code=names[0],
            probability=ordered[i][0],
            probabilities=dict(zip(names, ordered[i], strict=True)),
            prediction_set=tuple(n for n, held in zip(names, inside[i], strict=True) if held),
            novelty=float(answers.novelty[i]),
            decision=str(answers.decision[i]),
            backed_off_to=ancestry.names[parent] if parent >= 0 else None,
            runner_up=names[1] if len(names) > 1 else None,
            evidence=tuple(evidence(references, rows[i], similarity[i])),
            why_not=str(answers.why_not[i]),
        )


def evidence(references: References, rows: Integers, similarity: Floats) -> Iterator[Evidence]:
    """The neighbours of one cell, rows [K] of ``references`` up to the first -1."""
    for row, sim in zip(rows.tolist(), similarity.tolist(), strict=True):
        if row < 0:
            break
        yield Evidence(
            cell_id=int(references.ids[row]),
            similarity=sim,
            distance=1.0 - sim,
            class_code=references.codes[row],
            author=references.authors[row],
            dataset=references.datasets[row],
            patient=references.patients[row],
            slide=references.slides[row],
            file=references.files[row],
        )

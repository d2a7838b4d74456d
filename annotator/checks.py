"""Checks of a reader's attention: when one is due, how a proposal is planted, who has stopped
reading. Imports neither torch nor Flask.

Checks on sheets are planted by ``annotator.sheets.planting``; they are judged here with the others.

A share of the proposals (default 2%) is replaced by a wrong one: the runner-up of a cell that the
model is sure of, or any wrong class on a known-answer cell mixed in. An answer other than what is
proposed catches it. Whether a reader has stopped reading is decided by Page's cumulative sum
(Page 1954) over caught and missed checks: it forgets a good past, so that it notices who tires.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from index.checks import (
    GOLD,
    RUNNER_UP,
    SHEET,
    Check,
    actions_of,
    gold_answers,
    gold_left,
    last_made,
    open_checks,
    outcomes,
    plant,
    void,
    was_checked,
)

if TYPE_CHECKING:
    from annotator.sights import View
    from index.atlas import Atlas
    from retrieval.answers.proposal import Evidence, Proposal

ATTENTIVE = 0.9  # catch rate of a reader who reads
ABSENT = 0.3  # catch rate of one who does not
GLANCING = (0.7, 0.1)  # the same two of cells planted on a sheet, which is taken in at a glance
ALARM = 4.5  # of the cumulative sum: three misses in a row on single cells, five on sheets
WINDOW = 30  # newest checks that the catch rate counts
SPREAD = 0.5  # the distance between checks varies by this much of its mean
HASTE = 3.0  # after a miss the next check comes this many times sooner
SURE = 0.8  # least probability of a proposal that is replaced: its runner-up is wrong
LENIENT = 0.6  # the same once a check is overdue
OVERDUE = 15  # actions after which a check is overdue


@dataclass(frozen=True)
class Vigilance:
    """How attentive a reader is by the last checks.

    ``rate`` is the share caught, 0 to 1 (1 before any check), ``interval`` its 95% interval,
    ``planted`` and ``caught`` the counts, ``glanced`` and ``glanced_caught`` those on sheets among
    them. ``noticed``: the reader seems to accept unread.
    """

    rate: float
    interval: tuple[float, float]
    planted: int
    caught: int
    noticed: bool
    glanced: int = 0
    glanced_caught: int = 0


def vigilance(atlas: Atlas, reader: str) -> Vigilance:
    """How attentive ``reader`` is, from all checks that the atlas keeps."""
    judged = [each for each in outcomes(atlas, reader) if each.caught is not None]
    return judge([bool(each.caught) for each in judged], [each.kind == SHEET for each in judged])


def judge(caught: Sequence[bool], glanced: Sequence[bool] = ()) -> Vigilance:
    """Vigilance from the outcomes of checks, oldest first; ``glanced``: which were on sheets.

    Empty ``glanced``: none was.
    """
    on_sheets = list(glanced)[-WINDOW:] or [False] * min(len(caught), WINDOW)
    recent = list(caught[-WINDOW:])
    found = sum(recent)
    return Vigilance(
        rate=found / len(recent) if recent else 1.0,
        interval=_interval(found, len(recent)),
        planted=len(recent),
        caught=found,
        noticed=has_stopped_reading(caught, glanced),
        glanced=sum(on_sheets),
        glanced_caught=sum(c and g for c, g in zip(recent, on_sheets, strict=True)),
    )


def _interval(found: int, total: int) -> tuple[float, float]:
    if not total:
        return 0.0, 1.0
    from scipy.stats import binomtest

    interval = binomtest(found, total).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)


def has_stopped_reading(caught: Sequence[bool], glanced: Sequence[bool] = ()) -> bool:
    """Page's cumulative sum over outcomes, oldest first, is above ALARM now.

    Each miss adds log((1 - ABSENT) / (1 - ATTENTIVE)), each catch log(ABSENT / ATTENTIVE), those
    of ``glanced`` (on sheets) with the rates of GLANCING: who reads a sheet with care overlooks
    more. The sum stays between 0 and ALARM plus one miss, so that a few catches end an alarm.
    """
    alone, at_a_glance = _steps(ATTENTIVE, ABSENT), _steps(*GLANCING)
    total = 0.0
    for each, glance in zip(caught, glanced or [False] * len(caught), strict=True):
        steps = at_a_glance if glance else alone
        total = min(max(0.0, total + steps[each]), ALARM + steps[False])
    return total >= ALARM


def _steps(attentive: float, absent: float) -> dict[bool, float]:
    """By how much a catch (True) and a miss move the sum."""
    return {
        True: math.log(absent / attentive),
        False: math.log((1 - absent) / (1 - attentive)),
    }


class Checks:
    """Plants checks for the readers of one atlas; all state is in the atlas."""

    def __init__(self, atlas: Atlas, *, seed: int = 0) -> None:
        self._atlas = atlas
        self._seed = seed

    def vigilance(self, reader: str) -> Vigilance:
        """See the function of that name."""
        return vigilance(self._atlas, reader)

    def open(self, reader: str) -> dict[int, Check]:
        """The checks that wait for the reader's answer, by cell."""
        return open_checks(self._atlas, reader)

    def since_due(self, reader: str, share: float) -> int:
        """How many actions ago a check was due: negative before it is, for a planted ``share``.

        The distance between checks is drawn around 1 / share, so that it cannot be foreseen, and
        is a third of that after a miss.
        """
        last = last_made(self._atlas, reader)
        number, before = (last.id, last.action) if last is not None else (0, 0)
        drawn = random.Random(f"{self._seed}/{reader}/{number}").uniform(1 - SPREAD, 1 + SPREAD)
        haste = HASTE if last is not None and last.caught is False else 1.0
        gap = max(1, round(drawn / share / haste))
        return actions_of(self._atlas, reader) - before - gap

    def consider(
        self, reader: str, ahead: Sequence[int], share: float, view: View, shown: bool
    ) -> int | None:
        """Plant a check for the reader if one is due; the cell to show next because of it.

        ``ahead`` are the next cells of the reader's queue, ``shown`` whether the reader sees
        proposals. None where the queue goes on as it is. Nothing is planted behind the last cell:
        who has none left would know it for a check.
        """
        waiting = self.open(reader)
        golden = [cell for cell, check in waiting.items() if check.kind == GOLD]
        if golden:
            return golden[0]
        if ahead and self._overtaken(waiting.get(ahead[0]), view):
            void(self._atlas, waiting.pop(ahead[0]))
        if waiting or share <= 0 or not ahead:
            return None
        late = self.since_due(reader, share)
        if late < 0:
            return None
        last = last_made(self._atlas, reader)
        turns = (RUNNER_UP, GOLD) if last is None or last.kind == GOLD else (GOLD, RUNNER_UP)
        for kind in turns:
            if kind == GOLD:
                cell = self._known(reader, ahead, view, shown)
            else:
                cell = self._runner_up(reader, ahead, view, late) if shown else None
            if cell is not None:
                return cell
        return None

    def _overtaken(self, check: Check | None, view: View) -> bool:
        """Whether the class planted on a cell is proposed for it by now: labels given since have
        changed the proposal, and who accepts it misses nothing."""
        if check is None or check.kind != RUNNER_UP:
            return False
        proposal = view.proposals.propose([check.cell_id]).get(check.cell_id)
        return proposal is not None and proposal.class_code == check.shown_class

    def _known(self, reader: str, ahead: Sequence[int], view: View, shown: bool) -> int | None:
        """Mix in a known-answer cell, with a wrong class proposed where one can be.

        Of the data set that is being read while one is left: the page names it beside the cell.
        """
        every = gold_left(self._atlas, reader)
        if not every:
            return None
        found = self._atlas.cells_by_id([*every, ahead[0]])
        left = [c for c in every if found[c].dataset == found[ahead[0]].dataset] or every
        cell = random.Random(f"{self._seed}/{reader}/{len(every)}").choice(left)
        wrong = None
        if shown:
            answers = gold_answers(self._atlas)
            proposal = view.proposals.propose([cell]).get(cell)
            wrong = _wrong(self._atlas, proposal, answers.get(cell)) if proposal else None
            if wrong is None:
                return None
        plant(self._atlas, reader, cell, GOLD, wrong, view.proposals.model_id)
        return cell

    def _runner_up(self, reader: str, ahead: Sequence[int], view: View, late: int) -> int | None:
        """Replace the proposal of the next cell by its runner-up, if the proposal is sure and the
        reader has not been checked on that cell before."""
        if was_checked(self._atlas, reader, ahead[0]):
            return None
        proposal = view.proposals.propose(ahead[:1]).get(ahead[0])
        least = LENIENT if late >= OVERDUE else SURE
        if proposal is None or proposal.runner_up is None or proposal.probability < least:
            return None
        plant(
            self._atlas,
            reader,
            ahead[0],
            RUNNER_UP,
            proposal.runner_up,
            view.proposals.model_id,
        )
        return ahead[0]


def _wrong(atlas: Atlas, proposal: Proposal, known: str | None) -> str | None:
    """The most probable class of a proposal that the known answer rules out."""
    if known is None:
        return None
    for code in proposal.probabilities:
        if atlas.taxonomy.agreed([code, known]) is None:
            return code
    return None


def dressed(proposal: Proposal, check: Check, view: View) -> Proposal:
    """The proposal as the reader is shown it under ``check``: the wrong class in front, with the
    figures and the evidence that it would have."""
    wrong = check.shown_class
    if wrong is None or wrong not in proposal.probabilities or wrong == proposal.class_code:
        return proposal
    swap = {wrong: proposal.class_code, proposal.class_code: wrong}
    return replace(
        proposal,
        class_code=wrong,
        probabilities={swap.get(c, c): p for c, p in proposal.probabilities.items()},
        prediction_set=tuple(swap.get(c, c) for c in proposal.prediction_set),
        backed_off_to=None,
        decision="accept" if proposal.decision == "back_off" else proposal.decision,
        runner_up=proposal.class_code,
        evidence=_evidence_for(proposal, wrong, check.cell_id, view),
    )


def _evidence_for(proposal: Proposal, wrong: str, cell_id: int, view: View) -> tuple[Evidence, ...]:
    """The nearest cells of class ``wrong``, as many as voted. Those that voted are left out: they
    are nearer, and would give the check away to who looks at nothing but the bars."""
    count = max(1, len(proposal.evidence))
    return view.proposals.alike(cell_id, wrong, count) or proposal.evidence

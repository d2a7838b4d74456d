"""How large the next sheet of a class is, how much of it is looked at, and how it is checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from annotator.checks import WINDOW, has_stopped_reading
from annotator.sheets.bounds import sequential_upper
from index.checks import SHEET, Check
from index.sheet_records import CORRECTED, FAILED, KEPT, PASSED, SHOWN, SKIPPED, TAKEN_OUT, Outcome

SMALLEST = 12  # cells of the first sheet of all
FOREIGN = 2.0  # foreign cells to be expected on a sheet: more are tedious to take out
PAGE = 60  # cells looked at on one sheet at most
LARGEST = 400  # cells of a sheet, those folded away included
FEWEST = 6  # cells worth a sheet; fewer are quicker one by one
LOOKED_AT = 20  # sure cells of a folded sheet that are shown all the same, drawn at random
BORROWED = 6.0  # cells' worth of belief that a class is like the others, until it has shown itself
SHOWN_ITSELF = 20  # cells of a class looked at before any of it may be folded away
CATCH_RATE = 0.7  # of foreign cells noticed at a glance, until it is measured; see docs/sheets.md
MODEST = 8.0  # how many times as much doubt the probabilities tell as there is
PRIOR_CHECKS = 20  # planted checks that CATCH_RATE counts for
UNREAD = 0.3  # catch rate of a reader who seems to have stopped reading
SHARED = 0.2  # of the doubt, the part spent on cells in sight; the rest is for folded ones
UNLIMITED = 1_000_000
LOW_CATCH_RATE = 0.5  # below: smaller sheets, more checks, nothing folded


@dataclass(frozen=True)
class Aim:
    """What is asked of accepted sheets: ``target`` precision, with ``confidence``; both 0 to 1."""

    target: float = 0.99
    confidence: float = 0.95

    @property
    def allowed(self) -> float:
        """The share of foreign cells that accepted sheets may hold."""
        return 1.0 - self.target

    @property
    def sure(self) -> float:
        """The probability from which a cell counts as sure.

        The probabilities of ``scores`` are modest: of cells at .9 one in a hundred is foreign.
        """
        return 1.0 - min(MODEST * self.allowed, 0.4)


@dataclass(frozen=True)
class Tally:
    """Cells looked at, and those that were foreign: at a glance, and singly in purity checks.

    ``kept`` and ``folded`` count the cells labelled in accepted sheets: seen, and not displayed.
    ``skipped`` are checks that the reader left without an answer and has not named since.
    """

    glanced: int = 0
    noticed: int = 0
    checked: int = 0
    failed: int = 0
    kept: int = 0
    folded: int = 0
    skipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        mine, others = vars(self), vars(other)
        return Tally(**{name: mine[name] + others[name] for name in mine})

    @property
    def seen(self) -> int:
        """All that were looked at."""
        return self.glanced + self.checked

    def expected(self, catch_rate: float, prior: float = 0.5, weight: float = 1.0) -> float:
        """The share of foreign cells to expect, 0 to 1, with ``weight`` cells' worth of a prior."""
        foreign = self.noticed / catch_rate + self.failed
        return min((foreign + weight * prior) / (self.seen + weight), 1.0)

    def bound(self, catch_rate: float, confidence: float) -> float:
        """Upper bound of the share of foreign cells, holding at every moment at once.

        A foreign cell is noticed with probability ``catch_rate`` at least, so the share noticed is
        at least that much of the share that is foreign. A check that was skipped may have been of a
        foreign cell and counts as one here: else to skip would be a way past the checks.
        """
        foreign = self.noticed + self.failed + self.skipped
        upper = sequential_upper(foreign, self.seen + self.skipped, confidence)
        return min(upper / catch_rate, 1.0)


@dataclass(frozen=True)
class Record:
    """What sheets of one data set have shown so far, by class, sure cells apart."""

    sure: dict[str, Tally]
    doubtful: dict[str, Tally]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Record:
        """Counted from the atlas."""
        record = cls({}, {})
        for each in outcomes:
            tallies = record.sure if each.sure else record.doubtful
            before = tallies.get(each.class_code, Tally())
            tallies[each.class_code] = before + _tally(each)
        return record

    @property
    def pooled(self) -> Tally:
        """The sure cells of all classes."""
        return sum(self.sure.values(), Tally())

    @property
    def everything(self) -> Tally:
        """All cells of all classes."""
        return sum(self.doubtful.values(), self.pooled)

    def of_class(self, code: str) -> Tally:
        """The sure cells of one class."""
        return self.sure.get(code, Tally())

    def expected(self, code: str, catch_rate: float) -> float:
        """The share of foreign cells to expect among sure ones of a class.

        A class borrows from the others while it has shown little (empirical Bayes).
        """
        others = self.pooled.expected(catch_rate)
        return self.of_class(code).expected(catch_rate, others, BORROWED)

    def impurity(self, catch_rate: float, confidence: float) -> float:
        """Upper bound of the share of foreign cells among all labelled in accepted sheets.

        Of foreign cells in sight those overlooked are left, of those folded away all. Two bounds
        share the doubt, 1 - ``confidence``, so both hold together. 1 without any accepted sheet.
        """
        every = self.everything
        labelled = every.kept + every.folded
        if not labelled:
            return 1.0
        unseen, seen = self._left(catch_rate, confidence)
        return min((every.kept * seen + every.folded * unseen) / labelled, 1.0)

    def _left(self, catch_rate: float, confidence: float) -> tuple[float, float]:
        """Upper bounds of the foreign share left among cells folded away, and among those kept."""
        doubt = 1.0 - confidence
        unseen = self.pooled.bound(catch_rate, 1.0 - (1.0 - SHARED) * doubt)
        seen = self.everything.bound(catch_rate, 1.0 - SHARED * doubt)
        return unseen, seen * (1.0 - catch_rate)

    def foldable(self, aim: Aim, catch_rate: float) -> int:
        """How many more sure cells may be labelled unseen so that ``impurity`` keeps the target.

        Any number where they keep it by themselves: whatever those in sight hold, each folded away
        then lowers the share of all.
        """
        every = self.everything
        unseen, seen = self._left(catch_rate, aim.confidence)
        if unseen <= aim.allowed:
            return UNLIMITED
        spare = (aim.allowed - seen) * every.kept - (unseen - aim.allowed) * every.folded
        return max(int(spare / (unseen - aim.allowed)), 0)


def _tally(outcome: Outcome) -> Tally:
    n = outcome.cells
    if outcome.verdict == SKIPPED:
        return Tally(skipped=n)
    if outcome.verdict in (PASSED, FAILED):
        return Tally(checked=n, failed=n if outcome.verdict == FAILED else 0)
    if outcome.verdict not in (KEPT, CORRECTED, TAKEN_OUT):
        return Tally()
    if outcome.part != SHOWN:
        return Tally(folded=n)
    if outcome.verdict == KEPT:
        return Tally(glanced=n, kept=n)
    return Tally(glanced=n, noticed=n)


def catching(checks: Iterable[Check]) -> float:
    """The share of foreign cells that a reader is taken to notice on a sheet, 0 to 1.

    ``checks`` are the answered ones of the reader, oldest first. Of those planted on sheets the
    newest count, beside PRIOR_CHECKS at CATCH_RATE; a reader who by all checks together seems to
    have stopped reading (``annotator.checks``) is taken to notice few.
    """
    known = [each for each in checks if each.caught is not None]
    recent = [each.caught for each in known if each.kind == SHEET][-WINDOW:]
    rate = (sum(map(bool, recent)) + PRIOR_CHECKS * CATCH_RATE) / (len(recent) + PRIOR_CHECKS)
    unread = has_stopped_reading(
        [bool(each.caught) for each in known], [each.kind == SHEET for each in known]
    )
    return min(rate, UNREAD) if unread else rate


@dataclass(frozen=True)
class Plan:
    """The next sheet of a class: cells to look at, cells in all, checks, and why.

    ``total`` exceeds ``shown`` where the surest cells may be folded away. ``expected`` is the share
    of foreign cells to expect among sure ones of the class; ``wary``: something speaks for care.
    """

    shown: int
    total: int
    checks: int
    catch_rate: float
    expected: float
    wary: bool = False

    @property
    def folds(self) -> bool:
        """True where cells may be labelled that nobody looks at."""
        return self.total > self.shown


def plan(
    code: str,
    record: Record,
    aim: Aim,
    catch_rate: float,
    *,
    careful: bool = False,
    fold: bool = True,
    pending: int = 0,
) -> Plan:
    """What the record allows the next sheet of class ``code``.

    A sheet is as large as one on which FOREIGN foreign cells are expected, from SMALLEST to PAGE.
    Cells may be folded away as long as all that is accepted then keeps the target, and the class
    itself has shown nothing else. ``careful`` (a part of a sheet that failed) and a low catch rate
    make sheets smaller and checks more frequent. ``pending`` cells are folded away on open sheets.
    """
    tally = record.of_class(code)
    expected = record.expected(code, catch_rate)
    shown = int(min(max(FOREIGN / expected, SMALLEST), PAGE))
    checks = 2 if careful or tally.failed or (shown > SMALLEST and tally.checked < 2) else 1
    if careful or catch_rate < LOW_CATCH_RATE:
        shown = max(shown // 2, FEWEST)
        return Plan(shown, shown, max(checks, 2), catch_rate, expected, wary=True)
    if fold and tally.seen >= SHOWN_ITSELF and expected <= 2 * aim.allowed:
        spare = record.foldable(aim, catch_rate) - pending
        total = min(LOOKED_AT + spare, LARGEST)
        if total > shown:
            return Plan(LOOKED_AT, total, checks + 1, catch_rate, expected)
    return Plan(shown, shown, checks, catch_rate, expected)

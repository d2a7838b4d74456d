"""The figures of the progress page, worked out from an atlas. Imports neither torch nor Flask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from annotator.progress.honest import Honest, estimate
from index.facts import CHECKED, LabelFacts, all_facts
from index.labelling import taken_back
from index.records import CellFilter
from retrieval.evaluation.intervals import Interval, wilson_interval
from retrieval.evaluation.learning import Point, learning_curve

if TYPE_CHECKING:
    from annotator.proposals import Proposals
    from index.atlas import Atlas
    from index.records import Label
    from index.taxonomy import Taxonomy

ASKED = 400  # unlabelled cells whose proposals are looked at, drawn with the seed
LEARNT = 3000  # labelled cells by which the learning curve is measured
STEPS = 8  # points of the curve of proposals met
PAUSE = 120.0  # seconds between two labels beyond which a reader was doing something else
DECISIONS = ("accept", "back_off", "abstain")


@dataclass(frozen=True)
class Sureness:
    """What is proposed for the cells without a label, by a seeded sample of them.

    ``left``: cells without a label. ``asked``: cells of the sample that have a proposal.
    ``decisions``: how many of these are of each of DECISIONS. ``accepted``: share 0..1 that is
    accepted, with its interval. ``classes``: by class of the proposal, cells expected among those
    left and the median probability.
    """

    left: int
    asked: int
    decisions: dict[str, int]
    accepted: Interval | None
    classes: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Met:
    """Labels given in order: up to number ``labels``, the share in this step that gave the class
    proposed at its time. ``stated``: the mean probability of these proposals, None where unknown.
    """

    labels: int
    share: float
    interval: Interval
    count: int
    stated: float | None = None


@dataclass(frozen=True)
class Pace:
    """Seconds an action took one reader: quartiles over ``actions`` actions that gave ``labels``
    labels. ``how`` is single, bulk or adjudicated. ``told`` is False where times were not recorded
    and the pause between two labels stands in."""

    author: str
    how: str
    actions: int
    labels: int
    lower: float
    median: float
    upper: float
    told: bool


@dataclass(frozen=True)
class Remaining:
    """What is left to do: actions one by one, and with sheets; hours at the pace measured.

    ``an_action``: labels that a sheet has given so far, None where there was none.
    """

    cells: int
    one_by_one: int
    with_sheets: tuple[float, float, float] | None
    an_action: float | None
    seconds: float | None

    @property
    def hours(self) -> float | None:
        """Hours for ``one_by_one``, None where no time is known."""
        return None if self.seconds is None else self.one_by_one * self.seconds / 3600


@dataclass(frozen=True)
class Log:
    """What the log of labels tells: of proposals met, of time, of labels a sheet, of all cells by
    those drawn at random."""

    blind: list[Met] = field(default_factory=list)
    seen: list[Met] = field(default_factory=list)
    paces: list[Pace] = field(default_factory=list)
    a_sheet: float | None = None
    honest: Honest | None = None


def sureness(
    atlas: Atlas, proposals: Proposals, *, dataset: str | None = None, seed: int = 0
) -> Sureness:
    """How sure the proposals for the cells without a label are, in ``dataset`` (None: in all)."""
    ids = atlas.cell_ids(CellFilter(datasets=_one(dataset), labelled=False))
    rng = np.random.default_rng(seed)
    drawn = rng.choice(ids, ASKED, replace=False) if len(ids) > ASKED else ids
    found = proposals.propose([int(cell) for cell in np.sort(drawn)])
    decisions = Counter(each.decision for each in found.values())
    sure: dict[str, list[float]] = {}
    expected: dict[str, float] = {}
    for each in found.values():
        sure.setdefault(each.class_code, []).append(each.probability)
        for code, chance in each.probabilities.items():
            expected[code] = expected.get(code, 0.0) + chance
    scale = len(ids) / max(1, len(found))
    return Sureness(
        len(ids),
        len(found),
        {name: decisions[name] for name in DECISIONS},
        wilson_interval(decisions["accept"], len(found)) if found else None,
        {
            code: (expected[code] * scale, float(np.median(sure[code])) if code in sure else 0.0)
            for code in expected
            if expected[code] * scale >= 0.5
        },
    )


def _one(dataset: str | None) -> tuple[str, ...]:
    return () if dataset is None else (dataset,)


def curve(atlas: Atlas, *, k: int, dataset: str | None = None, seed: int = 0) -> list[Point]:
    """Accuracy against the number of labels, on what is labelled and embedded."""
    model_id = atlas.active_model
    if model_id is None:
        return []
    table = atlas.table(CellFilter(datasets=_one(dataset), labelled=True, embedded_with=model_id))
    if len(table) > LEARNT:
        table = table.sample(LEARNT, random_state=seed).sort_values("id")
    ids, vectors = atlas.embeddings_of(model_id, table["id"])
    codes = [atlas.taxonomy.at_level(code, "class") or code for code in table["class_code"]]
    groups = [
        f"{dataset}/{patient}" if patient else f"cell {cell}"
        for dataset, patient, cell in zip(table["dataset"], table["patient"], ids, strict=True)
    ]
    return learning_curve(vectors, codes, groups=groups, k=k, seed=seed)


def read_log(atlas: Atlas, dataset: str | None = None) -> Log:
    """All that is told by the log of labels, of ``dataset`` or all, and the facts beside it."""
    facts = all_facts(atlas)
    every = list(atlas.log(CellFilter(datasets=_one(dataset)) if dataset else None))
    gone = taken_back(every)
    given = [label for label in every if label.how not in ("undo", "imported")]
    # Of a sheet only what is corrected is a single label: these answer no proposal of their own.
    answered = [
        e for e in given
        if e.how == "single" and e.proposed_class and e.id not in gone
        and _sheet(facts.get(e.id)) is None
    ]  # fmt: skip
    apart: dict[bool, list[tuple[bool, float | None]]] = {True: [], False: []}
    for label in answered:
        told = (_same(atlas.taxonomy, label), label.proposed_probability)
        apart[_blind(label, facts.get(label.id))].append(told)
    singles = [each for each in given if each.how == "single"]
    blind = {each.id for each in singles if _blind(each, facts.get(each.id))}
    sheets = Counter(sheet for e in given if (sheet := _sheet(facts.get(e.id))) is not None)
    return Log(
        blind=steps(apart[True]),
        seen=steps(apart[False]),
        paces=paces(given, facts),
        a_sheet=float(np.mean(list(sheets.values()))) if sheets else None,
        honest=estimate(singles, facts, gone, blind, atlas.taxonomy),
    )


def _blind(label: Label, facts: LabelFacts | None) -> bool:
    if facts is not None and facts.shown is not None:
        return facts.shown != "with_proposal"
    return label.proposal_visible is False


def _same(taxonomy: Taxonomy, label: Label) -> bool:
    return taxonomy.agreed((label.class_code, label.proposed_class or "")) is not None


def steps(answers: Sequence[tuple[bool, float | None]]) -> list[Met]:
    """The share met in STEPS parts of the labels, in order; fewer where there are few labels.

    answers: whether each label gave the class proposed, and the probability stated of that.
    """
    parts = min(STEPS, len(answers) // 10)
    found: list[Met] = []
    for part in np.array_split(np.arange(len(answers)), parts) if parts else ():
        before = found[-1].labels if found else 0
        mine = [answers[number] for number in part]
        right = sum(met for met, _ in mine)
        told = [stated for _, stated in mine if stated is not None]
        found.append(
            Met(
                before + len(mine),
                right / len(mine),
                wilson_interval(right, len(mine)),
                len(mine),
                float(np.mean(told)) if told else None,
            )
        )
    return found


def paces(given: Iterable[Label], facts: dict[int, LabelFacts]) -> list[Pace]:
    """Time an action took each reader. A sheet is one action, however many labels it gave."""
    actions: dict[tuple[str, str], dict[object, list[float | None]]] = {}
    gaps: dict[tuple[str, str], list[float]] = {}
    last: dict[str, datetime] = {}
    for label in given:
        fact = facts.get(label.id)
        sheet = _sheet(fact)
        how = label.how if sheet is None else "bulk"
        of = actions.setdefault((label.author, how), {})
        moment = datetime.fromisoformat(label.time)
        new = sheet is None or ("sheet", sheet) not in of
        of.setdefault(("sheet", sheet) if sheet is not None else label.id, []).append(
            None if fact is None else fact.seconds
        )
        if new and label.author in last:
            pause = (moment - last[label.author]).total_seconds()
            if 0 < pause <= PAUSE:
                gaps.setdefault((label.author, how), []).append(pause)
        last[label.author] = moment
    found = []
    for (author, how), of in sorted(actions.items()):
        # A label of a sheet keeps its share of the time that the sheet took: their sum is the time.
        told = [sum(s for s in each if s is not None) for each in of.values() if any(
            s is not None for s in each)]  # fmt: skip
        times = told or gaps.get((author, how), [])
        if not times:
            continue
        lower, median, upper = (float(q) for q in np.quantile(times, (0.25, 0.5, 0.75)))
        labels = sum(map(len, of.values()))
        found.append(Pace(author, how, len(of), labels, lower, median, upper, bool(told)))
    return found


def _sheet(facts: LabelFacts | None) -> int | None:
    """The sheet with which a label was given; None too for the single answer to a sheet's check."""
    return None if facts is None or facts.policy == CHECKED else facts.sheet_id


def remaining(sure: Sureness, log: Log) -> Remaining:
    """Actions still needed: one a cell, or sheets for what is accepted and the rest one by one."""
    singles = [pace for pace in log.paces if pace.how == "single"]
    weights = [pace.actions for pace in singles]
    seconds = float(np.average([p.median for p in singles], weights=weights)) if singles else None
    sheets = None
    if log.a_sheet and sure.accepted is not None and sure.asked:
        share = sure.decisions["accept"] / sure.asked
        a_sheet = log.a_sheet

        def actions(accepted: float) -> float:
            return sure.left * (accepted / a_sheet + (1 - accepted))

        sheets = (actions(share), actions(sure.accepted.high), actions(sure.accepted.low))
    return Remaining(sure.left, sure.left, sheets, log.a_sheet, seconds)

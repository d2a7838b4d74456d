"""What owners see and set of a team: members, work, known answers, what was done. No Flask here."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from annotator.checks import Vigilance
from annotator.class_names import class_name
from annotator.fields import whole_number
from annotator.language import mark
from annotator.problems import BadRequestError
from annotator.work import assign_work
from index.accounts import CLOSED
from index.auditing import Change, changes, latest
from index.checks import checked_readers, gold_answers, set_gold
from index.records import CellFilter
from index.work import assigned_to, group_names, release, waiting

if TYPE_CHECKING:
    from annotator.desk import Desk

RECENT = 30  # changes shown on the page
# How the pages name roles, units and what work is cut to.
SAID = {
    "reader": mark("reader"),
    "reviewer": mark("reviewer"),
    "owner": mark("owner"),
    CLOSED: mark("closed"),
    "cell": mark("cell"),
    "slide": mark("slide"),
    "patient": mark("patient"),
    "dataset": mark("data set"),
}
# How the page of the people calls what was done; the log itself keeps the words in front.
DONE = {
    "add class": mark("added a class"),
    "assign": mark("shared out work"),
    "declare classes": mark("declared which classes occur"),
    "end assignment": mark("ended an assignment"),
    "failed sign in": mark("failed to sign in"),
    "flag": mark("flagged cell"),
    "import labels": mark("took in labels"),
    "invite": mark("invited"),
    "join": mark("joined"),
    "known answers": mark("drew known answers"),
    "make token": mark("made a token"),
    "new password": mark("took a new password"),
    "pixel size": mark("set the size of a pixel"),
    "policy": mark("set the rules"),
    "review: adjudicated": mark("decided cell"),
    "review: different": mark("told apart from another: cell"),
    "review: kept": mark("left as it is: cell"),
    "review: reopened": mark("took back the decision on cell"),
    "review: same": mark("found the same as another: cell"),
    "revoke token": mark("revoked a token"),
    "role": mark("gave a role"),
    "sign in": mark("signed in"),
    "sign out": mark("signed out"),
    "unflag": mark("took the flag from cell"),
}
AUDIT = ("time", "author", "action", "cell", "detail")


@dataclass(frozen=True)
class Member:
    """One who labels: an account, or a name without one. ``assigned`` and ``left`` count cells."""

    name: str
    full_name: str
    role: str
    account: bool
    assigned: int
    left: int
    vigilance: Vigilance

    @property
    def closed(self) -> bool:
        """True when the account may no longer sign in."""
        return self.role == CLOSED


def members(desk: Desk) -> list[Member]:
    """The accounts by name, then who else has been checked."""
    whole = desk.whole
    users = whole.users()
    names = {user.name for user in users}
    found = [_member(desk, user.name, user.full_name, user.role, True) for user in users]
    others = [name for name in checked_readers(whole) if name not in names]
    return found + [_member(desk, name, "", "", False) for name in others]


def _member(desk: Desk, name: str, full_name: str, role: str, account: bool) -> Member:
    mine = len(assigned_to(desk.whole, name)) if account else 0
    left = len(waiting(desk.whole, name)) if mine else 0
    return Member(name, full_name, role, account, mine, left, desk.checks.vigilance(name))


def leave(desk: Desk, name: str) -> None:
    """Give back the cells that a reader holds."""
    release(desk.whole, name)


def scopes(desk: Desk) -> dict[str, list[str]]:
    """The data sets, patients and slides that work can be cut to, by name."""
    datasets = [str(name) for name in desk.whole.datasets()["name"]]
    return {"dataset": datasets, **group_names(desk.whole)}


def scope_of(given: Mapping[str, Any]) -> dict[str, str]:
    """Data set, patient and slide of a form or a JSON object."""
    return {name: str(given.get(name) or "").strip() for name in ("dataset", "patient", "slide")}


def assign(desk: Desk, scope: Mapping[str, str], given: Any, author: str) -> int:
    """Share out work as a form or a JSON object asks. Raises the errors of ``assign_work``.

    ``readers`` are names of open accounts, ``overlap`` a percentage from 0 to 100.
    """
    readers = given.getlist("readers") if hasattr(given, "getlist") else given.get("readers")
    if not isinstance(readers, list) or not all(isinstance(each, str) for each in readers):
        raise BadRequestError("readers is no list of names", "send readers as a list of names")
    known = {user.name for user in desk.whole.users() if user.role != CLOSED}
    for name in readers:
        if name not in known:
            raise BadRequestError(
                f"{name!r} has no account here", f"allowed are {', '.join(sorted(known))}"
            )
    try:
        overlap = float(given.get("overlap") or 0)
    except (TypeError, ValueError):
        overlap = math.nan
    if not 0 <= overlap <= 100:
        raise BadRequestError(
            f"overlap is {str(given.get('overlap'))[:40]!r}, allowed is a percentage from 0 to 100",
            "give overlap as a number",
        )
    return assign_work(
        desk.whole,
        scope,
        readers,
        overlap=overlap / 100,
        unit=str(given.get("unit") or "cell"),
        seed=desk.config.seed,
        author=author,
    )


# known answers ---------------------------------------------------------------------------------


def gold_counts(desk: Desk) -> list[tuple[str, int]]:
    """How many known-answer cells there are of each class, by the class's name."""
    taxonomy = desk.whole.taxonomy
    counted = Counter(gold_answers(desk.whole).values())
    return sorted((class_name(taxonomy.node(code)), count) for code, count in counted.items())


def choose_gold(desk: Desk, given: Mapping[str, str], author: str) -> int:
    """Draw ``count`` labelled cells, of every class about as many, as known-answer cells.

    ``dataset`` limits where they come from; 0 ends it. Imported and adjudicated labels alone
    count as known. Returns how many were chosen. Raises BadRequestError.
    """
    count = whole_number(given, "count") or 0
    dataset = str(given.get("dataset") or "")
    if dataset:
        desk.check_dataset(dataset)
    limit = CellFilter(datasets=(dataset,) if dataset else (), labelled=True)
    by_class: dict[str, list[int]] = {}
    if count:
        present = desk.whole.present_labels(limit)
        for label in desk.whole.log(limit):
            sure = label.how in ("imported", "adjudicated")
            if sure and present.get(label.cell_id) == label.class_code:
                by_class.setdefault(label.class_code, []).append(label.cell_id)
        if not by_class:
            raise BadRequestError(
                "there is no cell with an imported or adjudicated label to choose from",
                "import some labels, or let a reviewer decide some cells",
            )
    drawn = random.Random(desk.config.seed)
    chosen: dict[int, str] = {}
    decks = [(code, drawn.sample(ids, len(ids))) for code, ids in sorted(by_class.items())]
    while decks and len(chosen) < count:
        for code, deck in decks:
            if deck and len(chosen) < count:
                chosen[deck.pop()] = code
        decks = [(code, deck) for code, deck in decks if deck]
    set_gold(desk.whole, chosen, author)
    return len(chosen)


# the audit log ---------------------------------------------------------------------------------


def recent(desk: Desk) -> list[Change]:
    """The newest changes besides labels, newest first."""
    return list(islice(latest(desk.whole), RECENT))


def audit_csv(desk: Desk) -> Iterator[str]:
    """The audit log as CSV text in pieces, header first; details as JSON."""
    yield _line(AUDIT)
    for change in changes(desk.whole):
        detail = json.dumps(change.detail, ensure_ascii=False)
        cell = "" if change.cell_id is None else change.cell_id
        yield _line((change.time, change.author, change.action, cell, detail))


def _line(values: tuple[Any, ...]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(values)
    return out.getvalue()


def audit_lines(desk: Desk) -> Iterator[str]:
    """The audit log as JSON lines."""
    for change in changes(desk.whole):
        told = {**vars(change), "cell": change.cell_id}
        del told["cell_id"]
        yield json.dumps(told, ensure_ascii=False) + "\n"

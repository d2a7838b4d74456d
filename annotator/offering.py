"""What the present viewer is offered: the cells that come next, and the proposal for each.

Here the rules meet: leases, checks that are planted, proposals that a policy hides, and what is
kept with a label because of them. Imports neither torch nor Flask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.actions import Reader, Shown
from annotator.checks import dressed
from annotator.language import gettext as _
from annotator.policy import is_shown
from annotator.problems import NotAssignedError
from annotator.proposals import Reason
from annotator.viewer import Person, viewer
from index.facts import AFTER_OWN, BLIND, WITH_PROPOSAL, LabelFacts, cell_versions
from index.records import CellFilter
from index.work import (
    answered_by,
    held_by_others,
    lease,
    may_label,
    on_other_screens,
    waiting,
    waiting_among,
)

if TYPE_CHECKING:
    from annotator.desk import Desk
    from retrieval.answers.proposer import Proposal

LEASE = 300.0  # seconds for which the cells next in a queue are kept from other readers
LEASED = 12  # cells leased at once: the next, those after it, and some that save writing each time
PLENTY = 100  # free cells from which more are leased than are needed
LOOKED_AT = 400  # cells of a queue looked through for some that nobody else holds


@dataclass(frozen=True)
class Offer:
    """The proposal that a viewer is shown for a cell, or the ``reason`` why there is none.

    ``hidden`` is the proposal that the policy keeps back: it is recorded with the label.
    """

    proposal: Proposal | None = None
    reason: Reason | None = None
    hidden: Proposal | None = None


def offers(desk: Desk, cell_ids: Sequence[int]) -> dict[int, Offer]:
    """What the present viewer is offered for each of ``cell_ids``."""
    view, person = desk.view, viewer()
    found = view.proposals.propose(cell_ids)
    name = person.name if person is not None else None
    planted = desk.checks.open(name) if name is not None else {}
    # Known-answer cells are no evidence, so that what is planted there is not told by its own.
    answered = _answered(desk, person, cell_ids)
    offered: dict[int, Offer] = {}
    for cell in cell_ids:
        proposal = found.get(cell)
        if proposal is None:
            offered[cell] = Offer(reason=view.proposals.why_none(cell))
        elif name is not None and not is_shown(desk.policy, name, cell, cell in answered):
            offered[cell] = Offer(reason=_kept_back(desk.policy.show), hidden=proposal)
        else:
            check = planted.get(cell)
            offered[cell] = Offer(dressed(proposal, check, view) if check else proposal)
    return offered


def _answered(desk: Desk, person: Person | None, cell_ids: Sequence[int]) -> set[int]:
    if person is None or desk.policy.show != AFTER_OWN:
        return set()
    return answered_by(desk.whole, person.name, cell_ids)


def shown_among(desk: Desk, name: str, cell_ids: Sequence[int]) -> list[int]:
    """Those of ``cell_ids`` of which ``name`` may see what is proposed, in their order."""
    policy = desk.policy
    if policy.show == "always":
        return list(cell_ids)
    answered = answered_by(desk.whole, name, cell_ids)
    return [cell for cell in cell_ids if is_shown(policy, name, cell, cell in answered)]


def _kept_back(show: str) -> Reason:
    if show == AFTER_OWN:
        return Reason(
            "hidden",
            _("The proposal for this cell is shown after your own answer."),
            _("Look at the cell and name it; then compare."),
        )
    return Reason(
        "hidden",
        _("The proposal for this cell is not shown."),
        _("Look at the cell and name it: an answer without the proposal counts most."),
    )


def ahead(desk: Desk, reader: Reader, n: int, without: Iterable[int] = ()) -> list[int]:
    """The next ``n`` cells of a reader's queue, the cell of a check in front where one is due.

    With accounts the cells are leased to the reader: nobody else is given them for a while.
    """
    person = viewer()
    hidden = set(without)
    if person is not None and person.account:
        cells = _leased(desk, reader, n, hidden)
    else:
        cells = reader.queue.upcoming(n, without=hidden)
    if cells:
        reader.queue.ask(cells[0])
    if person is None:
        return cells
    shown = desk.policy.show in ("always", "random")
    if cells and desk.policy.show == "random":
        shown = is_shown(desk.policy, person.name, cells[0], False)
    check = desk.checks.consider(person.name, cells, desk.planted, desk.view, shown)
    if check is None or check in hidden:
        return cells
    return [check, *(cell for cell in cells if cell != check)][:n]


@dataclass(frozen=True)
class Elsewhere:
    """Cells that would come next, were they not on other readers' screens, and the ``seconds``
    after which the last of them is given to others if nobody answers it."""

    cells: int
    seconds: float


def elsewhere(desk: Desk, reader: Reader) -> Elsewhere:
    """What the others of the team hold of the cells of ``reader``'s queue."""
    person = viewer()
    if person is None or not person.account:
        return Elsewhere(0, 0.0)
    return Elsewhere(*on_other_screens(desk.whole, reader.author, _limit(reader)))


def _limit(reader: Reader) -> CellFilter:
    dataset = reader.queue.dataset
    return CellFilter(datasets=(dataset,) if dataset else ())


def _leased(desk: Desk, reader: Reader, n: int, hidden: set[int]) -> list[int]:
    found = _lease_next(desk, reader, n, hidden)
    if found:
        return found
    # What others held when the queue was ranked, and gave back since, is not in its ranking.
    back = {int(cell) for cell in waiting(desk.whole, reader.author, _limit(reader))} - hidden
    if not waiting_among(desk.whole, reader.author, back):
        return []
    reader.queue.restart()
    return _lease_next(desk, reader, n, hidden)


def _lease_next(desk: Desk, reader: Reader, n: int, hidden: set[int]) -> list[int]:
    found: list[int] = []
    passed = set(hidden)
    while len(found) < n:
        some = reader.queue.upcoming(LOOKED_AT, without=passed)
        if not some:
            break
        left = waiting_among(desk.whole, reader.author, some)
        for cell in some:
            if cell not in left:
                reader.queue.settle(cell)  # somebody else has read it meanwhile
        others = held_by_others(desk.whole, reader.author)
        free = [cell for cell in some if cell in left and cell not in others]
        need = n - len(found)
        # Not the last cells of a queue: others would wait for what one reader holds.
        most = max(need, LEASED) if len(free) > PLENTY else need
        found += lease(desk.whole, reader.author, free[:most], LEASE, need)
        passed.update(some)
    return found[:n]


def check_may_label(desk: Desk, cell_id: int) -> None:
    """Raise NotAssignedError where the cell is for others to read."""
    person = viewer()
    if person is None or not person.is_reader:
        return
    if cell_id not in may_label(desk.whole, person.name, [cell_id]):
        met = desk.checks.open(person.name)
        if cell_id not in met:
            raise NotAssignedError(
                f"cell {cell_id} is not among the cells assigned to {person.name}",
                "go on with the cells of your queue, or ask an owner to assign it to you",
            )


def answered_shown(desk: Desk, cell_id: int, shown: Shown) -> Shown:
    """``shown`` with the proposal that was kept back from the viewer, where one was."""
    if shown.class_code is not None:
        return shown
    hidden = offers(desk, [cell_id])[cell_id].hidden
    if hidden is None:
        return shown
    model = desk.proposals.model_id
    chance = round(float(hidden.probability), 6)
    return Shown(hidden.class_code, chance, model, False, hidden.adaptation)


def conditions(
    desk: Desk,
    cell_id: int,
    shown: Shown,
    seconds: float | None,
    version: int | None,
    asked_by: str | None = None,
) -> LabelFacts:
    """The facts of a label that the present viewer gives now.

    ``shown`` is what ``answered_shown`` says, ``version`` the newest label that the viewer's page
    knew of, ``asked_by`` the order of the queue that asked for the cell.
    """
    person = viewer()
    show = desk.policy.show
    how: str | None = None
    if shown.visible is not None:
        how = WITH_PROPOSAL if shown.visible else AFTER_OWN if show == "after_own" else BLIND
    elif not desk.proposals.propose([cell_id]):
        how = BLIND
    peers = None
    if person is not None:
        seen = desk.atlas.history(cell_id)
        peers = any(label.author != person.name for label in seen)
    return LabelFacts(
        shown=how,
        policy=show,
        seconds=seconds,
        cell_version=version,
        peers_visible=peers,
        adaptation_id=shown.adaptation_id,
        asked_by=asked_by,
    )


def versions(desk: Desk, cell_ids: Sequence[int]) -> dict[int, int]:
    """The newest label of each cell that the present viewer may know of; 0 without one."""
    return cell_versions(desk.atlas, cell_ids)

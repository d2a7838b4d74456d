"""Which cell to look at next: the one registry of orders. Imports neither torch nor Flask.

A new order is a function here or in a module of this package, a line in ORDERS, a test and a row
in docs/annotator.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from annotator.language import mark
from annotator.problems import BadRequestError
from annotator.queues.candidates import Candidates, Integers, proposed
from annotator.queues.covering import by_balance, by_diversity, by_typicality
from annotator.queues.plain import (
    as_imported,
    by_certainty,
    by_chance,
    by_disagreement,
    by_doubt,
    by_novelty,
    by_worth,
)

__all__ = ["ORDERS", "Candidates", "Order", "known_order", "proposed"]

NOTHING, VECTORS, PROPOSALS = 0, 1, 2  # what an order needs of a cell, each including the former


@dataclass(frozen=True)
class Order:
    """A way to order the queue.

    ``rank`` turns N candidates into their rows in order, int64 [N]. ``needs`` says what it must
    know of a cell: NOTHING, VECTORS or PROPOSALS; a cell without that comes after the others.
    ``shuffled`` is whether the sample that is ranked is drawn at random.
    """

    name: str
    title: str
    help: str
    rank: Callable[[Candidates], Integers]
    needs: int = PROPOSALS
    shuffled: bool = True


_ORDERS = (
    Order(
        "worth",
        mark("Most worth a look"),
        mark("in turn the most doubtful cell and the one most unlike anything labelled"),
        by_worth,
    ),
    Order(
        "typical",
        mark("Typical first"),
        mark("the most typical cell of each group of alike ones: the best beginning"),
        by_typicality,
        VECTORS,
    ),
    Order(
        "doubtful",
        mark("Most doubtful"),
        mark("smallest lead of the most probable class over the next"),
        by_doubt,
    ),
    Order("novel", mark("Most novel"), mark("most unlike anything labelled"), by_novelty),
    Order(
        "disagreeing",
        mark("Most disputed"),
        mark("first where readers disagree, then where the neighbours do"),
        by_disagreement,
    ),
    Order(
        "diverse",
        mark("A diverse batch"),
        mark("doubtful cells of all sorts: fifty labels that teach the most together"),
        by_diversity,
    ),
    Order(
        "balanced",
        mark("Rare classes first"),
        mark("so that labels of all classes become equally many"),
        by_balance,
    ),
    Order("certain", mark("Surest"), mark("largest lead first: quick to confirm"), by_certainty),
    Order(
        "random",
        mark("Random"),
        mark("every cell equally likely: for honest estimates"),
        by_chance,
        NOTHING,
    ),
    Order(
        "imported",
        mark("As imported"),
        mark("in the order of import"),
        as_imported,
        NOTHING,
        shuffled=False,
    ),
)
ORDERS: dict[str, Order] = {order.name: order for order in _ORDERS}


def known_order(name: object) -> Order:
    """The order of that name. Raises BadRequestError naming the allowed ones."""
    if not isinstance(name, str) or name not in ORDERS:
        raise BadRequestError(
            f"order is {name!r}, allowed is one of {', '.join(ORDERS)}", "name one of these"
        )
    return ORDERS[name]

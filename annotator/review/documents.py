"""Matters of the review as the documents that pages and API share: who said it stays hidden."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from annotator.class_names import class_name as shown_name
from annotator.documents import Document, brief_document, named
from annotator.fields import is_whole
from annotator.language import gettext as _
from annotator.language import mark
from annotator.review.deciding import is_party, newest, someone_else
from annotator.review.matters import Key, Matter
from annotator.review.queues import ReviewQueue
from index.errors import RecordError
from index.reviewing import Decision, decisions_of, last_said, pixel_sizes_of, standing_labels

if TYPE_CHECKING:
    from annotator.desk import Desk
    from index.records import Label

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
HOW = {
    "single": mark("by hand"),
    "imported": mark("imported"),
    "bulk": mark("in bulk"),
    "adjudicated": mark("adjudicated"),
}

# What a reviewer may say beside a class: verdict, words, key.
VERDICTS = {
    False: (("kept", mark("Leave it as it is"), "0"),),
    True: (
        ("same", mark("The same cell, both may stay"), "0"),
        ("different", mark("Two different cells"), "-"),
    ),
}


def key_of(name: str) -> Key:
    """The matter named ``12`` or ``12-40``. Raises RecordError."""
    first, _dash, second = name.partition("-")
    if not is_whole(first) or (second and not is_whole(second)) or first == second:
        raise RecordError(
            f"matter is {name[:40]!r}, allowed is the number of a cell, or two with '-' between",
            "open it from the list of its queue",
        )
    return int(first), int(second) if second else None


def class_name(desk: Desk) -> Callable[[str], str]:
    """Names of classes as they stand within a sentence."""
    return lambda code: shown_name(desk.whole.taxonomy.node(code)).lower()


def matter_documents(desk: Desk, matters: Sequence[Matter]) -> list[Document]:
    """Matters for a list: their cells and why they are here."""
    ids = [cell for matter in matters for cell in matter.key if cell is not None]
    cells = desk.atlas.cells_by_id(ids)
    present = desk.atlas.present_of(ids)
    return [
        {
            "name": matter.name,
            "why": matter.sentence(class_name(desk)),
            "worth": round(float(matter.worth), 4),
            "cells": [
                brief_document(desk, cells[each], present.get(each))
                for each in matter.key
                if each is not None
            ],
        }
        for matter in matters
    ]


def matter_document(
    desk: Desk, queue: ReviewQueue, key: Key, author: str, why: str | None = None
) -> Document:
    """All a reviewer needs to decide a matter. With ``queue.blind`` no reader is named.

    ``options`` are the classes at issue, in the order of the taxonomy. Raises UnknownCellError.
    """
    atlas = desk.atlas
    ids = [each for each in key if each is not None]
    cells = atlas.cells_by_id(ids)
    standing = {cell: last_said(said) for cell, said in standing_labels(atlas, ids).items()}
    present = atlas.present_of(ids)
    every = [label for each in ids for label in standing.get(each, [])]
    letters = _letters(key, every, desk.config.secret)
    codes = {label.class_code for label in every}
    sizes = pixel_sizes_of(atlas)
    sides = []
    for each in ids:
        cell = cells[each]
        sides.append(
            {
                **brief_document(desk, cell, present.get(each)),
                "width": cell.width,
                "height": cell.height,
                "micrometres": sizes.get(cell.dataset),
                "said": [
                    {
                        "class": named(atlas.taxonomy, label.class_code),
                        "reader": letters[label.author] if queue.blind else label.author,
                        "how": _(HOW[label.how]),
                    }
                    for label in sorted(
                        standing.get(each, []), key=lambda each: letters[each.author]
                    )
                ],
            }
        )
    return {
        "name": Matter(*key, 0.0, "").name,
        "queue": queue.name,
        "why": why,
        "sides": sides,
        "options": [
            {**(named(atlas.taxonomy, node.code) or {}), "key": str(number)}
            for number, node in enumerate(
                (node for node in atlas.taxonomy.nodes.values() if node.code in codes), start=1
            )
            if number <= 9
        ],
        "verdicts": [
            {"verdict": verdict, "words": _(words), "key": button}
            for verdict, words, button in VERDICTS[key[1] is not None]
        ],
        "version": newest(atlas, key),
        "party": is_party(atlas, key, author),
        "may_decide": not (
            queue.blind and is_party(atlas, key, author) and someone_else(atlas, author)
        ),
    }


def decision_document(desk: Desk, decision: Decision) -> Document:
    """A decision with all that stood before it, readers named."""
    taxonomy = desk.whole.taxonomy
    given = None
    if decision.label_id is not None:
        mine = [e for e in desk.atlas.history(decision.cell_id) if e.id == decision.label_id]
        given = named(taxonomy, mine[0].class_code) if mine else None
    return {
        "id": decision.id,
        "time": decision.time,
        "author": decision.author,
        "queue": decision.queue,
        "cell": decision.cell_id,
        "other": decision.other_id,
        "verdict": decision.verdict,
        "class": given,
        "party": decision.party,
        "note": decision.note,
        "former": [
            {
                "cell": each["cell_id"],
                "class": named(taxonomy, each["class_code"]),
                "author": each["author"],
            }
            for each in decision.former
        ],
    }


def decided(desk: Desk, decision_id: int | None) -> Document | None:
    """The decision of that id as a document, None where there is none."""
    if decision_id is None:
        return None
    found = [each for each in decisions_of(desk.atlas) if each.id == decision_id]
    return decision_document(desk, found[0]) if found else None


def _letters(key: Key, labels: Sequence[Label], secret: str) -> dict[str, str]:
    """``Reader A`` … for each author, in an order that tells nothing and stays within a run."""

    def drawn(author: str) -> str:
        return hashlib.sha256(f"{secret}:{key}:{author}".encode()).hexdigest()

    authors: list[Any] = sorted({label.author for label in labels}, key=drawn)
    return {
        author: _("Reader %(letter)s", letter=LETTERS[place % 26] + "'" * (place // 26))
        for place, author in enumerate(authors)
    }

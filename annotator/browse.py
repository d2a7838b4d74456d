"""Browsing cells by filter, and the counts of the overview. Imports neither torch nor Flask."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from annotator.documents import Document, brief_documents, named
from index.browsing import Wanted, cells_by_dataset, flagged, how_many, page_of, tallies

if TYPE_CHECKING:
    from annotator.desk import Desk
    from index.records import CellFilter

LARGEST_PAGE = 500  # cells that one request may ask for


def browse(
    desk: Desk,
    asked: tuple[CellFilter, str, str],
    before: int | None = None,
    size: int | None = None,
) -> Document:
    """A page of the cells asked for (see ``fields.page_filter``), newest first.

    ``before`` is the last cell of the page before; ``next`` of the answer is what to give as
    ``before`` for the page after, None at the end. ``exact`` is false where a text was found too
    often to be counted: ``total`` then says "at least". The first page alone is counted.
    """
    limit, state, text = asked
    wanted = Wanted(limit, disputed=state == "disputed", text=text)
    size = min(size or desk.config.page_size, LARGEST_PAGE)
    shown = page_of(desk.atlas, wanted, size, before)
    total, exact = how_many(desk.atlas, wanted) if before is None else (None, True)
    return {
        "cells": brief_documents(desk, shown),
        "total": total,
        "exact": exact,
        "next": shown[-1] if len(shown) == size else None,
        "page_size": size,
        "state": state,
    }


def overview(desk: Desk) -> Document:
    """Counts by class and data set; a class counts what is labelled as it or below it."""
    atlas, taxonomy = desk.atlas, desk.whole.taxonomy
    sets = cells_by_dataset(atlas)
    classes: dict[str, Counter[str]] = {}
    exact: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    authors: Counter[str] = Counter()
    disputed = 0
    for each in tallies(atlas):
        if not each.class_code:
            disputed += each.cells
            continue
        exact[each.class_code] += each.cells
        labelled[each.dataset] += each.cells
        authors[each.author] += each.cells
        above = (node.code for node in taxonomy.ancestors(each.class_code))
        for code in (each.class_code, *above):
            classes.setdefault(code, Counter())[each.dataset] += each.cells
    rows = [
        {
            **(named(taxonomy, node.code) or {}),
            "level": node.level,
            "parent": node.parent,
            "labelled": classes[node.code].total(),
            "exactly": exact[node.code],
            "by_dataset": {name: classes[node.code][name] for name in sets},
        }
        for node in taxonomy.nodes.values()
        if node.code in classes
    ]
    return {
        "total": sum(sets.values()),
        "labelled": labelled.total(),
        "disputed": disputed,
        "flagged": flagged(atlas),
        "datasets": [
            {"name": name, "cells": count, "labelled": labelled[name]}
            for name, count in sets.items()
        ],
        "classes": rows,
        "authors": [{"name": name, "labelled": count} for name, count in authors.most_common()],
    }


def authors(desk: Desk) -> list[str]:
    """Who gave the present labels, by name."""
    return sorted({each.author for each in tallies(desk.atlas)} - {""})

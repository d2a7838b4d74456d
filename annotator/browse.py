"""Browsing cells by filter, and the counts of the overview. Imports neither torch nor Flask."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from annotator.documents import Document, brief_documents, named

if TYPE_CHECKING:
    from annotator.desk import Desk
    from index.records import CellFilter


def browse(
    desk: Desk, wanted: tuple[CellFilter, str, str], page: int, size: int | None = None
) -> Document:
    """One page of the cells within a filter (see ``fields.page_filter``), newest cell first."""
    limit, state, text = wanted
    size = size or desk.config.page_size
    ids = desk.atlas.cell_ids(limit)
    if state == "disputed":
        ids = np.intersect1d(ids, np.asarray(desk.atlas.disputed(), dtype=np.int64))
    if text:
        table = desk.atlas.table(limit)
        said = table["file"] + "\n" + table["patient"].fillna("") + "\n" + table["slide"].fillna("")
        has = said.str.lower().str.contains(text.lower(), regex=False).to_numpy(dtype=bool)
        ids = np.intersect1d(ids, table["id"].to_numpy(dtype=np.int64)[has])
    ids = ids[::-1]
    pages = max(1, -(-len(ids) // size))
    page = min(page, pages)
    shown = [int(cell) for cell in ids[(page - 1) * size : page * size]]
    return {
        "cells": brief_documents(desk, shown),
        "total": len(ids),
        "page": page,
        "pages": pages,
        "page_size": size,
        "state": state,
    }


def overview(desk: Desk) -> Document:
    """Counts by class and data set; a class counts what is labelled as it or below it."""
    atlas, taxonomy = desk.atlas, desk.atlas.taxonomy
    table = atlas.table()
    datasets = [str(name) for name in atlas.datasets()["name"]]
    known = table[table["class_code"].notna()]
    counted = Counter(zip(known["class_code"], known["dataset"], strict=True))
    classes: dict[str, Counter[str]] = {}
    exact: Counter[str] = Counter()
    for (code, dataset), count in counted.items():
        exact[code] += count
        for each in (code, *(above.code for above in taxonomy.ancestors(code))):
            classes.setdefault(each, Counter())[dataset] += count
    totals = table.groupby("dataset").size()
    labelled = known.groupby("dataset").size()
    disputed = int(table["disputed"].sum())
    rows = [
        {
            **(named(taxonomy, node.code) or {}),
            "level": node.level,
            "parent": node.parent,
            "labelled": classes[node.code].total(),
            "exactly": exact[node.code],
            "by_dataset": {name: classes[node.code][name] for name in datasets},
        }
        for node in taxonomy.nodes.values()
        if node.code in classes
    ]
    return {
        "total": len(table),
        "labelled": len(known),
        "disputed": disputed,
        "flagged": int(table["flagged"].sum()),
        "datasets": [
            {
                "name": name,
                "cells": int(totals.get(name, 0)),
                "labelled": int(labelled.get(name, 0)),
            }
            for name in datasets
        ],
        "classes": rows,
        "authors": _authors(known),
    }


def _authors(known: Any) -> list[dict[str, Any]]:
    counts = known["author"].value_counts()
    return [{"name": str(name), "labelled": int(count)} for name, count in counts.items()]

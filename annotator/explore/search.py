"""Search: by what is written about cells, by what readers said of them, and by what they look like.

A search is its query string: a page can be kept as a bookmark, saved under a name, or sent on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from annotator.documents import brief_documents, named
from annotator.explore.examples import example_document
from annotator.explore.maps import MapKeeper
from annotator.fields import STATES, choice, is_whole, page_filter
from annotator.language import mark
from annotator.problems import BadRequestError
from index.browsing import Wanted, how_many, page_of
from index.errors import VectorError
from index.exploring import example
from index.records import CellFilter

if TYPE_CHECKING:
    from annotator.desk import Desk

MOST_EXAMPLES = 50
MOST_RANKED = 20_000  # cells that are put in order; beyond, the newest of them count
MOST_SHOWN = 2_000  # cells of a search by likeness that can be paged through

ORDERS: dict[str, str] = {
    "newest": mark("newest first"),
    "novel": mark("most novel first"),
    "like": mark("most alike first"),
}


@dataclass(frozen=True)
class Query:
    """What is looked for. ``more`` and ``less`` are cells that are wanted or unwanted examples,
    ``picture`` and ``unlike`` the same of pictures that are no cells of the atlas."""

    text: str = ""
    state: str = "all"
    class_code: str = ""
    dataset: str = ""
    patient: str = ""
    slide: str = ""
    author: str = ""
    order: str = ""
    more: tuple[int, ...] = ()
    less: tuple[int, ...] = ()
    picture: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()

    @property
    def by_likeness(self) -> bool:
        """True with an example of what is wanted."""
        return bool(self.more or self.picture)

    @property
    def is_empty(self) -> bool:
        """True where nothing is asked for."""
        return self == Query()

    def arguments(self) -> list[tuple[str, str]]:
        """The query string's names and values, without those that say nothing."""
        found: list[tuple[str, str]] = []
        for each in fields(self):
            value = getattr(self, each.name)
            name = "class" if each.name == "class_code" else each.name
            if isinstance(value, tuple):
                found += [(name, str(one)) for one in value]
            elif value and value != each.default:
                found.append((name, str(value)))
        return found


def read_query(given: Mapping[str, Sequence[str]]) -> Query:
    """The query in a query string, all values by name. Raises BadRequestError."""

    def first(name: str) -> str:
        return next(iter(given.get(name, ())), "").strip()[:200]

    order = first("order")
    return Query(
        text=first("text"),
        state=choice({"state": first("state")}, "state", STATES, "all"),
        class_code=first("class"),
        dataset=first("dataset"),
        patient=first("patient"),
        slide=first("slide"),
        author=first("author"),
        order=choice({"order": order}, "order", ORDERS, "newest") if order else "",
        more=_ids(given.get("more", ()), "more"),
        less=_ids(given.get("less", ()), "less"),
        picture=tuple(dict.fromkeys(given.get("picture", ())))[:MOST_EXAMPLES],
        unlike=tuple(dict.fromkeys(given.get("unlike", ())))[:MOST_EXAMPLES],
    )


def _ids(values: Sequence[str], name: str) -> tuple[int, ...]:
    for each in values:
        if not is_whole(each) or not int(each):
            raise BadRequestError(
                f"{name} is {each[:40]!r}, allowed are ids of cells", "leave it out or correct it"
            )
    if len(values) > MOST_EXAMPLES:
        raise BadRequestError(
            f"{len(values)} examples were given as {name}, allowed are {MOST_EXAMPLES}",
            "take some away",
        )
    return tuple(dict.fromkeys(int(each) for each in values))


def wanted_cells(query: Query) -> Wanted:
    """The part of a query that is about what is written and said of cells."""
    limit, state, text = page_filter(
        {
            "state": query.state,
            "class": query.class_code,
            "dataset": query.dataset,
            "author": query.author,
            "text": query.text,
        }
    )
    values = {each.name: getattr(limit, each.name) for each in fields(limit)}
    values["patients"] = (query.patient,) if query.patient else ()
    values["slides"] = (query.slide,) if query.slide else ()
    return Wanted(CellFilter(**values), disputed=state == "disputed", text=text)


class Finder:
    """Searches of one atlas; ``maps`` knows how novel each cell is."""

    def __init__(self, desk: Desk, maps: MapKeeper) -> None:
        self._desk = desk
        self._maps = maps

    def ids(self, query: Query, most: int) -> tuple[list[int], dict[int, float], int, bool]:
        """Cell ids in order (at most ``most``), likeness or novelty by cell, how many there are,
        and whether that is exact. Raises BadRequestError, UnknownSelectionError, VectorError."""
        atlas, wanted = self._desk.atlas, wanted_cells(query)
        if query.by_likeness:
            return self._alike(query, wanted, most)
        if query.less or query.unlike:
            raise BadRequestError(
                "there are only examples of what is not wanted",
                "give one of what is wanted as well",
            )
        if query.order == "novel":
            return self._novel(wanted, most)
        total, exact = how_many(atlas, wanted)
        return page_of(atlas, wanted, most), {}, total, exact

    def _alike(
        self, query: Query, wanted: Wanted, most: int
    ) -> tuple[list[int], dict[int, float], int, bool]:
        from retrieval.relevance import rocchio

        atlas = self._desk.atlas
        model = atlas.active_model
        if model is None:
            raise VectorError("the cells of this atlas have no embedding", "run 'cellkin embed'")
        towards = rocchio(
            self._examples(model, query.more, query.picture),
            self._examples(model, query.less, query.unlike),
        )
        given = {*query.more, *query.less}
        if wanted.text or wanted.disputed:
            chosen = page_of(atlas, wanted, MOST_RANKED)
            ids, vectors = atlas.embeddings_of(
                model, [each for each in chosen if each not in given]
            )
            likeness = vectors @ towards if len(ids) else np.zeros(0, np.float32)
            order = np.argsort(-likeness, kind="stable")[:most]
            found, scores = ids[order].tolist(), likeness[order].tolist()
            return found, dict(zip(found, scores, strict=True)), len(ids), len(chosen) < MOST_RANKED
        values = {each.name: getattr(wanted.limit, each.name) for each in fields(wanted.limit)}
        values["not_cells"] = tuple(sorted(given))
        limit = CellFilter(**values)
        near = atlas.search(towards[None], most, filter=limit, model_id=model, labelled=False)
        pairs = [
            (int(cell), float(score))
            for cell, score in zip(near.ids[0], near.similarity[0], strict=True)
            if cell >= 0
        ]
        total = atlas.count(CellFilter(**{**values, "embedded_with": model}))
        return [cell for cell, _ in pairs], dict(pairs), total, True

    def _examples(self, model: str, cells: Sequence[int], pictures: Sequence[str]) -> np.ndarray:
        """The vectors float32 [N, D] of cells and pictures; N may be 0."""
        atlas = self._desk.atlas
        atlas.cells_by_id(cells)
        ids, vectors = atlas.embeddings_of(model, cells)
        if len(ids) < len(cells):
            missing = sorted(set(cells) - set(ids.tolist()))
            raise VectorError(
                f"cell {missing[0]} has no embedding, so nothing can be compared with it",
                "run 'cellkin embed', or take it away",
            )
        kept = [example(atlas, each) for each in pictures]
        for each in kept:
            if each.model_id != model:
                raise VectorError(
                    f"picture {each.title or each.id} was read by model {each.model_id[:12]}, "
                    f"the cells by {model[:12]}",
                    "give the picture again",
                )
        rows = [*vectors, *(each.vector for each in kept)]
        return np.array(rows, np.float32) if rows else vectors

    def _novel(self, wanted: Wanted, most: int) -> tuple[list[int], dict[int, float], int, bool]:
        sight = self._maps.sight()
        if sight is None or np.isnan(sight.novelty).all():
            raise BadRequestError(
                "how novel the cells are is not known yet",
                "make the map: it measures the novelty of every cell",
            )
        chosen = np.array(page_of(self._desk.atlas, wanted, MOST_RANKED), np.int64)
        _, rows, _ = np.intersect1d(sight.cell_ids, chosen, return_indices=True)
        rows = rows[~np.isnan(sight.novelty[rows])]
        rows = rows[np.argsort(-sight.novelty[rows], kind="stable")]
        scores = {int(sight.cell_ids[row]): float(sight.novelty[row]) for row in rows[:most]}
        return list(scores), scores, len(rows), len(chosen) < MOST_RANKED

    def page(self, query: Query, page: int) -> dict[str, Any]:
        """A page of what a query finds."""
        size = self._desk.config.page_size
        page = min(page, max(1, MOST_SHOWN // size))
        ids, scores, total, exact = self.ids(query, page * size + 1)
        shown = ids[(page - 1) * size : page * size]
        cells = brief_documents(self._desk, shown)
        for cell in cells:
            cell["score"] = round(scores[cell["id"]], 4) if cell["id"] in scores else None
        return {
            "cells": cells,
            "total": total,
            "exact": exact,
            "page": page,
            "more_pages": len(ids) > page * size and page < MOST_SHOWN // size,
            "score": "likeness" if query.by_likeness else "novelty" if scores else None,
            "query": query.arguments(),
        }

    def shown_examples(self, query: Query) -> dict[str, Any]:
        """The examples of a query, to be looked at."""
        cells = {
            each["id"]: each for each in brief_documents(self._desk, [*query.more, *query.less])
        }
        pictures = {
            each: example_document(example(self._desk.atlas, each))
            for each in (*query.picture, *query.unlike)
        }
        return {
            "more": [cells[each] for each in query.more],
            "less": [cells[each] for each in query.less],
            "picture": [pictures[each] for each in query.picture],
            "unlike": [pictures[each] for each in query.unlike],
        }


def described(desk: Desk, query: Query) -> str:
    """A search in a few words, for the title of the selection made of it."""
    said = [
        query.text,
        (named(desk.whole.taxonomy, query.class_code) or {}).get("name", "")
        if query.class_code in desk.whole.taxonomy.nodes
        else "",
        query.dataset,
        query.patient,
        query.slide,
        query.author,
        " ".join(f"#{each}" for each in query.more[:3]),
    ]
    return ", ".join(each for each in said if each)


def as_arguments(kept: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The query string of a saved search, whatever was kept."""
    pairs = kept.get("arguments", [])
    return [(str(name), str(value)) for name, value in pairs]

"""The references of an atlas, kept up with its labels one by one.

Reading all references takes longer than a reader waits between two labels; a label changes one
of them. So after the first reading only the cells with newer labels are read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from index import Atlas, CellFilter
from index.records import Cell, Marks, place
from retrieval.answers.references import References, load_references
from retrieval.answers.voting import Integers

# With more changed cells than these it is quicker to read everything again.
MOST_LEAST = 64
MOST_SHARE = 0.02

TEXTS = {
    "datasets": "dataset",
    "patients": "patient",
    "slides": "slide",
    "hashes": "sha256",
    "splits": "split",
}


class ReferenceBook:
    """``load_references`` for an atlas, a model and limits, without reading all of it each time.

    The result is the same as that of ``load_references`` but for the numbers of groups, which
    only have to tell groups apart. With ``limits`` everything is read again: any change may move
    a cell across them. Not safe between threads: the proposer holds its lock.
    """

    def __init__(self, atlas: Atlas, model_id: str, limits: CellFilter | None) -> None:
        self._atlas = atlas
        self._model_id = model_id
        self._limits = limits
        self._marks: Marks | None = None
        self._references: References | None = None

    def current(self) -> References:
        """The references now: R of them in order of id, the same object while none changed."""
        marks = self._atlas.marks(self._model_id)
        # Labels that come between the marks and the reading are read twice, never left out.
        self._references, self._marks = self._read(marks), marks
        return self._references

    @property
    def origins(self) -> int:
        """How often more had been told of cells (see ``Marks``) when ``current`` was last asked."""
        return 0 if self._marks is None else self._marks.origins

    def _read(self, marks: Marks) -> References:
        known, seen = self._references, self._marks
        if known is not None and seen is not None and not self._limits and marks[1:] == seen[1:]:
            if marks[0] == seen[0]:
                return known
            changed = self._atlas.labelled_since(seen[0])
            if len(changed) <= max(MOST_LEAST, MOST_SHARE * len(known)):
                return self._with(known, changed)
        return load_references(self._atlas, self._model_id, self._limits)

    def _with(self, known: References, changed: list[int]) -> References:
        """``known`` with the cells ``changed`` as they are labelled now."""
        gone = np.isin(known.ids, changed)
        kept = known.take(np.flatnonzero(~gone)) if gone.any() else known
        present = self._atlas.present_votes(changed)
        embedded, _ = self._atlas.embeddings_of(self._model_id, present)
        cells = self._atlas.cells_by_id(int(each) for each in embedded)
        if not cells:
            return kept
        return _joined(kept, list(cells.values()), present)


def _joined(
    references: References, cells: Sequence[Cell], present: Mapping[int, tuple[str, str]]
) -> References:
    """``references`` and M more, in order of id; ``present`` is class and author of each.

    All at once: of a hundred thousand references each column is copied once, not once a cell.
    """
    cells = sorted(cells, key=lambda cell: cell.id)
    at = np.searchsorted(references.ids, [cell.id for cell in cells])
    more: dict[str, Sequence[Any] | Integers] = {
        "ids": [cell.id for cell in cells],
        "codes": [present[cell.id][0] for cell in cells],
        "authors": [present[cell.id][1] for cell in cells],
        "files": [place(cell.file, cell.frame, cell.member) for cell in cells],
    }
    more |= {name: [getattr(cell, of) for cell in cells] for name, of in TEXTS.items()}
    more |= {f"{of}_numbers": _numbers(references, of, cells) for of in ("patient", "slide")}
    more["hash_numbers"] = _numbers(references, "hash", cells)
    columns = {}
    for each in fields(references):
        old = getattr(references, each.name)
        columns[each.name] = np.insert(old, at, np.array(more[each.name], dtype=old.dtype))
    return References(**columns)


def _numbers(references: References, column: str, cells: Sequence[Cell]) -> Integers:
    """[M] the numbers of the groups of ``cells``: those of their like, else new; -1 for none."""
    numbers: Integers = getattr(references, f"{column}_numbers")
    if column == "hash":
        keys: list[Any] = [cell.sha256 for cell in cells]
        theirs = references.hashes
    else:
        keys = [(cell.dataset, getattr(cell, column)) for cell in cells]
        keys = [None if key[1] is None else key for key in keys]
        theirs = getattr(references, f"{column}s")
    wanted = {key if column == "hash" else key[1] for key in keys if key is not None}
    # The few of the same name first, by a hash table in C: each label waits for this.
    same = pd.Index(theirs, dtype=object).isin(list(wanted))
    known: dict[Any, int] = {None: -1}
    for row in np.flatnonzero(same):
        key = theirs[row] if column == "hash" else (references.datasets[row], theirs[row])
        known[key] = int(numbers[row])
    first = int(numbers.max(initial=-1)) + 1
    for key in keys:
        known.setdefault(key, first + len(known))
    return np.array([known[key] for key in keys], dtype=np.int64)

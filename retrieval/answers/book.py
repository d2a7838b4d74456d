"""The references of an atlas, kept up with its labels one by one.

Reading all references takes longer than a reader waits between two labels; a label changes one
of them. So after the first reading only the cells with newer labels are read again.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from index import Atlas, CellFilter
from index.records import Cell, place
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
        self._marks: tuple[int, int] | None = None
        self._references: References | None = None

    def current(self) -> References:
        """The references now: R of them in order of id, the same object while none changed."""
        marks = self._atlas.marks(self._model_id)
        # Labels that come between the marks and the reading are read twice, never left out.
        self._references, self._marks = self._read(marks), marks
        return self._references

    def _read(self, marks: tuple[int, int]) -> References:
        known, seen = self._references, self._marks
        if known is not None and seen is not None and not self._limits and marks[1] == seen[1]:
            if marks[0] == seen[0]:
                return known
            changed = self._atlas.labelled_since(seen[0])
            if len(changed) <= max(MOST_LEAST, MOST_SHARE * len(known)):
                return self._with(known, changed)
        return load_references(self._atlas, self._model_id, self._limits)

    def _with(self, known: References, changed: list[int]) -> References:
        """``known`` with the cells ``changed`` as they are labelled now."""
        kept = known.take(np.flatnonzero(~np.isin(known.ids, changed)))
        present = self._atlas.present_votes(changed)
        embedded, _ = self._atlas.embeddings_of(self._model_id, present)
        cells = self._atlas.cells_by_id(int(each) for each in embedded)
        for cell in cells.values():
            kept = _joined(kept, cell, *present[cell.id])
        return kept


def _joined(references: References, cell: Cell, code: str, author: str) -> References:
    """``references`` and one more, in order of id."""
    at = int(np.searchsorted(references.ids, cell.id))
    row: dict[str, Any] = {"ids": cell.id, "codes": code, "authors": author}
    row |= {name: getattr(cell, of) for name, of in TEXTS.items()}
    row |= {
        "files": place(cell.file, cell.frame, cell.member),
        "patient_numbers": _number(references, "patient", cell),
        "slide_numbers": _number(references, "slide", cell),
        "hash_numbers": _number(references, "hash", cell),
    }
    columns = {}
    for each in fields(references):
        old = getattr(references, each.name)
        new = np.empty(len(old) + 1, dtype=old.dtype)
        new[:at], new[at], new[at + 1 :] = old[:at], row[each.name], old[at:]
        columns[each.name] = new
    return replace(references, **columns)


def _number(references: References, column: str, cell: Cell) -> int:
    """The number of the group of ``cell``: that of its like, else a new one; -1 for none."""
    numbers: Integers = getattr(references, f"{column}_numbers")
    if column == "hash":
        same = references.hashes == cell.sha256
    else:
        name = getattr(cell, column)
        if name is None:
            return -1
        same = (getattr(references, f"{column}s") == name) & (references.datasets == cell.dataset)
    found = np.flatnonzero(same)
    return int(numbers[found[0]]) if len(found) else int(numbers.max(initial=-1)) + 1

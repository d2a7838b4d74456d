"""What goes out of each cell: where it is from, its class, and who said so, when and how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING, Any

from index.browsing import labels_of
from index.facts import LabelFacts, facts_of
from index.labelling import standing
from index.records import Cell, CellFilter, Label

if TYPE_CHECKING:
    from index.atlas import Atlas

BATCH = 2000  # cells whose labels are read at once
AGREEING = 2  # readers that must agree, at least, for a consensus without adjudication

# What is told of a label beside its class, in every format that has room for it.
PROVENANCE = (
    "cell", "sha256", "dataset", "patient", "slide", "stain", "scanner", "field", "split",
    "class_name", "path", "author", "time", "how", "model", "proposed_class",
    "proposed_probability", "proposal_visible", "shown", "readers", "consensus",
)  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """One cell with its present label, as every format writes it.

    ``path`` are the codes from the widest class to ``class_code``; ``model`` is the model whose
    proposal the author had, ``shown`` whether it was in sight (see ``index.facts``). ``readers``
    counts the authors whose labels stand, ``consensus`` is true when at least AGREEING of them
    agree and none disagrees, or when the label was adjudicated.
    """

    cell: Cell
    class_code: str
    class_name: str
    path: tuple[str, ...]
    author: str
    time: str
    how: str
    model: str | None
    proposed_class: str | None
    proposed_probability: float | None
    proposal_visible: bool | None
    shown: str | None
    readers: int
    consensus: bool

    @property
    def file_name(self) -> str:
        """The name of its picture in an export: unique, and safe on every system."""
        slug = re.sub(r"[^A-Za-z0-9-]+", "_", self.cell.dataset).strip("_") or "cells"
        return f"{slug}-{self.cell.id}.png"

    @property
    def provenance(self) -> dict[str, Any]:
        """The facts of PROVENANCE by name: text, numbers, true or false, None where unknown."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        told = {name: getattr(self.cell, name, None) for name in PROVENANCE}
        told.update({name: own[name] for name in PROVENANCE if name in own})
        return {**told, "cell": self.cell.id, "path": "/".join(self.path)}


def exported(
    atlas: Atlas, datasets: Sequence[str] = (), *, consensus: bool = False
) -> Iterator[Exported]:
    """Every cell with a present label, in order of id; with ``consensus`` only such cells.

    Raises UnknownDatasetError.
    """
    waiting = atlas.cells(CellFilter(datasets=tuple(datasets), labelled=True))
    while batch := list(islice(waiting, BATCH)):
        for found in _of(atlas, batch):
            if found.consensus or not consensus:
                yield found


def _of(atlas: Atlas, cells: Sequence[Cell]) -> Iterator[Exported]:
    votes = histories(atlas, [cell.id for cell in cells])
    present = atlas.present_votes([cell.id for cell in cells])
    chosen: dict[int, Label] = {}
    for cell_id, labels in votes.items():
        if cell_id in present:
            mine = [each for each in labels if (each.class_code, each.author) == present[cell_id]]
            chosen[cell_id] = mine[-1]
    facts = facts_of(atlas, [label.id for label in chosen.values()])
    for cell in cells:
        if cell.id in chosen:
            label = chosen[cell.id]
            yield _exported(atlas, cell, label, votes[cell.id], facts.get(label.id))


def histories(atlas: Atlas, cell_ids: Sequence[int]) -> dict[int, list[Label]]:
    """The labels of each cell that stand, oldest first; cells without one are absent."""
    found: dict[int, list[Label]] = {}
    for label in labels_of(atlas, cell_ids):
        found.setdefault(label.cell_id, []).append(label)
    valid = {cell_id: standing(labels) for cell_id, labels in found.items()}
    return {cell_id: labels for cell_id, labels in valid.items() if labels}


def _exported(
    atlas: Atlas, cell: Cell, label: Label, votes: Sequence[Label], facts: LabelFacts | None
) -> Exported:
    taxonomy = atlas.taxonomy
    latest = {each.author: each.class_code for each in votes}
    agree = len(latest) >= AGREEING and taxonomy.agreed(latest.values()) is not None
    above = [node.code for node in reversed(taxonomy.ancestors(label.class_code))]
    return Exported(
        cell=cell,
        class_code=label.class_code,
        class_name=taxonomy.node(label.class_code).name,
        path=(*above, label.class_code),
        author=label.author,
        time=label.time,
        how=label.how,
        model=label.model_id,
        proposed_class=label.proposed_class,
        proposed_probability=label.proposed_probability,
        proposal_visible=label.proposal_visible,
        shown=facts.shown if facts else None,
        readers=len(latest),
        consensus=agree or label.how == "adjudicated",
    )

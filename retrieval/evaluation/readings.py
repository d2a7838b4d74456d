"""Who read which cell how: the labels of an atlas as a table of readers, and what follows from it.

A reader's reading of a cell is the last label of theirs that stands and was given before anyone
adjudicated the cell: afterwards, agreement is no longer a reading. An imported label is that of
the author it was imported under. Labels of cells that only one author has read are not here.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import Atlas, CellFilter
from index.facts import LabelFacts, facts_of
from index.records import Label
from index.reviewing import read_by_several, standing_labels
from index.taxonomy import Taxonomy
from retrieval.evaluation.agreement import (
    NONE,
    WEIGHTS,
    Agreement,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
)
from retrieval.evaluation.errors import EvaluationError

# The line along which a neutrophil matures. Blasts of other lines (monoblast, lymphoblast), and
# labels that leave the stage open (neutrophil, immature granulocyte), do not stand on it.
MATURATION: tuple[tuple[str, ...], ...] = (
    ("blast", "myeloblast"),
    ("promyelocyte",),
    ("myelocyte",),
    ("metamyelocyte",),
    ("band_neutrophil",),
    ("segmented_neutrophil",),
)
STAGES = {code: stage for stage, codes in enumerate(MATURATION) for code in codes}

UNITS = ("cell", "patient")


@dataclass(frozen=True)
class Readings:
    """N cells read by two of R readers or more.

    cells: int64 [N], ascending. readers: R names. codes: object [N, R], the class at the level
    asked for, or None. stages: int64 [N, R], the place on MATURATION, or NONE. consensus: object
    [N], see ``read``. patients: object [N], dataset/patient or None.
    """

    cells: NDArray[np.int64]
    readers: tuple[str, ...]
    codes: np.ndarray
    stages: NDArray[np.int64]
    consensus: np.ndarray
    patients: np.ndarray


@dataclass(frozen=True)
class Figure:
    """One figure of agreement: by which measure, of whom, over what.

    scope: "classes" (every class, at the level asked for) or "maturation" (readings that stand on
    MATURATION). readers: two for Cohen's kappa, all for the others.
    """

    measure: str
    scope: str
    weights: str
    readers: tuple[str, ...]
    agreement: Agreement


@dataclass(frozen=True)
class Confusion:
    """A reader against the consensus. counts: int64 [C, C], consensus down, reader across."""

    reader: str
    classes: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def share(self) -> float | None:
        """The share of cells on which the reader says what the consensus says, 0..1."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts)) / total if total else None


def is_independent(label: Label, facts: LabelFacts | None) -> bool:
    """True when a label rests on the cell alone.

    Without recorded facts: when nothing was proposed, or the proposal was hidden.
    """
    if facts is not None and (facts.shown is not None or facts.peers_visible is not None):
        return facts.independent
    return label.proposed_class is None or label.proposal_visible is False


def read(
    atlas: Atlas,
    *,
    level: str = "class",
    datasets: Sequence[str] = (),
    readers: Sequence[str] = (),
    independent: bool = False,
) -> Readings:
    """The readings of an atlas, of ``datasets`` and ``readers`` where these are named.

    ``independent`` leaves out labels given with the proposal or another's label in sight. The
    consensus of a cell is its adjudicated class, else the class that more than half of its
    readers, two at least, have given; else None. Raises EvaluationError for a reader who has
    labelled no cell that others have read, UnknownDatasetError.
    """
    wanted = set(read_by_several(atlas))
    if datasets:
        wanted &= set(atlas.cell_ids(CellFilter(datasets=tuple(datasets))).tolist())
    standing = standing_labels(atlas, sorted(wanted))
    facts = facts_of(atlas, [each.id for said in standing.values() for each in said])
    said: dict[int, dict[str, str]] = {}
    decided: dict[int, str] = {}
    for cell_id, history in sorted(standing.items()):
        mine, verdict = _of_cell(history, facts if independent else None)
        mine = {name: code for name, code in mine.items() if not readers or name in readers}
        if len(mine) >= 2:
            said[cell_id] = {n: _at(atlas.taxonomy, code, "subclass") for n, code in mine.items()}
            if verdict is not None:
                decided[cell_id] = verdict
    names = sorted({name for mine in said.values() for name in mine})
    if unknown := [name for name in readers if name not in names]:
        raise EvaluationError(
            f"reader {unknown[0]!r} has read no cell that another has read, "
            f"those who have are {', '.join(names) or 'none'}",
            "name one of these, or have two readers label the same cells",
        )
    return _table(atlas, level, tuple(names), said, decided)


def _of_cell(
    history: Sequence[Label], facts: dict[int, LabelFacts] | None
) -> tuple[dict[str, str], str | None]:
    """Each reader's reading, and the adjudicated class, of one cell."""
    verdicts = [label for label in history if label.how == "adjudicated"]
    before = verdicts[0].id if verdicts else None
    mine = {
        label.author: label.class_code
        for label in history
        if label.how != "adjudicated"
        and (before is None or label.id < before)
        and (facts is None or is_independent(label, facts.get(label.id)))
    }
    return mine, verdicts[-1].class_code if verdicts else None


def _table(
    atlas: Atlas,
    level: str,
    names: tuple[str, ...],
    said: dict[int, dict[str, str]],
    decided: dict[int, str],
) -> Readings:
    taxonomy = atlas.taxonomy
    codes = np.full((len(said), len(names)), None, dtype=object)
    stages = np.full(codes.shape, NONE, dtype=np.int64)
    consensus = np.full(len(said), None, dtype=object)
    column = {name: place for place, name in enumerate(names)}
    for row, (cell_id, mine) in enumerate(said.items()):
        for name, code in mine.items():
            codes[row, column[name]] = _at(taxonomy, code, level)
            stages[row, column[name]] = STAGES.get(code, NONE)
        if cell_id in decided:
            consensus[row] = _at(taxonomy, decided[cell_id], level)
        else:
            [(code, votes)] = Counter(codes[row][codes[row] != None]).most_common(1)  # noqa: E711
            consensus[row] = code if 2 * votes > len(mine) else None
    cells = atlas.cells_by_id(said)
    patients = [
        None if cells[each].patient is None else f"{cells[each].dataset}/{cells[each].patient}"
        for each in said
    ]
    return Readings(
        np.fromiter(said, dtype=np.int64, count=len(said)),
        names,
        codes,
        stages,
        consensus,
        np.array(patients, dtype=object),
    )


def _at(taxonomy: Taxonomy, code: str, level: str) -> str:
    """``code`` at ``level``; a label above the level stays what it is."""
    return taxonomy.at_level(code, level) or code


def figures(
    readings: Readings, *, unit: str = "cell", draws: int = 1000, seed: int = 0
) -> list[Figure]:
    """Every figure of agreement there is: of all readers together, then of each two.

    ``unit`` is what is drawn for the intervals: cells, or whole patients with all their cells.
    Two readers without a cell in common are left out.
    """
    if unit not in UNITS:
        raise EvaluationError(
            f"unit is {unit!r}, allowed is one of {', '.join(UNITS)}", "give one of these"
        )
    groups = None
    if unit == "patient":  # a cell of no known patient is drawn by itself
        known = zip(readings.patients, readings.cells, strict=True)
        groups = np.array([name if name is not None else f"/{cell}" for name, cell in known])
    order = sorted({code for code in readings.codes.ravel() if code is not None})
    number = {code: place for place, code in enumerate(order)}
    numbers = np.vectorize(lambda code: number.get(code, NONE), otypes=[np.int64])
    whole = numbers(readings.codes) if readings.codes.size else np.empty((0, 0), np.int64)
    scopes = {
        "classes": (whole, max(1, len(order)), WEIGHTS[:1]),
        "maturation": (readings.stages, len(MATURATION), WEIGHTS),
    }
    more: dict[str, Any] = {"groups": groups, "draws": draws, "seed": seed}
    names = readings.readers
    found = []
    for scope, (table, classes, weights) in scopes.items():
        if len(names) >= 2:
            fleiss = fleiss_kappa(table, classes, **more)
            found.append(Figure("fleiss", scope, "nominal", names, fleiss))
        for each in weights if len(names) >= 2 else ():
            alpha = krippendorff_alpha(table, classes, weights=each, **more)
            found.append(Figure("krippendorff", scope, each, names, alpha))
    for a, b in itertools.combinations(range(len(names)), 2):
        for scope, (table, classes, weights) in scopes.items():
            for each in weights:
                kappa = cohen_kappa(table[:, a], table[:, b], classes, weights=each, **more)
                if kappa.cells:
                    found.append(Figure("cohen", scope, each, (names[a], names[b]), kappa))
    return found


def confusions(readings: Readings, order: Sequence[str] = ()) -> list[Confusion]:
    """Each reader against the consensus; the classes in ``order`` (of codes), others behind."""
    found = []
    for column, name in enumerate(readings.readers):
        mine = readings.codes[:, column]
        both = np.array([a is not None and b is not None for a, b in
                         zip(mine, readings.consensus, strict=True)], dtype=bool)  # fmt: skip
        occur = {*mine[both], *readings.consensus[both]}
        classes = [code for code in order if code in occur]
        classes += sorted(occur - set(classes))
        counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
        for truth, said in zip(readings.consensus[both], mine[both], strict=True):
            counts[classes.index(truth), classes.index(said)] += 1
        found.append(Confusion(name, tuple(classes), counts))
    return found


def as_document(
    readings: Readings, found: Sequence[Figure], order: Sequence[str]
) -> dict[str, Any]:
    """Readings, figures and confusions as plain JSON values."""
    per_reader = (readings.codes != None).sum(axis=0)  # noqa: E711
    return {
        "cells": len(readings.cells),
        "readers": [
            {"name": name, "cells": int(count)}
            for name, count in zip(readings.readers, per_reader, strict=True)
        ],
        "with_consensus": int((readings.consensus != None).sum()),  # noqa: E711
        "figures": [
            {
                "measure": each.measure,
                "scope": each.scope,
                "weights": each.weights,
                "readers": list(each.readers),
                "value": each.agreement.value,
                "interval": asdict(each.agreement.interval) if each.agreement.interval else None,
                "same": each.agreement.same,
                "cells": each.agreement.cells,
                "ratings": each.agreement.ratings,
            }
            for each in found
        ],
        "confusions": [
            {
                "reader": each.reader,
                "share": each.share,
                "classes": list(each.classes),
                "counts": each.counts.tolist(),
            }
            for each in confusions(readings, order)
        ],
    }

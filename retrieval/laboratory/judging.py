"""What the known laboratories of an atlas teach about trust, gathered for ``retrieval.trust``."""

from __future__ import annotations

import numpy as np

from retrieval.answers.fitting import group_numbers
from retrieval.folder import read_folder
from retrieval.laboratory.known import KnownCells
from retrieval.trust.judge import Judge, Known, Readings

VAL_LEAST = 50  # val cells of a data set that stand for it; of others each fifth is set aside
ASIDE = 5
MOST = 2000  # cells of a data set that are set aside at most


def judge_of(known: KnownCells, *, coverage: float, seed: int) -> Judge:
    """The judge that ``known`` cells teach, those set aside being read by the others."""
    aside = _set_aside(known)
    voters = known.take(~aside)
    names = sorted(set(known.references.datasets[aside].tolist()))
    sets = [_known(name, known.take(aside & known.of_dataset(name)), voters) for name in names]
    return Judge(
        known.ancestry,
        voters.described,
        voters.columns,
        voters.references.datasets.tolist(),
        sets,
        widths=[width for _, width in known.space.parts],
        coverage=coverage,
        seed=seed,
    )


def _set_aside(known: KnownCells) -> np.ndarray:
    """[R] bool: the cells that stand for their data set."""
    chosen = np.zeros(len(known), dtype=bool)
    for name in set(known.references.datasets.tolist()):
        mine = known.of_dataset(name)
        val = np.flatnonzero(mine & (known.references.splits == "val"))
        rows = val if len(val) >= VAL_LEAST else np.flatnonzero(mine)[::ASIDE]
        if len(rows) > MOST:
            rows = rows[np.linspace(0, len(rows) - 1, MOST).astype(np.int64)]
        chosen[rows] = True
    return chosen


def _known(name: str, held: KnownCells, voters: KnownCells) -> Known:
    reading = read_folder(
        held.described,
        voters.described,
        voters.columns,
        held.classes,
        held.space,
        groups=voters.references.datasets.tolist(),
    )
    return Known(
        name,
        held.described,
        held.columns,
        Readings(reading.probabilities, reading.alone),
        group_numbers(held.references),
    )

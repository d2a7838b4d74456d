"""What an order of the queue may know of the cells it puts in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from retrieval.answers.proposer import Proposal

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def _none(*shape: int) -> Floats:
    return np.zeros(shape, dtype=np.float64)


@dataclass(frozen=True)
class Candidates:
    """N cells to be put in order, with what is known of them.

    ids: [N] cell ids. classes: C codes. probabilities: [N, C], rows sum to 1. novelty: [N], 0 to 1.
    vectors: [N, D] unit vectors. labelled: [R, D] unit vectors of cells labelled already. counts:
    labels so far by class code. contested: [N], True where readers' labels disagree. seed: for
    orders that draw. What an order does not ask for (``Order.needs``) may be empty.
    """

    ids: Integers
    classes: tuple[str, ...] = ()
    probabilities: Floats = field(default_factory=lambda: _none(0, 0))
    novelty: Floats = field(default_factory=lambda: _none(0))
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    labelled: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    counts: Mapping[str, int] = field(default_factory=dict)
    contested: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    seed: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def doubt(self) -> Floats:
        """[N] how little the most probable class leads the next: 0 (certain) to 1 (a tie)."""
        if self.probabilities.shape[1] < 2:
            return np.zeros(len(self))
        top = np.partition(self.probabilities, -2, axis=1)[:, -2:]
        return 1.0 - (top[:, 1] - top[:, 0])


def proposed(
    proposals: Mapping[int, Proposal], cell_ids: Sequence[int]
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Classes [C], probabilities [N, C] and novelty [N] of cells that all have a proposal."""
    classes = tuple(
        dict.fromkeys(code for cell in cell_ids for code in proposals[cell].probabilities)
    )
    place = {code: column for column, code in enumerate(classes)}
    matrix = np.zeros((len(cell_ids), len(classes)))
    for row, cell in enumerate(cell_ids):
        for code, value in proposals[cell].probabilities.items():
            matrix[row, place[code]] = value
    novelty = np.array([proposals[cell].novelty for cell in cell_ids], dtype=np.float64)
    return classes, matrix, novelty

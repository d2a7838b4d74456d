"""What is known of cells before any answer, and how they are put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.described import Described
from retrieval.folder.errors import FolderError

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

_KEYS = 16  # coordinates by which cells are put in order: equal in all of them means the same cell


@dataclass(frozen=True)
class Space:
    """What the columns of ``Described`` mean, in the words of the model that made it.

    parts: (name, width) of each part of the features, in order. score_classes: [S] codes of the
    classes that the scores are of.
    """

    parts: tuple[tuple[str, int], ...] = ()
    score_classes: tuple[str, ...] = ()

    def check(self, cells: Described) -> None:
        """Raise FolderError unless ``cells`` have the columns of this space."""
        n = len(cells)
        wanted = (n, sum(width for _, width in self.parts)), (n, len(self.score_classes))
        got = cells.features.shape, cells.scores.shape
        if got != wanted:
            raise FolderError(
                f"features and scores of {n} cells have shapes {got[0]} and {got[1]}, "
                f"allowed are {wanted[0]} and {wanted[1]}",
                "describe all cells with the same model: run cellkin embed",
            )

    def blocks(self, cells: Described) -> list[Floats]:
        """Each part of the features, float32; the vectors where there is none."""
        if not self.parts:
            return [np.asarray(cells.vectors, dtype=np.float32)]
        edges = np.cumsum([0, *(width for _, width in self.parts)])
        return [
            np.asarray(cells.features[:, low:high], dtype=np.float32)
            for low, high in pairwise(edges.tolist())
        ]


def unit(points: ArrayLike) -> Floats:
    """[N, D] rows divided by their length; rows of zeros stay so."""
    rows = np.asarray(points, dtype=np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    result: Floats = rows / np.maximum(length, np.float32(1e-9))
    return result


def means(blocks: Sequence[Floats]) -> list[Floats]:
    """The mean row of each block."""
    return [block.mean(axis=0) for block in blocks]


def centred(blocks: Sequence[Floats], middle: Sequence[Floats] | None = None) -> Floats:
    """[N, E] unit rows: each block less its mean (its own, or ``middle``), unit, side by side.

    Taking a laboratory's own mean off its features takes off what stain and camera add to all.
    """
    shift = means(blocks) if middle is None else middle
    return unit(np.concatenate([unit(b - m) for b, m in zip(blocks, shift, strict=True)], axis=1))


def content_order(cells: Described) -> Integers:
    """[N] the order of ``cells`` by what they are, whatever order they come in."""
    keys = np.asarray(cells.vectors, dtype=np.float32)[:, :_KEYS]
    order: Integers = np.lexsort(keys.T[::-1]).astype(np.int64)
    return order

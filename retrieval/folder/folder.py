"""The cells of one laboratory, prepared once to be read and adapted to together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from retrieval.described import Described
from retrieval.folder.graph import diffuse, neighbour_graph
from retrieval.folder.space import Floats, Space, centred, content_order, means

NEIGHBOURS = 12  # edges of a cell in the graph


class Folder:
    """N cells seen together: their features about their own middle, and who is near whom.

    Everything inside is in the order of what the cells are (``space.content_order``), so that no
    answer depends on the order in which they came: ``inside`` and ``outside`` translate.
    """

    def __init__(self, cells: Described, space: Space) -> None:
        space.check(cells)
        self.space = space
        self.order = content_order(cells)
        self.cells = cells[self.order]
        self._place = np.empty(len(self.order), dtype=np.int64)
        self._place[self.order] = np.arange(len(self.order))
        blocks = space.blocks(self.cells)
        self.middle = means(blocks)
        self.points = centred(blocks, self.middle)

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def graph(self) -> csr_matrix:
        """[N, N] the graph of nearest neighbours of the centred features."""
        return neighbour_graph(self.points, NEIGHBOURS)

    def diffuse(self, start: NDArray[np.floating], alpha: float) -> Floats:
        """[N, C] ``start`` diffused over the graph."""
        return diffuse(self.graph, start, alpha)

    def inside(self, values: NDArray) -> NDArray:
        """[N, ...] values in the order given, brought into the order of content."""
        return values[self.order]

    def outside(self, values: NDArray) -> NDArray:
        """[N, ...] values in the order of content, brought back into the order given."""
        return values[self._place]

    def rows(self, given: NDArray[np.int64]) -> NDArray[np.int64]:
        """[n] where the cells in rows ``given`` stand inside."""
        result: NDArray[np.int64] = self._place[given]
        return result

    def points_of(self, cells: Described) -> Floats:
        """[M, E] other cells about the middle of these."""
        return centred(self.space.blocks(cells), self.middle)


def points_by_group(cells: Described, groups: Sequence[str | None], space: Space) -> Floats:
    """[N, E] cells of several laboratories, each about the middle of its own ``groups`` [N]."""
    blocks = space.blocks(cells)
    names = np.asarray([name or "" for name in groups])
    points = np.empty((len(cells), sum(block.shape[1] for block in blocks)), dtype=np.float32)
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        points[rows] = centred([block[rows] for block in blocks])
    return points

"""A simulated reader: what each action costs, and how often it goes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Times:
    """Seconds an action takes.

    single: to name one cell without help. confirm: to accept a right proposal on one cell. glance:
    to take in a page, beside ``cell`` for each cell on it. correction: to take a cell out of a page
    and name it.
    """

    single: float = 1.0
    confirm: float = 0.7
    glance: float = 1.5
    cell: float = 0.15
    correction: float = 1.5

    def seconds(self, done: Mapping[str, int]) -> float:
        """What the counted actions take together."""
        return float(sum(getattr(self, name) * count for name, count in done.items()))


@dataclass(frozen=True)
class Errors:
    """Probabilities of going wrong.

    single: a cell looked at alone is given another class. follow: a wrong proposal on a single cell
    is accepted. miss: a foreign cell on a page is overlooked; rare targets are missed that often
    (Wolfe, Horowitz and Kenner, "Rare items often missed in visual searches", Nature 2005). alarm:
    a right cell is taken out of a page.
    """

    single: float = 0.005
    follow: float = 0.05
    miss: float = 0.3
    alarm: float = 0.002


ACTIONS = ("single", "confirm", "glance", "correction")  # ``cell`` is a part of a glance


class Reader:
    """Names cells of N by their true class, [N] of C, and counts what it costs.

    ``done`` counts single, confirm, glance, cell and correction; times never change what is done.
    """

    def __init__(self, truth: NDArray[np.int64], classes: int, errors: Errors, seed: int) -> None:
        self._truth = truth
        self._classes = classes
        self._errors = errors
        self.miss = errors.miss
        self._draw = np.random.default_rng(seed)
        self.done = dict.fromkeys((*ACTIONS, "cell"), 0)

    @property
    def actions(self) -> int:
        """How many things the reader has done."""
        return sum(self.done[name] for name in ACTIONS)

    def name(self, cell: int, proposed: int | None = None) -> int:
        """The class the reader gives to one cell, perhaps with a proposal in sight."""
        true = int(self._truth[cell])
        if proposed is None:
            self.done["single"] += 1
            return self._by_itself(true)
        if proposed == true:
            self.done["confirm"] += 1
            return true
        followed = self._draw.random() < self._errors.follow
        self.done["confirm" if followed else "single"] += 1
        return proposed if followed else self._by_itself(true)

    def look(self, cells: Sequence[int], proposed: int) -> list[int]:
        """The cells of a page that strike the reader as not ``proposed``; nothing is changed."""
        self.done["glance"] += 1
        self.done["cell"] += len(cells)
        chance = self._draw.random(len(cells)).tolist()
        rate = (self._errors.alarm, 1.0 - self._errors.miss)  # own kind, foreign
        return [
            cell
            for cell, drawn in zip(cells, chance, strict=True)
            if drawn < rate[int(self._truth[cell]) != proposed]
        ]

    def correct(self, cell: int) -> int:
        """Take a cell out of a page and name it."""
        self.done["correction"] += 1
        return self._by_itself(int(self._truth[cell]))

    def glance(self, cells: Sequence[int], proposed: int) -> dict[int, int]:
        """The cells of a page that the reader takes out, each with the class it is given."""
        return {cell: self.correct(cell) for cell in self.look(cells, proposed)}

    def kind(self, cells: Sequence[int]) -> int:
        """The class most cells of a page are, as seen at a glance at it; costs nothing more."""
        return int(np.bincount(self._truth[list(cells)], minlength=self._classes).argmax())

    def call(self, column: int) -> int:
        """Name a whole group; one action like naming one cell."""
        self.done["single"] += 1
        return column

    def _by_itself(self, true: int) -> int:
        if self._classes > 1 and self._draw.random() < self._errors.single:
            other = int(self._draw.integers(self._classes - 1))
            return other + (other >= true)
        return true

"""95% intervals: cluster bootstrap by patient or slide, and Wilson for plain proportions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import ndtri

from retrieval.evaluation.errors import EvaluationError

_BLOCK = 100


@dataclass(frozen=True)
class Interval:
    """From ``low`` to ``high``; ``groups`` counts what was drawn (patients, slides or cells)."""

    low: float
    high: float
    method: str
    groups: int


def wilson_interval(successes: int, total: int, *, level: float = 0.95) -> Interval:
    """Score interval of a proportion (Wilson 1927); holds near 0 and 1, where most figures lie.

    It takes the cells as independent. ``total`` 0 gives 0..1: nothing is known.
    """
    if not 0 <= successes <= total:
        raise EvaluationError(
            f"{successes} of {total} is no proportion, allowed is 0 to the total",
            "count the successes among the total",
        )
    if total == 0:
        return Interval(0.0, 1.0, "wilson", 0)
    z = float(ndtri(0.5 + level / 2))
    share = successes / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(
        share * (1 - share) / total + z * z / (4 * total * total)
    )  # fmt: skip
    # At the ends the closed form is exact; rounding must not leave the proportion outside.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == total else centre + half
    return Interval(low, high, "wilson", total)


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """``over / under`` [B], NaN where nothing was counted."""
    share = np.full(over.shape, np.nan)
    return np.divide(over, under, out=share, where=under > 0)


class ClusterBootstrap:
    """Draws whole groups with replacement, so that cells of one patient stay together.

    Cells of a patient are alike: to draw them one by one gives intervals that are too narrow
    (Davison and Hinkley 1997, section 3.8). One object draws once, seeded, and gives every figure
    its percentile interval from the same draws. ``groups`` [N] of any sortable type; a cell without
    a known patient or slide is a group of its own.
    """

    def __init__(
        self, groups: Sequence[Any] | np.ndarray, *, draws: int = 1000, seed: int = 0,
        level: float = 0.95,
    ) -> None:  # fmt: skip
        names, self._group = np.unique(np.asarray(groups), return_inverse=True)
        if not len(names):
            raise EvaluationError("there are no cells to draw from", "give at least one cell")
        self.groups, self.draws, self.seed, self.level = len(names), draws, seed, level

    def mean(self, values: np.ndarray) -> Interval | None:
        """Interval of the mean of ``values`` [N]; NaN counts as not measured.

        None where fewer than two groups were measured: then nothing can be said.
        """
        values = np.asarray(values, np.float64)
        known = ~np.isnan(values)
        if len(np.unique(self._group[known])) < 2:
            return None
        table = np.column_stack([np.where(known, values, 0.0), known])
        return self.of_sums(table, lambda sums: {"mean": ratio(sums[:, 0], sums[:, 1])})["mean"]

    def of_sums(
        self,
        table: np.ndarray | sparse.sparray,
        figures: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    ) -> dict[str, Interval | None]:
        """Intervals of figures that follow from sums over cells of ``table`` [N, S].

        ``figures`` turns the sums of many draws, [B, S], into figures of each, [B] by name; a draw
        whose figure is NaN says nothing of it.
        """
        onehot = sparse.csr_array(
            (np.ones(len(self._group)), (self._group, np.arange(len(self._group)))),
            shape=(self.groups, len(self._group)),
        )
        by_group = onehot @ table
        return self._intervals(figures(np.asarray(w @ by_group)) for w in self._weights())

    def of_weights(
        self, figures: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    ) -> dict[str, Interval | None]:
        """Intervals of figures that need every cell's weight: ``figures`` maps [B, N] to [B]."""
        return self._intervals(figures(w[:, self._group]) for w in self._weights())

    def _weights(self) -> Iterator[np.ndarray]:
        """How often each group was drawn, float64 [B, G], in blocks; the same at every call."""
        rng = np.random.default_rng(self.seed)
        even = np.full(self.groups, 1 / self.groups)
        for at in range(0, self.draws, _BLOCK):
            size = min(_BLOCK, self.draws - at)
            yield rng.multinomial(self.groups, even, size=size).astype(np.float64)

    def _intervals(self, blocks: Iterable[Mapping[str, np.ndarray]]) -> dict[str, Interval | None]:
        drawn: dict[str, list[np.ndarray]] = {}
        for block in blocks:
            for name, values in block.items():
                drawn.setdefault(name, []).append(values)
        return {name: self._interval(np.concatenate(parts)) for name, parts in drawn.items()}

    def _interval(self, drawn: np.ndarray) -> Interval | None:
        drawn = drawn[np.isfinite(drawn)]
        if self.groups < 2 or not len(drawn):
            return None
        tail = (1 - self.level) / 2
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return Interval(float(low), float(high), "cluster_bootstrap", self.groups)

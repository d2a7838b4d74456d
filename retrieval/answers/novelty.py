"""How unlike the references a cell is: its distance among the distances that known cells have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from retrieval.answers.voting import Floats

POINTS = 1001  # the distances are kept as this many quantiles at most


@dataclass(frozen=True)
class NoveltyScale:
    """The distances that cells of known kinds have to their nearest references.

    distances: sorted, of cells that were left out of the references they were compared with.
    count: how many cells they stand for.
    """

    distances: tuple[float, ...] = ()
    count: int = 0

    @classmethod
    def learn(cls, distances: ArrayLike) -> NoveltyScale:
        """From the left-out distances [N] of known cells; infinite ones are passed over."""
        known = np.asarray(distances, dtype=np.float64)
        known = np.sort(known[np.isfinite(known)])
        many = len(known) > POINTS
        kept = np.quantile(known, np.linspace(0, 1, POINTS)) if many else known
        return cls(tuple(float(d) for d in kept), len(known))

    def score(self, distances: ArrayLike) -> Floats:
        """[N] novelty from 0 to 1: the share of known cells that lie nearer than this distance.

        1 - novelty is an empirical p-value, with (rank + 1) / (count + 1) so that no finite
        sample proves certainty: among cells like the references 0.99 is exceeded by one in a
        hundred. Equal distances count half. 1 for a cell without a neighbour, and 0.5 for every
        other while no known distances exist.
        """
        asked = np.asarray(distances, dtype=np.float64)
        if not self.count:
            return np.where(np.isfinite(asked), 0.5, 1.0)
        known = np.asarray(self.distances)
        below = np.searchsorted(known, asked, side="left")
        upto = np.searchsorted(known, asked, side="right")
        share = (below + upto) / 2 / len(known)
        score = share * self.count / (self.count + 1)
        return np.where(np.isfinite(asked), score, 1.0)

    def beyond(self, distances: ArrayLike) -> np.ndarray:
        """[N] bool: further away than every known cell (never, while none is known)."""
        if not self.count:
            return np.isinf(np.asarray(distances, dtype=np.float64))
        return np.asarray(distances, dtype=np.float64) > self.distances[-1]

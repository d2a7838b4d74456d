"""Which laboratories teach, and how much each: batches balanced over classes and laboratories."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

ENOUGH = 15  # cells of a class from which on a laboratory has its full share of it


class SourceSampler:
    """Draws batches in which classes have equal shares, and of each class the laboratories.

    class_of, laboratory_of: int [N]. weights: [laboratories], relative. A laboratory with fewer
    than ENOUGH cells of a class is drawn less for it, so that three basophils do not stand for a
    laboratory's. label_of: int [N] or None; where a class has deeper labels, half its draws take
    these in equal shares.
    """

    def __init__(
        self,
        class_of: np.ndarray,
        laboratory_of: np.ndarray,
        weights: np.ndarray,
        label_of: np.ndarray | None = None,
    ) -> None:
        self.classes = np.unique(class_of)
        self._weights = weights
        self._label_of = label_of
        self._rows = {
            int(one): {
                int(laboratory): np.flatnonzero((class_of == one) & (laboratory_of == laboratory))
                for laboratory in np.unique(laboratory_of[class_of == one])
            }
            for one in self.classes
        }

    def batches(self, size: int, steps: int, seed: tuple[int, int]) -> Iterator[np.ndarray]:
        """``steps`` batches of about ``size`` rows, at least two of each class in a batch."""
        rng = np.random.default_rng(seed)
        per_class = max(2, size // len(self.classes))
        most = max(1, size // per_class)
        for _ in range(steps):
            chosen = self.classes
            if len(chosen) > most:
                chosen = rng.choice(chosen, most, replace=False)
            yield np.array([self._draw(int(one), rng) for one in np.repeat(chosen, per_class)])

    def _draw(self, one: int, rng: np.random.Generator) -> int:
        by_laboratory = self._rows[one]
        laboratories = list(by_laboratory)
        shares = np.array(
            [
                self._weights[laboratory] * min(1.0, len(by_laboratory[laboratory]) / ENOUGH)
                for laboratory in laboratories
            ]
        )
        rows = by_laboratory[laboratories[rng.choice(len(shares), p=shares / shares.sum())]]
        if self._label_of is not None and rng.random() < 0.5:
            labels = self._label_of[rows]
            rows = rows[labels == rng.choice(np.unique(labels))]
        return int(rng.choice(rows))

"""What a model says of pictures: vectors to compare, features to learn from, class scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Described:
    """N pictures as a model sees them.

    vectors: float32 [N, D], each of length 1. features: float16 [N, E], the model's
    ``feature_parts`` side by side; E is 0 where it has none. scores: float32 [N, S],
    probabilities over the model's ``score_classes``; S is 0 where it has none. leaves: float32
    [N, L], the same over its ``leaf_classes``. found: bool [N], False where the model's finder
    saw no cell, so that the whole picture was taken. others: int64 [N], how many more cells it saw.
    """

    vectors: np.ndarray
    features: np.ndarray
    scores: np.ndarray
    leaves: np.ndarray = field(default_factory=lambda: np.empty(0))
    found: np.ndarray = field(default_factory=lambda: np.empty(0))
    others: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        """Left out, ``leaves`` are none and every cell was found, alone."""
        count = len(self.vectors)
        if self.leaves.ndim == 1:
            object.__setattr__(self, "leaves", np.empty((count, 0), np.float32))
        if len(self.found) != count:
            object.__setattr__(self, "found", np.ones(count, bool))
        if len(self.others) != count:
            object.__setattr__(self, "others", np.zeros(count, np.int64))

    @classmethod
    def plain(cls, vectors: np.ndarray) -> Described:
        """``vectors`` [N, D] alone: no features, no scores."""
        count = len(vectors)
        none = np.empty((count, 0), np.float32)
        return cls(vectors, none.astype(np.float16), none)

    def __len__(self) -> int:
        """N."""
        return len(self.vectors)

    def __getitem__(self, rows: slice | np.ndarray) -> Described:
        """Those of some ``rows``: a slice, or an index array."""
        return Described(
            self.vectors[rows],
            self.features[rows],
            self.scores[rows],
            self.leaves[rows],
            self.found[rows],
            self.others[rows],
        )

    def with_found(self, found: Sequence[bool], others: Sequence[int] = ()) -> Described:
        """The same, with what the finder said of each picture; ``others`` none by default."""
        return replace(
            self, found=np.asarray(found, dtype=bool), others=np.asarray(others, dtype=np.int64)
        )

    @classmethod
    def joined(cls, parts: Sequence[Described]) -> Described:
        """``parts`` (at least one) of one model one after another."""
        return cls(
            np.concatenate([part.vectors for part in parts]),
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.leaves for part in parts]),
            np.concatenate([part.found for part in parts]),
            np.concatenate([part.others for part in parts]),
        )

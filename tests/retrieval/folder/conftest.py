"""Laboratories drawn at random: the same classes, another stain, a network that is half sure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from retrieval.described import Described
from retrieval.folder import Space

CLASSES = ("neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte")
WIDTHS = (24, 48, 32)  # vectors, taught, frozen


@dataclass(frozen=True)
class Laboratory:
    """Cells, and the class number of each."""

    cells: Described
    classes: np.ndarray


class World:
    """Classes lie in a hidden space of 12 dimensions; a laboratory shifts and stretches it."""

    space = Space((("taught", WIDTHS[1]), ("frozen", WIDTHS[2])), CLASSES)

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.centres = rng.normal(size=(len(CLASSES), 12)) * 1.7
        self.maps = [rng.normal(size=(12, width)) / 4 for width in WIDTHS]

    def laboratory(self, counts: Sequence[int], *, shift: float = 0.0, seed: int = 1) -> Laboratory:
        rng = np.random.default_rng(seed)
        classes = rng.permutation(np.repeat(np.arange(len(counts)), counts))
        stain = rng.normal(size=12) * shift
        hidden = self.centres[classes] + rng.normal(size=(len(classes), 12)) * 0.8 + stain
        seen = [
            hidden @ each + rng.normal(size=(len(classes), each.shape[1])) * 0.3
            for each in self.maps
        ]
        far = -((hidden[:, None] - self.centres) ** 2).sum(axis=2) / 6
        scores = np.exp(far - far.max(axis=1, keepdims=True))
        cells = Described(
            (seen[0] / np.linalg.norm(seen[0], axis=1, keepdims=True)).astype(np.float32),
            np.concatenate(seen[1:], axis=1).astype(np.float16),
            (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32),
        )
        return Laboratory(cells, classes)


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def home(world: World) -> Laboratory:
    return world.laboratory((120, 60, 60, 120, 60), seed=2)


@pytest.fixture(scope="session")
def abroad(world: World) -> Laboratory:
    return world.laboratory((90, 40, 30, 60, 40), shift=0.6, seed=3)


def balanced(answers: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([(answers[truth == c] == c).mean() for c in np.unique(truth)]))


@pytest.fixture(scope="session")
def accuracy() -> Callable[[np.ndarray, np.ndarray], float]:
    return lambda probabilities, truth: balanced(probabilities.argmax(axis=1), truth)


def first_of_each(classes: np.ndarray, n: int) -> np.ndarray:
    rows = [np.flatnonzero(classes == c)[:n] for c in np.unique(classes)]
    return np.sort(np.concatenate(rows))


@pytest.fixture(scope="session")
def some_of_each() -> Callable[[np.ndarray, int], np.ndarray]:
    return first_of_each

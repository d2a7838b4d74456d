"""The part of the taxonomy that answers need, as arrays: ancestors of the classes that can occur.

A "column" is the number of a class that can be an answer, 0..C-1; an "ancestor" is the number of a
node above one or more of them, the root left out: to say "a cell" is no answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from index.taxonomy import Taxonomy
from retrieval.answers.voting import Booleans, Floats, Integers


@dataclass(frozen=True)
class Ancestry:
    """classes: [C] codes. names: [M] codes of the ancestors. inside: [C, M] bool, whether a class
    lies within an ancestor. chains: [C, depth] ancestors of each class, nearest first, then -1.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    inside: Booleans
    chains: Integers

    @classmethod
    def of(cls, taxonomy: Taxonomy, classes: Iterable[str]) -> Ancestry:
        """The ancestry of ``classes`` (codes)."""
        codes = tuple(classes)
        above = [[n.code for n in taxonomy.ancestors(c) if n.parent is not None] for c in codes]
        names = tuple(dict.fromkeys(code for chain in above for code in chain))
        number = {code: i for i, code in enumerate(names)}
        inside = np.zeros((len(codes), len(names)), dtype=bool)
        chains = np.full((len(codes), max(map(len, above), default=0) or 1), -1, dtype=np.int64)
        for row, (code, chain) in enumerate(zip(codes, above, strict=True)):
            numbers = [number[name] for name in chain]
            chains[row, : len(numbers)] = numbers
            inside[row, numbers] = True
            if code in number:  # a class that is itself above another one lies within itself
                inside[row, number[code]] = True
        return cls(codes, names, inside, chains)

    def _chain_probabilities(self, probabilities: Floats, top: Integers) -> Floats:
        """[N, depth] probability of each ancestor of the answer ``top``; -inf where none."""
        chain = self.chains[top]
        if not self.names:
            return np.full(chain.shape, -np.inf)
        each = probabilities @ self.inside.astype(np.float64)
        return np.where(chain >= 0, np.take_along_axis(each, np.maximum(chain, 0), 1), -np.inf)

    def nearest(self, probabilities: Floats, top: Integers, value: float) -> Integers:
        """[N] the nearest ancestor of each answer whose probability reaches ``value``, else -1."""
        reached = self._chain_probabilities(probabilities, top) >= value
        place = reached.argmax(axis=1)
        rows = np.arange(len(top))
        return np.where(reached[rows, place], self.chains[top][rows, place], -1)

    def broadest(self, probabilities: Floats, top: Integers) -> Floats:
        """[N] probability of each answer's furthest ancestor, the largest of its ancestors'."""
        result: Floats = self._chain_probabilities(probabilities, top).max(axis=1)
        return result

    def within(self, columns: ArrayLike, ancestors: ArrayLike) -> Booleans:
        """[N] bool: whether each class lies within the ancestor beside it (False for -1)."""
        above = np.asarray(ancestors, dtype=np.int64)
        if not self.names:
            return np.zeros(len(above), dtype=bool)
        found = self.inside[np.asarray(columns, dtype=np.int64), np.maximum(above, 0)]
        result: Booleans = found & (above >= 0)
        return result

"""Orders by one number a cell."""

from __future__ import annotations

import numpy as np

from annotator.queues.candidates import Candidates, Integers


def _falling(value: np.ndarray) -> Integers:
    return np.argsort(-value, kind="stable")


def alternate(*orders: Integers) -> Integers:
    """Take from each order in turn, each row once."""
    turns = np.stack(orders, axis=1).ravel().tolist()
    return np.array(list(dict.fromkeys(turns)), dtype=np.int64)


def by_doubt(found: Candidates) -> Integers:
    """Uncertainty sampling by the smallest margin (Scheffer et al., IDA 2001)."""
    return _falling(found.doubt)


def by_certainty(found: Candidates) -> Integers:
    """The largest lead first."""
    return by_doubt(found)[::-1]


def by_novelty(found: Candidates) -> Integers:
    """The least like anything labelled first."""
    return _falling(found.novelty)


def by_worth(found: Candidates) -> Integers:
    """In turn the most doubtful and the most novel that is left."""
    return alternate(by_doubt(found), by_novelty(found))


def by_disagreement(found: Candidates) -> Integers:
    """Contested by readers first, then by the entropy of the neighbours' vote.

    Vote entropy: Dagan and Engelson, ICML 1995; the committee is the neighbours.
    """
    share = np.clip(found.probabilities, 1e-12, 1.0)
    entropy = -(share * np.log(share)).sum(axis=1)
    contested = found.contested if len(found.contested) else np.zeros(len(found), np.bool_)
    return np.lexsort((-entropy, ~contested)).astype(np.int64)


def by_chance(found: Candidates) -> Integers:
    """Every cell equally likely at every place."""
    return np.random.default_rng(found.seed).permutation(len(found))


def as_imported(found: Candidates) -> Integers:
    """In order of id."""
    return np.argsort(found.ids, kind="stable")

"""A folder teaches itself: what is sure of it learns what is not.

Self-training (Lee, "Pseudo-Label", ICML workshop 2013; class-balanced as in Zou et al., ECCV 2018)
in closed form: the surest cells of each class teach a ridge on the folder's own centred features,
its answers are mixed with those it began with and diffused, and so on.
"""

from __future__ import annotations

import numpy as np

from retrieval.folder.folder import Folder
from retrieval.folder.graph import shares
from retrieval.folder.ridge import ridge, soft
from retrieval.folder.space import Booleans, Floats

ROUNDS = 6
SUREST = 0.6  # share of each class's cells that teach
FEWEST = 4  # cells of a class below which it does not teach
PENALTY = 1.0
STEEPNESS = 6.0  # of the ridge's answers: more in earnest than where real labels speak
OWN = 0.5  # weight of the ridge's answers, the rest is the start
ALPHA = 0.7


def surest(scores: Floats, fewest: int = FEWEST) -> Booleans:
    """[N] bool: of the cells that each class wins, the SUREST share; equal ones all or none."""
    top, confidence = scores.argmax(axis=1), scores.max(axis=1)
    chosen = np.zeros(len(scores), dtype=bool)
    for column in range(scores.shape[1]):
        mine = top == column
        count = int(mine.sum())
        if count < fewest:
            continue
        wanted = max(fewest, int(SUREST * count))
        bar = np.sort(confidence[mine])[count - wanted]
        chosen |= mine & (confidence >= bar)
    return chosen


def teach_itself(folder: Folder, start: Floats, rounds: int = ROUNDS) -> Floats:
    """[N, C] shares, of cells inside ``folder`` that begin with ``start`` [N, C]."""
    first = shares(start)
    scores = first
    for _ in range(rounds):
        chosen = surest(scores)
        if not chosen.any():
            return first
        labels = scores[chosen].argmax(axis=1).astype(np.int64)
        learned = ridge(folder.points[chosen], labels, scores.shape[1], PENALTY)
        present = np.bincount(labels, minlength=scores.shape[1]) > 0
        own = soft(learned.scores(folder.points), present, STEEPNESS)
        scores = shares(folder.diffuse(shares(OWN * own + (1 - OWN) * first), ALPHA))
    return scores

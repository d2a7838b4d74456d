"""How far an answer can be trusted in one laboratory: probabilities, sets, decisions, novelty,
the alarm for pictures unlike any known, and the accuracy to expect without labels.

Everything here takes arrays and gives arrays: no atlas, no network. Letters: N cells, n labelled
cells, C classes, D embedding width, E feature width.
"""

from retrieval.trust.alarm import Alarm, Laboratory, sound_alarm
from retrieval.trust.errors import TrustError
from retrieval.trust.expected import Expectation, expect_accuracy
from retrieval.trust.judge import Judge, Judgement, Known, OwnLabels, Readings
from retrieval.trust.laboratory import Trust, learn_trust
from retrieval.trust.novelty import NoveltyModel
from retrieval.trust.prior import PriorEstimate, estimate_prior
from retrieval.trust.probability import Calibrator, cross_fitted
from retrieval.trust.sets import ConformalSets

__all__ = [
    "Alarm",
    "Calibrator",
    "ConformalSets",
    "Expectation",
    "Judge",
    "Judgement",
    "Known",
    "Laboratory",
    "NoveltyModel",
    "OwnLabels",
    "PriorEstimate",
    "Readings",
    "Trust",
    "TrustError",
    "cross_fitted",
    "estimate_prior",
    "expect_accuracy",
    "learn_trust",
    "sound_alarm",
]

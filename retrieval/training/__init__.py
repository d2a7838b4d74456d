"""Learning an embedding from an atlas's labels."""

from retrieval.training.augment import LEVELS
from retrieval.training.options import PRECISIONS, TrainingError, TrainingOptions
from retrieval.training.run import TrainReport, train_atlas

__all__ = [
    "LEVELS",
    "PRECISIONS",
    "TrainReport",
    "TrainingError",
    "TrainingOptions",
    "train_atlas",
]

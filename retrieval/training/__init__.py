"""Learning an embedding from an atlas's labels."""

from retrieval.training.augment import LEVELS
from retrieval.training.options import PRECISIONS, VIEWS, TrainingError, TrainingOptions
from retrieval.training.run import TrainReport, train_atlas

__all__ = [
    "LEVELS",
    "PRECISIONS",
    "VIEWS",
    "TrainReport",
    "TrainingError",
    "TrainingOptions",
    "train_atlas",
]

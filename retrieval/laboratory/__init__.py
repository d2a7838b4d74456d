"""An atlas and one laboratory: its cells read together, its labels adapted to, answers judged."""

from retrieval.laboratory.adapting import (
    AdaptReport,
    Gathered,
    adapt_dataset,
    kept_adaptation,
    log_adaptation,
)
from retrieval.laboratory.answering import Answered, Room
from retrieval.laboratory.asking import ToLabel, as_table, cells_to_label
from retrieval.laboratory.declared import declare_classes, declared_classes, labelled_besides
from retrieval.laboratory.held import Fresh, HeldAnswers, hold
from retrieval.laboratory.known import KnownCells, described_cells, model_space

__all__ = [
    "AdaptReport",
    "Answered",
    "Fresh",
    "Gathered",
    "HeldAnswers",
    "KnownCells",
    "Room",
    "ToLabel",
    "adapt_dataset",
    "as_table",
    "cells_to_label",
    "declare_classes",
    "declared_classes",
    "described_cells",
    "hold",
    "kept_adaptation",
    "labelled_besides",
    "log_adaptation",
    "model_space",
]

"""A training run inside an atlas: data, start, loop, and the new model beside the old ones."""

from __future__ import annotations

import csv
import json
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from index import Atlas, CellFilter
from retrieval.cellview import CellView
from retrieval.model import register_model, save_model
from retrieval.network import EmbeddingNetwork
from retrieval.training.checkpoint import checkpoint_facts
from retrieval.training.curves import draw_curves
from retrieval.training.data import TrainingSet, load_training_set, training_cells
from retrieval.training.joint import save_cell_model
from retrieval.training.loop import Outcome, Trainer
from retrieval.training.options import TrainingError, TrainingOptions, parse_sources
from retrieval.training.start import load_start

MODEL = "model.safetensors"
NAME = re.compile(r"\w[\w .+-]{0,99}")  # of a run: a folder of its own under training/


@dataclass(frozen=True)
class TrainReport:
    """What a run left: the model's id and file, its val MAP@R, the history and the pictures."""

    model_id: str
    file: Path
    folder: Path
    map_at_r: float
    best_epoch: int
    epochs: int
    train_cells: int
    val_cells: int
    classes: list[str]
    precision: str
    data_hash: str
    passed_over: list[tuple[str, str]]


def _check_resume(folder: Path, options: TrainingOptions, resume: bool) -> dict[str, Any] | None:
    """The facts of the checkpoint to go on from; TrainingError when it is another run's."""
    facts = checkpoint_facts(folder)
    if not resume:
        return None
    if facts is None:
        raise TrainingError(
            f"there is nothing to resume in {folder}", "train without --resume to begin"
        )
    differing = {
        name: (facts["options"].get(name), value)
        for name, value in options.as_dict().items()
        if facts["options"].get(name) != value
    }
    if differing:
        name, (before, now) = next(iter(differing.items()))
        raise TrainingError(
            f"the stopped run had {name} {before}, this call has {now}",
            "resume with the same options, or train without --resume to begin anew",
        )
    return facts


def _about(data: TrainingSet, options: TrainingOptions, outcome: Outcome) -> dict[str, Any]:
    best = next(row for row in outcome.history if row["epoch"] == outcome.best_epoch)
    return {
        "classes": data.classes,
        "labels": data.labels,
        "train_cells": int((~data.is_val).sum()),
        "val_cells": int(data.is_val.sum()),
        "data_hash": data.data_hash,
        "options": options.as_dict(),
        "precision": outcome.precision,
        "best_epoch": outcome.best_epoch,
        "val_map_at_r": best["map_at_r"],
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _of_sources(
    filter: CellFilter | None, options: TrainingOptions, atlas: Atlas
) -> CellFilter | None:
    """``filter`` limited to the data sets that are sources; TrainingError for one not there."""
    sources = tuple(parse_sources(options.sources))
    if not sources:
        return filter
    known = list(atlas.datasets()["name"])
    for name in sources:
        if name not in known:
            raise TrainingError(
                f"the atlas has no data set {name}, it has {', '.join(known) or 'none'}",
                "name data sets of the atlas in --sources, or import this one first",
            )
    return replace(filter or CellFilter(), datasets=sources)


@contextmanager
def _pictures_removed(folder: Path) -> Iterator[None]:
    """The pictures read for training take gigabytes and are made again in a minute."""
    try:
        yield
    finally:
        for name in ("pictures.npy", "masks.npy"):
            (folder / name).unlink(missing_ok=True)


def train_atlas(
    atlas: Atlas,
    options: TrainingOptions,
    *,
    name: str = "run",
    resume: bool = False,
    filter: CellFilter | None = None,
    activate: bool = True,
) -> TrainReport:
    """Learn a new embedding from the labelled cells of ``atlas`` within ``filter``.

    The run lives in ``ATLAS/training/NAME``: checkpoint, history, curves. The kept model is added
    to the atlas beside the old ones and, with ``activate``, becomes the active one. Raises
    TrainingError and its kin before anything is written when the options or the labels do not do.
    """
    if not NAME.fullmatch(name):  # an earlier run of the name is removed, so it must be one
        raise TrainingError(
            f"name is {name!r}, allowed are letters, digits, blanks and . _ + - after a first "
            "letter or digit",
            "give --name such a name",
        )
    folder = atlas.path / "training" / name
    facts = _check_resume(folder, options, resume)
    torch.manual_seed(options.seed)  # for --weights random, where the backbone is drawn too
    network = EmbeddingNetwork(options.backbone, options.dim, options.input_size)
    torch.manual_seed(options.seed)
    for parameter in network.head.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    load_start(network, options.weights, atlas)
    filter = _of_sources(filter, options, atlas)
    training_cells(atlas, filter)  # before an earlier run of this name is removed
    if not resume and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _pictures_removed(folder):
        data = load_training_set(atlas, options.model_view, folder, filter)
        if facts is not None and facts["data_hash"] != data.data_hash:
            raise TrainingError(
                "the labelled cells have changed since the run was stopped",
                "train without --resume to begin anew",
            )
        trainer = Trainer(network, data, options, folder, facts["precision"] if facts else None)
        outcome = trainer.fit(resume=resume)
        about = _about(data, options, outcome)
        # while the pictures are there: a model of cells is packed with directions taken from them
        model_id = _save(folder / MODEL, data, options, outcome, about)
    return _finish(atlas, folder, data, options, outcome, about, model_id, activate)


def _save(
    file: Path, data: TrainingSet, options: TrainingOptions, outcome: Outcome, about: dict[str, Any]
) -> str:
    view = options.model_view
    if isinstance(view, CellView):
        return save_cell_model(file, outcome, data, view, about)
    return save_model(file, outcome.network, view, about)


def _finish(
    atlas: Atlas,
    folder: Path,
    data: TrainingSet,
    options: TrainingOptions,
    outcome: Outcome,
    about: dict[str, Any],
    model_id: str,
    activate: bool,
) -> TrainReport:
    file = folder / MODEL
    with (folder / "history.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(outcome.history[0]))
        writer.writeheader()
        writer.writerows(outcome.history)
    (folder / "about.json").write_text(json.dumps(about, indent=2))
    draw_curves(outcome.history, outcome.best_epoch, folder / "curves.png")
    before = atlas.active_model
    register_model(atlas, file)
    if not activate and before is not None:
        atlas.set_active_model(before)
    return TrainReport(
        model_id=model_id,
        file=file,
        folder=folder,
        map_at_r=about["val_map_at_r"],
        best_epoch=outcome.best_epoch,
        epochs=len(outcome.history),
        train_cells=about["train_cells"],
        val_cells=about["val_cells"],
        classes=data.classes,
        precision=outcome.precision,
        data_hash=data.data_hash,
        passed_over=data.passed_over,
    )

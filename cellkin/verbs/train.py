"""``cellkin train``: learn a new embedding from the labels."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import click

from cellkin.options import atlas_argument, json_option, print_json, setting_option
from cellkin.telling import tell
from index.wording import counted
from retrieval.backbones import BACKBONES
from retrieval.losses import LOSSES
from retrieval.training import LEVELS, PRECISIONS, VIEWS, TrainingOptions, train_atlas

DEFAULTS = {field.name: field.default for field in fields(TrainingOptions)}


def training_option(name: str, help: str, choices: object = None) -> Any:
    """A click option whose type and default are those of TrainingOptions."""
    default = DEFAULTS[name]
    listed = f" ({', '.join(choices)})" if isinstance(choices, dict | tuple) else ""
    return click.option(
        f"--{name.replace('_', '-')}",
        name,
        default=default,
        type=type(default),
        show_default=True,
        help=help + listed,
    )


@click.command(name="train")
@atlas_argument
@training_option("loss", "what is learned", LOSSES)
@training_option("backbone", "the network", BACKBONES)
@training_option(
    "weights", "where to start: shipped, active, imagenet (downloaded), random, or a file"
)
@training_option("epochs", "most epochs")
@training_option("steps_per_epoch", "batches an epoch; 0 draws each cell once on average")
@training_option("batch_size", "cells a batch, classes in equal shares")
@training_option("input_size", "side of the network's input in pixels")
@training_option("view", "what the network sees: the plain picture, or the found cell", VIEWS)
@training_option("crop", "central share of the picture that the plain view keeps")
@training_option(
    "sources", "data sets to learn from, drawn in equal or given shares: NAME,NAME:WEIGHT,…"
)
@training_option("background", "cell view: share of pictures whose background is replaced")
@training_option("dim", "width of the embedding")
@training_option("augment", "augmentation level", LEVELS)
@training_option("classifier", "weight of the plain classifier beside the loss")
@training_option("hierarchy", "weight of the term that keeps subclasses inside their class")
@training_option("memory", "cells in the cross-batch memory, for losses of pairs")
@training_option("learning_rate", "peak learning rate of the head")
@training_option("trunk_rate", "peak learning rate of the backbone")
@training_option("weight_decay", "weight decay")
@training_option("averaging", "decay of the running mean of the weights, which is what is kept")
@training_option("patience", "epochs without a better val MAP@R before stopping")
@training_option("precision", "arithmetic; auto measures which is faster", PRECISIONS)
@setting_option("seed")
@click.option("--dataset", "datasets", multiple=True, help="learn from this data set only")
@click.option("--name", default="run", show_default=True, help="the run's folder under training/")
@click.option("--resume", is_flag=True, help="go on from the run's last checkpoint")
@click.option("--keep-active", is_flag=True, help="add the model without making it the active one")
@json_option
def command(
    atlas: str,
    datasets: tuple[str, ...],
    name: str,
    resume: bool,
    keep_active: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Learn a new embedding from the labels of ATLAS; the old model is kept.

    On 2 cores of a current machine, MobileNetV2 at 144 pixels takes about 0.8 s a step of 64
    cells: ten epochs of 11,560 cells take 25 minutes, of 1,000 cells 2 minutes. A GPU is used where
    torch finds one. A checkpoint is written every epoch: after Ctrl-C, --resume gives the same run.
    The run's folder ATLAS/training/NAME keeps the model, its history and a picture of loss and
    MAP@R. Cells of split val choose the epoch that is kept, cells of split test are left out;
    without splits a tenth of the cells, whole patients together, is held out to choose.
    """
    from index import Atlas, CellFilter

    options = TrainingOptions(**given)
    if datasets and options.sources:
        raise click.UsageError(
            "--sources and --dataset both say which data sets teach, name all of them in --sources"
        )
    with Atlas.open(atlas) as opened:
        report = train_atlas(
            opened,
            options,
            name=name,
            resume=resume,
            filter=CellFilter(datasets=datasets) if datasets else None,
            activate=not keep_active,
        )
    if as_json:
        values = asdict(report)
        print_json({**values, "file": str(report.file), "folder": str(report.folder)})
        return
    tell(
        f"model {report.model_id[:12]} learned from {counted(report.train_cells, 'cell')} of "
        f"{counted(len(report.classes), 'class', 'classes')}; MAP@R {report.map_at_r:.4f} on "
        f"{counted(report.val_cells, 'val cell')} at epoch {report.best_epoch} of {report.epochs}"
    )
    tell(f"curves: {report.folder / 'curves.png'}")
    if not keep_active:
        tell(f"next: cellkin embed {atlas}")

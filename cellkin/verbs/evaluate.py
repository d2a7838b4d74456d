"""``cellkin evaluate``: measure retrieval, classification and calibration."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from cellkin.options import GivenPath, atlas_argument, json_option, print_json, setting_option
from cellkin.telling import tell
from index.wording import counted


@click.command()
@atlas_argument
@click.argument("source", type=GivenPath(), required=False)
@click.option("--labels", type=GivenPath(), help="CSV with file, class and, where known, patient")
@click.option("--out", type=GivenPath(), required=True, help="folder for figures and plots")
@click.option("--split", help="evaluate the cells of this split only, such as val")
@click.option("--dataset", help="data set of the atlas that the patients of SOURCE belong to")
@click.option(
    "--leave-out",
    type=click.Choice(["patient", "cell"]),
    default="patient",
    show_default=True,
    help="what of a cell's own may not answer it: its patient (slide where none is known), "
    "or only itself and pictures of the same pixels",
)
@click.option("--draws", type=click.IntRange(100, 100_000), default=1000, show_default=True,
              help="draws of the bootstrap")  # fmt: skip
@setting_option("level")
@setting_option("k", "-k", "--k")
@setting_option("seed")
@json_option
def command(
    atlas: str,
    source: str | None,
    labels: str | None,
    out: str,
    split: str | None,
    dataset: str | None,
    leave_out: str,
    draws: int,
    level: str,
    k: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure how well ATLAS finds and names cells whose class is known.

    With SOURCE (a folder, CSV or picture) the cells are outside the atlas, and their classes come
    from --labels or the source itself. Without SOURCE they are the atlas's own: those of --split
    against all others, or each against all others.

    What is measured is the vote of neighbours, each cell by itself. cellkin classify besides judges
    the laboratory (at level class, where the model has features): where that is unlike all known
    ones and has no labels, it accepts nothing, whatever is measured here.

    Writes metrics.json, report.md, answers.csv and plots into --out. Every figure comes with a
    95% interval, drawn by patient or slide where they are known.
    """
    from index import Atlas
    from retrieval.evaluation.collect import Recipe, evaluate_cells, evaluate_source
    from retrieval.evaluation.run import write_evaluation
    from retrieval.writing import check_folder

    if source is None and (labels is not None or dataset is not None):
        raise click.UsageError("--labels and --dataset go with a SOURCE")
    check_folder(Path(out), "an evaluation")
    recipe = Recipe(level=level, k=k, leave_out=leave_out)
    with Atlas.open(atlas) as opened:
        if source is None:
            evaluated = evaluate_cells(opened, recipe, split=split)
        else:
            evaluated = evaluate_source(
                opened,
                Path(source),
                recipe,
                labels=Path(labels) if labels is not None else None,
                dataset=dataset,
                split=split,
            )
        document = write_evaluation(
            opened, evaluated, Path(out), command=_command_line(), draws=draws, seed=seed
        )
    if as_json:
        print_json(document)
    else:
        _show(document, out)


def _command_line() -> str:
    """The command with all its settings, for the record."""
    context = click.get_current_context()
    words = ["cellkin", "evaluate"]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if value is None or isinstance(value, bool):
            continue
        if isinstance(parameter, click.Option):
            words.append(parameter.opts[-1])
        words.append(str(value))
    return shlex.join(words)


def _show(document: dict[str, Any], out: str) -> None:
    from retrieval.evaluation.report import MEASURED, number

    data, classes = document["data"], document["classification"]
    tell(f"{counted(data['cells'], 'cell')} against {counted(data['references'], 'reference')}")
    tell(MEASURED)
    rows = [
        ("accuracy", classes["accuracy"]),
        ("balanced accuracy", classes["balanced_accuracy"]),
        ("macro-F1", classes["macro_f1"]),
    ]
    if document["retrieval"] is not None:
        rows += [
            ("P@1", document["retrieval"]["precision_at_1"]),
            ("MAP@R", document["retrieval"]["map_at_r"]),
            ("mAP@5, lenient", document["retrieval"]["map_at_5_lenient"]),
        ]
    rows += [
        ("ECE, equal mass", document["calibration"]["ece_equal_mass"]),
        ("accepted", document["decisions"]["accept"]["share"]),
        ("wrong among them", document["decisions"]["accept"]["risk"]),
        ("sets with the truth", document["prediction_sets"]["coverage"]),
        ("classes a set", document["prediction_sets"]["mean_size"]),
    ]
    for name, figure in rows:
        tell(f"{name:20} {number(figure)}")
    tell(f"figures, plots and every answer: {Path(out) / 'report.md'}")
    if data["left_out"]:
        tell(
            f"{counted(len(data['left_out']), 'cell')} could not be measured; see metrics.json",
            err=True,
        )
    for note in data["notes"]:
        tell(f"note: {note}", err=True)

"""``cellkin adapt``: fit an atlas to a laboratory from its few labels."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from cellkin.options import GivenPath, atlas_argument, json_option, print_json
from cellkin.telling import tell
from index.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.laboratory import AdaptReport, ToLabel


@click.command()
@atlas_argument
@click.option(
    "--dataset", required=True, metavar="NAME", help="the data set of the laboratory in ATLAS"
)
@click.option(
    "--next",
    "ask",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="also name the N cells to label next, the most telling first; works without a label too",
)
@click.option(
    "--out",
    type=GivenPath(dir_okay=False),
    metavar="CSV",
    help="write these cells to a table whose empty column class is to be filled in",
)
@click.option(
    "--classes",
    metavar="A,B…",
    help="the classes that can occur there, kept with the data set; all takes that back",
)
@json_option
def command(
    atlas: str, dataset: str, ask: int | None, out: str | None, classes: str | None, as_json: bool
) -> None:
    """Fit ATLAS to the laboratory of a data set from the labels that it has.

    A few labels of each class are enough; its cells without a label help as well. Several ways of
    using them are compared by cross-validation, the vote of neighbours among them, and the best is
    kept in ATLAS with the labels it rests on. No network is trained: it takes seconds.
    cellkin classify --dataset NAME uses it, and refreshes it when there are other labels.

    --next says which cells to label, so that ten a class teach what some thirty drawn at random do:
    label in rounds, a few cells of every class each.

    --classes declares which classes can occur in the data set; no other is answered there from then
    on, by any command or in the annotator, unless somebody labels a cell as one.
    """
    from annotator.config import default_author
    from index import Atlas
    from retrieval.laboratory import (
        Gathered,
        adapt_dataset,
        cells_to_label,
        declare_classes,
        declared_classes,
        labelled_besides,
    )
    from retrieval.model import atlas_model

    if out is not None and ask is None:
        raise click.UsageError(
            "--out names a table of the cells to label next, say how many with --next N"
        )
    names = None if classes is None else [n.strip() for n in classes.split(",") if n.strip()]
    if names == []:
        raise click.UsageError("--classes names no class, give some with commas between, or all")
    with Atlas.open(atlas) as opened:
        model = atlas_model(opened)
        if names is not None:
            declare_classes(opened, dataset, names, default_author())
        report = asked = gathered = None
        if ask is not None or names is not None:
            gathered = Gathered.load(opened, model.id, model.metadata, dataset)
        if gathered is None or len(gathered.own.rows):
            report = adapt_dataset(opened, model.id, model.metadata, dataset, gathered)
        declared = declared_classes(opened, dataset)
        besides = labelled_besides(opened, dataset)
        if ask is not None and gathered is not None:
            asked = cells_to_label(opened, gathered, ask)
    if as_json:
        found: dict[str, Any] = report.as_dict() if report is not None else {"dataset": dataset}
        found["declared"] = list(declared)
        found["labelled_besides"] = list(besides)
        if asked is not None:
            found["next"] = [each.as_dict() for each in asked]
        print_json(found)
    elif report is not None:
        _show(report)
    else:
        tell(f"no label of data set {dataset} yet: nothing to adapt to", err=True)
    if declared and not as_json:
        line = f"only these classes can occur in {dataset}: {', '.join(declared)}"
        if besides:
            line += f"; and, as cells there are labelled so, {', '.join(besides)}"
        tell(line)
    if asked is not None:
        _ask(asked, dataset, out, quiet=as_json)


def _ask(asked: Sequence[ToLabel], dataset: str, out: str | None, *, quiet: bool) -> None:
    from pathlib import Path

    from retrieval.laboratory import as_table
    from retrieval.writing import write_whole

    if out is not None:
        write_whole(Path(out), as_table(asked))
        if not quiet:
            tell(
                f"{out}: {counted(len(asked), 'cell')} to label next; fill in its column class, "
                f"then cellkin import ATLAS FOLDER --labels {out} --dataset {dataset}"
            )
    elif not quiet:
        # a table for a program, unless somebody looks at it
        lines = as_table(asked).removesuffix("\n").split("\n")
        for line in lines:
            (tell if sys.stdout.isatty() else click.echo)(line)


def _show(report: AdaptReport) -> None:
    for code, count in report.labels.items():
        tell(f"{code:24} {count:>8,} label{'' if count == 1 else 's'}")
    if report.accuracy is None:
        tell("accuracy not known: no class has two labels, label some more", err=True)
    else:
        line = f"{report.accuracy:.1%} right, balanced over classes, on labels left out"
        if report.neighbour_accuracy is not None:
            line += f"; the vote of its labelled neighbours alone {report.neighbour_accuracy:.1%}"
        tell(line)
    if report.changed is not None:
        tell(f"{report.changed:.1%} of its cells are named otherwise than before")
    tell(
        f"adapted to data set {report.dataset}: "
        f"{counted(sum(report.labels.values()), 'label')} among "
        f"{counted(report.cells, 'cell')}, in {report.seconds:.1f} s"
    )

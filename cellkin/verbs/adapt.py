"""``cellkin adapt``: fit an atlas to a laboratory from its few labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cellkin.options import atlas_argument, json_option, print_json

if TYPE_CHECKING:
    from retrieval.laboratory import AdaptReport


@click.command()
@atlas_argument
@click.option(
    "--dataset", required=True, metavar="NAME", help="the data set of the laboratory in ATLAS"
)
@json_option
def command(atlas: str, dataset: str, as_json: bool) -> None:
    """Fit ATLAS to the laboratory of a data set from the labels that it has.

    A few labels of each class are enough; its cells without a label help as well. Several ways of
    using them are compared by cross-validation, the vote of neighbours among them, and the best is
    kept in ATLAS with the labels it rests on. No network is trained: it takes seconds.
    cellkin classify --dataset NAME uses it, and refreshes it when there are other labels.
    """
    from index import Atlas
    from retrieval.laboratory import adapt_dataset
    from retrieval.model import atlas_model

    with Atlas.open(atlas) as opened:
        model = atlas_model(opened)
        report = adapt_dataset(opened, model.id, model.metadata, dataset)
    if as_json:
        print_json(report.as_dict())
    else:
        _show(report)


def _show(report: AdaptReport) -> None:
    for code, count in report.labels.items():
        click.echo(f"{code:24} {count:>8,} labels")
    if report.accuracy is None:
        click.echo("accuracy not known: no class has two labels, label some more", err=True)
    else:
        line = f"{report.accuracy:.1%} right, balanced over classes, on labels left out"
        if report.neighbour_accuracy is not None:
            line += f"; the vote of its labelled neighbours alone {report.neighbour_accuracy:.1%}"
        click.echo(line)
    if report.changed is not None:
        click.echo(f"{report.changed:.1%} of its cells are named otherwise than before")
    click.echo(
        f"adapted to data set {report.dataset}: {sum(report.labels.values()):,} labels among "
        f"{report.cells:,} cells, in {report.seconds:.1f} s"
    )

"""``cellkin trust``: how far to trust the answers on one data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellkin.options import GivenPath, atlas_argument, json_option, print_json, setting_option
from cellkin.telling import tell
from index.wording import counted

if TYPE_CHECKING:
    from retrieval.laboratory.trusting import TrustReport


@click.command()
@atlas_argument
@click.option("--dataset", required=True, metavar="NAME", help="the data set of ATLAS in question")
@click.option(
    "--out",
    type=GivenPath(path_type=Path),
    help="PNG file to draw: are stated probabilities met, and what do doubtful cells cost",
)
@setting_option("seed")
@json_option
def command(atlas: str, dataset: str, out: Path | None, seed: int, as_json: bool) -> None:
    """Say how far answers on the cells of a data set can be trusted.

    Whether it is like a laboratory that ATLAS knows, by a two-sample test; the accuracy to expect
    where it has no label, and how many labels would raise it; where it has labels, the share of
    them answered rightly without their own, and how far stated probabilities are met; then the
    decisions, the size of the prediction sets and the share of novel cells.

    CellKin is a research tool: no answer is a diagnosis.
    """
    from index import Atlas
    from retrieval.laboratory.trusting import trust_dataset
    from retrieval.model import atlas_model
    from retrieval.writing import check_file

    if out is not None:
        check_file(out, "a PNG file")
    with Atlas.open(atlas) as opened:
        model = atlas_model(opened)
        report = trust_dataset(opened, model.id, model.metadata, dataset, seed=seed)
    drawn = out is not None and report.draw(out)
    if as_json:
        print_json({**report.as_dict(), "picture": str(out) if drawn else None})
    else:
        _show(report, out if drawn else None)
        if out is not None and not drawn:
            tell("note: nothing is drawn: no labelled cell is known", err=True)


def _show(report: TrustReport, drawn: Path | None) -> None:
    said = report.answered.judgement.as_dict()
    tell(f"data set {report.dataset}: {counted(report.cells, 'cell')}, {report.labels:,} labelled")
    for line in report.words():
        tell(f"- {line}")
    for each in said["laboratories"]:
        verdict = "unlike" if each["unlike"] else "alike"
        tell(
            f"laboratory {each['name']:24} {verdict:7} p {each['p']:.3f}  "
            f"distance {each['distance']:.2f}"
        )
    for name, number in sorted(said["decisions"].items(), key=lambda item: -item[1]):
        tell(f"decision   {name:24} {number:>8,} {number / report.cells:>7.1%}")
    tell(f"mean stated probability {said['mean_probability']:.1%}, "
               f"{said['mean_set']:.2f} classes a prediction set, "
               f"{said['novel']:.1%} of the cells novel")  # fmt: skip
    if drawn is not None:
        tell(f"drawn: {drawn}")

"""``cellkin classify``: a proposal for every cell of a folder, without adding it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cellkin.options import GivenPath, atlas_argument, json_option, print_json, setting_option
from cellkin.telling import tell
from index.wording import counted

if TYPE_CHECKING:
    from retrieval.answers.classify import ClassifyReport


@click.command()
@atlas_argument
@click.argument("source", type=GivenPath(path_type=Path))
@click.option("--out", required=True, type=GivenPath(path_type=Path), help="CSV file to write")
@click.option(
    "--dataset",
    metavar="NAME",
    help="the data set of ATLAS that is of the same laboratory: its labels adapt the answers",
)
@click.option(
    "--alone", is_flag=True, help="judge each picture by itself, not the source as a whole"
)
@click.option(
    "--classes",
    metavar="A,B,…",
    help="classes that can occur, by any name of theirs; others are never answered",
)
@setting_option("level")
@setting_option("k", "-k", "--k")
@click.option(
    "--one-vote",
    "voter",
    type=click.Choice(["cell", "slide", "patient"]),
    default="cell",
    show_default=True,
    help="who has one vote: every neighbour, or the nearest of each slide or patient",
)
@click.option(
    "--prior",
    type=click.Choice(["none", "uniform"]),
    default="none",
    show_default=True,
    help="uniform corrects for unequal numbers of references a class",
)
@click.option("--not-same", is_flag=True, help="leave out references of exactly the same pixels")
@setting_option("batch_size")
@setting_option("workers")
@json_option
def command(
    atlas: str,
    source: Path,
    out: Path,
    dataset: str | None,
    alone: bool,
    classes: str | None,
    level: str,
    k: int,
    voter: str,
    prior: str,
    not_same: bool,
    batch_size: int,
    workers: int,
    as_json: bool,
) -> None:
    """Name every cell of SOURCE (a folder, a CSV file or one picture) by its labelled relatives.

    From 50 pictures on the source as a whole informs each answer, where the model has features; the
    summary says which way was taken and how far it differs from judging one by one. With --dataset
    the labels of that laboratory teach: the adaptation of cellkin adapt is used, or made now.

    Nothing is added to ATLAS. The table has the columns file, class, probability, prediction_set,
    novelty, decision (accept, back_off or abstain) and neighbours (files of the references that
    voted, nearest first). Pictures that cannot be read are reported and get no row. Ctrl-C keeps
    what is done; the same command goes on from there.

    CellKin is a research tool: no answer is a diagnosis.
    """
    from index import Atlas
    from retrieval.answers.classify import classify, reference_limits

    names = [name.strip() for name in (classes or "").split(",") if name.strip()]
    if classes is not None and not names:
        raise click.UsageError("--classes names no class, give some with commas between")
    start = time.perf_counter()
    with Atlas.open(atlas) as opened:
        report = classify(
            opened,
            source,
            out,
            level=level,
            k=k,
            limits=reference_limits(opened, classes=names),
            voter=voter,
            prior=prior,
            leave_out_same=not_same,
            dataset=dataset,
            alone=alone,
            batch_size=batch_size,
            workers=workers,
        )
    seconds = time.perf_counter() - start
    if as_json:
        print_json({**report.as_dict(), "seconds": round(seconds, 3)})
    else:
        _show(report, seconds)


def _show(report: ClassifyReport, seconds: float) -> None:
    counts = report.counts
    for note in report.notes:
        tell(f"note: {note}", err=True)
    if counts.identical:
        tell(
            f"note: {counted(counts.identical, 'picture looks', 'pictures look')} exactly like a "
            "reference, most likely by being in the atlas: that label answered; --not-same leaves "
            "it out",
            err=True,
        )
    for file, reason in counts.first:
        tell(f"passed over {file}: {reason}", err=True)
    if counts.passed_over > len(counts.first):
        tell(f"passed over {counts.passed_over - len(counts.first)} more", err=True)
    if report.resumed:
        tell(
            f"{counted(report.resumed, 'answer is', 'answers are')} of an earlier run of this "
            "command",
            err=True,
        )
    if report.laboratory is not None:
        tell(_way(report.laboratory))
    for what, table in (("class", counts.classes), ("decision", counts.decisions)):
        for name, number in sorted(table.items(), key=lambda item: -item[1]):
            tell(f"{what:9} {name:24} {number:>8,} {number / counts.cells:>7.1%}")
            if name == "back_off":
                for above, some in sorted(counts.backed_off_to.items(), key=lambda i: -i[1]):
                    tell(f"{'':9}   to {above:19} {some:>8,} {some / counts.cells:>7.1%}")
    for remark, number in sorted(counts.remarks.items(), key=lambda item: -item[1]):
        tell(f"remark    {remark:34} {number:>8,}")
    tell(
        f"{counted(counts.cells, 'cell')} classified in {seconds:.1f} s, "
        f"{counted(counts.passed_over, 'file')} passed over; written to {report.out}"
    )


WAYS = {
    "folder": "every picture informed by the whole source",
    "alone": "every picture judged by itself",
    "adapted": "adapted to the labels of the laboratory",
}


def _way(said: dict[str, Any]) -> str:
    """Which way was taken, and how far it differs from judging one by one."""
    line = f"way       {said['way']}: {WAYS[said['way']]}"
    taught = said["adaptation"]
    if taught is not None:
        line += f" ({counted(taught['labels'], 'label')}"
        if taught["accuracy"] is not None:
            line += f", {taught['accuracy']:.1%} right on labels left out"
        line += ")"
    if said["way"] != "alone":
        line += f"; {said['disagreement']:.1%} named otherwise one by one"
    return line

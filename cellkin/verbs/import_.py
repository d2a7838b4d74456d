"""``cellkin import``: cells of a folder, a table or a published data set into an atlas."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import click

from cellkin.options import GivenPath, atlas_argument, json_option, print_json, setting_option
from cellkin.telling import tell
from index.wording import counted

if TYPE_CHECKING:
    from index import Taxonomy
    from retrieval.reading.importing import ImportReport, Plan
    from retrieval.reading.naming import UnknownName

NAMED = 5  # files named of each kind; --json names all


@click.command()
@atlas_argument
@click.argument("source", type=GivenPath())
@click.option("--labels", metavar="CSV", type=GivenPath(),
              help="a table of labels for the pictures in SOURCE")  # fmt: skip
@click.option("--dataset", metavar="NAME", help="name of the data set  [default: the folder's]")
@click.option("--reader", metavar="NAME", help="how SOURCE is laid out  [default: found out]")
@click.option("--copy", is_flag=True, help="keep a copy of every picture inside the atlas")
@click.option(
    "--strict", is_flag=True, help="stop before anything is written if a class is unknown"
)
@setting_option("workers")
@json_option
def command(
    atlas: str,
    source: str,
    labels: str | None,
    dataset: str | None,
    reader: str | None,
    copy: bool,
    strict: bool,
    workers: int,
    as_json: bool,
) -> None:
    """Add the cells of SOURCE to ATLAS, which is made if it is not there.

    SOURCE is a folder (of class folders, or flat, or a published data set as it comes), a CSV
    file that names the pictures, a MedMNIST .npz, or one picture. With --labels the table alone
    gives the classes: its columns are file (or path), class, and if you like subclass, patient,
    slide, stain, scanner, field, split.

    Importing again adds only what is new: cells, labels, and patient, slide, split, stain, scanner
    and field where the atlas holds none; a value it holds stays, and what differs is reported.
    Stopped with Ctrl-C, it keeps what it has, and the same command goes on.
    """
    from index import Atlas
    from index.errors import AtlasNotFoundError
    from retrieval.reading.errors import SourceError
    from retrieval.reading.importing import carry_out, plan_import

    def plan(taxonomy: Taxonomy | None) -> Plan:
        return plan_import(
            source, labels=labels, dataset=dataset, reader=reader, strict=strict, taxonomy=taxonomy
        )

    planned = None
    try:
        opened = Atlas.open(atlas)
    except AtlasNotFoundError:
        planned = plan(None)  # a slip in the source's name must not leave an empty atlas behind
        opened = Atlas.open(atlas, create=True)
    try:
        with opened:
            report = carry_out(planned or plan(opened.taxonomy), opened, copy=copy, workers=workers)
    except SourceError:
        if planned is not None:  # nor must pictures of which none can be read
            shutil.rmtree(atlas)
        raise
    if as_json:
        print_json(report.as_dict())
    else:
        show(report, atlas)


def show(report: ImportReport, atlas: str) -> None:
    """Print the report for a person: counts, then what deserves a look."""
    tell(f"data set {report.dataset} in {report.root}, read as {report.reader}")
    tell(f"  added          {report.added:>9,}")
    tell(f"  already there  {report.existing:>9,}")
    tell(f"  labels added   {report.labels:>9,}")
    if report.filled:
        counts = ", ".join(f"{column} of {cells:,}" for column, cells in report.filled.items())
        tell(f"taken in of cells already there: {counts}")
    for each in report.differing:
        tell(
            f"{each.column} differs in {counted(each.cells, 'cell')}, the atlas keeps its own "
            f"({each.file}: {each.held} in the atlas, {each.told} in the source); "
            "where the source is right, import it into a new atlas"
        )
    if report.duplicates:
        tell(f"exact duplicates, kept once: {len(report.duplicates):,}")
        _some([f"{file} = {same}" for file, same in report.duplicates])
    if report.contradictions:
        tell(f"contradicting labels of one picture: {len(report.contradictions):,}")
        _some([f"{a} is {x}, {b} is {y}" for a, x, b, y in report.contradictions])
    if report.passed_over:
        tell(f"passed over: {len(report.passed_over):,}")
        for reason, files in report.reasons.items():
            more = ", …" if len(files) > NAMED else ""
            tell(f"  {len(files):,}  {reason}: {', '.join(files[:NAMED])}{more}")
    if report.unknown_classes:
        cells = f"{counted(report.unlabelled, 'new cell')} came in unlabelled"
        tell(f"class names not in the taxonomy, {cells}:")
        _names(report.unknown_classes)
        tell(
            "  a class that 'cellkin taxonomy' lists: write it in the table by a name given there; "
            f"another: 'cellkin taxonomy {atlas} --add CODE --parent CLASS --alias NAME'; "
            "then import again"
        )
    if report.unknown_subclasses:
        tell("subclasses not known within their class, the class was taken:")
        _names(report.unknown_subclasses)
    if report.unknown_splits:
        tell("splits not known, these cells came in without one; train, val and test are:")
        _names(report.unknown_splits)


def _some(lines: list[str]) -> None:
    for line in lines[:NAMED]:
        tell(f"  {line}")
    if len(lines) > NAMED:
        tell(f"  … and {len(lines) - NAMED:,} more; --json lists all")


def _names(names: list[UnknownName]) -> None:
    for each in names:
        close = f"; close are {', '.join(each.close)}" if each.close else ""
        tell(f"  {each.text}: {counted(each.cells, 'cell')}{close}")

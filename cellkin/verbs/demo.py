"""``cellkin demo``: the whole path on sample cells, then the annotator."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellkin.options import GivenPath, setting_option
from cellkin.telling import tell
from index.wording import counted

if TYPE_CHECKING:
    from retrieval.demo import DemoReport
    from retrieval.reading.public import PublicSet, RemoteFile
    from retrieval.sample import Sample

LINES = 8  # answers printed


@click.command()
@click.option("--folder", type=GivenPath(path_type=Path), default="demo", show_default=True,
              help="where cells and atlas are put")  # fmt: skip
@click.option("--real", is_flag=True, help="download real cells (PBC) where none are at hand")
@click.option("--serve/--no-serve", default=True, help="start the annotator at the end")
@setting_option("host")
@setting_option("port")
@setting_option("seed")
def command(folder: Path, real: bool, serve: bool, host: str, port: int, seed: int) -> None:
    """Try CellKin on sample cells: import, embed, answer, annotate.

    Labelled references and an unlabelled new slide are laid out in FOLDER/cells, taken from the
    real cells at $CELLKIN_DATA where there are some, else painted. They are imported into
    FOLDER/atlas and embedded, the new slide is answered for, and the annotator opens with it as
    its queue. Running it again keeps what is there, your labels too; to start afresh, remove
    FOLDER.
    """
    from retrieval.demo import build
    from retrieval.sample import lay_out

    sample = lay_out(folder, seed=seed, real=real, before_download=_tell_licence)
    tell(sample.notes)
    report = build(folder, sample)
    _print_answers(report)
    _print_next(report, sample)
    if serve:
        _annotate(report, host, port)


def _tell_licence(chosen: PublicSet, files: list[RemoteFile]) -> None:
    size = sum(file.size or 0 for file in files)
    tell(f"downloading {chosen.title}, {size / 1e6:,.0f} MB", err=True)
    tell(f"licence: {chosen.licence}; cite: {chosen.citation}", err=True)


def _print_answers(report: DemoReport) -> None:
    tell(
        f"{counted(report.references, 'reference')}, "
        f"{counted(report.batch, 'unlabelled cell')} of a new slide"
    )
    width = max((len(answer.proposal.class_code) for answer in report.answers), default=0)
    for answer in report.shown(LINES):
        said = answer.proposal
        tell(
            f"  {answer.file}  {said.class_code:{width}}  {said.probability:.2f}  "
            f"nearest at {said.evidence[0].distance:.3f}; its source says {answer.truth}"
        )
    answers = counted(len(report.answers), "proposal agrees", "proposals agree")
    tell(f"{report.agreeing} of {answers} with the source")
    tell(f"montage: {report.montage}")


def _print_next(report: DemoReport, sample: Sample) -> None:
    """Three commands to try next, ready to be pasted."""
    picture = sample.batch / report.answers[0].file if report.answers else sample.batch
    out = report.atlas.parent
    lines = (
        ("query", report.atlas, picture, "--montage", out / "query.png"),
        ("classify", report.atlas, sample.batch, "--out", out / "predictions.csv"),
        ("evaluate", report.atlas, sample.batch, "--labels", sample.truth, "--out", out / "report"),
    )
    tell("try next:")
    for words in lines:
        tell("  cellkin " + shlex.join(str(word) for word in words))


def _annotate(report: DemoReport, host: str, port: int) -> None:
    from annotator.config import AnnotatorConfig
    from annotator.serve import serve

    def announce(address: str, warning: str | None, _accounts: bool) -> None:
        if warning:
            tell(f"warning: {warning}", err=True)
        tell(f"annotator: {address}")
        tell("stop with Ctrl-C; labels are kept", err=True)

    serve(AnnotatorConfig(atlas=report.atlas, host=host, port=port), announce)

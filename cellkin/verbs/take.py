"""``cellkin take``: labels from a format that others write."""

from __future__ import annotations

from pathlib import Path

import click

from cellkin.options import GivenPath, atlas_argument, json_option, print_json
from cellkin.telling import tell
from index.wording import counted

SHOWN = 10  # rows passed over that are listed


@click.command()
@atlas_argument
@click.argument("source", type=GivenPath(path_type=Path))
@click.option("--format", "form", default=None, metavar="NAME", help="default: known by its files")
@click.option("--author", default="import", show_default=True, metavar="NAME",
              help="who gave the labels that name nobody")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="say what would be added, and add nothing")
@json_option
def command(
    atlas: str, source: Path, form: str | None, author: str, dry_run: bool, as_json: bool
) -> None:
    """Add labels from SOURCE to cells that ATLAS holds already.

    SOURCE is a file, a folder or a zip in any format of 'cellkin export'. A cell is found by the
    hash of its pixels, by its picture, its file or its number; what is not found is listed.
    Taking a source twice adds nothing.
    """
    from annotator.config import default_author
    from annotator.exchange.running import read_labels
    from index import Atlas
    from index.auditing import take_in

    with Atlas.open(atlas) as opened:
        report = read_labels(opened, source, form=form, author=author)
        if report.labels and not dry_run:
            take_in(opened, report.labels, default_author(), source.name)
    if as_json:
        passed = [
            {"line": line, "row": what, "reason": why} for line, what, why in report.passed_over
        ]
        print_json(
            {
                "rows": report.rows,
                "labels": len(report.labels),
                "same": report.same,
                "contradicting": report.contradicting,
                "passed": report.passed,
                "passed_over": passed,
                "written": not dry_run,
            }
        )
        return
    verb = "would be added" if dry_run else "added"
    tell(f"{counted(report.rows, 'row')}: {counted(len(report.labels), 'label')} {verb}, "
               f"{report.same:,} known already, {report.passed:,} passed over")  # fmt: skip
    if report.contradicting:
        some = counted(report.contradicting, "of them contradicts", "of them contradict")
        tell(f"{some} the present label of the cell")
    for line, what, why in report.passed_over[:SHOWN]:
        tell(f"passed over row {line} ({what}): {why}", err=True)

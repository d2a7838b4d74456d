"""``cellkin export``: the labelled cells in a format that others read."""

from __future__ import annotations

from pathlib import Path

import click

from cellkin.options import GivenPath, atlas_argument, json_option, print_json
from cellkin.telling import tell
from index.wording import counted


@click.command()
@atlas_argument
@click.option("--format", "form", required=True, metavar="NAME", help="see docs/exchange.md")
@click.option(
    "--out", required=True, type=GivenPath(path_type=Path), help="folder to write, new or empty"
)
@click.option(
    "--dataset", "datasets", multiple=True, metavar="NAME",
    help="only cells of this data set; repeatable",
)  # fmt: skip
@click.option(
    "--consensus", is_flag=True,
    help="only cells that two readers or more agree on, or that were adjudicated",
)  # fmt: skip
@click.option("--no-pictures", is_flag=True, help="leave the pictures out")
@click.option("--licence", default="", metavar="TEXT", help="what others may do with the export")
@json_option
def command(
    atlas: str,
    form: str,
    out: Path,
    datasets: tuple[str, ...],
    consensus: bool,
    no_pictures: bool,
    licence: str,
    as_json: bool,
) -> None:
    """Write the labelled cells of ATLAS as one of: csv, coco, yolo, folders, parquet, fiftyone,
    labelstudio, huggingface.

    Each label goes out with its author, time, how it was given and what was proposed then, as far
    as the format has room for it; README.md is a data card with counts, agreement and licence.
    Pictures are written as PNG of exactly their pixels.
    """
    from annotator.exchange.running import export
    from index import Atlas

    with Atlas.open(atlas) as opened:
        done = export(
            opened, form, out,
            datasets=datasets, consensus=consensus, pictures=not no_pictures, licence=licence,
        )  # fmt: skip
    if as_json:
        passed = [{"file": file, "reason": reason} for file, reason in done.passed_over]
        print_json({"folder": str(out), "cells": done.count, "passed_over": passed})
        return
    tell(f"{counted(done.count, 'cell')} to {out}")
    for file, reason in done.passed_over[:10]:
        tell(f"passed over {file}: {reason}", err=True)
    if len(done.passed_over) > 10:
        tell(f"passed over {len(done.passed_over):,} in all: see {out}/README.md", err=True)

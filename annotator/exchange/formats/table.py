"""CSV: ``labels.csv``, the present labels, and ``history.csv``, every label ever given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from annotator.exchange.job import Job
from annotator.exchange.reading import the_file
from annotator.exchange.tables import csv_rows, log_csv, present_lines

if TYPE_CHECKING:
    from annotator.exchange.formats import Rows


def write(job: Job) -> None:
    """Write both tables. The history is whole, also where only a consensus goes out."""
    with (job.folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        file.writelines(present_lines(each for each, _ in job.cells()))
    with (job.folder / "history.csv").open("w", encoding="utf-8", newline="") as file:
        file.writelines(log_csv(job.atlas, job.datasets))


def read(path: Path) -> Rows:
    """The rows of a table of labels."""
    yield from csv_rows(the_file(path, "labels.csv").read_bytes())

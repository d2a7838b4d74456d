"""Class folders: ``CLASS/PICTURE``, which nearly everything reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from annotator.exchange.job import Job
from annotator.exchange.reading import pictures_in, read_provenance, row_of, write_provenance
from annotator.problems import BadTableError

if TYPE_CHECKING:
    from annotator.exchange.formats import Rows


def write(job: Job) -> None:
    """Write each picture into the folder of its class, and who said so beside."""
    told = [
        {"file_name": path, "class": each.class_code, **each.provenance}
        for each, path in job.cells(lambda one: f"{one.class_code}/{one.file_name}")
    ]
    write_provenance(job.folder, told)


def read(path: Path) -> Rows:
    """One row a picture: its folder is its class."""
    if not path.is_dir():
        raise BadTableError(f"{path} is no folder", "give the folder that holds the class folders")
    told = read_provenance(path)
    for number, picture in enumerate(pictures_in(path), start=1):
        place = picture.relative_to(path).as_posix()
        yield number, row_of(told.get(place, {}), picture.parent.name, picture)

"""The formats of the exchange, in one list.

A new one is a module here with ``write`` and ``read``, a line in FORMATS, a round trip in
tests/annotator/test_formats.py, and a row in docs/exchange.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from annotator.exchange.job import Job
from annotator.language import mark

Rows = Iterator[tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class Format:
    """One format. ``module`` has ``write(job)`` and ``read(path)``; see ``Rows`` of ``taking``.

    ``shape`` is what an export is known by: the name of a file in it, or ``folder/`` for class
    folders. ``draws`` says whether its pictures are a part of it.
    """

    name: str
    title: str
    help: str
    module: str
    shape: str
    draws: bool = True

    def write(self, job: Job) -> None:
        """Write an export into ``job.folder``. Raises MissingPackageError."""
        write: Callable[[Job], None] = import_module(f"{__name__}.{self.module}").write
        write(job)

    def read(self, path: Path) -> Rows:
        """The rows of an export at ``path``, its folder or the file that ``shape`` names.

        Raises BadTableError, MissingPackageError.
        """
        read: Callable[[Path], Rows] = import_module(f"{__name__}.{self.module}").read
        return read(path)


_ALL = (
    Format(
        "csv",
        mark("Table (CSV)"),
        mark("one row a labelled cell, and every label ever given in a second table"),
        "table",
        "labels.csv",
        draws=False,
    ),
    Format(
        "coco",
        mark("COCO"),
        mark("annotations.json with categories, images and annotations"),
        "coco",
        "annotations.json",
    ),
    Format(
        "yolo",
        mark("YOLO"),
        mark("a text file a picture, a box around the whole cell, data.yaml"),
        "yolo",
        "data.yaml",
    ),
    Format(
        "folders",
        mark("Class folders"),
        mark("the pictures in one folder a class"),
        "folders",
        "folder/",
    ),
    Format(
        "parquet",
        mark("Parquet"),
        mark("a typed table for data frames, one row a labelled cell"),
        "parquet",
        "labels.parquet",
    ),
    Format(
        "fiftyone",
        mark("FiftyOne"),
        mark("an image classification data set that FiftyOne imports"),
        "fiftyone",
        "labels.json",
    ),
    Format(
        "labelstudio",
        mark("Label Studio"),
        mark("tasks with annotations, and the configuration of a project"),
        "labelstudio",
        "tasks.json",
    ),
    Format(
        "huggingface",
        mark("Hugging Face"),
        mark("an imagefolder with metadata.jsonl a split, the data card as its README"),
        "huggingface",
        "metadata.jsonl",
    ),
)
FORMATS: dict[str, Format] = {each.name: each for each in _ALL}

__all__ = ["FORMATS", "Format", "Rows"]

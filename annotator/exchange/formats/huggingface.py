"""Hugging Face: an ``imagefolder``, a folder a split with ``metadata.jsonl``; README.md on top.

https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator.exchange.job import Job, split_of
from annotator.exchange.reading import beside, row_of
from annotator.problems import BadTableError

if TYPE_CHECKING:
    from annotator.exchange.formats import Rows

FILE = "metadata.jsonl"
SPLITS = ("train", "validation", "test")


def write(job: Job) -> None:
    """Write pictures and, a split, the line of each."""
    lines: dict[str, list[str]] = {}
    for each, path in job.cells(lambda one: f"{split_of(one, SPLITS)}/{one.file_name}"):
        told = {name: _typed(value) for name, value in each.provenance.items()}
        row = {"file_name": Path(path).name, "label": each.class_code, **told}
        lines.setdefault(split_of(each, SPLITS), []).append(json.dumps(row, ensure_ascii=False))
    for split, rows in lines.items():
        job.write_text(f"{split}/{FILE}", "\n".join(rows) + "\n")


def _typed(value: Any) -> Any:
    """Columns are typed by what they hold, a split for itself: what may be unknown is text."""
    if value is None:
        return ""
    return str(value) if isinstance(value, float | bool) else value


def read(path: Path) -> Rows:
    """One row a line of each metadata.jsonl."""
    files = sorted(path.rglob(FILE)) if path.is_dir() else [path]
    if not files:
        raise BadTableError(f"{path} holds no {FILE}", "give the folder of an imagefolder")
    number = 0
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            number += 1
            try:
                told = json.loads(line)
            except json.JSONDecodeError as error:
                raise BadTableError(
                    f"line {number} of {file.name} is no JSON: {error}", "export it again"
                ) from error
            told = told if isinstance(told, dict) else {}
            name = told.get("file_name")
            code = told.get("label") or told.get("class")
            yield number, row_of(told, code, beside(file.parent, name))

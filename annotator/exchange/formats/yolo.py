"""YOLO: ``data.yaml``, ``images/SPLIT`` and ``labels/SPLIT``, a box around the whole cell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.exchange.job import Job, split_of
from annotator.exchange.reading import (
    pictures_in,
    read_provenance,
    row_of,
    the_file,
    write_provenance,
)

if TYPE_CHECKING:
    from annotator.exchange.formats import Rows

FILE = "data.yaml"
_NAME = re.compile(r"^\s*(?:(?P<number>\d+)\s*:|-)\s+(?P<name>.+?)\s*$")


def write(job: Job) -> None:
    """Write pictures, their label files, the list of classes, and who said so beside."""
    numbers = {code: number for number, code in enumerate(job.classes)}
    told = []
    splits: set[str] = set()
    for each, path in job.cells(lambda one: f"images/{split_of(one)}/{one.file_name}"):
        splits.add(split_of(each))
        label = Path("labels", split_of(each), each.file_name).with_suffix(".txt")
        job.write_text(label.as_posix(), f"{numbers[each.class_code]} 0.5 0.5 1 1\n")
        told.append({"file_name": path, "class": each.class_code, **each.provenance})
    write_provenance(job.folder, told)
    # A JSON string is a string of YAML too.
    names = "".join(f"  {number}: {json.dumps(code)}\n" for code, number in numbers.items())
    places = {name: f"images/{name}" for name in ("train", "val", "test") if name in splits}
    places.setdefault("val", places.get("train", "images/train"))  # YOLO does not train without
    lines = "".join(f"{name}: {place}\n" for name, place in places.items())
    job.write_text(FILE, f"path: .\n{lines}names:\n{names}")


def read(path: Path) -> Rows:
    """One row a picture with one box; a picture with several holds several cells."""
    file = the_file(path, FILE)
    names = _names(file.read_text(encoding="utf-8"))
    told = read_provenance(file.parent)
    for number, picture in enumerate(pictures_in(file.parent / "images"), start=1):
        place = picture.relative_to(file.parent)
        label = Path(file.parent, "labels", *place.parts[1:]).with_suffix(".txt")
        lines = label.read_text(encoding="utf-8").split("\n") if label.is_file() else []
        boxes = [line.split() for line in lines if line.strip()]
        code = names.get(boxes[0][0]) if len(boxes) == 1 else None
        yield number, row_of(told.get(place.as_posix(), {}), code, picture)


def _names(yaml: str) -> dict[str, str]:
    """The names of the classes by number, of either form that data.yaml may have."""
    _, _, below = yaml.partition("names:")
    inline = re.match(r"\s*\[(.*)\]", below)
    if inline:
        listed = [name.strip().strip("'\"") for name in inline.group(1).split(",")]
        return {str(number): name for number, name in enumerate(listed)}
    found: dict[str, str] = {}
    for line in below.splitlines()[1:]:
        match = _NAME.match(line)
        if match is None:
            break
        found[match["number"] or str(len(found))] = match["name"].strip("'\"")
    return found

"""FiftyOne: ``data/`` and ``labels.json``, its FiftyOneImageClassificationDataset.

https://docs.voxel51.com/user_guide/import_datasets.html#fiftyoneimageclassificationdataset
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator.exchange.job import Job
from annotator.exchange.reading import as_dict, pictures_in, read_json, row_of, the_file

if TYPE_CHECKING:
    from annotator.exchange.formats import Rows

FILE = "labels.json"


def write(job: Job) -> None:
    """Write pictures and labels; what is known of a label becomes its attributes."""
    labels: dict[str, Any] = {}
    for each, path in job.cells(lambda one: f"data/{one.file_name}"):
        told = {name: value for name, value in each.provenance.items() if value is not None}
        labels[Path(path).stem] = {"label": each.class_code, "attributes": told}
    job.write_json(FILE, {"classes": job.classes, "labels": labels})


def read(path: Path) -> Rows:
    """One row a label: a class, its number, or a label with attributes."""
    file = the_file(path, FILE)
    found = read_json(file, dict)
    classes = found.get("classes") or []
    data = file.parent / "data"
    pictures = {
        each.relative_to(data).with_suffix("").as_posix(): each for each in pictures_in(data)
    }
    for number, (name, said) in enumerate(as_dict(found.get("labels")).items(), start=1):
        told = as_dict(said)
        code = told.get("label", said)
        if isinstance(code, int) and 0 <= code < len(classes):
            code = classes[code]
        attributes = as_dict(told.get("attributes"))
        yield (
            number,
            row_of(attributes, code if isinstance(code, str) else None, pictures.get(name)),
        )

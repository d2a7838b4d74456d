"""COCO: ``annotations.json`` and ``images/``. A cell is a picture with one box, all of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator.exchange.job import Job
from annotator.exchange.reading import as_dict, beside, read_json, row_of, the_file
from index.moment import now

if TYPE_CHECKING:
    from annotator.exchange.formats import Rows

FILE = "annotations.json"


def write(job: Job) -> None:
    """Write pictures and annotations; ids count from 1, as COCO's tools expect."""
    taxonomy = job.atlas.taxonomy
    numbers = {code: number for number, code in enumerate(job.classes, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (each, path) in enumerate(job.cells(), start=1):
        wide, high = each.cell.width, each.cell.height
        images.append(
            {"id": number, "file_name": path, "width": wide, "height": high, "license": 1}
        )
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": numbers[each.class_code],
                "bbox": [0, 0, wide, high],
                "area": wide * high,
                "segmentation": [[0, 0, wide, 0, wide, high, 0, high]],
                "iscrowd": 0,
                "attributes": each.provenance,
            }
        )
    categories = [
        {
            "id": number,
            "name": code,
            "supercategory": taxonomy.node(code).parent or "",
            "title": taxonomy.node(code).name,
        }
        for code, number in numbers.items()
    ]
    job.write_json(
        FILE,
        {
            "info": {"description": f"{job.atlas.path.name}, labels", "date_created": now()},
            "licenses": [{"id": 1, "name": job.licence or "not stated", "url": ""}],
            "categories": categories,
            "images": images,
            "annotations": annotations,
        },
    )


def read(path: Path) -> Rows:
    """One row an annotation. One of a picture with several cells names its cell by sha256 alone."""
    file = the_file(path, FILE)
    found = read_json(file, dict)
    names = {each.get("id"): each.get("name") for each in map(as_dict, found.get("categories", []))}
    images = {each.get("id"): each for each in map(as_dict, found.get("images", []))}
    annotations = [as_dict(each) for each in found.get("annotations", [])]
    boxes: dict[Any, int] = {}
    for each in annotations:
        boxes[each.get("image_id")] = boxes.get(each.get("image_id"), 0) + 1
    for number, each in enumerate(annotations, start=1):
        image = images.get(each.get("image_id"), {})
        alone = boxes[each.get("image_id")] == 1
        picture = beside(file.parent, image.get("file_name")) if alone else None
        yield (
            number,
            row_of(as_dict(each.get("attributes")), names.get(each.get("category_id")), picture),
        )

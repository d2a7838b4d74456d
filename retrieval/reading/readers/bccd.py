"""BCCD: crops of single cells, or fields with Pascal VOC boxes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from retrieval.reading.decode import BOX
from retrieval.reading.errors import SourceError
from retrieval.reading.found import SPLITS, Found, PassedOver
from retrieval.reading.readers.base import Request, first_names, found, subfolders

PICTURES, BOXES = "JPEGImages", "Annotations"
CROP = re.compile(r"(?:_|(?=BloodImage_))((?:BloodImage_)?\d+)_\d+\.jpe?g", re.IGNORECASE)
NOT_WANTED = frozenset({"rbc"})
LARGEST_XML = 1 << 20


class BCCD:
    """Crops keep their field's number in the name; fields have a box for each cell."""

    name = "bccd"
    summary = "BCCD: crops in class folders, named after their field, or fields with VOC boxes"

    def recognises(self, request: Request) -> bool:
        """Whether there are VOC boxes beside pictures, or crops named after their field."""
        if _voc_root(request.source) is not None:
            return True
        level = [request.source]
        for _ in range(3):
            level = [folder for each in level for folder in subfolders(each)]
            names = [name for folder in level for name in first_names(folder, 2)]
            if any(CROP.fullmatch(name) for name in names):
                return True
        return False

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """Crops with class, split and field; or the white cells and platelets of every field."""
        root = _voc_root(request.source)
        if root is not None:
            yield from _fields(root, request.source)
            return
        for entry in request.walk():
            if isinstance(entry, PassedOver):
                yield entry
                continue
            crop = CROP.fullmatch(entry.name)
            splits = [SPLITS.get(name.lower().split("_")[0]) for name in entry.folders]
            yield found(
                entry,
                class_text=entry.folders[-1] if entry.folders else None,
                split=next(filter(None, splits), None),
                field=crop[1] if crop else None,
            )


def _voc_root(source: Path) -> Path | None:
    for root in (source, *subfolders(source)):
        if (root / PICTURES).is_dir() and (root / BOXES).is_dir():
            return root
    return None


def _fields(root: Path, source: Path) -> Iterator[Found | PassedOver]:
    prefix = root.relative_to(source)
    names = sorted(each.name for each in (root / BOXES).iterdir())
    if not any(name.endswith(".xml") for name in names):
        raise SourceError(f"{root / BOXES} holds no .xml file", "give the whole data set")
    for name in names:
        file = (prefix / BOXES / name).as_posix()
        if not name.endswith(".xml"):
            yield PassedOver(file, "no VOC file by its name")
            continue
        try:
            boxes = _boxes(root / BOXES / name)
        except (OSError, ValueError, ElementTree.ParseError) as error:
            yield PassedOver(file, f"no VOC file: {error}")
            continue
        stem = name.removesuffix(".xml")
        picture = next((p for p in (root / PICTURES).glob(f"{stem}.*")), None)
        if picture is None:
            yield PassedOver(file, "boxes of a picture that is not there")
            continue
        field = Found((prefix / PICTURES / picture.name).as_posix(), picture, field=stem)
        for text, box in boxes:
            if text.lower() in NOT_WANTED:
                yield PassedOver(f"{field.file}:{text}", "neither white cell nor platelet")
                continue
            member = BOX + ",".join(map(str, box))
            yield replace(field, class_text=text, box=box, member=member)


def _boxes(file: Path) -> list[tuple[str, tuple[int, int, int, int]]]:
    """(name, (left, top, width, height)) of each object; VOC counts pixels from 1."""
    if file.stat().st_size > LARGEST_XML:
        raise ValueError("it is larger than 1 MB")
    boxes = []
    for item in ElementTree.parse(file).getroot().iter("object"):
        left, top, right, bottom = (
            int(float(item.findtext(f"bndbox/{side}") or "x"))
            for side in ("xmin", "ymin", "xmax", "ymax")
        )
        left, top = max(left - 1, 0), max(top - 1, 0)
        boxes.append((item.findtext("name") or "", (left, top, right - left, bottom - top)))
    return boxes

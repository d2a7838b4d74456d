"""MedMNIST's array files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from retrieval.reading.arrays import member_names, open_array
from retrieval.reading.errors import SourceError
from retrieval.reading.found import Found, PassedOver
from retrieval.reading.readers.base import Request

SPLITS = ("train", "val", "test")


class MedMNIST:
    """``bloodmnist.npz``, ``_64``, ``_128``, ``_224``: pictures and labels by split."""

    name = "medmnist"
    summary = "MedMNIST v2: bloodmnist*.npz with {train,val,test}_images and _labels; splits kept"

    def recognises(self, request: Request) -> bool:
        """Whether the source is an ``.npz`` file."""
        return request.source.is_file() and request.source.suffix.lower() == ".npz"

    def read(self, request: Request) -> Iterator[Found | PassedOver]:
        """Every row of every split there is. Raises SourceError when there is none."""
        path = request.source
        members = member_names(path)
        splits = [split for split in SPLITS if f"{split}_images" in members]
        if not splits:
            raise SourceError(
                f"{path} holds no array train_images, val_images or test_images",
                "give a MedMNIST file such as bloodmnist_224.npz, whole",
            )
        names = class_names() if path.name.lower().startswith("bloodmnist") else ()
        for split in splits:
            member = f"{split}_images"
            count = len(open_array(path, member))
            texts: list[str | None] = [None] * count
            if f"{split}_labels" in members:
                texts = self._texts(path, f"{split}_labels", count, names)
            for row, text in enumerate(texts):
                yield Found(path.name, path, frame=row, member=member, class_text=text, split=split)

    def _texts(
        self, path: Path, member: str, count: int, names: tuple[str, ...]
    ) -> list[str | None]:
        labels = open_array(path, member).reshape(-1)
        if len(labels) != count or labels.dtype.kind not in "iu":
            raise SourceError(
                f"{path}: {member} holds {len(labels)} {labels.dtype} for {count} pictures",
                "give a file with one whole number a picture",
            )
        return [
            names[label] if label < len(names) else f"class {label}" for label in labels.tolist()
        ]


@cache
def class_names() -> tuple[str, ...]:
    """The classes of BloodMNIST in the order of its numbers."""
    table = Path(__file__).parent.parent / "datasets.toml"
    with table.open("rb") as file:
        return tuple(tomllib.load(file)["bloodmnist"]["classes"])

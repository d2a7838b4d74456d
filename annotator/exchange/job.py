"""One export under way: what goes out, where to, and which pictures could not be given along."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from annotator.exchange.counts import Counts
from annotator.exchange.records import Exported, exported
from index.browsing import tallies
from retrieval.reading.decode import read_cell
from retrieval.reading.errors import ImageError

if TYPE_CHECKING:
    from index.atlas import Atlas

PICTURES = "images"  # the folder of pictures, where a format does not say another


@dataclass
class Job:
    """What a format writes. ``folder`` exists and is empty; it will be called ``name``.

    ``licence`` may be empty. ``counts`` are of what went out, ``passed_over`` lists the cells left
    out (file, reason), because their picture is gone or changed.
    """

    atlas: Atlas
    folder: Path
    name: str
    datasets: tuple[str, ...] = ()
    consensus: bool = False
    pictures: bool = True
    licence: str = ""
    counts: Counts = field(default_factory=Counts)
    passed_over: list[tuple[str, str]] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """The codes of the classes that go out, in the order of the taxonomy."""
        counted = tallies(self.atlas)
        used = {t.class_code for t in counted if not self.datasets or t.dataset in self.datasets}
        return [code for code in self.atlas.taxonomy.nodes if code in used]

    def cells(
        self, place: Callable[[Exported], str] = lambda each: f"{PICTURES}/{each.file_name}"
    ) -> Iterator[tuple[Exported, str]]:
        """Each cell that goes out with the path of its picture, relative to ``folder``.

        The picture is written as PNG of exactly its pixels, unless none are wanted; a cell whose
        picture is gone or changed is passed over.
        """
        for each in exported(self.atlas, self.datasets, consensus=self.consensus):
            path = place(each)
            if self.pictures and not self._write(each, self.folder / path):
                continue
            self.counts.add(each)
            yield each, path

    def _write(self, each: Exported, target: Path) -> bool:
        try:
            rgb = read_cell(self.atlas, each.cell)
        except ImageError as error:
            self.passed_over.append((each.cell.file, error.message))
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb).save(target, "PNG", compress_level=1)
        return True

    def write_json(self, name: str, value: Any) -> None:
        """Write ``value`` as a JSON file of the export."""
        text = json.dumps(value, ensure_ascii=False, indent=1)
        self.write_text(name, text + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the export, in UTF-8."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")


def split_of(each: Exported, names: Sequence[str] = ("train", "val", "test")) -> str:
    """The folder of a cell's split, of ``names``; the first where none is known."""
    return dict(zip(("train", "val", "test"), names, strict=True))[each.cell.split or "train"]

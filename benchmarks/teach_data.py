"""Pictures that the shipped model's trunks are taught on, and those they are tried on, as one file.

    python -m benchmarks.teach_data OUT.zip

Teaching: the train split of PBC without pictures that stand twice, BCCD and Raabin, all with
classes; white cells of the TXL fields without. Trying: PBC's val split and four laboratories that
never teach what ships. Every cell is found and cut as ``cellkin train --view cell`` does it, with
room to turn and move. Pictures are kept as JPEG, so that they travel to a machine with a GPU.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.laboratories import MOST_JHU
from benchmarks.pack_model import CLASSES, LEAVES
from benchmarks.report import data_folder
from index.errors import CellKinError
from index.taxonomy import shipped_taxonomy
from retrieval.cellview import CellFinder, CellView
from retrieval.reading.decode import decode
from retrieval.training.cells import read_cell_pictures
from retrieval.training.start import shipped_finder_network

VIEW = 128
QUALITY = 90
TAUGHT = ("pbc", "bccd", "raabin")
TRIED = ("pbc_val", "tecom", "rvpbs", "pbites", "jhu")
FIELD_SIDES = (575, 416)  # of TXL's sources; the third are BCCD's own fields
FIELD_ROOM = 2.2  # side of a cut-out of a field, in sides of its box


@dataclass(frozen=True)
class Picked:
    """One cell to cut. number: among CLASSES, -1 unknown. code: its deepest taxonomy code."""

    dataset: str
    file: Path
    number: int
    code: str
    box: tuple[float, float, float, float] | None = None  # of a field, in shares of its sides


def labelled(name: str) -> Iterator[Picked]:
    """The cells of a data set that have a class among CLASSES; ``pbc_val`` is a part of PBC."""
    folder = data_folder() / name.removesuffix("_val")
    rows = pd.read_csv(folder / "labels.csv", dtype=str)
    if "kind" in rows:
        rows = rows[rows["kind"] == "signed"]
    if name.startswith("pbc"):
        split = "val" if name == "pbc_val" else "train"
        rows = rows[(rows["split"] == split) & rows["dup_group"].isna()]
    taxonomy = shipped_taxonomy()
    codes: dict[str, str | None] = {}

    def resolved(text: object) -> str | None:
        if not isinstance(text, str):
            return None
        if text not in codes:
            try:
                codes[text] = taxonomy.resolve(text).code
            except CellKinError:
                codes[text] = None
        return codes[text]

    counts = dict.fromkeys(CLASSES, 0)
    for row in rows.to_dict("records"):
        whole = resolved(row["class"])
        one = taxonomy.at_level(whole, "class") if whole else None
        if one not in CLASSES or (name == "jhu" and counts[one] >= MOST_JHU):
            continue
        counts[one] += 1
        below = resolved(row.get("subclass"))
        code = below if below and taxonomy.is_within(below, one) else whole
        path = folder / "images" / (row.get("path") or row.get("file"))
        yield Picked(name, path, CLASSES.index(one), code)


def in_fields() -> Iterator[Picked]:
    """White cells of the TXL fields, by their given boxes; nobody said of which class."""
    folder = data_folder() / "txl_fields"
    for file in sorted((folder / "images").iterdir()):
        with Image.open(file) as image:
            side = image.width
        lines = (folder / "labels" / f"{file.stem}.txt").read_text().splitlines()
        for line in lines if side in FIELD_SIDES else ():
            kind, *box = line.split()
            if kind == "0":
                yield Picked(f"txl{side}", file, -1, "", tuple(map(float, box)))


def read(one: Picked) -> np.ndarray:
    """The picture of a cell, uint8 [H, W, 3]."""
    whole = decode(one.file)
    if one.box is None:
        return whole
    height, width = whole.shape[:2]
    x, y, w, h = one.box
    half = FIELD_ROOM * max(w * width, h * height) / 2
    left, right = (int(np.clip(x * width + d, 0, width)) for d in (-half, half))
    top, bottom = (int(np.clip(y * height + d, 0, height)) for d in (-half, half))
    return whole[top:bottom, left:right]


def allowed_leaves(codes: list[str]) -> np.ndarray:
    """bool [N, leaves]: which of LEAVES each cell may be."""
    taxonomy = shipped_taxonomy()
    rows = {
        code: [bool(code) and taxonomy.is_within(leaf, code) for leaf in LEAVES]
        for code in set(codes)
    }
    return np.array([rows[code] for code in codes], dtype=bool)


def main() -> None:
    """Find, cut, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    cells = [one for name in (*TAUGHT, *TRIED) for one in labelled(name)] + list(in_fields())
    finder = CellFinder(shipped_finder_network())
    digest = hashlib.sha256()
    with (
        tempfile.TemporaryDirectory(dir=given.out.parent) as scratch,
        zipfile.ZipFile(given.out, "w", zipfile.ZIP_STORED) as packed,
    ):
        cut = read_cell_pictures(cells, read, CellView(VIEW), finder, Path(scratch))
        kept = [row for row in range(len(cells)) if row not in cut.failed]
        for row in kept:
            held = io.BytesIO()
            Image.fromarray(cut.pictures[row]).save(held, "JPEG", quality=QUALITY)
            packed.writestr(f"{row:05}.jpg", held.getvalue())
            digest.update(held.getvalue())
        half = cut.masks[kept][:, ::2, ::2] >> 4
        facts = io.BytesIO()
        np.savez_compressed(
            facts,
            rows=np.array(kept),
            masks=half,
            own=cut.own[kept],
            datasets=np.array([cells[row].dataset for row in kept]),
            classes=np.array([cells[row].number for row in kept], dtype=np.int64),
            leaves=allowed_leaves([cells[row].code for row in kept]),
        )
        packed.writestr("facts.npz", facts.getvalue())
        packed.writestr(
            "about.json",
            json.dumps({"sha256": digest.hexdigest(), "side": int(cut.pictures.shape[1])}),
        )
    print(
        f"{given.out}: {len(kept)} cells, {given.out.stat().st_size:,} bytes, {digest.hexdigest()}"
    )
    for row, reason in cut.failed.items():
        print("passed over:", cells[row].file.name, reason)


if __name__ == "__main__":
    main()

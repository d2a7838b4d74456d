"""Whether copies of a cell that were cropped otherwise are found, and other cells are not.

    python -m benchmarks.cropped

Cells of PBC, which taught the shipped model, and of RVPBS, which never did, each with five other
crops of some of them, in an atlas of their own. A pair is looked at as the review does: among the
five nearest by cosine, then as the network sees both.
"""

from __future__ import annotations

import csv
import hashlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from annotator.review.finding import NEAR, SIMILAR
from annotator.review.pictures import CENTRED, CentredDetails, aligned
from benchmarks.home import cellkin
from benchmarks.report import data_folder, table, write_section
from index import Atlas
from retrieval.seen import NetworkEyes

SEED = 3
EACH = 150  # cells of a class
COPIED = 10  # of these with other crops
# Left, top and side of a crop, as shares of the picture's side.
CROPS = ((0.05, 0.05, 0.9), (0.1, 0.1, 0.8), (0.1, 0.05, 0.9), (0.0, 0.1, 0.9), (0.15, 0.0, 0.85))


def pictures(name: str) -> Iterator[tuple[str, Path, int]]:
    """Class, file and place within its class of the cells drawn from a data set."""
    folder = data_folder() / name
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row.get("dup_group")]
    by_class: dict[str, list[str]] = {}
    for row in rows:
        by_class.setdefault(row["class"], []).append(row.get("path") or row["file"])
    draw = random.Random(SEED)
    for code in sorted(by_class):
        files = draw.sample(by_class[code], min(EACH, len(by_class[code])))
        for place, file_name in enumerate(files):
            yield code, folder / "images" / file_name, place


def write_cells(name: str, out: Path) -> str:
    """Write originals and crops as PNG; the hash of what was drawn."""
    digest = hashlib.sha256()
    for code, file, place in pictures(name):
        digest.update(file.name.encode())
        image = Image.open(file).convert("RGB")
        stem = f"{code}_{place:04}"
        image.save(out / "orig" / f"{stem}.png")
        for number, (left, top, side) in enumerate(CROPS if place < COPIED else ()):
            wide = round(side * image.width)
            x = min(round(left * image.width), image.width - wide)
            y = min(round(top * image.height), image.height - wide)
            image.crop((x, y, x + wide, y + wide)).save(out / "crops" / f"{stem}__{number}.png")
    return digest.hexdigest()


def measure(path: Path) -> tuple[int, int, int, np.ndarray]:
    """Copies, those found, the pairs of originals looked at, and how alike these are."""
    with Atlas.open(path) as atlas:
        rows = list(atlas.table().itertuples(index=False))
        model = atlas.active_model or ""
        ids, vectors = atlas.embeddings_of(model, [int(row.id) for row in rows])
        place = {int(cell): at for at, cell in enumerate(ids)}
        first = [place[int(row.id)] for row in rows if row.dataset == "orig"]
        files = {row.file: place[int(row.id)] for row in rows if row.dataset == "orig"}
        details = CentredDetails(atlas, NetworkEyes(atlas).picture)

        def alike(one: int, other: int) -> float:
            mine, theirs = details.of(int(ids[one])), details.of(int(ids[other]))
            assert mine is not None
            assert theirs is not None
            return aligned(mine.astype(np.float32), theirs.astype(np.float32))

        copies = [row for row in rows if row.dataset == "crops"]
        found = 0
        for row in copies:
            own = place[int(row.id)]
            original = files[row.file.partition("__")[0] + ".png"]
            near = vectors[first] @ vectors[own]
            cosine = float(vectors[original] @ vectors[own])
            close = cosine >= SIMILAR and int((near > cosine).sum()) < NEAR
            found += close and alike(own, original) >= CENTRED
        pairs = set()
        for at in first:
            cosines = vectors[first] @ vectors[at]
            for other in np.argsort(-cosines)[: NEAR + 1]:
                if first[other] != at and cosines[other] >= SIMILAR:
                    pairs.add((min(at, first[other]), max(at, first[other])))
        return len(copies), found, len(pairs), np.array(sorted(alike(*pair) for pair in pairs))


def main() -> None:
    """Measure, and write the section."""
    lines, hashes = [], []
    for name in ("pbc", "rvpbs"):
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            for part in ("orig", "crops"):
                (work / part).mkdir()
            hashes.append(write_cells(name, work))
            for part in ("orig", "crops"):
                cellkin("import", work / "atlas", work / part, "--dataset", part)
            cellkin("embed", work / "atlas")
            copies, found, pairs, values = measure(work / "atlas")
        most = f"{values[values < CENTRED].max():.2f}"
        lines.append((name.upper(), copies, found, pairs, int((values >= CENTRED).sum()), most))
    head = ("cells of", "copies cropped otherwise", "found", "pairs of neighbours",
            f"of these called one cell (from {CENTRED:g})", "most alike below")  # fmt: skip
    write_section(
        "cropped",
        "Near-duplicates cropped otherwise",
        "python -m benchmarks.cropped",
        table(head, lines),
        seed=SEED,
        data_hash=hashlib.sha256("".join(hashes).encode()).hexdigest(),
    )


if __name__ == "__main__":
    main()

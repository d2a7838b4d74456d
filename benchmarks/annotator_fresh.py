"""From a label acknowledged to the label among the neighbours of the next query.

python -m benchmarks.annotator_fresh [--cells 150000] [--labels 200]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from annotator.actions import Reader, Shown
from annotator.proposals import Proposals
from annotator.queue import Queue
from benchmarks.annotator_atlas import MODEL, build
from benchmarks.annotator_server import percentile
from benchmarks.report import table, write_section
from index import Atlas, CellFilter

K = 15


def measure(atlas: Atlas, count: int) -> dict[str, list[float]]:
    """Milliseconds of ``count`` labels each: search for a vector, and a proposal with evidence.

    Each labels a cell and asks for the neighbours of its nearest cell without a label, among which
    the label must be (see ``_pairs``).
    """
    proposals = Proposals(atlas, k=K)
    reader = Reader(atlas, Queue(atlas, proposals, order="imported"), "ann")
    pairs = _pairs(atlas, 2 * count + 2)
    found: dict[str, list[float]] = {"label, on disk": [], "search": [], "proposal": []}
    for i, (cell, other) in enumerate(pairs):
        _, vector = atlas.embeddings_of(MODEL, [other])
        begun = time.perf_counter()
        reader.label(cell, "monocyte", Shown())
        acknowledged = time.perf_counter()
        if i % 2:
            seen = atlas.search(vector, K + 1).ids[0].tolist()
        else:
            seen = [each.cell_id for each in proposals.propose([other])[other].evidence]
        answered = time.perf_counter()
        if cell not in seen:
            raise RuntimeError(f"label of cell {cell} was not among the neighbours of {other}")
        if i > 1:  # the first of each kind loads what the others find
            found["label, on disk"].append(1000 * (acknowledged - begun))
            found["search" if i % 2 else "proposal"].append(1000 * (answered - acknowledged))
    return found


def _pairs(atlas: Atlas, count: int) -> list[tuple[int, int]]:
    """So many cells without a label, each with another that has it among its K nearest of all.

    Labelled, it is then among the K nearest references of that other for certain.
    """
    waiting = np.asarray(atlas.cell_ids(CellFilter(labelled=False)))
    free = set(waiting.tolist())
    found: list[tuple[int, int]] = []
    for other in np.random.default_rng(0).permutation(waiting).tolist():
        if len(found) == count:
            break
        if other not in free:
            continue
        _, vector = atlas.embeddings_of(MODEL, [other])
        near = atlas.search(vector, K, labelled=False).ids[0].tolist()
        cell = next((each for each in near if each != other and each in free), None)
        if cell is not None:
            free -= {cell, other}
            found.append((cell, other))
    return found


def main() -> None:
    """Build, measure, write the section."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=150_000)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=None, help="kept, and taken if it is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cellkin-") as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "atlas").exists():
            build(folder, given.cells, dimension=128, labelled=0.667)
        with Atlas.open(folder / "atlas") as atlas:
            references = atlas.count(CellFilter(labelled=True))
            found = measure(atlas, given.labels)
    targets = {"search": "< 100", "proposal": "< 100"}
    rows = [
        (what, f"{percentile(each, 0.5):.0f}", f"{percentile(each, 0.95):.0f}",
         targets.get(what, "reported"))
        for what, each in found.items()
    ]  # fmt: skip
    write_section(
        "annotator-fresh",
        "Annotator: from a label to the next query's neighbours",
        f"python -m benchmarks.annotator_fresh --cells {given.cells} --labels {given.labels}",
        f"{references:,} references of 128 numbers, exact search; {given.labels} labels of each "
        "kind. Each query came straight after the label was acknowledged and had it among its "
        "neighbours.\n\n" + table(("what", "p50, ms", "p95, ms", "target"), rows),
        seed=0,
        data_hash="synthetic",
    )


if __name__ == "__main__":
    main()

"""Folders of a single class: their usual diameter is not that of their laboratory.

python -m benchmarks.one_class [--work FOLDER]

Of each class of a set up to 60 cells are read as a folder of their own: scaled by the usual
diameter of the whole set, as a known pixel size would allow, and by that of the folder itself, as
is done. Share right, each cell alone and the folder as a whole, mean over the classes.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from benchmarks.laboratories import SETS, load_set, rows_of
from benchmarks.report import table, write_section
from benchmarks.trust import Bench
from retrieval.described import Described
from retrieval.embedding import describe_images
from retrieval.finding import SourceFindings, find_source
from retrieval.folder import Space
from retrieval.model import Model, load_model, shipped_model_path
from retrieval.reading.decode import decode

TRIED = ("pbc", "tecom", "rvpbs", "jhu")
EACH = 60  # cells of a class at most
LEAST = 20  # cells of a class from which it is tried


def described(
    model: Model, files: list[Path], found: SourceFindings, typical: float | None
) -> Described:
    """The cells under a usual diameter given."""
    said = describe_images(model, files, decode, finding=found.of, typical=lambda _: typical)
    return Described.joined([one for _, one in said if isinstance(one, Described)])


def row(name: str, model: Model, bench: Bench) -> list[object]:
    """The line of a set."""
    rows = rows_of(name, model.score_classes)
    if name == "pbc":
        rows = rows[~rows["free"]]
    some = rows.groupby("number").head(EACH)
    usual = find_source(model, [Path(file) for file in some["file"]], decode).typical
    right, ratios = [], []
    for number, cells in some.groupby("number"):
        if len(cells) < LEAST:
            continue
        files = [Path(file) for file in cells["file"]]
        own = find_source(model, files, decode)
        line = []
        for diameter in (usual, own.typical):
            said = bench.read(described(model, files, own, diameter))
            line += [(p.argmax(axis=1) == number).mean() for p in (said.alone, said.probabilities)]
        right.append(line)
        if usual and own.typical:
            ratios.append(own.typical / usual)
    means = [f"{value:.3f}" for value in np.mean(right, axis=0)]
    return [name.upper(), len(right), f"{min(ratios):.2f}–{max(ratios):.2f}", *means]


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("build/laboratories"))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    model = load_model(shipped_model_path())
    sets = {name: load_set(name, model, given.work) for name in SETS}
    bench = Bench(sets, Space(model.feature_parts, model.score_classes))
    rows = [row(name, model, bench) for name in TRIED]
    head = [
        "set", "classes", "usual diameter of a class / of all", "the set's diameter: alone",
        "as a folder", "the folder's own (as is done): alone", "as a folder",
    ]  # fmt: skip
    body = (
        f"Up to {EACH} cells of one class are read as a folder of their own; share right, mean "
        "over the classes.\n\n" + table(head, rows)
    )
    digest = hashlib.sha256("".join([model.id, *TRIED]).encode()).hexdigest()
    write_section(
        "one_class", "Folders of a single class", "python -m benchmarks.one_class", body,
        seed=0, data_hash=digest,
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""What is said of a few pictures, too few to tell which laboratory they are of.

Folders of 1, 5 and 19 cells drawn at random from PBC's val split and from laboratories that taught
nothing, each judged as ``cellkin classify`` judges a folder without ``--dataset``. Beside it, what
the trust of the known laboratories would have said of the same cells.

    python -m benchmarks.few_pictures [--model FILE] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.laboratories import SETS, load_set
from benchmarks.report import table, write_section
from benchmarks.trust import STRANGE, Bench, figures
from retrieval.answers.calibration import Answers
from retrieval.folder import Space
from retrieval.model import load_model, shipped_model_path
from retrieval.trust import Judge, Readings

SIZES = (1, 5, 19)
CELLS = 190  # asked about in all, of each laboratory and size


def folders(count: int, size: int) -> list[np.ndarray]:
    """Rows of folders of ``size`` cells out of ``count``, no cell in two of them."""
    rows = np.random.default_rng(0).permutation(count)
    return [rows[at : at + size] for at in range(0, CELLS - size + 1, size)]


def rows_of(bench: Bench, judge: Judge, name: str, size: int) -> list[object]:
    """A row of the table: laboratory, cells a folder, and what was said."""
    held = bench.sets[name]
    pool = bench.val if name == "pbc" else np.arange(len(held))
    said, as_known, truths = [], [], []
    for places in folders(len(pool), size):
        rows = pool[places]
        cells = held.cells[rows]
        reading = bench.read(cells)
        readings = Readings(reading.probabilities, reading.alone)
        said.append(judge.judge(cells, readings).answers)
        home = judge.trust(alone=True)
        as_known.append(home.answer(reading.probabilities, bench.ancestry))
        truths.append(held.classes[rows])
    truth = np.concatenate(truths)
    found = [name.upper(), size]
    for answers in (said, as_known):
        one = figures(_joined(answers), truth)
        stated = np.concatenate([each.probabilities.max(axis=1) for each in answers]).mean()
        if not found[2:]:
            found.append(f"{one['accuracy']:.3f}")
        found += [f"{stated:.3f}", f"{one['coverage']:.3f}", f"{one['size']:.2f}",
                  f"{one['taken'] / len(truth):.3f}"]  # fmt: skip
    return found


def _joined(parts: list[Answers]) -> Answers:
    return Answers(
        *(np.concatenate(each) for each in zip(*(vars(p).values() for p in parts), strict=True))
    )


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=shipped_model_path())
    parser.add_argument("--work", type=Path, help="folder to keep; default a temporary one")
    options = parser.parse_args()
    model = load_model(options.model)
    with TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        sets = {name: load_set(name, model, work) for name in SETS}
    bench = Bench(sets, Space(model.feature_parts, model.score_classes))
    asked = np.arange(len(bench.val))[::9]  # the rest of PBC's val split calibrates
    judge = bench.judge(np.setdiff1d(np.arange(len(bench.val)), asked))
    bench.val = bench.val[asked]
    rows = [rows_of(bench, judge, name, size) for name in ("pbc", *STRANGE) for size in SIZES]
    heads = ["", "cells a folder", "right"]
    what = ("stated", "set holds the truth", "classes a set", "accepted")
    heads += [f"{each}{which}" for which in ("", ", as if known") for each in what]
    held = [s.cells.vectors.tobytes() + s.classes.tobytes() for s in sets.values()]
    body = (
        f"Some {CELLS} cells a row, in folders of so many, without a data set named. The last four "
        "columns: the same cells, if the trust of the known laboratories were lent to them.\n\n"
    ) + table(heads, rows)
    write_section(
        "few_pictures",
        "A few pictures of an unknown laboratory",
        "python -m benchmarks.few_pictures",
        body,
        seed=0,
        data_hash=hashlib.sha256(b"".join(held)).hexdigest(),
    )


if __name__ == "__main__":
    main()

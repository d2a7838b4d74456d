"""What the finder sees in each development set: cells that are not alone, and how sizes spread.

python -m benchmarks.found_cells [--model FILE]
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from benchmarks.laboratories import SETS, rows_of
from benchmarks.report import table, write_section
from retrieval.cellview import Finding
from retrieval.evaluation import wilson_interval
from retrieval.finding import SIZES, find_source
from retrieval.model import Model, load_model, shipped_model_path
from retrieval.reading.decode import decode

CELLS = 500


def seen(model: Model, name: str) -> list[object]:
    """A row of the table: set, cells, none found, several found, spread of the diameters."""
    rows = rows_of(name, model.score_classes)
    rows = rows.sample(min(CELLS, len(rows)), random_state=0)
    files = [Path(file) for file in rows["file"]]
    source = find_source(model, files, decode)
    found = [each for file in files if isinstance(each := source.of(file), Finding)]
    several = sum(each.others > 0 for each in found)
    span = wilson_interval(several, len(found))
    small, large = np.quantile([each.diameter for each in found if each.found], [0.05, 0.95])
    return [
        name.upper(),
        len(found),
        sum(not each.found for each in found),
        f"{several / len(found):.3f} ({span.low:.3f}–{span.high:.3f})",
        f"{large / small:.2f}",
    ]


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=shipped_model_path())
    model = load_model(parser.parse_args().model)
    heads = ["set", "pictures", "no cell", "several cells", "95th over 5th percentile of diameters"]
    body = table(heads, [seen(model, name) for name in SETS])
    body += f"\n\nSeveral magnifications are suspected above {SIZES:g}."
    digest = hashlib.sha256("".join([model.id, *SETS]).encode()).hexdigest()
    write_section(
        "found_cells", "What the finder sees", "python -m benchmarks.found_cells",
        body, seed=0, data_hash=digest,
    )  # fmt: skip


if __name__ == "__main__":
    main()

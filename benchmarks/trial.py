"""The speed trial on real cells: PBC, cells the model has seen and not, and two other laboratories.

    python -m benchmarks.trial [--work FOLDER] [--readers 5] [--only pbc,unseen,bccd_tecom]

Each part imports its cells without their classes' help, embeds them with the shipped model, and
runs ``cellkin trial`` on them. What the work folder holds of the same model file is used again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from annotator.trial import WAYS
from annotator.trial.report import HEAD, error_rows, rows, time_rows
from benchmarks.report import data_folder, table, write_section
from retrieval.model import shipped_model_path

PBC_CELLS = 3000


@dataclass(frozen=True)
class Part:
    """One table of the results: which cells, what is asked, and what the model knew of them."""

    name: str
    title: str
    target: float
    tables: Callable[[Path], dict[str, Path]]  # data set -> CSV of its cells
    said: str
    asked: str


def _pbc(work: Path, split: str, count: int | None) -> dict[str, Path]:
    folder = data_folder() / "pbc"
    labels = pd.read_csv(folder / "labels.csv", dtype=str)
    labels = labels[labels["dup_group"].isna() | ~labels["dup_group"].duplicated(keep=False)]
    chosen = labels[labels["split"] == split]
    if count is not None:
        chosen = chosen.sample(count, random_state=0)
    chosen = chosen.assign(path=[str(folder / "images" / path) for path in chosen["path"]])
    file = work / f"pbc_{split}.csv"
    chosen[["path", "class"]].to_csv(file, index=False)
    return {"pbc": file}


def _elsewhere(work: Path) -> dict[str, Path]:
    found = {}
    for name in ("bccd", "tecom"):
        labels = pd.read_csv(data_folder() / name / "labels.csv", dtype=str)
        paths = [str(data_folder() / name / "images" / file) for file in labels["file"]]
        found[name] = work / f"{name}.csv"
        labels.assign(path=paths)[["path", "class"]].to_csv(found[name], index=False)
    return found


PARTS = (
    Part(
        "pbc",
        f"Speed trial: {PBC_CELLS:,} PBC cells of the train split",
        0.99,
        lambda work: _pbc(work, "train", PBC_CELLS),
        "The shipped model was taught with these very cells, so they lie better apart than cells "
        "of a new laboratory will: see the next two tables.",
        "sheets ≥ 7 × one by one, ≥ 10 labels an action, purity ≥ .99, ≥ 16,000 cells an hour",
    ),
    Part(
        "unseen",
        "Speed trial: PBC cells that the model has not seen (val split)",
        0.99,
        lambda work: _pbc(work, "val", None),
        "The same laboratory, other cells.",
        "reported",
    ),
    Part(
        "bccd_tecom",
        "Speed trial: two other laboratories, BCCD and TECOM together",
        0.97,
        _elsewhere,
        "BCCD was among the model's teachers, TECOM was not.",
        "sheets ≥ 3 × one by one at ≥ .97",
    ),
)


def cellkin(*arguments: object) -> str:
    """Run the command line as a user would; what it printed."""
    run = subprocess.run(
        [sys.executable, "-m", "cellkin", *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return run.stdout


def measure(part: Part, work: Path, readers: int) -> dict[str, Any]:
    """Import, embed and try the cells of a part; the figures of ``cellkin trial``."""
    model = hashlib.sha256(shipped_model_path().read_bytes()).hexdigest()
    folder = work / part.name / model[:12]
    folder.mkdir(parents=True, exist_ok=True)
    atlas = folder / "atlas"
    for dataset, file in part.tables(folder).items():
        cellkin("import", atlas, file, "--dataset", dataset)
    cellkin("embed", atlas)  # under the shipped model, which is the first of a new atlas
    printed = cellkin(
        "trial", atlas, "--target", part.target, "--readers", readers, "--out", folder, "--json"
    )
    found: dict[str, Any] = json.loads(printed)
    return found


def body(part: Part, found: dict[str, Any]) -> str:
    """The text of a part's section."""
    sheets = found["ways"]["sheets"]
    notes = sheets["notes"]
    failing = [WAYS[name].title for name, each in found["ways"].items() if not each["reached"]]
    lines = [
        f"{found['cells']:,} cells of {len(found['classes'])} classes "
        f"({', '.join(f'{code} {count}' for code, count in found['classes'].items())}), no label "
        f"to start from; model {found['model'][:12]}; {found['readers']} simulated readers. "
        f"{part.said} Asked: {part.asked}.",
        "",
        table(HEAD, rows(found)),
        "",
        f"\\* not {found['target']:g} right with every reader: {'; '.join(failing) or 'none'}. "
        "In brackets: Wilson's interval over all cells of all readers; range over readers.",
        "",
        f"Sheets, means: {notes.get('sheets', 0):.0f} sheets, {notes.get('folded', 0):.0f} cells "
        f"labelled without being displayed, {notes.get('checks', 0):.0f} checks of which "
        f"{notes.get('failed checks', 0):.1f} failed, {notes.get('planted', 0):.0f} planted cells "
        f"of which {notes.get('planted noticed', 0):.0f} noticed; impurity promised at the end "
        f"at most {notes.get('impurity bound', 1):.4f}.",
        "",
        "Times one by one, with other times:",
        "",
        table(["", *(WAYS[name].title for name in found["ways"])], time_rows(found)),
        "",
        "Sheets, with other readers (one each):",
        "",
        table(HEAD, error_rows(found)),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="folder to keep; default a temporary one")
    parser.add_argument("--readers", type=int, default=5)
    parser.add_argument("--only", default=",".join(part.name for part in PARTS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        for part in PARTS:
            if part.name not in options.only.split(","):
                continue
            found = measure(part, work, options.readers)
            write_section(
                f"trial_{part.name}",
                part.title,
                f"python -m benchmarks.trial --readers {options.readers}",
                body(part, found),
                seed=f"0 to {options.readers - 1}",
                data_hash=found["data"],
            )


if __name__ == "__main__":
    main()

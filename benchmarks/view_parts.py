"""What each part of the cell view is worth: centring, scale, white ground, one after another.

The shipped trunks, nothing taught anew, look at pictures under less and less of the view; cells
asked about and references alike. PBC's val cells against PBC's train split, BCCD and Raabin, and
the laboratories that taught nothing: each cell alone, and the folder as a whole. The trunks were
taught under the whole view, so this is what it is worth to them, not what a network taught under
another view would reach.

    python -m benchmarks.view_parts [--model FILE]
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.laboratories import balanced, rows_of
from benchmarks.report import table, write_section
from benchmarks.trust import SOURCES, STRANGE
from retrieval.cellview import Finding
from retrieval.cellview.finder import FILLED, WHITE
from retrieval.described import Described
from retrieval.embedding import describe_images
from retrieval.finding import SourceFindings, find_source
from retrieval.folder import Space, read_folder
from retrieval.model import Model, load_model, shipped_model_path
from retrieval.reading.decode import decode

EACH = 200  # references of a class and set
MOST = 1000  # cells asked about of a set
GROUND = (WHITE - 2,) * 3  # a background that is left as it is

Seen = Callable[[Finding, float, tuple[int, int]], tuple[Finding, float | None]]


def whole(found: Finding, _: float, size: tuple[int, int]) -> tuple[Finding, float | None]:
    """The picture as it is, its middle taken for the cell's."""
    width, height = size
    middle = replace(centred(found, _, size)[0], x=width / 2, y=height / 2)
    return middle, None


def centred(found: Finding, _: float, size: tuple[int, int]) -> tuple[Finding, float | None]:
    """About the cell's centre, as much of it as the picture has."""
    return replace(found, diameter=FILLED * max(size), background=GROUND, found=True), None


def scaled(found: Finding, _: float, __: tuple[int, int]) -> tuple[Finding, float | None]:
    """By the cell's own diameter."""
    return replace(found, background=GROUND), None


def half_scaled(found: Finding, usual: float, _: tuple[int, int]) -> tuple[Finding, float | None]:
    """Half by the cell's own diameter, half by its laboratory's median."""
    return replace(found, background=GROUND), usual


def shipped(found: Finding, usual: float, _: tuple[int, int]) -> tuple[Finding, float | None]:
    """The same, the ground brought to one white."""
    return found, usual


VIEWS: dict[str, Seen] = {
    "the picture as it is": whole,
    "+ the cell in the middle": centred,
    "+ scaled by the cell": scaled,
    "+ half by its laboratory": half_scaled,
    "+ one white ground (as shipped)": shipped,
}


class Asked:
    """Pictures of one set, with classes and what the finder saw in them."""

    def __init__(self, model: Model, files: list[Path], classes: np.ndarray) -> None:
        self.model, self.files, self.classes = model, files, classes
        self.found: SourceFindings = find_source(model, files, decode)

    def described(self, view: Seen) -> Described:
        """Every picture under ``view``."""
        usual = self.found.typical or 1.0
        seen = {}
        for file in self.files:
            finding = self.found.of(file)
            if finding is None:
                raise ValueError(f"{file} cannot be read")
            with Image.open(file) as picture:
                seen[file] = view(finding, usual, picture.size)
        said = describe_images(
            self.model,
            self.files,
            decode,
            finding=lambda file: seen[file][0],
            typical=lambda file: seen[file][1],
        )
        return Described.joined([one for _, one in said if isinstance(one, Described)])


def some_of(model: Model, name: str, references: bool) -> Asked:
    """EACH references of a class of a set; or the cells that are asked about."""
    rows = rows_of(name, model.score_classes)
    if references:
        rows = rows[rows["free"]].groupby("number").sample(frac=1, random_state=0)
        rows = rows.groupby("number").head(EACH)
    elif name == "pbc":
        rows = rows[~rows["free"]]
    if not references and len(rows) > MOST:
        rows = rows.sample(MOST, random_state=0)
    return Asked(model, [Path(file) for file in rows["file"]], rows["number"].to_numpy(np.int64))


def measure(model: Model) -> list[list[str]]:
    """A row a view."""
    space = Space(model.feature_parts, model.score_classes)
    known = {name: some_of(model, name, True) for name in SOURCES}
    asked = {name: some_of(model, name, False) for name in ("pbc", *STRANGE)}
    columns = np.concatenate([each.classes for each in known.values()])
    names = [name for name, each in known.items() for _ in each.classes]
    rows = []
    for words, view in VIEWS.items():
        references = Described.joined([each.described(view) for each in known.values()])
        line, away = [words], []
        for name, each in asked.items():
            said = read_folder(
                each.described(view), references, columns, model.score_classes, space, groups=names
            )
            if name == "pbc":
                line.append(f"{(said.alone.argmax(axis=1) == each.classes).mean():.3f}")
                continue
            away.append([balanced(p, each.classes) for p in (said.alone, said.probabilities)])
            line.append(" / ".join(f"{value:.3f}" for value in away[-1]))
        line.append(" / ".join(f"{value:.3f}" for value in np.mean(away, axis=0)))
        print(line, flush=True)
        rows.append(line)
    return rows


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=shipped_model_path())
    options = parser.parse_args()
    model = load_model(options.model)
    heads = ["view", "PBC val, alone", *(name.upper() for name in STRANGE), "mean"]
    sets = ", ".join(name.upper() for name in SOURCES)
    body = (
        f"Accuracy on {MOST:,} val cells of PBC; elsewhere balanced accuracy of each cell alone / "
        f"of the folder, open classes, against {EACH} references of each class of {sets}. The "
        "shipped trunks, taught under the whole view.\n\n"
    ) + table(heads, measure(model))
    digest = hashlib.sha256("".join([model.id, *SOURCES, *STRANGE]).encode()).hexdigest()
    write_section(
        "view_parts", "What each part of the cell view is worth", "python -m benchmarks.view_parts",
        body, seed=0, data_hash=digest,
    )  # fmt: skip


if __name__ == "__main__":
    main()

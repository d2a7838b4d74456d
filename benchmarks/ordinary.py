"""An ordinary classifier on other laboratories: the floor that the shipped model stands on.

python -m benchmarks.ordinary [--steps 600] [--input-size 96] [--work FOLDER]

MobileNetV2 from ImageNet with a softmax over the classes, on the plain picture, with the variation
of pictures that is usual (flips, turns, some colour; level ``medium``): taught on PBC alone, and on
PBC, BCCD and Raabin in balance. Beside it the shipped model on the same cells, each alone and as a
folder. Open classes: each of the model's eight can be answered.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks.laboratories import SETS, balanced, interval, joined, load_set, rows_of
from benchmarks.report import data_folder, imagenet_weights, table, write_section
from index import Atlas
from index.records import CellFilter
from retrieval.folder import Folder, Space
from retrieval.folder.reading import read_prepared
from retrieval.folder.space import Floats, Integers
from retrieval.losses.softmax import SCALE
from retrieval.model import Model, load_model, shipped_model_path
from retrieval.network import EmbeddingNetwork
from retrieval.reading.decode import decode
from retrieval.reading.importing import import_source
from retrieval.training import TrainingOptions
from retrieval.training.data import load_training_set
from retrieval.training.loop import Trainer
from retrieval.training.start import load_start
from retrieval.view import View

HOME = "pbc"
SOURCES = (HOME, "bccd", "raabin")
TARGETS = tuple(name for name in SETS if name not in SOURCES)


class Ordinary:
    """A classifier taught on some data sets of an atlas; ``classes`` are the codes it knows."""

    def __init__(
        self, atlas: Atlas, sources: Sequence[str], options: TrainingOptions, work: Path
    ) -> None:
        work.mkdir()
        limit = CellFilter(datasets=tuple(sources))
        data = load_training_set(atlas, options.model_view, work, limit)
        network = EmbeddingNetwork(options.backbone, options.dim, options.input_size)
        load_start(network, options.weights)
        self.classes = data.classes
        self._trainer = Trainer(network, data, options, work)
        self._trainer.fit()

    @torch.inference_mode()
    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        """[N, classes] of whole plain views uint8 [N, F, F, 3]."""
        trainer = self._trainer
        own, trainer.data = trainer.data, replace(trainer.data, pictures=pictures)
        vectors = torch.from_numpy(trainer.embed(np.arange(len(pictures))))
        trainer.data = own
        layer = trainer.objectives.main.get_submodule("loss.linear")
        if not isinstance(layer, nn.Linear):
            raise TypeError("the softmax loss ends in a linear layer")
        found: np.ndarray = layer(SCALE * vectors).softmax(1).numpy()
        return found


def asked_about(name: str, codes: Sequence[str]) -> pd.DataFrame:
    """The cells of a set as ``rows_of`` gives them, with ``asked``: of PBC split val alone."""
    rows = rows_of(name, codes)
    rows["asked"] = True
    if name == HOME:
        split = pd.read_csv(data_folder() / HOME / "labels.csv", dtype=str)["split"]
        rows["asked"] = split[rows.index] == "val"
    return rows


def views_of(name: str, codes: Sequence[str], view: View) -> tuple[np.ndarray, Integers]:
    """Whole plain views uint8 [N, F, F, 3] and class numbers [N] of the cells asked about."""
    rows = asked_about(name, codes)
    rows = rows[rows["asked"]]
    pictures = np.stack([view.whole(decode(Path(file))) for file in rows["file"]])
    return pictures, rows["number"].to_numpy(np.int64)


def line(way: str, found: Sequence[tuple[Floats, Integers]]) -> list[str]:
    """A row of the table: probabilities and truth of PBC first, then of the targets."""
    values = [balanced(*each) for each in found]
    cells = [
        f"{value:.3f} ({low:.2f}–{high:.2f})"
        for value, (low, high) in zip(values, (interval(*each) for each in found), strict=True)
    ]
    row = [way, *cells, f"{np.mean(values[1:]):.3f}"]
    print(row, flush=True)
    return row


def ordinary(work: Path, steps: int, size: int, codes: Sequence[str]) -> list[list[str]]:
    """The rows of the classifiers."""
    options = TrainingOptions(
        loss="softmax",
        classifier=0.0,
        weights=str(imagenet_weights()),
        input_size=size,
        epochs=1,
        steps_per_epoch=steps,
        averaging=0.98,
    )
    view = View(size, options.crop)
    asked = [views_of(name, codes, view) for name in (HOME, *TARGETS)]
    rows = []
    with Atlas.open(work / "atlas", create=True) as atlas:
        for name in SOURCES:
            folder = data_folder() / name
            import_source(atlas, folder, labels=folder / "labels.csv", dataset=name)
        for sources in ((HOME,), SOURCES):
            balance = replace(options, sources=",".join(sources) if len(sources) > 1 else "")
            one = Ordinary(atlas, sources, balance, work / "_".join(sources))
            column = [codes.index(code) for code in one.classes]
            found = []
            for pictures, truth in asked:
                said = np.zeros((len(truth), len(codes)))
                said[:, column] = one.probabilities(pictures)
                found.append((said, truth))
            named = " + ".join(each.upper() for each in sources)
            rows.append(line(f"ordinary classifier, taught on {named}", found))
    return rows


def shipped(model: Model, work: Path) -> list[list[str]]:
    """The rows of the shipped model."""
    space = Space(model.feature_parts, model.score_classes)
    known, names = joined({name: load_set(name, model, work) for name in SOURCES})
    alone, together = [], []
    for name in (HOME, *TARGETS):
        target, rows = load_set(name, model, work), asked_about(name, model.score_classes)
        if len(target) != len(rows):
            raise SystemExit(f"{name}: {len(rows)} cells, of which {len(target)} were described")
        some = np.flatnonzero(rows["asked"])
        folder, truth = Folder(target.cells[some], space), target.classes[some]
        said = read_prepared(folder, known.cells, known.classes, model.score_classes, groups=names)
        alone.append((said.alone, truth))
        together.append((said.probabilities, truth))
    return [
        line("CellKin as it ships, each cell alone", alone),
        line("CellKin as it ships, the folder as a whole", together),
    ]


def main() -> None:
    """Teach twice, try, write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--input-size", type=int, default=96)
    parser.add_argument("--work", type=Path, default=Path("build/laboratories"))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    model = load_model(shipped_model_path())
    with tempfile.TemporaryDirectory(prefix="cellkin-") as scratch:
        rows = ordinary(Path(scratch), given.steps, given.input_size, model.score_classes)
    rows += shipped(model, given.work)
    head = ["way", "PBC val", *(name.upper() for name in TARGETS), "mean of the four"]
    body = (
        f"Balanced accuracy (95% interval), open classes, no label of the laboratory. MobileNetV2, "
        f"{given.input_size} px, {given.steps} steps of 64, one run. The shipped model was taught "
        "on the same three sets; it is larger and was taught for longer.\n\n" + table(head, rows)
    )
    digest = hashlib.sha256("".join([model.id, *SOURCES, *TARGETS]).encode()).hexdigest()
    write_section(
        "ordinary", "The floor: an ordinary classifier elsewhere",
        f"python -m benchmarks.ordinary --steps {given.steps} --input-size {given.input_size}",
        body, seed=0, data_hash=digest,
    )  # fmt: skip


if __name__ == "__main__":
    main()

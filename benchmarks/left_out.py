"""Each laboratory that teaches left out in turn: what is right there when it taught nothing.

    python -m benchmarks.teach_data build/teach.zip
    python -m benchmarks.left_out build/teach.zip [--steps 600] [--seeds 1] [--licences]

A small network (96 px, one trunk, batches of 64, the recipe of ``cellkin train --view cell
--augment laboratory``) is taught on two of PBC, BCCD and Raabin and tried on the third, beside one
taught on all three, which is the learning curve over the number of laboratories: all four
networks are tried on the four laboratories that never teach. Read cell by cell, as a folder, and
with ten random labels a class, each as ``retrieval.folder`` does it, with the frozen features of
the shipped model beside the taught ones. Classes that nobody taught are not counted.

--licences: four more networks, taught on all sets but one of TECOM, RVPBS, PBITES and JHU each, and
tried on that: what the sets that may not teach what ships would add if they might.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch.nn import functional

from benchmarks.laboratories import LEAST, balanced, draw
from benchmarks.pack_model import CLASSES, taught_trunk
from benchmarks.report import imagenet_weights, table, write_section
from benchmarks.teach_network import MEAN, SOURCES, STD, TRIED, Cells, begun, saved
from benchmarks.teach_trunks import Course, Lessons, batches
from retrieval.described import Described
from retrieval.folder import Folder, Space, adapt
from retrieval.folder.reading import read_prepared
from retrieval.joint import Projection, Trunk
from retrieval.packing import components
from retrieval.training.joint import PER_GROUP, WIDTH
from retrieval.training.start import shipped_frozen

SIZE, BATCH, LEVEL = 96, 64, "laboratory"
RATES = (4e-4, 1e-3)
AVERAGING = 0.98  # of so few steps only the last shall count
MOST = 500  # references of one class and laboratory: more are not asked anyway
DRAWS = 10


@dataclass
class Found:
    """Of one network and one laboratory: balanced accuracies, and F1 of the folder's answers."""

    alone: float
    folder: float
    ten: float
    micro: float = 0.0
    macro: float = 0.0


def taught(cells: Cells, steps: int, seed: int, out: Path) -> Path:
    """Teach on ``cells.sources`` for a number of steps; the file of the network's weights."""
    device = torch.device("cpu")
    torch.manual_seed(seed)
    lessons = Lessons(cells)
    course = Course([begun(imagenet_weights())], device, RATES, AVERAGING)
    rng = np.random.default_rng((seed, 1))
    drawn = batches(cells, [2.0 if each == "pbc" else 1.0 for each in cells.sources], BATCH, seed)

    def step(_: int) -> torch.Tensor:
        rows = next(drawn)
        _, *said = course.nets[0](cells.normal(cells.varied(rows, SIZE, LEVEL, rng), SIZE))
        return lessons.loss(rows, *said)

    name = "+".join(cells.sources)
    course.run(step, steps, 0, name)
    file = out / f"{name}_{seed}_{steps}.pt"
    torch.save(saved(course.means[0].module), file)
    return file


@torch.inference_mode()
def pooled(trunk: Trunk, cells: Cells, rows: np.ndarray) -> torch.Tensor:
    """Pooled features [n, W] in the view of inference."""
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, STD))
    trunk = trunk.eval().to(memory_format=torch.channels_last)
    parts = []
    for start in range(0, len(rows), 32):
        seen = (cells.plain(rows[start : start + 32]) - mean) / std
        parts.append(trunk.pooled(seen.contiguous(memory_format=torch.channels_last)).float())
    return torch.cat(parts)


@dataclass(frozen=True)
class Frozen:
    """Features of the trunk that nobody taught, of rows of the cells: computed once."""

    rows: np.ndarray
    parts: tuple[tuple[str, int], ...]
    values: np.ndarray


def frozen_features(cells: Cells, rows: np.ndarray) -> Frozen:
    """By the shipped model's frozen trunk and its projections."""
    found = shipped_frozen()
    if found is None:
        raise SystemExit("the shipped model has no frozen trunk")
    trunk, projections = found
    seen = pooled(trunk, cells, rows)
    values = [((seen - each.mean) @ each.matrix.T).numpy() for each in projections]
    parts = tuple((each.name, len(each.matrix)) for each in projections)
    return Frozen(rows, parts, np.concatenate(values, 1))


def described(file: Path, cells: Cells, frozen: Frozen, teaching: np.ndarray) -> Described:
    """What the network in ``file`` says of ``frozen.rows``; ``teaching`` [n] are of its sources."""
    trunk = taught_trunk(file, SIZE, len(CLASSES), cells.leaves.shape[1])
    seen = pooled(trunk, cells, frozen.rows)
    groups = (
        cells.classes[frozen.rows] * 10
        + np.unique(cells.datasets[frozen.rows], return_inverse=True)[1]
    )
    rng = np.random.default_rng(0)
    basis = np.concatenate(
        [
            rng.permutation(np.flatnonzero((groups == each) & teaching))[:PER_GROUP]
            for each in np.unique(groups[teaching])
        ]
    )
    mean, matrix = components(seen[torch.from_numpy(basis)].double().numpy(), WIDTH)
    own = Projection("taught", (0,), torch.from_numpy(mean), torch.from_numpy(matrix.copy()))
    with torch.inference_mode():
        vectors = functional.normalize(trunk.head(seen), dim=1)
        scores = trunk.classes(vectors * 8).softmax(1).numpy()
    features = ((seen.double() - own.mean) @ own.matrix.T).numpy()
    return Described(
        vectors.numpy(), np.concatenate([features, frozen.values], 1).astype(np.float16), scores
    )


def look(said: Described, cells: Cells, frozen: Frozen, teaching: np.ndarray, target: str) -> Found:
    """Read ``target`` with the references of ``cells.sources``."""
    space = Space((("taught", WIDTH), *frozen.parts), CLASSES)
    datasets, classes = cells.datasets[frozen.rows], cells.classes[frozen.rows]
    known = np.unique(classes[teaching])
    rows = np.flatnonzero((datasets == target) & np.isin(classes, known))
    truth = classes[rows].astype(np.int64)
    refs = np.flatnonzero(teaching)
    folder = Folder(said[rows], space)
    reading = read_prepared(folder, said[refs], classes[refs], CLASSES, groups=list(datasets[refs]))
    ten = []
    for seed in range(DRAWS):
        labelled = draw(truth, 10, seed)
        rest = np.setdiff1d(np.arange(len(rows)), labelled)
        found = adapt(folder, labelled, truth[labelled], CLASSES, start=reading.probabilities)
        if found.probabilities is not None:
            ten.append(balanced(found.probabilities[rest], truth[rest]))
    top = reading.probabilities.argmax(1)
    counted = [c for c in known if (truth == c).sum() >= LEAST]
    return Found(
        balanced(reading.alone, truth),
        balanced(reading.probabilities, truth),
        float(np.mean(ten)),
        float((top == truth).mean()),
        float(f1_score(truth, top, labels=counted, average="macro")),
    )


def chosen_rows(cells: Cells) -> np.ndarray:
    """Cells that are read or asked: some of each class of a source, all of the others."""
    rng = np.random.default_rng(0)
    rows = [
        rng.permutation(np.flatnonzero((cells.datasets == name) & (cells.classes == c)))[:MOST]
        for name in SOURCES
        for c in range(len(CLASSES))
    ]
    return np.concatenate([*rows, *(np.flatnonzero(cells.datasets == name) for name in TRIED)])


def row(name: str, found: Sequence[dict[str, Found]], targets: Sequence[str]) -> list[str]:
    """A row of the table: alone / folder / ten labels of each target, the mean over seeds."""
    line = [name]
    for target in targets:
        of = [each[target] for each in found if target in each]
        values = [[each.alone, each.folder, each.ten] for each in of]
        line.append(" / ".join(f"{v:.3f}" for v in np.mean(values, 0)) if of else "taught")
    return line


class Bench:
    """Networks taught on some sets and tried on others, each taught once and kept."""

    def __init__(self, cells: Cells, steps: int, seeds: int, work: Path) -> None:
        self.cells, self.steps, self.seeds, self.work = cells, steps, seeds, work
        self.frozen = frozen_features(cells, chosen_rows(cells))

    def tried(self, sources: tuple[str, ...], targets: Sequence[str]) -> list[dict[str, Found]]:
        """What networks taught on ``sources``, one a seed, reach on each of ``targets``."""
        self.cells.limit(sources)
        teaching = np.isin(self.cells.datasets[self.frozen.rows], sources)
        found = []
        for seed in range(self.seeds):
            file = self.work / f"{'+'.join(sources)}_{seed}_{self.steps}.pt"
            if not file.exists():
                taught(self.cells, self.steps, seed, self.work)
            said = described(file, self.cells, self.frozen, teaching)
            found.append(
                {name: look(said, self.cells, self.frozen, teaching, name) for name in targets}
            )
            print(" + ".join(sources), found[-1], flush=True)
        return found


def licences(bench: Bench) -> str:
    """What six sources, the one tried left out, reach beside the three that may teach."""
    rows = []
    three = bench.tried(SOURCES, TRIED)
    for out in TRIED[1:]:
        others = (*SOURCES, *(name for name in TRIED[1:] if name != out))
        six = bench.tried(others, (out, "pbc_val"))
        rows.append([out, *row("", three, [out])[1:], *row("", six, [out, "pbc_val"])[1:]])
    home = row("", three, ["pbc_val"])[1]
    return "\n".join(
        [
            "",
            "What the sets that may not teach the shipped model would add: the same network taught "
            "on PBC, BCCD, Raabin and three of the four, tried on the fourth. PBC's val cells by "
            f"the three sources: {home}.",
            "",
            table(["tried on", "three sources", "six sources", "PBC val by the six"], rows),
        ]
    )


def main() -> None:
    """Teach four times (a seed), try, write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--licences", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("build/left_out"))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    cells = Cells([given.data], torch.device("cpu"))
    bench = Bench(cells, given.steps, given.seeds, given.work)
    away = TRIED[1:]
    rows, left = [], []
    for out in (None, *SOURCES):
        sources = tuple(name for name in SOURCES if name != out)
        found = bench.tried(sources, (*away, out) if out else away)
        rows.append(row(f"{' + '.join(sources)}", found, (*away, *SOURCES)))
        if out:
            left.append((out, [each[out] for each in found]))
    f1 = "; ".join(
        f"{name} {np.mean([e.micro for e in each]):.3f} / {np.mean([e.macro for e in each]):.3f}"
        for name, each in left
    )
    mean = np.mean([[e.alone, e.folder, e.ten] for _, each in left for e in each], 0)
    head = (
        f"One trunk at {SIZE} px, {given.steps} steps of {BATCH}, {given.seeds} seed(s); balanced "
        "accuracy alone / as a folder / with ten labels a class, open classes, of the classes "
        "that were taught: eight, five where PBC is left out."
    )
    ends = (
        f"The laboratory left out, mean of three: {' / '.join(f'{v:.3f}' for v in mean)}. "
        f"F1 micro / macro of the folder's answers: {f1}. SADA, taught by four and tried on "
        "the fifth: Acevedo (PBC) .799 / .816, Raabin .874 / .619."
    )
    body = "\n".join([head, "", table(["taught by", *away, *SOURCES], rows), "", ends])
    command = (
        f"python -m benchmarks.left_out build/teach.zip --steps {given.steps} --seeds {given.seeds}"
    )
    if given.licences:
        body, command = body + "\n" + licences(bench), command + " --licences"
    write_section(
        "left-out", "Each source left out in turn", command, body,
        seed=f"0 to {given.seeds - 1}", data_hash=cells.hashes[0],
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""Other laboratories: no label, and a few, on development sets that a model did not learn from.

Every set named in --sources is a reference, every other a laboratory kept back. No label: each
cell alone, the folder as a whole, and what each step adds. With labels: ten draws of 5, 10, 30 and
100 a class (half of a class that has fewer), the vote of their neighbours, the adaptation, and
cells that ``choose_cells`` asks for in three rounds, of four fifths of the set. Balanced accuracy
over the classes with five cells or more; open: every class can be answered, restricted: those
declared that occur.

    python -m benchmarks.laboratories --model FILE [--sources pbc,bccd,raabin] [--work FOLDER]

A floor stands beside: neighbours in the frozen ImageNet part of the same features.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student

from benchmarks.report import data_folder, table, write_section
from index.errors import CellKinError
from index.taxonomy import shipped_taxonomy
from retrieval.described import Described
from retrieval.embedding import describe_images
from retrieval.finding import find_source
from retrieval.folder import Folder, Space, adapt, choose_cells
from retrieval.folder.graph import shares
from retrieval.folder.reading import ALPHA, read_prepared
from retrieval.folder.readout import neighbour_shares, read_alone, spread_rows
from retrieval.folder.space import Floats, Integers, centred, unit
from retrieval.folder.teaching import teach_itself
from retrieval.model import Model, load_model, shipped_model_path
from retrieval.reading.decode import decode

SETS = ("pbc", "bccd", "raabin", "tecom", "rvpbs", "pbites", "jhu")
MOST_JHU = 200  # cells a class: its blasts and lymphocytes outnumber all else
LABELS = (5, 10, 30, 100)
DRAWS = 10
PART = 0.8  # of a set, another each time, in which cells are chosen: nothing else is by chance
LEAST = 5  # cells of a class from which it counts


@dataclass(frozen=True)
class Set:
    """Described cells of one data set; classes [N] are numbers among the model's."""

    cells: Described
    classes: Integers
    references: np.ndarray  # bool: may be references (not of split val, no duplicate)

    def __len__(self) -> int:
        return len(self.classes)


def rows_of(name: str, codes: Sequence[str]) -> pd.DataFrame:
    """File, class number and use as a reference of every cell whose class is one of ``codes``."""
    folder = data_folder() / name
    labels = pd.read_csv(folder / "labels.csv", dtype=str)
    if "kind" in labels:
        labels = labels[labels["kind"] == "signed"]
    taxonomy = shipped_taxonomy()
    named = {}
    for text in labels["class"].dropna().unique():
        try:
            named[text] = taxonomy.at_level(taxonomy.resolve(text).code, "class")
        except CellKinError:
            named[text] = None
    column = "path" if "path" in labels else "file"
    number = {code: i for i, code in enumerate(codes)}
    labels["number"] = [number.get(named.get(text) or "", -1) for text in labels["class"]]
    labels["file"] = [str(folder / "images" / each) for each in labels[column]]
    labels = labels[labels["number"] >= 0]
    if name == "jhu":
        labels = labels.groupby("number").head(MOST_JHU)
    free = np.ones(len(labels), dtype=bool)
    if "split" in labels and name == "pbc":
        free = (labels["split"] == "train").to_numpy() & labels["dup_group"].isna().to_numpy()
    return pd.DataFrame({"file": labels["file"], "number": labels["number"], "free": free})


def load_set(name: str, model: Model, work: Path) -> Set:
    """Describe a data set in two passes; kept in ``work`` for the next time."""
    file = work / f"{model.id[:12]}_{name}.npz"
    if not file.exists():
        rows = rows_of(name, model.score_classes)
        pictures = [Path(path) for path in rows["file"]]
        findings = find_source(model, pictures, decode)
        said = describe_images(
            model, pictures, decode, finding=findings.of, typical=findings.typical
        )
        parts, kept = [], []
        for place, (_, result) in enumerate(said):
            if isinstance(result, Described):
                parts.append(result)
                kept.append(place)
        cells, rows = Described.joined(parts), rows.iloc[kept]
        np.savez(
            file,
            vectors=cells.vectors,
            features=cells.features,
            scores=cells.scores,
            classes=rows["number"].to_numpy(np.int64),
            references=rows["free"].to_numpy(bool),
        )
    with np.load(file) as held:
        cells = Described(held["vectors"], held["features"], held["scores"])
        return Set(cells, held["classes"], held["references"])


def balanced(probabilities: Floats, truth: Integers, restricted: bool = False) -> float:
    """Mean over the classes of LEAST cells or more of the share that is right."""
    p = np.asarray(probabilities, dtype=np.float64).copy()
    counts = np.bincount(truth, minlength=p.shape[1])
    if restricted:
        p[:, counts == 0] = -1
    top = p.argmax(axis=1)
    return float(np.mean([(top[truth == c] == c).mean() for c in np.flatnonzero(counts >= LEAST)]))


def interval(probabilities: Floats, truth: Integers, draws: int = 500) -> tuple[float, float]:
    """95% interval of ``balanced`` by drawing cells anew within each class."""
    rng = np.random.default_rng(0)
    right = probabilities.argmax(axis=1) == truth
    counts = np.bincount(truth)
    rates = [
        rng.binomial(counts[c], right[truth == c].mean(), draws) / counts[c]
        for c in np.flatnonzero(counts >= LEAST)
    ]
    low, high = np.quantile(np.mean(rates, axis=0), [0.025, 0.975])
    return float(low), float(high)


def without_labels(folder: Folder, known: Set, names: list[str], space: Space) -> dict[str, Floats]:
    """Probabilities [N, C], cells in the order given, of every step from nothing to the whole."""
    codes = space.score_classes
    every = np.ones(len(codes), dtype=bool)
    rows = spread_rows(known.cells, known.classes, names)
    voters, column = known.cells[rows], known.classes[rows]
    untaught, untaught_voters = (unit(space.blocks(c)[-1]) for c in (folder.cells, voters))
    vectors = neighbour_shares(folder.cells.vectors, voters.vectors, column, len(codes))
    alone = read_alone(folder.cells, voters, column, codes, space, every)
    diffused = shares(folder.diffuse(alone, ALPHA))
    taught_only = centred(space.blocks(folder.cells)[:1])
    steps = {
        "frozen ImageNet, neighbours": neighbour_shares(
            untaught, untaught_voters, column, len(codes)
        ),
        "neighbours by vectors": vectors,
        "class scores": shares(folder.cells.scores),
        "alone: mean of vectors, taught features, scores": alone,
        "diffused over taught features": _diffused(taught_only, alone),
        "diffused over taught and frozen features": diffused,
        "taught itself, always believed": teach_itself(folder, diffused),
    }
    whole = read_prepared(folder, known.cells, known.classes, codes, groups=names)
    outside = {name: folder.outside(each) for name, each in steps.items()}
    return {**outside, "the folder, with the guard": whole.probabilities}


def _diffused(points: Floats, start: Floats) -> Floats:
    from retrieval.folder.folder import NEIGHBOURS
    from retrieval.folder.graph import diffuse, neighbour_graph

    return shares(diffuse(neighbour_graph(points, NEIGHBOURS), start, ALPHA))


def draw(classes: Integers, n: int, seed: int) -> Integers:
    """``n`` random cells of each class, half of a class that has fewer than n + 5."""
    rng = np.random.default_rng(seed)
    chosen = []
    for c in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == c))
        chosen.append(rows[: n if len(rows) >= n + 5 else len(rows) // 2])
    return np.concatenate(chosen)


def with_labels(
    folder: Folder, target: Set, start: Floats, codes: Sequence[str]
) -> Iterator[tuple[int, str, float]]:
    """(labels a class, way, balanced accuracy of the rest) of every draw."""
    rest_of = np.arange(len(target))
    for n in LABELS:
        for seed in range(DRAWS):
            rows = draw(target.classes, n, seed)
            rest = np.setdiff1d(rest_of, rows)
            truth, said = target.classes[rest], target.classes[rows]
            vote = neighbour_shares(
                target.cells.vectors, target.cells.vectors[rows], said, len(codes), 5
            )
            found = adapt(folder, rows, said, codes, start=start)
            if found.probabilities is None:
                raise ValueError("a fresh adaptation holds its probabilities")
            yield n, "vote of their neighbours", balanced(vote[rest], truth, True)
            yield n, "adapted, open", balanced(found.probabilities[rest], truth)
            yield n, "adapted, restricted", balanced(found.probabilities[rest], truth, True)
    for seed in range(DRAWS):
        some = np.random.default_rng(seed).permutation(len(target))[: int(PART * len(target))]
        yield (
            10,
            "adapted, cells chosen",
            _chosen(target, np.sort(some), start, codes, folder.space),
        )


def _chosen(
    target: Set, some: Integers, start: Floats, codes: Sequence[str], space: Space
) -> float:
    """Balanced accuracy of the cells ``some`` when ten a class of them are asked for by us."""
    folder, classes = Folder(target.cells[some], space), target.classes[some]
    rows = np.empty(0, dtype=np.int64)
    probabilities = known = start[some]
    for each in (3, 3, 4):
        wanted = each * len(np.unique(classes))
        rows = np.r_[rows, choose_cells(folder, rows, wanted, probabilities)]
        found = adapt(folder, rows, classes[rows], codes, start=known)
        probabilities = known if found.probabilities is None else found.probabilities
    rest = np.setdiff1d(np.arange(len(some)), rows)
    return balanced(probabilities[rest], classes[rest], True)


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=shipped_model_path())
    parser.add_argument("--sources", default="pbc,bccd,raabin", help="sets the model learned from")
    parser.add_argument("--targets", default="", help="sets to try; default every other")
    parser.add_argument("--work", type=Path, default=Path("build/laboratories"))
    parser.add_argument("--name", default="laboratories", help="name of the section")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    sources = options.sources.split(",")
    targets = options.targets.split(",") if options.targets else [
        name for name in SETS if name not in sources
    ]  # fmt: skip
    model = load_model(options.model)
    if not model.feature_parts:
        parser.error(f"{options.model} is a model of vectors alone; give one with features")
    space = Space(model.feature_parts, model.score_classes)
    body = measure(model, space, sources, targets, options.work)
    command = f"python -m benchmarks.laboratories --sources {options.sources}"
    digest = hashlib.sha256("".join([model.id, *sources, *targets]).encode()).hexdigest()
    title = f"Other laboratories: {options.sources} known, {', '.join(targets)} kept back"
    write_section(options.name, title, command, body, seed=f"0 to {DRAWS - 1}", data_hash=digest)


def measure(
    model: Model, space: Space, sources: Sequence[str], targets: Sequence[str], work: Path
) -> str:
    """The tables of the section."""
    known, names = joined({name: load_set(name, model, work) for name in sources})
    zero: dict[str, dict[str, str]] = {}
    labelled: dict[tuple[int, str], dict[str, list[float]]] = {}
    means: dict[str, list[float]] = {}
    for name in targets:
        target = load_set(name, model, work)
        folder = Folder(target.cells, space)
        for step, p in without_labels(folder, known, names, space).items():
            low, high = interval(p, target.classes)
            opened, declared = (balanced(p, target.classes, each) for each in (False, True))
            zero.setdefault(step, {})[name] = (
                f"{opened:.3f} ({low:.2f}–{high:.2f}) / {declared:.3f}"
            )
            means.setdefault(step, []).append(opened)
            start = p
        for n, way, accuracy in with_labels(folder, target, start, space.score_classes):
            labelled.setdefault((n, way), {}).setdefault(name, []).append(accuracy)
    return "\n".join(
        [
            "No label; open (95% interval) / restricted to the classes declared:",
            "",
            table(
                ["way", *targets, "mean, open"],
                [
                    [step, *(row[name] for name in targets), f"{np.mean(means[step]):.3f}"]
                    for step, row in zero.items()
                ],
            ),
            "",
            f"Labels a class, mean of {DRAWS} draws ± half a 95% interval:",
            "",
            table(
                ["labels", "way", *targets, "mean"],
                [
                    [
                        n,
                        way,
                        *(_spread(row[name]) for name in targets),
                        f"{np.mean([np.mean(row[name]) for name in targets]):.3f}",
                    ]
                    for (n, way), row in sorted(labelled.items())
                ],
            ),
        ]
    )


def joined(sets: dict[str, Set]) -> tuple[Set, list[str]]:
    """The references of several sets, and the name of the set of each."""
    kept = {name: np.flatnonzero(each.references) for name, each in sets.items()}
    cells = Described.joined([sets[name].cells[rows] for name, rows in kept.items()])
    classes = np.concatenate([sets[name].classes[rows] for name, rows in kept.items()])
    names = [name for name, rows in kept.items() for _ in rows]
    return Set(cells, classes, np.ones(len(classes), dtype=bool)), names


def _spread(values: list[float]) -> str:
    if len(values) < 2:
        return f"{np.mean(values):.3f}"
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()

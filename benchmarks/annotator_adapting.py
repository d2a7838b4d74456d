"""What adapting in the background does for the proposals of the annotator, and what it takes.

    python -m benchmarks.annotator_adapting [--work FOLDER] [--draws 5]

An atlas holds references of three laboratories; cells of another come in without labels. Then some
random cells of each class are labelled, and the proposals for the rest are judged through the code
that the annotator's pages use: the vote of neighbours alone, and what is proposed once the
adaptation is swapped in. What the work folder holds embedded already is used again, under the model
that is shipped now.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from annotator.adapting import Adapting
from annotator.proposals import Proposals, votes
from benchmarks.report import data_folder, table, write_section
from index import Atlas, CellFilter, CellRecord, NewLabel
from retrieval.laboratory import hold
from retrieval.model import shipped_model_path

REFERENCES = {"pbc": 120, "bccd": 1000, "raabin": 100}  # cells a class at most
NEW = ("tecom", "rvpbs")
LABELS = (0, 5, 10, 30)  # a class
LEAST = 5  # cells of a class from which it counts where classes are balanced
FRESH = 9  # labels that come after an adaptation and before the next
SIZES = (1000, 4000, 20_000)  # synthetic cells of one data set
K = 15


@dataclass(frozen=True)
class Score:
    """How proposals for the cells left did: balanced over classes, and of all cells."""

    balanced: float
    overall: float


def cells_of(name: str, each: int | None = None) -> pd.DataFrame:
    """path and class of the cells of a development set, at most ``each`` a class."""
    folder = data_folder() / name
    found = pd.read_csv(folder / "labels.csv", dtype=str)
    if "split" in found:
        found = found[(found["split"] == "train") & found["dup_group"].isna()]
    file = found["path" if "path" in found else "file"]
    cells = pd.DataFrame(
        {"path": [str(folder / "images" / one) for one in file], "class": found["class"]}
    )
    if each is not None:
        cells = cells.sample(frac=1, random_state=0).groupby("class").head(each)
    return cells.sort_values("path")


def build(work: Path) -> Path:
    """The atlas of references and unlabelled cells in ``work``, embedded; made where missing."""
    shipped = shipped_model_path()
    atlas = work / f"atlas_{hashlib.sha256(shipped.read_bytes()).hexdigest()[:12]}"
    for name in (*REFERENCES, *NEW):
        file = work / f"{name}.csv"
        cells = cells_of(name, REFERENCES.get(name))
        (cells[["path"]] if name in NEW else cells).to_csv(file, index=False)
        _cellkin("import", atlas, file, "--dataset", name)
    _cellkin("embed", atlas)
    return atlas


def _cellkin(*arguments: object) -> None:
    command = [sys.executable, "-m", "cellkin", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def truth_of(atlas: Atlas, name: str) -> pd.Series:
    """The class of each cell of a data set, by id."""
    tree = atlas.taxonomy
    named = cells_of(name).set_index("path")["class"]
    code = {text: tree.at_level(tree.resolve(text).code, "class") for text in set(named)}
    cells = atlas.table(CellFilter(datasets=(name,)))
    places = cells["file"].tolist()
    return pd.Series([code[named[place]] for place in places], index=cells["id"].tolist())


def score(proposals: Proposals, truth: pd.Series, count: pd.Series) -> Score:
    """How ``proposals`` do on cells of known class; classes of LEAST cells by ``count`` balance."""
    found = proposals.propose(truth.index.tolist())
    right = pd.Series(
        [cell in found and found[cell].class_code == truth[cell] for cell in truth.index],
        index=truth.index,
    )
    each = right.groupby(truth).mean()
    return Score(float(each[count[each.index] >= LEAST].mean()), float(right.mean()))


@dataclass(frozen=True)
class Draw:
    """One draw of labels: how the vote, the adaptation, and the adaptation with FRESH labels more
    did; for which share of the cells the neighbours shown say the same as the adapted proposal; how
    long the adaptation took."""

    vote: Score
    adapted: Score
    fresh: Score
    borne_out: float
    seconds: float


def one_draw(source: Path, name: str, each: int, draw: int) -> Draw:
    """Label ``each`` cells of every class and judge what is proposed for the rest."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "atlas"
        shutil.copytree(source, copy)
        with Atlas.open(copy) as atlas:
            truth = truth_of(atlas, name)
            mixed = truth.sample(frac=1, random_state=draw)
            # half of a class that has fewer than twice as many
            count = truth.value_counts()
            most = truth.map(np.minimum(each, count // 2))
            turn = mixed.groupby(mixed).cumcount()
            chosen = turn[turn < most[turn.index]].index
            rest = truth.drop(chosen)
            _label(atlas, truth[chosen])
            adapting = Adapting(after=1, k=K, seed=0)
            with_it = Proposals(atlas, k=K, adapting=adapting)
            vote = score(Proposals(atlas, k=K), rest, count)
            adapting.now(atlas, name)
            adapting.wait()
            held = adapting.held(atlas, name, consider=False)
            if held is None:
                raise RuntimeError(f"nothing was adapted to {name}")
            adapted = score(with_it, rest, count)
            said = with_it.propose(rest.index.tolist()).values()
            same = [votes(each, atlas.taxonomy)[0].class_code == each.class_code for each in said]
            adapting.progress(atlas, name).rests = float("inf")  # what follows is not adapted to
            more = rest.sample(FRESH, random_state=draw)
            _label(atlas, more)
            fresh = score(with_it, rest.drop(more.index), count)
            adapting.close()
            return Draw(vote, adapted, fresh, float(np.mean(same)), held.seconds)


def _label(atlas: Atlas, cells: pd.Series) -> None:
    if len(cells):
        atlas.add_labels(
            [NewLabel(int(cell), code, "bench", "single") for cell, code in cells.items()]
        )


def synthetic(work: Path, model: str, metadata: dict, counts: Sequence[int]) -> list[tuple]:
    """Time and memory of adaptations to each of ``counts`` random cells, 20 labels a class, with
    3,000 references of another data set; and how long a question waits meanwhile."""
    rows = []
    parts = [int(width) for _, width in metadata.get("feature_parts", ())]
    classes = list(metadata.get("classes", ())) or ["neutrophil", "lymphocyte", "monocyte"]
    for count in counts:
        folder = Path(tempfile.mkdtemp(dir=work))
        with Atlas.open(folder / "atlas", create=True) as atlas:
            codes = _fill(atlas, folder, model, metadata, classes, parts, count)
            rows.append((count, *_timed(atlas, model, codes)))
        shutil.rmtree(folder)
    return rows


def _fill(
    atlas: Atlas,
    folder: Path,
    model: str,
    metadata: dict,
    classes: Sequence[str],
    parts: Sequence[int],
    count: int,
) -> list[str]:
    """Random cells in ``atlas``; the codes of their classes."""
    rng = np.random.default_rng(0)
    file = folder / "model.safetensors"
    file.write_bytes(b"only its description is read")
    atlas.add_model(model, file, metadata)
    codes = [
        atlas.taxonomy.at_level(atlas.taxonomy.resolve(each).code, "class") for each in classes
    ]
    for name, cells, labelled in (("known", 3000, True), ("new", count, False)):
        atlas.add_dataset(name, str(folder))
        kinds = rng.integers(len(codes), size=cells)
        before = set(atlas.cell_ids())
        atlas.add_cells(
            name,
            [
                CellRecord(
                    f"{name}{i}.png",
                    hashlib.sha256(f"{name}{i}".encode()).hexdigest(),
                    96,
                    96,
                    class_code=codes[kind] if labelled else None,
                )
                for i, kind in enumerate(kinds.tolist())
            ],
        )
        ids = np.array([each for each in atlas.cell_ids() if each not in before], dtype=np.int64)
        hidden = np.eye(len(codes))[kinds] * 2 + rng.normal(size=(cells, len(codes)))
        seen = [
            hidden @ np.random.default_rng(width).normal(size=(len(codes), width))
            + rng.normal(size=(cells, width))
            for width in (int(metadata.get("dim", 384)), *parts)
        ]
        vectors = seen[0] / np.linalg.norm(seen[0], axis=1, keepdims=True)
        for start in range(0, cells, 2000):
            part = slice(start, start + 2000)
            atlas.add_embeddings(model, ids[part], vectors[part].astype(np.float32))
            if parts:
                scores = np.exp(hidden[part]) / np.exp(hidden[part]).sum(axis=1, keepdims=True)
                features = np.concatenate([each[part] for each in seen[1:]], axis=1)
                atlas.add_features(model, ids[part], features / 10, scores)
    chosen = ids[rng.permutation(count)[: 20 * len(codes)]]
    place = {int(cell): kind for cell, kind in zip(ids, kinds, strict=True)}
    atlas.add_labels(
        [NewLabel(int(c), codes[place[int(c)]], "bench", "single") for c in chosen.tolist()]
    )
    return codes


def _timed(atlas: Atlas, model: str, codes: Sequence[str]) -> tuple[float, ...]:
    """Seconds of the first adaptation and of the next, megabytes held, and the median, the 95th
    percentile and the longest milliseconds of a question for one cell while they are under way."""
    proposals = Proposals(atlas, k=K)
    cells = [int(c) for c in atlas.cell_ids(CellFilter(datasets=("new",), labelled=False))]
    proposals.propose(cells[:1])
    found: list = []

    def both() -> None:
        found.append(hold(atlas, model, "new", k=K, seed=0))
        more = [NewLabel(c, code, "bench", "single") for c, code in zip(cells[1:], codes)]  # noqa: B905
        atlas.add_labels(more)
        found.append(hold(atlas, model, "new", k=K, seed=0, before=found[0]))

    thread = threading.Thread(target=both)
    thread.start()
    waits = []
    while thread.is_alive():
        begun = time.perf_counter()
        proposals.propose(cells[:1])
        waits.append(1000 * (time.perf_counter() - begun))
        time.sleep(0.02)
    thread.join()
    first, again = found
    middle, most = (float(np.percentile(waits, each)) for each in (50, 95))
    return first.seconds, again.seconds, again.size / 1e6, middle, most, max(waits)


def _ms(wait: float) -> str:
    return f"{wait:.0f} ms"


def _mean(scores: Sequence[Score]) -> str:
    balanced = [each.balanced for each in scores]
    overall = statistics.mean(each.overall for each in scores)
    return (
        f"{statistics.mean(balanced):.3f} ({min(balanced):.3f}–{max(balanced):.3f}), {overall:.3f}"
    )


def accuracy_rows(source: Path, name: str, truth: pd.Series, draws: int) -> Iterator[tuple]:
    """A row of the table for each number of labels of one new laboratory."""
    for each in LABELS:
        found = [one_draw(source, name, each, draw) for draw in range(draws if each else 1)]
        row = (
            f"{name} ({len(truth)} cells, {truth.nunique()} classes)",
            each,
            _mean([one.vote for one in found]),
            _mean([one.adapted for one in found]),
            _mean([one.fresh for one in found]),
            f"{statistics.mean(one.borne_out for one in found):.2f}",
            f"{statistics.mean(one.seconds for one in found):.2f} s",
        )
        print(row, flush=True)
        yield row


def body(work: Path, draws: int) -> tuple[str, str]:
    """The text of the section, and the hash of the cells it rests on."""
    source = build(work)
    digest = hashlib.sha256()
    with Atlas.open(source) as atlas:
        model = atlas.active_model or ""
        metadata = atlas.model_metadata(model)
        for cell in sorted(each.sha256 for each in atlas.cells()):
            digest.update(cell.encode())
        counts = {name: len(atlas.cell_ids(CellFilter(datasets=(name,)))) for name in REFERENCES}
        new = {name: truth_of(atlas, name) for name in NEW}
    rows = [row for name in NEW for row in accuracy_rows(source, name, new[name], draws)]
    times = [
        (f"{count:,}", f"{first:.1f} s", f"{again:.1f} s", f"{held:.0f} MB", *map(_ms, waits))
        for count, first, again, held, *waits in synthetic(work, model, metadata, SIZES)
    ]
    held = ", ".join(f"{name} {count}" for name, count in counts.items())
    text = "\n".join(
        [
            f"References: {held}; model {model[:12]}. Accuracy of the proposals for the cells left "
            "without a label: balanced over the classes of five cells or more (lowest and highest "
            f"draw), then of all cells; {draws} draws of labels. Half of a class that has fewer "
            "than twice the labels. Without labels the data set is read as a whole.",
            "",
            table(
                (
                    "new laboratory",
                    "labels a class",
                    "vote of neighbours",
                    "adapted",
                    f"adapted, {FRESH} labels later",
                    "neighbours shown say the same",
                    "one adaptation",
                ),
                rows,
            ),
            "",
            "Adaptations to random cells (3,000 references, 20 labels a class), what is held in "
            "memory then, and how long a question for one cell takes while they are under way "
            f"(the machine's load meanwhile: {os.getloadavg()[1]:.1f}):",
            "",
            table(
                (
                    "cells of the data set",
                    "the first",
                    "the next",
                    "holds",
                    "question, median",
                    "95%",
                    "longest",
                ),
                times,
            ),
        ]
    )
    return text, digest.hexdigest()


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="folder to keep; default a temporary one")
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        text, cells = body(work, options.draws)
    write_section(
        "annotator_adapting",
        "Proposals of the annotator, adapted while a new laboratory is labelled",
        f"python -m benchmarks.annotator_adapting --draws {options.draws}",
        text,
        seed=f"0 to {options.draws - 1}",
        data_hash=cells,
    )


if __name__ == "__main__":
    main()

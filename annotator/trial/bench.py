"""The bench of a trial: cells of known class whose labels are hidden, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from annotator.trial.reader import Errors, Reader, Times
from index.errors import CellKinError
from index.records import CellFilter
from retrieval.described import Described
from retrieval.laboratory import described_cells, model_space

if TYPE_CHECKING:
    from index.atlas import Atlas

FEWEST_CELLS = 50


class TrialError(CellKinError):
    """A trial that cannot be held with what was given."""


@dataclass(frozen=True)
class Cells:
    """N cells of known class: what a model says of them, truth [N] of C classes, their codes.

    ``about`` is what the model's file says of it: the meaning of its features.
    """

    described: Described
    truth: NDArray[np.int64]
    classes: tuple[str, ...]
    model_id: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """[N, D] unit vectors."""
        return self.described.vectors


def draw_cells(atlas: Atlas, dataset: str | None, count: int | None, seed: int) -> Cells:
    """``count`` (None: all) labelled, embedded cells of ``dataset``, drawn with ``seed``.

    Raises TrialError where there are too few or of one class only.
    """
    limit = CellFilter(datasets=(dataset,) if dataset else (), labelled=True)
    model_id = atlas.active_model
    about = next((row.metadata for row in atlas.models() if row.id == model_id), {})
    ids, described = np.zeros(0, np.int64), Described.plain(np.zeros((0, 0), np.float32))
    if model_id is not None:
        ids, described = described_cells(atlas, model_id, model_space(about), limit)
    present = atlas.present_labels(limit)
    named = [atlas.taxonomy.at_level(present[int(each)], "class") for each in ids]
    rows = np.array([i for i, code in enumerate(named) if code is not None], dtype=np.int64)
    if count is not None and len(rows) > count:
        rows = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
    classes, truth = np.unique([str(named[i]) for i in rows], return_inverse=True)
    if len(rows) < FEWEST_CELLS or len(classes) < 2:
        raise TrialError(
            f"{len(rows)} labelled and embedded cells of {len(classes)} classes, allowed is at "
            f"least {FEWEST_CELLS} of 2",
            "import labelled cells and run 'cellkin embed', or name another data set",
        )
    return Cells(
        described[rows], truth.astype(np.int64), tuple(classes.tolist()), model_id or "", about
    )


@dataclass
class Bench:
    """One way of working at one set of cells: the reader, the labels so far, where to keep files.

    ``given`` [N] is the class each cell was given, -1 without. ``sheets`` are the cells that stood
    in accepted batches, [N] bool. ``times`` only say what a moment costs; they change nothing.
    """

    cells: Cells
    reader: Reader
    folder: Path
    target: float
    seed: int = 0
    given: NDArray[np.int64] = field(init=False)
    batched: NDArray[np.bool_] = field(init=False)
    curve: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.given = np.full(len(self.cells), -1, dtype=np.int64)
        self.batched = np.zeros(len(self.cells), dtype=np.bool_)

    @property
    def open(self) -> NDArray[np.int64]:
        """The cells without a label."""
        return np.flatnonzero(self.given < 0)

    def give(self, cell: int, column: int, *, batch: bool = False) -> None:
        """Record a label."""
        self.given[cell] = column
        self.batched[cell] = batch

    def mark(self) -> None:
        """Note a point of the curve of labels over time."""
        self.curve.append((int((self.given >= 0).sum()), dict(self.reader.done)))


def new_bench(cells: Cells, errors: Errors, folder: Path, *, target: float, seed: int) -> Bench:
    """A bench with a fresh reader and no labels."""
    reader = Reader(cells.truth, len(cells.classes), errors, seed)
    return Bench(cells, reader, folder, target, seed)


@dataclass(frozen=True)
class Result:
    """What a way of working came to on one bench."""

    way: str
    seed: int
    cells: int
    right: int
    batched: int
    batched_right: int
    done: dict[str, int]
    actions: int
    notes: Mapping[str, Any]
    curve: tuple[tuple[int, dict[str, int]], ...]

    @property
    def accuracy(self) -> float:
        """Share of cells with their true class, 0 to 1."""
        return self.right / self.cells

    @property
    def purity(self) -> float | None:
        """Share of cells labelled in batches that have their true class; None without any."""
        return self.batched_right / self.batched if self.batched else None

    def seconds(self, times: Times) -> float:
        """How long it took the reader."""
        return times.seconds(self.done)

    def rate(self, times: Times) -> float:
        """Cells labelled an hour."""
        return 3600 * self.cells / self.seconds(times)

    def speed(self, times: Times) -> float:
        """How many times as fast as naming each cell singly."""
        return self.cells * times.single / self.seconds(times)


def result_of(way: str, bench: Bench) -> Result:
    """The outcome of a bench on which every cell has its label."""
    right = bench.given == bench.cells.truth
    return Result(
        way=way,
        seed=bench.seed,
        cells=len(bench.cells),
        right=int(right.sum()),
        batched=int(bench.batched.sum()),
        batched_right=int(right[bench.batched].sum()),
        done=dict(bench.reader.done),
        actions=bench.reader.actions,
        notes=dict(bench.notes),
        curve=tuple(bench.curve),
    )

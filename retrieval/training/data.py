"""The labelled cells of an atlas as training pictures, labels and splits."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from index import Atlas, Cell, CellFilter
from index.errors import CellKinError
from index.progress import progress_bar
from index.settings import setting
from index.wording import counted
from retrieval.cellview import CellFinder, CellView
from retrieval.reading.decode import read_cell
from retrieval.training.cells import read_cell_pictures
from retrieval.training.options import TrainingError
from retrieval.training.start import shipped_finder_network
from retrieval.view import View

HELD_OUT = 0.1


@dataclass
class TrainingSet:
    """Pictures uint8 [N, F, F, 3] (mapped from a file), with labels int64 [N] two ways.

    ``class_of`` indexes ``classes``; ``label_of`` indexes ``labels``, the deepest known codes,
    and ``leaves_of`` [labels, leaves] says which of ``leaves`` each of these allows. ``is_val`` [N]
    marks the cells that choose the model and never teach it. crop: the pictures' central share that
    is the view. laboratory_of: int64 [N] indexes ``laboratories``, the cells' data sets. masks,
    own: under the cell view, see ``CellPictures``; None under the plain one.
    """

    pictures: np.ndarray
    cell_ids: np.ndarray
    class_of: np.ndarray
    classes: list[str]
    label_of: np.ndarray
    labels: list[str]
    leaves_of: torch.Tensor
    is_val: np.ndarray
    passed_over: list[tuple[str, str]]
    leaves: tuple[str, ...] = ()
    crop: float = 1.0
    laboratories: tuple[str, ...] = ()
    laboratory_of: np.ndarray | None = None
    masks: np.ndarray | None = None
    own: np.ndarray | None = None

    @property
    def data_hash(self) -> str:
        """SHA-256 over cells, labels and split: what a published figure names as its data."""
        digest = hashlib.sha256()
        for cell, label, val in zip(self.cell_ids, self.label_of, self.is_val, strict=True):
            digest.update(f"{cell},{self.labels[label]},{int(val)};".encode())
        return digest.hexdigest()


def split_of(cells: list[Cell]) -> np.ndarray:
    """Which cells are val [N]: by their split where known, else a tenth, whole patients together.

    Where no cell has a split, a hash of patient, slide or file decides, so that a cell's side
    does not change as cells are added. So few cells that this gives none are ranked by the hash,
    and the first groups are taken until they hold a tenth.
    """
    known = np.array([cell.split == "val" for cell in cells])
    if known.any():
        return known
    groups = np.array([_group(cell) for cell in cells])
    share = {
        group: int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 2**32
        for group in np.unique(groups)
    }
    held_out = np.array([share[group] for group in groups]) < HELD_OUT
    for group in sorted(share, key=share.__getitem__)[:-1]:
        if held_out.sum() >= max(2, HELD_OUT * len(cells) / 2):
            break
        held_out |= groups == group
    return held_out


def _group(cell: Cell) -> str:
    if cell.patient or cell.slide:
        return f"{cell.dataset}/{cell.patient or cell.slide}"
    return f"{cell.dataset}/{cell.file}/{cell.member}/{cell.frame}"


def leaves_among(atlas: Atlas, labels: list[str]) -> list[str]:
    """The labels that have no other of them beneath."""
    within = atlas.taxonomy.is_within
    return [outer for outer in labels if sum(within(inner, outer) for inner in labels) == 1]


def leaves_matrix(atlas: Atlas, labels: list[str]) -> torch.Tensor:
    """Boolean [labels, leaves]: which of ``leaves_among`` a label allows."""
    leaves = leaves_among(atlas, labels)
    within = [[atlas.taxonomy.is_within(leaf, label) for leaf in leaves] for label in labels]
    return torch.tensor(within, dtype=torch.bool)


def _read_pictures(
    atlas: Atlas, cells: list[Cell], view: View, file: Path
) -> tuple[np.ndarray, dict[int, str]]:
    side = view.full_size
    pictures = np.lib.format.open_memmap(
        file, mode="w+", dtype=np.uint8, shape=(len(cells), side, side, 3)
    )
    failed: dict[int, str] = {}

    def read(row: int) -> None:
        try:
            pictures[row] = view.whole(read_cell(atlas, cells[row]))
        except CellKinError as error:
            failed[row] = str(error)

    with (
        ThreadPoolExecutor(max(1, int(setting("workers")))) as pool,
        progress_bar(len(cells), "reading") as bar,
    ):
        for start in range(0, len(cells), 256):
            for _ in pool.map(read, range(start, min(start + 256, len(cells)))):
                bar.update(1)
    return pictures, failed


def training_cells(
    atlas: Atlas, filter: CellFilter | None = None
) -> tuple[list[Cell], dict[int, tuple[str, str]]]:
    """The labelled cells within ``filter`` that may teach or choose, and (class, label) of each.

    Raises TrainingError where there are too few: two classes of two cells are the least, and
    some that teach beside some that choose (``split_of``).
    """
    taxonomy = atlas.taxonomy
    chosen = {
        cell_id: (class_code, code)
        for cell_id, code in atlas.present_labels(filter).items()
        if (class_code := taxonomy.at_level(code, "class")) is not None
    }
    cells = [cell for cell in atlas.cells(filter) if cell.split != "test" and cell.id in chosen]
    counts = Counter(chosen[cell.id][0] for cell in cells)
    if sum(count >= 2 for count in counts.values()) < 2:
        raise TrainingError(
            "training needs two classes of at least two labelled cells, "
            f"the atlas has {dict(counts) or 'none'}",
            "import or annotate more labelled cells",
        )
    _require_both(split_of(cells))
    return cells, chosen


def _require_both(is_val: np.ndarray) -> None:
    """Raise TrainingError unless some of the cells [N] teach and some choose the model."""
    if is_val.all() or not is_val.any():
        raise TrainingError(
            counted(int((~is_val).sum()), "labelled cell is", "labelled cells are")
            + f" there to teach and {int(is_val.sum())} to choose the model, some of "
            "each are needed",
            "give some of them another split, or import cells of another patient or slide",
        )


def load_training_set(
    atlas: Atlas, view: View | CellView, folder: Path, filter: CellFilter | None = None
) -> TrainingSet:
    """The labelled cells of ``atlas`` within ``filter``, read once into ``folder``.

    Raises TrainingError as ``training_cells`` does.
    """
    cells, chosen = training_cells(atlas, filter)
    taxonomy = atlas.taxonomy
    taught = {chosen[cell.id][0] for cell in cells}
    masks = own = None
    if isinstance(view, CellView):
        read = read_cell_pictures(
            cells,
            lambda cell: read_cell(atlas, cell),
            view,
            CellFinder(shipped_finder_network()),
            folder,
        )
        pictures, masks, own, failed = read.pictures, read.masks, read.own, read.failed
        crop = view.input_size / pictures.shape[1]
    else:
        pictures, failed = _read_pictures(atlas, cells, view, folder / "pictures.npy")
        crop = view.crop
    kept = np.array([row for row in range(len(cells)) if row not in failed], np.int64)
    is_val = split_of(cells)[kept]
    _require_both(is_val)
    classes = [code for code in taxonomy.nodes if code in taught]
    codes = {chosen[cell.id][1] for cell in cells}
    labels = [code for code in taxonomy.nodes if code in codes]
    laboratories = tuple(sorted({cell.dataset for cell in cells}))
    return TrainingSet(
        pictures=pictures if not failed else pictures[kept],
        cell_ids=np.array([cell.id for cell in cells], np.int64)[kept],
        class_of=np.array([classes.index(chosen[cell.id][0]) for cell in cells])[kept],
        classes=classes,
        label_of=np.array([labels.index(chosen[cell.id][1]) for cell in cells])[kept],
        labels=labels,
        leaves_of=leaves_matrix(atlas, labels),
        leaves=tuple(leaves_among(atlas, labels)),
        is_val=is_val,
        passed_over=[(cells[row].file, reason) for row, reason in failed.items()],
        crop=crop,
        laboratories=laboratories,
        laboratory_of=np.array([laboratories.index(cell.dataset) for cell in cells])[kept],
        masks=masks[kept] if masks is not None and failed else masks,
        own=own[kept] if own is not None else None,
    )

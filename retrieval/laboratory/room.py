"""The cells of one laboratory: those that the atlas holds of it, and those that are asked about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index import Atlas, CellFilter
from retrieval.answers.fitting import group_numbers
from retrieval.answers.voting import Integers
from retrieval.described import Described
from retrieval.folder import Folder, FolderReading, read_prepared
from retrieval.laboratory.known import KnownCells, bare, described_cells, described_of


@dataclass(frozen=True)
class OwnCells:
    """M cells of a data set of the atlas, in order of id; some of them labelled.

    hashes: [M] of their pixels. rows, columns: [n] which of them are labelled, and as what. groups:
    [n] the number of the patient or slide of each of these, negative where unknown.
    """

    name: str
    ids: Integers
    described: Described
    hashes: NDArray[np.object_]
    rows: Integers
    columns: Integers
    groups: Integers

    @classmethod
    def load(
        cls, atlas: Atlas, name: str, known: KnownCells, *, most: int | None = None, seed: int = 0
    ) -> OwnCells:
        """The embedded cells of data set ``name``; labels are those among ``known``.

        most: so many cells at most, the labelled ones and others drawn by ``seed``.
        """
        limits = CellFilter(datasets=(name,))
        mine = known.of_dataset(name)
        if most is None:
            ids, described = described_cells(atlas, known.model_id, known.space, limits)
            table = atlas.table(limits).set_index("id")
            hashes = (
                table.loc[ids, "sha256"].to_numpy(dtype=object) if len(ids) else np.empty(0, object)
            )
        else:
            drawn = _drawn(atlas, name, known, most, seed)
            ids, described = described_of(atlas, known.model_id, known.space, drawn)
            cells = atlas.cells_by_id(ids.tolist())
            hashes = np.array([cells[cell].sha256 for cell in ids.tolist()], dtype=object)
        _, rows, of_known = np.intersect1d(ids, known.references.ids[mine], return_indices=True)
        labelled = known.take(mine).take(of_known)
        groups = group_numbers(labelled.references)
        return cls(name, ids, described, hashes, rows, labelled.columns, groups)

    def __len__(self) -> int:
        return len(self.ids)

    def without_labels_of(self, hashes: Sequence[str | None]) -> OwnCells:
        """The same, cells of exactly these pixels having no label."""
        keep = ~np.isin(self.hashes[self.rows].astype(str), [each for each in hashes if each])
        return replace(
            self, rows=self.rows[keep], columns=self.columns[keep], groups=self.groups[keep]
        )

    @property
    def fingerprint(self) -> str:
        """Of the labels: which cells, as what, and of which patients or slides where known."""
        digest = hashlib.sha256(self.ids[self.rows].tobytes())
        digest.update(self.columns.tobytes())
        if (self.groups >= 0).any():
            # By the first cell of each: the numbers themselves change with other data sets.
            _, first, of = np.unique(self.groups, return_index=True, return_inverse=True)
            digest.update(np.where(self.groups >= 0, first[of], -1).astype(np.int64).tobytes())
        return digest.hexdigest()[:16]


def _drawn(atlas: Atlas, name: str, known: KnownCells, most: int, seed: int) -> Integers:
    """Ids of at most ``most`` embedded cells of a data set, those labelled in ``known`` first."""
    limits = CellFilter(datasets=(name,), embedded_with=known.model_id)
    ids = np.asarray(atlas.cell_ids(limits), dtype=np.int64)
    if len(ids) <= most:
        return ids
    labelled = known.references.ids[known.of_dataset(name)][:most]
    rest = np.setdiff1d(ids, labelled)
    others = np.random.default_rng(seed).choice(rest, most - len(labelled), replace=False)
    return np.union1d(labelled, others)


@dataclass(frozen=True)
class Together:
    """Cells asked about and the data set's own, each picture once.

    folder: of all of them; the data set's own come first. asked: [Q] where each one that is asked
    about stands among them.
    """

    folder: Folder
    cells: Described
    asked: Integers

    @classmethod
    def of(
        cls,
        known: KnownCells,
        asked: Described | None,
        hashes: Sequence[str | None] = (),
        own: OwnCells | None = None,
    ) -> Together:
        """``asked`` [Q] with the hashes of their pixels [Q], and the cells of the data set."""
        if own is None or not len(own):
            if asked is None:
                raise ValueError("neither cells nor a data set")
            return cls(Folder(asked, known.space), asked, np.arange(len(asked)))
        if asked is None:
            return cls(Folder(own.described, known.space), own.described, np.empty(0, np.int64))
        place = {each: row for row, each in enumerate(own.hashes.tolist())}
        rows = np.empty(len(asked), dtype=np.int64)
        new: list[int] = []
        for number, each in enumerate(hashes):
            if each in place:
                rows[number] = place[each]
            else:
                rows[number] = len(own) + len(new)
                new.append(number)
        fresh = asked[np.asarray(new, dtype=np.int64)]
        cells = Described.joined([bare(own.described), bare(fresh)])
        return cls(Folder(cells, known.space), cells, rows)

    @classmethod
    def alone(cls, known: KnownCells, own: OwnCells) -> Together:
        """The cells of the data set, all of them asked about."""
        return cls(Folder(own.described, known.space), own.described, np.arange(len(own)))

    def read(self, known: KnownCells) -> FolderReading | None:
        """What ``known`` cells of other laboratories say; None where there are none."""
        if not len(known):
            return None
        return read_prepared(
            self.folder,
            known.described,
            known.columns,
            known.classes,
            groups=known.references.datasets.tolist(),
        )

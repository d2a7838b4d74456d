"""The references of an atlas as arrays: who may vote, for which class, of which patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from index import Atlas, CellFilter
from index.records import place
from index.taxonomy import Taxonomy, complete_classes
from retrieval.answers.errors import NoReferencesError
from retrieval.answers.knn import number_groups
from retrieval.answers.voting import NO_VOTE, Integers

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class References:
    """R labelled, embedded cells in order of id. Disputed cells are not among them.

    ids: [R] cell ids, ascending. codes, authors, datasets, patients, slides, files, hashes,
    splits: [R] object arrays of text or None. patient_numbers, slide_numbers, hash_numbers: [R]
    numbers of the groups, negative where unknown; patients and slides are counted by data set.
    """

    ids: Integers
    codes: np.ndarray
    authors: np.ndarray
    datasets: np.ndarray
    patients: np.ndarray
    slides: np.ndarray
    files: np.ndarray
    hashes: np.ndarray
    splits: np.ndarray
    patient_numbers: Integers
    slide_numbers: Integers
    hash_numbers: Integers

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: ArrayLike) -> Integers:
        """The row of each cell id, in the shape given; -1 for an id that is no reference."""
        wanted = np.asarray(ids, dtype=np.int64)
        if not len(self.ids):
            return np.full(wanted.shape, -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return np.where(self.ids[place] == wanted, place, -1)

    def take(self, rows: Integers) -> References:
        """The references in ``rows`` alone, their group numbers kept."""
        return References(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    def full_names(self, column: str) -> list[str | None]:
        """[R] dataset/name of each one's "patient" or "slide", None where unknown."""
        names = {"patient": self.patients, "slide": self.slides}[column]
        return [
            f"{d}/{n}" if n is not None else None for d, n in zip(self.datasets, names, strict=True)
        ]

    def numbers_of(self, column: str, names: Sequence[str | None]) -> Integers:
        """[N] the group numbers that ``names`` have in ``column`` ("patient", "slide", "hash").

        Patients and slides are named as dataset/name. -2 for None and for what no reference has.
        """
        numbers = getattr(self, f"{column}_numbers")
        own = self.hashes.tolist() if column == "hash" else self.full_names(column)
        table = dict(zip(own, numbers.tolist(), strict=True))
        table[None] = -2
        return np.array([table.get(name, -2) for name in names], dtype=np.int64)


def load_references(atlas: Atlas, model_id: str, limits: CellFilter | None) -> References:
    """The references within ``limits`` that have an embedding under ``model_id``."""
    wanted = replace(limits or CellFilter(), labelled=True, embedded_with=model_id)
    table = atlas.table(wanted)
    bare = References(
        ids=table["id"].to_numpy(dtype=np.int64),
        codes=_texts(table, "class_code"),
        authors=_texts(table, "author"),
        datasets=_texts(table, "dataset"),
        patients=_texts(table, "patient"),
        slides=_texts(table, "slide"),
        files=_places(table),
        hashes=_texts(table, "sha256"),
        splits=_texts(table, "split"),
        patient_numbers=np.empty(0, dtype=np.int64),
        slide_numbers=np.empty(0, dtype=np.int64),
        hash_numbers=np.empty(0, dtype=np.int64),
    )
    return replace(
        bare,
        patient_numbers=number_groups(bare.full_names("patient")),
        slide_numbers=number_groups(bare.full_names("slide")),
        hash_numbers=number_groups(bare.hashes),
    )


def require_references(
    references: References, atlas: Atlas, model_id: str, limits: CellFilter | None
) -> None:
    """Raise NoReferencesError where nothing may vote: nothing is labelled, nothing embedded, or the
    limits leave none."""
    if len(references):
        return
    if not atlas.count(CellFilter(labelled=True)):
        raise NoReferencesError(
            f"the atlas {atlas.path} has no labelled cell",
            "import cells with their classes, or label some with cellkin annotate",
        )
    if not atlas.count(CellFilter(labelled=True, embedded_with=model_id)):
        raise NoReferencesError(
            f"no labelled cell is embedded under model {model_id[:12]}", "run cellkin embed"
        )
    asked = ", ".join(
        f"{name} {value}" for name, value in vars(limits or CellFilter()).items() if value
    )
    raise NoReferencesError(
        f"no labelled cell lies within the limits ({asked})", "ask for less, or import more cells"
    )


def _texts(table: pd.DataFrame, name: str) -> np.ndarray:
    """[R] object: a column of text, None where it holds nothing."""
    values = np.empty(len(table), dtype=object)
    values[:] = [text if isinstance(text, str) else None for text in table[name]]
    return values


def _places(table: pd.DataFrame) -> np.ndarray:
    """[R] object: the name of each cell's picture, with page or member where its file has more."""
    values = np.empty(len(table), dtype=object)
    rows = zip(table["file"], table["frame"], table["member"], strict=True)
    values[:] = [place(f, int(n), m if isinstance(m, str) else None) for f, n, m in rows]
    return values


@dataclass(frozen=True)
class Columns:
    """The classes that can be answered at a level, and how references vote for them.

    classes: [C] codes in the order of the taxonomy. columns: [R] class number of each reference,
    NO_VOTE where its label lies above the level. families: for ``voting.pass_down``.
    """

    classes: tuple[str, ...]
    columns: Integers
    families: tuple[tuple[int, tuple[int, ...]], ...]

    @classmethod
    def of(cls, references: References, taxonomy: Taxonomy, level: str) -> Columns:
        """The columns of ``references`` at ``level`` ("class" or "subclass").

        Raises NoReferencesError where none has a label that deep.
        """
        said = {code: taxonomy.at_level(code, level) for code in set(references.codes.tolist())}
        present = {code for code in said.values() if code is not None}
        if not present:
            raise NoReferencesError(
                f"no reference has a label at level {level}",
                "import or add labels of single classes, such as neutrophil",
            )
        classes = tuple(code for code in taxonomy.nodes if code in present)
        columns = _columns(references, classes, said)
        return cls(classes, columns, _families(classes, taxonomy, complete_classes()))

    def truth_of(self, cells: References, taxonomy: Taxonomy, level: str) -> Integers:
        """[R] class number of the right answer on each of ``cells``.

        NO_VOTE where its label leaves that open: it is above the level, of a class that no
        reference has, or of a class whose subclasses are all there is of it.
        """
        said = {code: taxonomy.at_level(code, level) for code in set(cells.codes.tolist())}
        truth = _columns(cells, self.classes, said)
        return np.where(np.isin(truth, [whole for whole, _ in self.families]), NO_VOTE, truth)


def _columns(cells: References, classes: tuple[str, ...], said: dict[str, str | None]) -> Integers:
    number = {code: i for i, code in enumerate(classes)}
    column = {code: number.get(of or "", NO_VOTE) for code, of in said.items()}
    # Read anew after every label, so a look-up a reference is all that is spent on each.
    return np.fromiter(map(column.__getitem__, cells.codes.tolist()), np.int64, len(cells))


def _families(
    classes: tuple[str, ...], taxonomy: Taxonomy, complete: Iterable[str]
) -> tuple[tuple[int, tuple[int, ...]], ...]:
    found = []
    for code in classes:
        below = taxonomy.descendants(code) - {code}
        parts = tuple(i for i, other in enumerate(classes) if other in below)
        if code in complete and parts:
            found.append((classes.index(code), parts))
    return tuple(found)

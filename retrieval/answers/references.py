"""The references of an atlas as arrays: who may vote, for which class, of which patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from index import Atlas, CellFilter
from index.taxonomy import Taxonomy, complete_classes
from retrieval.answers.errors import NoReferencesError
from retrieval.answers.knn import number_groups
from retrieval.answers.voting import NO_VOTE, Integers


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

    def numbers_of(self, column: str, names: Sequence[str | None]) -> Integers:
        """[N] the group numbers that ``names`` have in ``column`` ("patient", "slide", "hash").

        Patients and slides are named as dataset/name. -2 for None and for what no reference has.
        """
        values = {"patient": self.patients, "slide": self.slides, "hash": self.hashes}[column]
        numbers = getattr(self, f"{column}_numbers")
        known = numbers >= 0
        texts = values[known]
        if column != "hash":
            texts = self.datasets[known] + "/" + texts
        table = dict(zip(texts.tolist(), numbers[known].tolist(), strict=True))
        return np.array([table.get(name, -2) for name in names], dtype=np.int64)


def load_references(atlas: Atlas, model_id: str, limits: CellFilter | None) -> References:
    """The references within ``limits`` that have an embedding under ``model_id``."""
    wanted = replace(limits or CellFilter(), labelled=True, embedded_with=model_id)
    table = atlas.table(wanted)
    column = {name: table[name].to_numpy(dtype=object) for name in table.columns if name != "id"}
    for values in column.values():
        values[table_nulls(values)] = None
    return References(
        ids=table["id"].to_numpy(dtype=np.int64),
        codes=column["class_code"],
        authors=column["author"],
        datasets=column["dataset"],
        patients=column["patient"],
        slides=column["slide"],
        files=column["file"],
        hashes=column["sha256"],
        splits=column["split"],
        patient_numbers=_numbers(column["dataset"], column["patient"]),
        slide_numbers=_numbers(column["dataset"], column["slide"]),
        hash_numbers=number_groups(column["sha256"]),
    )


def table_nulls(values: np.ndarray) -> np.ndarray:
    """[R] bool: where a column of a table holds nothing."""
    return np.array([v is None or v != v for v in values], dtype=bool)


def _numbers(datasets: np.ndarray, names: np.ndarray) -> Integers:
    return number_groups(
        [f"{d}/{n}" if n is not None else None for d, n in zip(datasets, names, strict=True)]
    )


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
        number: dict[str | None, int] = {code: i for i, code in enumerate(classes)}
        number[None] = NO_VOTE
        columns = np.array([number[said[code]] for code in references.codes], dtype=np.int64)
        return cls(classes, columns, _families(classes, taxonomy, complete_classes()))


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

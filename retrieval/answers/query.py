"""Query: the reference cells nearest to pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index import Atlas, CellFilter
from index.errors import CellKinError
from retrieval.answers.errors import AnswerError
from retrieval.answers.neighbours import Exclusion, Search
from retrieval.answers.proposal import Evidence, evidence
from retrieval.answers.references import load_references, require_references
from retrieval.embedding import embed_images
from retrieval.model import Model, atlas_model
from retrieval.reading.decode import decode, pixel_hash

K = 10

__all__ = ["K", "QueryResult", "nearest", "query_limits"]


@dataclass(frozen=True)
class QueryResult:
    """One picture with its neighbours, nearest first; or why it could not be read."""

    file: str
    neighbours: tuple[Evidence, ...] = ()
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def query_limits(
    atlas: Atlas,
    *,
    datasets: Sequence[str] = (),
    not_datasets: Sequence[str] = (),
    patients: Sequence[str] = (),
    not_patients: Sequence[str] = (),
    not_slides: Sequence[str] = (),
    splits: Sequence[str] = (),
    classes: Sequence[str] = (),
    authors: Sequence[str] = (),
) -> CellFilter:
    """The filter these limits make; classes by any name. Raises UnknownClassError.

    A patient or slide that is to be left out must exist: a misspelt one would leave nothing out.
    """
    table = atlas.table() if not_patients or not_slides else None
    for column, names in (("patient", not_patients), ("slide", not_slides)):
        if table is None or not names:
            continue
        known = {str(name) for name in table[column].dropna().unique()}
        full = {f"{d}/{n}" for d, n in zip(table["dataset"], table[column], strict=True)}
        for name in names:
            if name not in known | full:
                raise AnswerError(
                    f"no cell of the atlas is of {column} {name!r}",
                    f"give the {column}'s name as imported, or as dataset/name",
                )
    return CellFilter(
        datasets=tuple(datasets),
        not_datasets=tuple(not_datasets),
        patients=tuple(patients),
        not_patients=tuple(not_patients),
        not_slides=tuple(not_slides),
        splits=tuple(splits),
        classes=tuple(atlas.taxonomy.resolve(name).code for name in classes),
        authors=tuple(authors),
    )


def nearest(
    atlas: Atlas,
    pictures: Sequence[Path],
    *,
    k: int = K,
    limits: CellFilter | None = None,
    leave_out_same: bool = False,
    model: Model | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Iterator[QueryResult]:
    """The ``k`` references nearest to each of ``pictures``, in order.

    limits: which references count. leave_out_same: passes over references of exactly the same
    pixels. Fewer than k come back where fewer exist. Raises NoReferencesError, UnknownModelError.
    """
    if k < 1:
        raise AnswerError(f"k is {k}, allowed is at least 1", "ask for one neighbour or more")
    model = model or atlas_model(atlas)
    references = load_references(atlas, model.id, limits)
    require_references(references, atlas, model.id, limits)
    search = Search(atlas, references, model.id, k, limits)
    hashes: dict[Path, str] = {}

    def read(path: Path) -> np.ndarray:
        rgb = decode(path)
        if leave_out_same:
            hashes[path] = pixel_hash(rgb)
        return rgb

    for path, result in embed_images(model, pictures, read, batch_size=batch_size, workers=workers):
        if isinstance(result, CellKinError):
            yield QueryResult(str(path), error=result.message)
            continue
        same = None
        if leave_out_same:
            same = references.numbers_of("hash", [hashes.pop(path)])
        for _, rows, similarity in search.run(result[None], Exclusion(hashes=same)):
            found = tuple(evidence(references, rows[0], similarity[0]))
            yield QueryResult(str(path), found)

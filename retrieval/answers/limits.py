"""Which references may answer, as a user names them."""

from __future__ import annotations

from collections.abc import Sequence

from index import Atlas, CellFilter
from index.filters import unknown_dataset
from retrieval.answers.errors import AnswerError


def reference_limits(atlas: Atlas, *, classes: Sequence[str] = ()) -> CellFilter | None:
    """The filter for references of ``classes`` (any name the taxonomy knows).

    Raises UnknownClassError, and AnswerError where a class has no reference.
    """
    codes = tuple(dict.fromkeys(atlas.taxonomy.resolve(name).code for name in classes))
    for code in codes:
        if not atlas.count(CellFilter(classes=(code,), labelled=True)):
            raise AnswerError(
                f"the atlas has no labelled cell of class {code}, so it cannot be answered",
                "leave it out of --classes, or label some cells of it",
            )
    return CellFilter(classes=codes) if codes else None


def require_dataset(atlas: Atlas, name: str) -> None:
    """Raise UnknownDatasetError unless the atlas holds data set ``name``."""
    known = atlas.datasets()["name"].tolist()
    if name not in known:
        raise unknown_dataset(name, known)

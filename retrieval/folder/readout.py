"""What the references say of each cell by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.described import Described
from retrieval.folder.errors import FolderError
from retrieval.folder.graph import shares
from retrieval.folder.space import Booleans, Floats, Integers, Space, unit

NEIGHBOURS = 15
TEMPERATURE = 0.07  # on the cosine, as in ``retrieval.answers.voting``
PER_GROUP = 500  # references of one class and laboratory that are asked


def spread_rows(
    references: Described, classes: Integers, groups: Sequence[str | None] | None = None
) -> Integers:
    """Rows of at most PER_GROUP references of each class and laboratory, spread evenly.

    A class with many references is near everything by chance. They are put in order along one
    direction of the vectors, and every so manieth is taken: no row number matters.
    """
    vectors = np.asarray(references.vectors, dtype=np.float32)
    along = vectors @ np.random.default_rng(0).standard_normal((vectors.shape[1],))
    names = np.asarray([g or "" for g in groups]) if groups is not None else np.zeros(len(classes))
    chosen = []
    for name in np.unique(names):
        for each in np.unique(classes):
            rows = np.flatnonzero((names == name) & (classes == each))
            if len(rows) > PER_GROUP:
                rows = rows[np.argsort(along[rows], kind="stable")]
                rows = rows[np.linspace(0, len(rows) - 1, PER_GROUP).round().astype(np.int64)]
            chosen.append(rows)
    result: Integers = np.sort(np.concatenate(chosen)).astype(np.int64)
    return result


def neighbour_shares(
    queries: Floats, references: Floats, columns: Integers, classes: int, k: int = NEIGHBOURS
) -> Floats:
    """[N, C] share of each class among the ``k`` nearest references, nearer ones weighing more.

    queries [N, D] and references [R, D] are unit rows; columns [R] class numbers.
    """
    import faiss

    k = min(k, len(references))
    similarity, index = faiss.knn(
        np.ascontiguousarray(queries, dtype=np.float32),
        np.ascontiguousarray(references, dtype=np.float32),
        k,
        metric=faiss.METRIC_INNER_PRODUCT,
    )
    weight = np.exp((similarity - similarity[:, :1]) / TEMPERATURE)
    votes = np.zeros((len(queries), classes), dtype=np.float32)
    row = np.repeat(np.arange(len(queries)), k)
    np.add.at(votes, (row, columns[index].ravel()), weight.ravel())
    return shares(votes)


def read_alone(
    cells: Described,
    references: Described,
    columns: Integers,
    classes: Sequence[str],
    space: Space,
    allowed: Booleans,
) -> Floats:
    """[N, C] mean of the neighbours by vectors, those by taught features, and the scores.

    references: R of them, columns [R] their class numbers. allowed: [C] which classes can be
    answered. A class that the scores do not know keeps its share among the neighbours.
    """
    keep = allowed[columns]
    if not keep.any() and not _known(classes, space, allowed).any():
        raise FolderError(
            "no reference and no score is of a class that is allowed",
            "allow classes that have references",
        )
    parts: list[Floats] = []
    if keep.any():
        voters, column = references[keep], columns[keep]
        vectors = np.asarray(voters.vectors, dtype=np.float32)
        own = np.asarray(cells.vectors, dtype=np.float32)
        parts.append(neighbour_shares(own, vectors, column, len(classes)))
        if space.parts:
            taught = unit(space.blocks(cells)[0])
            parts.append(
                neighbour_shares(taught, unit(space.blocks(voters)[0]), column, len(classes))
            )
    if space.score_classes:
        parts.append(_scores(cells, classes, space, allowed, parts))
    total = np.sum(parts, axis=0) * allowed[None, :]
    result: Floats = np.where(allowed[None, :], shares(total), 0).astype(np.float32)
    return result


def _known(classes: Sequence[str], space: Space, allowed: Booleans) -> Booleans:
    return np.isin(np.asarray(classes), np.asarray(space.score_classes)) & allowed


def _scores(
    cells: Described,
    classes: Sequence[str],
    space: Space,
    allowed: Booleans,
    voted: Sequence[NDArray[np.float32]],
) -> Floats:
    """[N, C] the scores on the columns; what neighbours give to classes without score is kept."""
    known = _known(classes, space, allowed)
    result = np.zeros((len(cells), len(classes)), dtype=np.float32)
    number = {code: i for i, code in enumerate(space.score_classes)}
    for column, code in enumerate(classes):
        if known[column]:
            result[:, column] = cells.scores[:, number[code]]
    if known.any():
        result[:, known] = shares(result[:, known])
    if voted:
        mean = np.mean(voted, axis=0)
        beyond = mean[:, ~known].sum(axis=1, keepdims=True)
        result *= 1 - beyond
        result[:, ~known] = mean[:, ~known]
    return result

"""The searches of the review queues. Imports neither torch nor Flask."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from annotator.language import mark
from annotator.review.matters import Material, Matter, Told
from annotator.review.pictures import CentredDetails, Details
from index.records import CellFilter
from index.reviewing import last_said, standing_labels

if TYPE_CHECKING:
    from index.records import Label

CHUNK = 256  # cells looked at between two reports of progress
LEAD = 0.5  # a label is suspect when another class is this much more probable
NEAR = 5  # neighbours among which a near-duplicate is looked for
SIMILAR = 0.97  # cosine of embeddings from which two pictures are compared


def disagreements(material: Material, told: Told) -> Iterator[Matter]:
    """Disputed cells on which two readers stand against each other."""
    for cell_id, said in _disputed(material):
        codes = {label.class_code for label in said}
        authors = {label.author for label in said}
        if len(authors) > 1:
            yield Matter(
                cell_id,
                None,
                len(codes) + len(authors) / 100,
                mark("%(readers)s readers gave it %(classes)s classes"),
                {"readers": len(authors), "classes": len(codes)},
            )


def contradictions(material: Material, told: Told) -> Iterator[Matter]:
    """One picture under two classes: within a cell by one author, or in two cells."""
    for cell_id, said in _disputed(material):
        if len({label.author for label in said}) == 1:
            yield Matter(
                cell_id, None, 2.0, mark("files of the same picture came under different classes")
            )
    taxonomy = material.atlas.taxonomy
    for group, present in _same_pixels(material):
        for a, b in itertools.combinations(group, 2):
            if taxonomy.agreed((present[a], present[b])) is None:
                yield Matter(
                    a,
                    b,
                    1.0,
                    mark("the same picture is %(one)s here and %(other)s there"),
                    {"one": f"class:{present[a]}", "other": f"class:{present[b]}"},
                )


def suspects(material: Material, told: Told) -> Iterator[Matter]:
    """Labelled cells whose neighbours say another class, by far."""
    atlas = material.atlas
    present = atlas.present_labels()
    ids = _drawn(material, np.fromiter(present, dtype=np.int64, count=len(present)))
    for start in range(0, len(ids), CHUNK):
        told(start / len(ids))
        part = [int(cell) for cell in ids[start : start + CHUNK]]
        for cell_id, proposal in material.proposals.propose(part).items():
            given = present[cell_id]
            at_class = atlas.taxonomy.at_level(given, "class") or given
            top = proposal.class_code
            if atlas.taxonomy.agreed((given, top)) is not None:
                continue
            chances = proposal.probabilities
            lead = chances.get(top, 0.0) - chances.get(at_class, 0.0)
            if lead >= LEAD:
                yield Matter(
                    cell_id,
                    None,
                    lead,
                    mark("labelled %(given)s, its neighbours say %(said)s"),
                    {"given": f"class:{given}", "said": f"class:{top}"},
                )


def duplicates(material: Material, told: Told) -> Iterator[Matter]:
    """Pairs of cells with the same or nearly the same picture, whatever they are called."""
    seen = set()
    for group, _present in _same_pixels(material, labelled=False):
        for a, b in itertools.combinations(group, 2):
            seen.add((a, b))
            yield Matter(a, b, 2.0, mark("every pixel is the same, in two data sets"))
    atlas = material.atlas
    model_id = atlas.active_model
    if model_id is None:
        return
    details = Details(atlas, material.pictures)
    centred = CentredDetails(atlas, material.view) if material.view is not None else None
    ids = _drawn(material, atlas.cell_ids(CellFilter(embedded_with=model_id)))
    for start in range(0, len(ids), CHUNK):
        told(start / len(ids))
        own, vectors = atlas.embeddings_of(model_id, ids[start : start + CHUNK])
        found = atlas.search(vectors, NEAR + 1, model_id=model_id, labelled=False)
        near = found.similarity >= SIMILAR
        for row, place in zip(*np.nonzero(near), strict=True):
            a, b = sorted((int(own[row]), int(found.ids[row, place])))
            if a == b or b < 0 or a < 0 or (a, b) in seen:
                continue
            seen.add((a, b))
            likeness = details.alike(a, b)
            if likeness is not None:
                yield Matter(
                    a,
                    b,
                    likeness,
                    mark("nearly the same picture (%(percent)s %% alike)"),
                    {"percent": round(100 * likeness)},
                )
                continue
            likeness = centred.alike(a, b) if centred is not None else None
            if likeness is not None:
                yield Matter(
                    a,
                    b,
                    likeness,
                    mark("the same cell, cropped otherwise (%(percent)s %% alike once centred)"),
                    {"percent": round(100 * likeness)},
                )


def _disputed(material: Material) -> Iterator[tuple[int, list[Label]]]:
    """Each disputed cell with the labels that stand against each other on it."""
    disputed = material.atlas.disputed()
    standing = standing_labels(material.atlas, disputed)
    yield from ((cell_id, last_said(standing.get(cell_id, []))) for cell_id in disputed)


def _same_pixels(
    material: Material, *, labelled: bool = True
) -> Iterator[tuple[list[int], dict[int, str]]]:
    """Groups of cells of different data sets with the same pixels, and their present classes."""
    table = material.atlas.table(CellFilter(labelled=True if labelled else None))
    again = table[table.duplicated("sha256", keep=False)]
    for _hash, group in again.groupby("sha256", sort=False):
        ids = sorted(int(cell) for cell in group["id"])
        present = dict(zip(group["id"].astype(int), group["class_code"], strict=True))
        yield ids, {cell: code for cell, code in present.items() if code is not None}


def _drawn(material: Material, ids: Sequence[int] | np.ndarray) -> np.ndarray:
    """``ids``, or ``most`` of them drawn with the seed, ascending."""
    every = np.sort(np.asarray(ids, dtype=np.int64))
    if len(every) <= material.most:
        return every
    rng = np.random.default_rng(material.seed)
    return np.sort(rng.choice(every, material.most, replace=False))

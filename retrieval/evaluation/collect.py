"""Cells of known class and what the atlas says of them: of a source, or the atlas's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from index import Atlas, Cell, CellFilter
from index.errors import CellKinError
from index.progress import track
from index.taxonomy import complete_classes
from retrieval.answers.limits import require_dataset
from retrieval.answers.proposer import Proposer
from retrieval.answers.references import References
from retrieval.embedding import describe_images
from retrieval.evaluation.errors import EvaluationError
from retrieval.evaluation.judged import Evaluated, Judged, data_hash
from retrieval.evaluation.metrics import RetrievalMetrics, retrieval_metrics
from retrieval.finding import find_source
from retrieval.model import atlas_model
from retrieval.reading.decode import decode, pixel_hash
from retrieval.reading.found import Found
from retrieval.reading.naming import Namer
from retrieval.reading.source import iter_source

if TYPE_CHECKING:
    from retrieval.answers.proposer import Proposal

BATCH = 1024
LEAVE_OUT = ("patient", "cell")


@dataclass
class Query:
    """A cell to be evaluated, before it is answered. ``label`` is the deepest class known of it."""

    name: str
    label: str
    picture: Cell | Found
    dataset: str | None = None
    patient: str | None = None
    slide: str | None = None
    sha256: str = ""
    cell_id: int | None = None


@dataclass(frozen=True)
class Recipe:
    """How cells are evaluated; see the settings of the same names.

    ``leave_out``: "patient" keeps the references of a cell's own patient, or of its slide where no
    patient is known, from answering; "cell" only itself. Pictures of the same pixels never answer.
    """

    level: str
    k: int
    ks: tuple[int, ...] = (5, 10)
    leave_out: str = "patient"

    def __post_init__(self) -> None:
        if self.leave_out not in LEAVE_OUT:
            raise EvaluationError(
                f"leave_out is {self.leave_out!r}, allowed is one of {', '.join(LEAVE_OUT)}",
                "give one of these",
            )


@dataclass
class _Collected:
    """Queries with their vectors, and what could not be measured."""

    queries: list[Query] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def evaluate_source(
    atlas: Atlas,
    source: Path,
    recipe: Recipe,
    *,
    labels: Path | None = None,
    dataset: str | None = None,
    split: str | None = None,
) -> Evaluated:
    """Evaluate pictures outside the atlas against all its references.

    Their classes come from ``labels`` or from the source itself. ``dataset`` names the data set of
    the atlas that the source's patients and slides belong to; without it they are taken to be
    strangers to the atlas. ``split`` keeps the cells of one split of the table. Raises
    UnknownDatasetError, EvaluationError when no cell can be measured, and what reading raises.
    """
    if dataset is not None:
        require_dataset(atlas, dataset)
    model = atlas_model(atlas)
    proposer = Proposer(atlas, k=recipe.k, level=recipe.level, model_id=model.id)
    proposer.references  # noqa: B018 - an atlas without references fails before pictures are read
    got = _Collected()
    found = _labelled(atlas, iter_source(source, labels, taxonomy=atlas.taxonomy), split, got)
    queries = [
        Query(each.file, label, each, dataset, each.patient, each.slide) for each, label in found
    ]

    def read(query: Query) -> np.ndarray:
        each = query.picture
        rgb = decode(each.path, each.frame, each.member)  # type: ignore[union-attr]
        query.sha256 = pixel_hash(rgb)
        return rgb

    seen = find_source(model, queries, read, key=id, total=len(queries))
    embedded = describe_images(
        model, queries, read, finding=lambda query: seen.of(id(query)), typical=seen.typical
    )
    for query, result in track(embedded, len(queries), "embedding"):
        if isinstance(result, CellKinError):
            got.left_out.append((query.name, result.message))
        else:
            got.queries.append(query)
            got.vectors.append(result.vectors[0])
    notes = []
    if dataset is None and any(query.patient or query.slide for query in got.queries):
        notes.append(
            "patients and slides of the source are taken to be others than the atlas's; "
            "name their data set with --dataset if they are not"
        )
    return _answered(atlas, proposer, recipe, got, "source", str(source), notes)


def evaluate_cells(atlas: Atlas, recipe: Recipe, *, split: str | None = None) -> Evaluated:
    """Evaluate the atlas's own labelled cells of ``split`` against all its other references.

    Without ``split`` every labelled cell is evaluated against all the others.
    """
    model_id = atlas_model(atlas).id
    wanted = CellFilter(labelled=True, splits=(split,) if split is not None else ())
    labels = atlas.present_labels(wanted)
    ids, vectors = atlas.embeddings(model_id, wanted)
    if not len(ids):
        raise EvaluationError(
            f"the atlas {atlas.path} has no labelled, embedded cell"
            + (f" of split {split!r}" if split is not None else ""),
            "import labels and run cellkin embed, or give another --split",
        )
    cells = atlas.cells_by_id(ids.tolist())
    got = _Collected(left_out=_without_vector(atlas, labels, set(ids.tolist())))
    for cell_id, vector in zip(ids.tolist(), vectors, strict=True):
        cell = cells[cell_id]
        got.vectors.append(vector)
        got.queries.append(
            Query(
                cell.file, labels[cell_id], cell, cell.dataset, cell.patient, cell.slide,
                cell.sha256, cell_id,
            )
        )  # fmt: skip
    others = CellFilter(not_cells=tuple(ids.tolist())) if split is not None else None
    proposer = Proposer(atlas, k=recipe.k, level=recipe.level, model_id=model_id, filter=others)
    mode = "each" if split is None else "split"
    notes = []
    if split is None:
        notes.append(
            "probabilities were calibrated on the evaluated cells themselves, each left out of its "
            "own answer; calibration figures are a little too good"
        )
    where = f"{atlas.path}, " + ("all labelled cells" if split is None else f"split {split}")
    return _answered(atlas, proposer, recipe, got, mode, where, notes)


def _without_vector(
    atlas: Atlas, labels: dict[int, str], embedded: set[int]
) -> list[tuple[str, str]]:
    missing = [cell_id for cell_id in labels if cell_id not in embedded]
    cells = atlas.cells_by_id(missing)
    return [(cells[cell_id].file, "not embedded under this model") for cell_id in missing]


def _labelled(
    atlas: Atlas, found: Iterable[object], split: str | None, got: _Collected
) -> Iterator[tuple[Found, str]]:
    """The pictures of ``found`` with their class; the others go to ``got.left_out``."""
    namer = Namer(atlas.taxonomy)
    for each in found:
        if not isinstance(each, Found):
            got.left_out.append((each.file, each.reason))  # type: ignore[attr-defined]
            continue
        if split is not None and each.split != split:
            continue
        label = namer.code(each.class_text, each.subclass_text)
        if label is not None:
            yield each, label
        elif each.class_text or each.subclass_text:
            text = " / ".join(filter(None, (each.class_text, each.subclass_text)))
            got.left_out.append((each.file, f"class {text!r} is not in the taxonomy"))
        else:
            got.left_out.append((each.file, "no class is given"))


def open_classes(atlas: Atlas, answers: Iterable[str]) -> set[str]:
    """Classes among the ``answers`` whose subclasses are answers too and all there is of them.

    A label of such a class (neutrophil, beside band and segmented) leaves open which subclass is
    right: no answer can be judged by it.
    """
    given, complete = set(answers), set(complete_classes())
    return {
        code for code in given & complete if given & (atlas.taxonomy.descendants(code) - {code})
    }


def _answered(
    atlas: Atlas,
    proposer: Proposer,
    recipe: Recipe,
    got: _Collected,
    mode: str,
    source: str,
    notes: list[str],
) -> Evaluated:
    """Keep what can be judged at the level, ask for proposals, and measure retrieval."""
    references = proposer.references
    unclear = open_classes(atlas, proposer.classes)
    kept: list[int] = []
    true: list[str] = []
    for row, query in enumerate(got.queries):
        code = atlas.taxonomy.at_level(query.label, recipe.level)
        if code is None:
            got.left_out.append((query.name, f"label {query.label} is above level {recipe.level}"))
        elif code in unclear:
            got.left_out.append((query.name, f"label {code} leaves open which subclass it is"))
        else:
            kept.append(row)
            true.append(code)
    if not kept:
        raise EvaluationError(
            f"none of the cells of {source} can be measured"
            + (f"; the first: {': '.join(got.left_out[0])}" if got.left_out else ""),
            "give --labels with a class for each file, or another --split or --level",
        )
    queries = [got.queries[row] for row in kept]
    vectors = np.stack([got.vectors[row] for row in kept])
    out = _Exclusions.of(queries, recipe.leave_out)
    proposals = _proposals(proposer, vectors, out)
    own = out.numbers(references)
    same_source = mode == "each"
    return Evaluated(
        cells=[
            Judged(q.name, code, q.sha256, proposal, q.picture, q.dataset, q.patient, q.slide)
            for q, code, proposal in zip(queries, true, proposals, strict=True)
        ],
        retrieval=_retrieval(atlas, proposer, recipe, vectors, true, own, unclear),
        mode=mode,
        source=source,
        references=len(references) - same_source,
        reference_sha256=data_hash(zip(references.hashes, references.codes, strict=True)),
        model_id=proposer.model_id,
        level=recipe.level,
        k=recipe.k,
        same_patient_left_out=int(((own["patient"] >= 0) | (own["slide"] >= 0)).sum()),
        duplicates_left_out=_with_twin(references, own["hash"], queries),
        left_out=got.left_out,
        notes=[*notes, *proposer.calibration.notes],
    )


def _with_twin(references: References, numbers: np.ndarray, queries: Sequence[Query]) -> int:
    """Cells of which a reference other than the cell itself shows the same pixels."""
    counts = np.bincount(references.hash_numbers[references.hash_numbers >= 0], minlength=1)
    itself = references.rows([-1 if q.cell_id is None else q.cell_id for q in queries]) >= 0
    shown = np.where(numbers >= 0, counts[np.maximum(numbers, 0)], 0)
    return int((shown > itself).sum())


@dataclass(frozen=True)
class _Exclusions:
    """For each query what must not answer it: its own id, patient, slide and pixels."""

    cells: list[int | None]
    patients: list[str | None]
    slides: list[str | None]
    hashes: list[str | None]

    @classmethod
    def of(cls, queries: Sequence[Query], leave_out: str) -> _Exclusions:
        """Patient, or slide where no patient is known, of queries whose data set is known."""
        patients: list[str | None] = []
        slides: list[str | None] = []
        for query in queries:
            known = leave_out == "patient" and query.dataset is not None
            patient = f"{query.dataset}/{query.patient}" if known and query.patient else None
            slide = f"{query.dataset}/{query.slide}" if known and query.slide else None
            patients.append(patient)
            slides.append(None if patient else slide)
        return cls(
            [query.cell_id for query in queries], patients, slides, [q.sha256 for q in queries]
        )

    def numbers(self, references: References) -> dict[str, np.ndarray]:
        """The same as numbers among ``references``, negative for none, int [Q] each."""
        return {
            "cell": references.rows([-1 if i is None else i for i in self.cells]),
            "patient": references.numbers_of("patient", self.patients),
            "slide": references.numbers_of("slide", self.slides),
            "hash": references.numbers_of("hash", self.hashes),
        }


def _proposals(proposer: Proposer, vectors: np.ndarray, out: _Exclusions) -> list[Proposal]:
    found: list[Proposal] = []
    for at in track(range(0, len(vectors), BATCH), None, "answering", "batch"):
        part = slice(at, at + BATCH)
        found += proposer.propose(
            vectors[part],
            not_cells=out.cells[part],
            not_patients=out.patients[part],
            not_slides=out.slides[part],
            not_hashes=out.hashes[part],
        )
    return found


def _retrieval(
    atlas: Atlas,
    proposer: Proposer,
    recipe: Recipe,
    vectors: np.ndarray,
    true: list[str],
    own: dict[str, np.ndarray],
    unclear: set[str],
) -> RetrievalMetrics | None:
    """Retrieval figures among the references whose label is clear at the level; None without."""
    references = proposer.references
    codes = [atlas.taxonomy.at_level(code, recipe.level) for code in references.codes]
    clear = np.array([code is not None and code not in unclear for code in codes])
    ids, found = atlas.embeddings(proposer.model_id, CellFilter(labelled=True))
    rows = references.rows(ids)
    chosen = rows >= 0
    chosen[chosen] = clear[rows[chosen]]
    rows, found = rows[chosen], found[chosen]
    if not len(rows):
        return None
    keys = {
        "cell": np.arange(len(references)),
        "patient": references.patient_numbers,
        "slide": references.slide_numbers,
        "hash": references.hash_numbers,
    }
    return retrieval_metrics(
        vectors,
        np.array(true),
        found,
        np.array([codes[row] for row in rows]),
        same_source=False,
        ks=tuple(sorted({*recipe.ks, recipe.k})),
        exclude=[(own[name], keys[name][rows]) for name in keys if (own[name] >= 0).any()],
    )

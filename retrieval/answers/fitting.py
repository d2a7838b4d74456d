"""Which cells calibrate an atlas, and where what they teach is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from index import Atlas, CellFilter
from index.errors import AtlasError
from retrieval.answers.calibration import Calibration, learn_calibration
from retrieval.answers.neighbours import Exclusion
from retrieval.answers.references import Columns, References, load_references
from retrieval.answers.tree import Ancestry
from retrieval.answers.voting import NO_VOTE, Integers, Votes

FORMAT = 1
VAL_LEAST = 200  # fewer labelled val cells than this do not calibrate alone
MOST = 4000  # left-out references used at most
STALE = 0.05  # relearned when the number of references has changed by more than this share ...
STALE_LEAST = 10  # ... and by more than this many

Voting = Callable[[np.ndarray, Exclusion], Votes]


@dataclass(frozen=True)
class Recipe:
    """All that a calibration depends on besides the labels; it names the document."""

    model_id: str
    level: str
    k: int
    coverage: float
    voter: str
    prior: str
    seed: int
    limits: CellFilter | None

    @property
    def document(self) -> str:
        """The name under which the atlas keeps the calibration."""
        given = asdict(self)
        digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()
        return f"calibration/{self.model_id[:12]}/{self.level}/k{self.k}/{digest[:12]}"


def is_stale(document: dict[str, Any], labels: int, classes: tuple[str, ...], origins: int) -> bool:
    """Whether a kept calibration no longer fits: other classes, too many new labels, or cells of
    which patient, slide or split has become known since (``origins``, see ``Marks``)."""
    if document.get("format") != FORMAT:
        return True
    if tuple(document["calibration"]["classes"]) != classes:
        return True
    if document.get("origins", 0) != origins:
        return True
    changed = abs(labels - document["labels"])
    return bool(changed > max(STALE_LEAST, STALE * document["labels"]))


def as_document(recipe: Recipe, labels: int, learned: Calibration, origins: int) -> dict[str, Any]:
    """What the atlas keeps of a calibration learned when it had ``labels`` references."""
    return {
        "format": FORMAT,
        "recipe": asdict(recipe),
        "labels": labels,
        "origins": origins,
        "calibration": learned.to_document(),
    }


def keep(atlas: Atlas, recipe: Recipe, document: dict[str, Any]) -> bool:
    """Write ``document`` into the atlas; False where that cannot be written just now.

    A calibration can be learned again, so an atlas that is read-only or busy still answers.
    """
    try:
        atlas.put_document(recipe.document, document)
    except AtlasError:
        return False
    return True


def fit(
    atlas: Atlas,
    recipe: Recipe,
    references: References,
    columns: Columns,
    ancestry: Ancestry,
    vote: Voting,
) -> Calibration:
    """Learn the calibration of an atlas.

    Calibration cells are the labelled cells of split val within the limits (whether or not these
    let val cells vote), voted on by the references outside val, if there are VAL_LEAST of them;
    else the references themselves (at most MOST, drawn by seed), each voted on by the others. A
    cell is never voted on by itself, by an exact duplicate, by a cell of its patient or, where the
    patient is unknown, of its slide. A cell whose label leaves the answer open (see
    ``voting.pass_down``) teaches nothing.
    """
    limits = replace(recipe.limits or CellFilter(), splits=("val",))
    pool, source = load_references(atlas, recipe.model_id, limits), "val"
    truth = columns.truth_of(pool, atlas.taxonomy, recipe.level)
    if (truth != NO_VOTE).sum() < VAL_LEAST:
        pool, source, limits = references, "left-out", recipe.limits or CellFilter()
        truth = columns.truth_of(pool, atlas.taxonomy, recipe.level)
    rows = np.flatnonzero(truth != NO_VOTE)
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(recipe.seed).permutation(rows)[:MOST])
    ids, vectors = atlas.embeddings(recipe.model_id, replace(limits, labelled=True))
    chosen = np.isin(ids, pool.ids[rows])
    vectors, rows = vectors[chosen], pool.rows(ids[chosen])
    votes, notes = _left_out_votes(references, pool.take(rows), vectors, source, vote)
    learned = learn_calibration(
        votes,
        truth[rows],
        ancestry,
        coverage=recipe.coverage,
        source=source,
        groups=group_numbers(pool)[rows],
        seed=recipe.seed,
    )
    return replace(learned, notes=(*learned.notes, *notes))


def group_numbers(references: References) -> Integers:
    """[R] the number of the patient, else of the slide, else -1; the two never share a number."""
    shift = references.patient_numbers.max(initial=-1) + 1
    slides = np.where(references.slide_numbers >= 0, references.slide_numbers + shift, -1)
    return np.where(references.patient_numbers >= 0, references.patient_numbers, slides)


def _left_out_votes(
    references: References, cells: References, vectors: np.ndarray, source: str, vote: Voting
) -> tuple[Votes, list[str]]:
    """The votes on calibration ``cells`` of those references that may vote on them."""
    forbidden = (references.splits == "val") if source == "val" else None
    alone = Exclusion(
        references.rows(cells.ids),
        hashes=references.numbers_of("hash", cells.hashes.tolist()),
        forbidden=forbidden,
    )
    patients = references.numbers_of("patient", cells.full_names("patient"))
    slides = references.numbers_of("slide", cells.full_names("slide"))
    slides = np.where(cells.patient_numbers < 0, slides, -2)
    votes = vote(vectors, replace(alone, patients=patients, slides=slides))
    if not len(cells) or np.isfinite(votes.nearest).mean() >= 0.5:
        return votes, []
    note = (
        "the references come from too few patients or slides to leave one out: the calibration "
        "has seen each cell's own patient and may promise too much"
    )
    return vote(vectors, alone), [note]

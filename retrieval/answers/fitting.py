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
from retrieval.answers.references import References
from retrieval.answers.tree import Ancestry
from retrieval.answers.voting import NO_VOTE, Booleans, Integers, Votes

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


def is_stale(document: dict[str, Any], labels: int, classes: tuple[str, ...]) -> bool:
    """Whether a kept calibration no longer fits: other classes, or too many new labels."""
    if document.get("format") != FORMAT:
        return True
    if tuple(document["calibration"]["classes"]) != classes:
        return True
    changed = abs(labels - document["labels"])
    return bool(changed > max(STALE_LEAST, STALE * document["labels"]))


def as_document(recipe: Recipe, labels: int, learned: Calibration) -> dict[str, Any]:
    """What the atlas keeps of a calibration learned when it had ``labels`` references."""
    return {
        "format": FORMAT,
        "recipe": asdict(recipe),
        "labels": labels,
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
    atlas: Atlas, recipe: Recipe, references: References, columns: Integers, ancestry: Ancestry,
    vote: Voting, open_columns: set[int],
) -> Calibration:  # fmt: skip
    """Learn the calibration of an atlas.

    Calibration cells are the labelled cells of split val, voted on by the references outside val,
    if there are VAL_LEAST of them; else the references themselves (at most MOST, drawn by seed),
    each voted on by the others. A cell is never voted on by itself, by an exact duplicate, by a
    cell of its patient or, where the patient is unknown, of its slide. ``open_columns`` are
    classes whose label leaves the answer open (see ``voting.pass_down``): such cells teach nothing.
    """
    known = (columns != NO_VOTE) & ~np.isin(columns, list(open_columns))
    val = known & (references.splits == "val")
    source = "val" if val.sum() >= VAL_LEAST else "left-out"
    rows = np.flatnonzero(val if source == "val" else known)
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(recipe.seed).permutation(rows)[:MOST])
    forbidden = (references.splits == "val") if source == "val" else None
    vectors, rows = _vectors(atlas, recipe, references, rows, source)
    votes, notes = _left_out_votes(references, rows, vectors, forbidden, vote)
    groups = group_numbers(references)[rows]
    learned = learn_calibration(
        votes,
        columns[rows],
        ancestry,
        coverage=recipe.coverage,
        source=source,
        groups=groups,
        seed=recipe.seed,
    )
    return replace(learned, notes=(*learned.notes, *notes))


def group_numbers(references: References) -> Integers:
    """[R] the number of the patient, else of the slide, else -1; the two never share a number."""
    shift = references.patient_numbers.max(initial=-1) + 1
    slides = np.where(references.slide_numbers >= 0, references.slide_numbers + shift, -1)
    return np.where(references.patient_numbers >= 0, references.patient_numbers, slides)


def _vectors(
    atlas: Atlas, recipe: Recipe, references: References, rows: Integers, source: str
) -> tuple[np.ndarray, Integers]:
    """The embeddings of reference ``rows``, and the rows, less those gone meanwhile."""
    wanted = replace(recipe.limits or CellFilter(), labelled=True)
    if source == "val":
        wanted = replace(wanted, splits=("val",))
    ids, vectors = atlas.embeddings(recipe.model_id, wanted)
    chosen = np.isin(ids, references.ids[rows])
    return vectors[chosen], references.rows(ids[chosen])


def _left_out_votes(
    references: References,
    rows: Integers,
    vectors: np.ndarray,
    forbidden: Booleans | None,
    vote: Voting,
) -> tuple[Votes, list[str]]:
    patients = references.patient_numbers[rows]
    slides = np.where(patients < 0, references.slide_numbers[rows], -1)
    duplicates = references.hash_numbers[rows]
    exclusion = Exclusion(rows, patients, slides, duplicates, forbidden)
    votes = vote(vectors, exclusion)
    alone = ~np.isfinite(votes.nearest)
    if alone.mean() <= 0.5 or not len(rows):
        return votes, []
    note = (
        "the references come from too few patients or slides to leave one out: the calibration "
        "has seen each cell's own patient and may promise too much"
    )
    return vote(vectors, Exclusion(rows, hashes=duplicates, forbidden=forbidden)), [note]

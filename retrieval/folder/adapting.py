"""A few labels of a laboratory adapt the answers to it, in seconds and without training."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from retrieval.described import Described
from retrieval.folder.errors import AdaptError
from retrieval.folder.fitting import (
    NEIGHBOURS_ALONE,
    PENALTY,
    Labelled,
    Way,
    answer,
    choose,
    known_before,
    left_out,
    taught_ridge,
    ways,
)
from retrieval.folder.folder import Folder
from retrieval.folder.graph import shares
from retrieval.folder.reading import allowed_columns
from retrieval.folder.ridge import Linear, soft
from retrieval.folder.space import Booleans, Floats, Integers, Space, centred, unit

FORMAT = 1
SCORE_WEIGHT = 1.0  # of the ridge's scores beside the features, in the adapted space


@dataclass(frozen=True)
class Adaptation:
    """What n labels of a laboratory taught, over C classes.

    counts: [C] labels of each. way: how they are used. accuracy: balanced, of the labelled cells
    when their fold did not teach; NaN where no class has two labels. neighbour_accuracy: that of
    the vote of neighbours on the same folds. seconds: it took. middle: the mean of each block of
    the features over the laboratory. learned: the ridge; where the way is a vote, for single cells.

    probabilities: [N, C] of the cells adapted on, in the order given. held_out: [n, C] of the
    labelled ones, none by its own label; NaN for those not judged so. Both are absent (None) in one
    read from a document.
    """

    classes: tuple[str, ...]
    counts: tuple[int, ...]
    way: Way
    accuracy: float
    neighbour_accuracy: float
    seconds: float
    middle: tuple[Floats, ...]
    learned: Linear
    space: Space
    probabilities: Floats | None = None
    held_out: Floats | None = None

    @property
    def labels(self) -> int:
        """n."""
        return sum(self.counts)

    def points(self, cells: Described) -> Floats:
        """[M, E] cells about the middle of the laboratory."""
        return centred(self.space.blocks(cells), self.middle)

    def adapted(self, points: Floats) -> Floats:
        """[M, E + C] unit rows of the space in which neighbours are shown: what decides is in it.

        points: [M, E] centred features, of this laboratory (``points``) or of another about its
        own middle (``folder.points_by_group``).
        """
        scores = self.learned.scores(points)
        return unit(np.concatenate([points, SCORE_WEIGHT * scores], axis=1))

    def apply(self, cells: Described, before: ArrayLike | None = None) -> Floats:
        """[M, C] probabilities of other cells of the laboratory, each by itself.

        before: [M, C] what is known of them without labels.
        """
        own = soft(self.learned.scores(self.points(cells)), np.asarray(self.counts) > 0)
        if before is None:
            return own
        return shares((1 - self.way.before) * own + self.way.before * np.asarray(before))

    def to_document(self) -> dict[str, Any]:
        """As plain values that JSON can hold."""
        return {
            "format": FORMAT,
            "classes": list(self.classes),
            "counts": list(self.counts),
            "way": asdict(self.way),
            "accuracy": None if np.isnan(self.accuracy) else self.accuracy,
            "neighbour_accuracy": (
                None if np.isnan(self.neighbour_accuracy) else self.neighbour_accuracy
            ),
            "seconds": self.seconds,
            "middle": [_text(each) for each in self.middle],
            "weights": _text(self.learned.weights),
            "offset": _text(self.learned.offset),
            "parts": [list(part) for part in self.space.parts],
            "score_classes": list(self.space.score_classes),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Adaptation:
        """The adaptation that ``to_document`` wrote; AdaptError for anything else."""
        try:
            if document["format"] != FORMAT:
                raise KeyError("format")
            classes = tuple(document["classes"])
            accuracy, peer = document["accuracy"], document["neighbour_accuracy"]
            return cls(
                classes,
                tuple(document["counts"]),
                Way(**document["way"]),
                float("nan") if accuracy is None else accuracy,
                float("nan") if peer is None else peer,
                document["seconds"],
                tuple(_array(each) for each in document["middle"]),
                Linear(
                    _array(document["weights"]).reshape(-1, len(classes)),
                    _array(document["offset"]) if "offset" in document else np.zeros(1, np.float32),
                ),
                Space(
                    tuple((str(name), int(width)) for name, width in document["parts"]),
                    tuple(document["score_classes"]),
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise AdaptError(
                f"an adaptation that was kept cannot be read ({error})", "run cellkin adapt again"
            ) from error


def adapt(
    folder: Folder,
    rows: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[str],
    *,
    start: ArrayLike | None = None,
    allowed: Sequence[str] | None = None,
    way: Way | None = None,
    penalty: float = PENALTY,
    groups: ArrayLike | None = None,
) -> Adaptation:
    """Adapt to a laboratory from n labelled of its N cells, prepared as ``folder``.

    rows: [n] which cells, in the order given to ``folder``, each once. labels: [n] class numbers in
    ``classes`` [C]. start: [N, C] what is known without labels (``FolderReading.probabilities``).
    allowed: codes of the classes that can occur; labels of others teach nothing. way: how to use
    the labels, as a former adaptation chose; by default the ways are compared. penalty: of the
    ridge of the way to prefer; a larger one makes more modest probabilities. groups: [n] patient or
    slide numbers of the labelled cells, negative where unknown: one's own never judges.
    Raises AdaptError where no label teaches anything.
    """
    begun = time.perf_counter()
    can = allowed_columns(classes, allowed)
    given = np.asarray(rows, dtype=np.int64)
    column = np.asarray(labels, dtype=np.int64)
    _check(given, column, len(folder), len(classes))
    kept = can[column]
    if not kept.any():
        raise AdaptError(
            f"none of {len(given)} labels is of a class that can occur here",
            "label some cells first, or declare their classes",
        )
    of_whom = None if groups is None else np.asarray(groups, dtype=np.int64)[kept]
    labelled = Labelled(folder.rows(given[kept]), column[kept], len(classes), of_whom)
    known = None if start is None else folder.inside(np.asarray(start, dtype=np.float32))
    before = known_before(known, labelled, can)
    tried = ways(labelled.each, before is not None, penalty)
    if way is not None:
        tried = (way, NEIGHBOURS_ALONE)
    out = left_out(folder, labelled, before, tried)
    chosen, accuracy = choose(out, labelled)
    best = tried[chosen]
    probabilities = answer(folder, labelled, before, best)
    held_out = np.full((len(given), len(classes)), np.nan, dtype=np.float32)
    held_out[kept] = out[chosen]
    single = penalty if best.penalty is None else best.penalty
    return Adaptation(
        tuple(classes),
        tuple(int(count) for count in labelled.counts),
        best,
        float(accuracy[chosen]),
        float(accuracy[-1]),
        time.perf_counter() - begun,
        tuple(folder.middle),
        taught_ridge(folder, labelled, single),
        folder.space,
        folder.outside(_within(probabilities, can)),
        held_out,
    )


def _within(probabilities: Floats, can: Booleans) -> Floats:
    result: Floats = np.where(can[None, :], shares(probabilities * can[None, :]), 0)
    return result.astype(np.float32)


def _check(rows: Integers, labels: Integers, cells: int, classes: int) -> None:
    if rows.shape != labels.shape or rows.ndim != 1:
        raise AdaptError(
            f"rows have shape {rows.shape} and labels {labels.shape}, allowed is [n] for both",
            "give one label a row",
        )
    if len(np.unique(rows)) != len(rows):
        raise AdaptError("a cell is labelled twice", "give each labelled cell once")
    for name, values, most in (("row", rows, cells), ("class number", labels, classes)):
        if len(values) and (values.min() < 0 or values.max() >= most):
            bad = int(values.min() if values.min() < 0 else values.max())
            raise AdaptError(
                f"a {name} is {bad}, allowed is 0 to {most - 1}", "give rows and classes that exist"
            )


def _text(values: Floats) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def _array(text: str) -> Floats:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)

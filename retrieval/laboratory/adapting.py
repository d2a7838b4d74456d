"""The adaptation of an atlas to one of its data sets, and the record that is kept of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import Atlas
from index.adaptations import AdaptationRecord, keep_adaptation
from index.errors import AtlasError
from index.moment import now
from index.seeing import SeenAtlas
from index.wording import counted
from retrieval.answers.voting import Integers
from retrieval.folder import Adaptation, AdaptError, FolderReading, Way, adapt
from retrieval.laboratory.declared import declared_limits
from retrieval.laboratory.known import KnownCells, model_space
from retrieval.laboratory.room import OwnCells, Together

FORMAT = 1
SAME_WAY = 0.25  # labels may grow by this share before the ways of using them are compared anew


@dataclass(frozen=True)
class Adapted:
    """An adaptation and what it says of the cells it was made on.

    probabilities: [N, C]. judged: [m] which of the labelled cells were answered without their own
    label, held_out: [m, C] how.
    """

    adaptation: Adaptation
    probabilities: NDArray[np.float32]
    judged: Integers
    held_out: NDArray[np.float32]


@dataclass(frozen=True)
class AdaptReport:
    """What ``adapt_dataset`` did. accuracy, neighbour_accuracy: None where no class has two labels.

    cells: of the data set. labels: by class code. reached: share of the data set's cells whose
    class the labels changed. made: when.
    """

    dataset: str
    model_id: str
    cells: int
    labels: dict[str, int]
    way: dict[str, Any]
    accuracy: float | None
    neighbour_accuracy: float | None
    changed: float | None
    seconds: float
    made: str

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return dict(vars(self))


def document_name(model_id: str, dataset: str) -> str:
    """Under which name an atlas keeps the adaptation to ``dataset``."""
    return f"adaptation/{model_id[:12]}/{dataset}"


def kept_adaptation(atlas: Atlas, model_id: str, dataset: str) -> dict[str, Any] | None:
    """The record of the last adaptation to ``dataset``: model, labels, accuracy, way, time; None
    where there is none that this CellKin can read.

    Its "adaptation" is for ``Adaptation.from_document``, "fingerprint" names the labels it rests
    on (``OwnCells.fingerprint``).
    """
    document = atlas.document(document_name(model_id, dataset))
    if document is None or document.get("format") != FORMAT:
        return None
    return document


@dataclass(frozen=True)
class Gathered:
    """A data set of the atlas before its labels are used: its cells, and what others say of them.

    known: labelled cells of other laboratories. reading: None where there are none.
    """

    known: KnownCells
    own: OwnCells
    together: Together
    reading: FolderReading | None

    @classmethod
    def load(
        cls,
        atlas: Atlas,
        model_id: str,
        metadata: dict[str, Any],
        name: str,
        *,
        labelled: bool = False,
    ) -> Gathered:
        """All embedded cells of data set ``name``, read as a whole.

        Raises AdaptError where none is embedded, or with ``labelled`` none labelled, before
        anything is read; UnknownDatasetError, NoReferencesError.
        """
        limits = declared_limits(atlas, name)
        everyone = KnownCells.load(atlas, model_id, model_space(metadata), limits)
        own = OwnCells.load(atlas, name, everyone)
        _require(own, labelled)
        known = everyone.take(~everyone.of_dataset(name))
        together = Together.of(known, None, (), own)
        return cls(known, own, together, together.read(known))


def adapt_dataset(
    atlas: Atlas,
    model_id: str,
    metadata: dict[str, Any],
    name: str,
    gathered: Gathered | None = None,
) -> AdaptReport:
    """Adapt ``atlas`` to its data set ``name`` by the labels that this has, and keep that.

    Everything is chosen anew by cross-validation. gathered: the data set, where it is at hand.
    Raises AdaptError where the data set has no label or nothing embedded, UnknownDatasetError,
    NoReferencesError.
    """
    begun = time.perf_counter()
    if gathered is None:
        gathered = Gathered.load(atlas, model_id, metadata, name, labelled=True)
    known, own, reading = gathered.known, gathered.own, gathered.reading
    _require(own, True)
    found = _fit(known, own, gathered.together, reading, None)
    seconds = time.perf_counter() - begun
    record = keep(atlas, known, own, found, seconds)
    remember(atlas, known, own, found.adaptation, way=record["adaptation"]["way"], seconds=seconds)
    changed = None
    if reading is not None:
        changed = float((found.probabilities.argmax(1) != reading.probabilities.argmax(1)).mean())
    return AdaptReport(
        name,
        model_id,
        len(own),
        record["labels"],
        record["adaptation"]["way"],
        record["adaptation"]["accuracy"],
        record["adaptation"]["neighbour_accuracy"],
        changed,
        seconds,
        record["made"],
    )


def _require(own: OwnCells, labelled: bool) -> None:
    """AdaptError unless some cell of the data set is embedded and, if asked, has a label."""
    if not len(own):
        raise AdaptError(
            f"no cell of data set {own.name} is embedded under the atlas's model",
            "run cellkin embed first",
        )
    if labelled and not len(own.rows):
        raise AdaptError(
            f"none of the {counted(len(own), 'cell')} of data set {own.name} has a label",
            "label some of each class with cellkin annotate, or import them with --labels",
        )


def fit_together(
    atlas: Atlas,
    known: KnownCells,
    own: OwnCells,
    together: Together,
    reading: FolderReading | None,
    *,
    lasting: bool = True,
) -> Adapted:
    """Adapt to the labels of ``own`` over all cells ``together``.

    The way is that of the record while there are about as many labels, else it is chosen anew; what
    rests on other labels than the record is kept in its place and logged. Not ``lasting``, nothing
    is kept: what was declared for one question only is no adaptation of the atlas.
    """
    begun = time.perf_counter()
    record = kept_adaptation(atlas, known.model_id, own.name)
    way = None
    if record is not None and tuple(record["adaptation"]["classes"]) == known.classes:
        had = sum(record["adaptation"]["counts"])
        if abs(len(own.rows) - had) <= SAME_WAY * had:
            way = Way(**record["adaptation"]["way"])
    found = _fit(known, own, together, reading, way)
    if lasting and (record is None or record["fingerprint"] != own.fingerprint):
        seconds = time.perf_counter() - begun
        made = keep(atlas, known, own, found, seconds)
        remember(
            atlas, known, own, found.adaptation, way=made["adaptation"]["way"], seconds=seconds
        )
    return found


def _fit(
    known: KnownCells,
    own: OwnCells,
    together: Together,
    reading: FolderReading | None,
    way: Way | None,
) -> Adapted:
    found = adapt(
        together.folder,
        own.rows,
        own.columns,
        known.classes,
        start=None if reading is None else reading.probabilities,
        way=way,
        groups=own.groups,
    )
    if found.probabilities is None or found.held_out is None:
        raise ValueError("a fresh adaptation holds its probabilities")
    judged = np.flatnonzero(np.isfinite(found.held_out).all(axis=1))
    return Adapted(found, found.probabilities, judged, found.held_out[judged])


def keep(
    atlas: Atlas, known: KnownCells, own: OwnCells, found: Adapted, seconds: float
) -> dict[str, Any]:
    """Write the record of an adaptation, where the atlas can be written to just now."""
    counts = zip(known.classes, found.adaptation.counts, strict=True)
    record = {
        "format": FORMAT,
        "dataset": own.name,
        "model": known.model_id,
        "fingerprint": own.fingerprint,
        "cells": len(own),
        "labels": {code: count for code, count in counts if count},
        "seconds": round(seconds, 3),
        "made": now(),
        "adaptation": found.adaptation.to_document(),
    }
    with contextlib.suppress(AtlasError):  # it can be worked out again
        atlas.put_document(document_name(known.model_id, own.name), record)
    return record


def remember(
    atlas: Atlas,
    known: KnownCells,
    own: OwnCells,
    adaptation: Adaptation | None,
    *,
    way: dict[str, Any],
    seconds: float,
) -> AdaptationRecord | None:
    """Add to the log of adaptations what ``own`` cells were read or taught by; one entry for the
    same labels, cells and way. None where the atlas cannot be written to just now."""
    digest = hashlib.sha256(known.references.ids.tobytes() + known.columns.tobytes())
    digest.update(own.ids.tobytes() + own.fingerprint.encode())
    digest.update(json.dumps([known.classes, way], sort_keys=True).encode())
    return log_adaptation(
        atlas,
        known.model_id,
        own.name,
        digest.hexdigest(),
        adaptation,
        cells=len(own),
        way=way,
        seconds=seconds,
    )


def log_adaptation(
    atlas: Atlas,
    model_id: str,
    dataset: str,
    fingerprint: str,
    adaptation: Adaptation | None,
    *,
    cells: int,
    way: dict[str, Any],
    seconds: float,
) -> AdaptationRecord | None:
    """The entry of an adaptation in the log, or of a reading as a whole (``adaptation`` None).

    ``fingerprint`` names all that it rests on: there is one entry for the same one. None where the
    atlas cannot be written to just now.
    """
    labels: dict[str, int] = {}
    accuracy = neighbours = None
    if adaptation is not None:
        counts = zip(adaptation.classes, adaptation.counts, strict=True)
        labels = {code: count for code, count in counts if count}
        accuracy, neighbours = adaptation.accuracy, adaptation.neighbour_accuracy
    record = AdaptationRecord(
        model_id,
        dataset,
        fingerprint[:32],
        labels,
        cells,
        way,
        _told(accuracy),
        _told(neighbours),
        atlas.sight.reader if isinstance(atlas, SeenAtlas) else None,
        round(seconds, 3),
    )
    try:
        return keep_adaptation(atlas, record)
    except AtlasError:
        return None


def _told(value: float | None) -> float | None:
    # a weighted mean of ones can end a hair above one
    return None if value is None or math.isnan(value) else min(float(value), 1.0)

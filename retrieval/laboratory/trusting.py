"""How far answers on one data set of an atlas can be trusted, in words, in figures and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index import Atlas, CellFilter
from retrieval.evaluation.calibration import equal_mass_bins, expected_calibration_error
from retrieval.evaluation.intervals import Interval, wilson_interval
from retrieval.laboratory.answering import Answered, Room
from retrieval.trust.alarm import LEAST, Alarm
from retrieval.trust.expected import Expectation
from retrieval.trust.judge import Judgement
from retrieval.trust.laboratory import FEWEST_LABELS, Checked


@dataclass(frozen=True)
class TrustReport:
    """What is known of the answers on data set ``dataset``.

    cells: embedded ones. labels: how many of them are labelled. right: share of the labelled cells
    that were answered rightly without their own label, with its 95% interval; None without labels
    enough. ece: calibration error of these answers (equal-mass bins).
    """

    dataset: str
    cells: int
    labels: int
    answered: Answered
    right: float | None
    interval: Interval | None
    ece: float | None

    @property
    def checked(self) -> Checked | None:
        """The labelled cells on which probabilities and thresholds rest: its own where it has
        enough, else those of the known laboratories."""
        return self.answered.judgement.trust.checked

    def words(self) -> list[str]:
        """In sentences, the most important first."""
        said = []
        if self.right is not None and self.interval is not None and self.ece is not None:
            said.append(
                f"{self.right:.1%} of its {self.labels:,} labelled cells are answered rightly "
                f"without their own label ({self.interval.low:.1%} to {self.interval.high:.1%}); "
                f"stated probabilities are off by {self.ece:.1%} on the mean"
            )
        return [*said, *self.answered.judgement.words()]

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        interval = self.interval
        return {
            "dataset": self.dataset,
            "cells": self.cells,
            "labels": self.labels,
            "right": self.right,
            "interval": None if interval is None else [interval.low, interval.high],
            "ece": self.ece,
            **self.answered.as_dict(),
            "words": self.words(),
        }

    def draw(self, path: Path) -> bool:
        """Write reliability and risk–coverage as one PNG; False where no labelled cell is known."""
        if self.checked is None:
            return False
        from retrieval.trust.picture import draw_trust

        own = self.answered.judgement.trust.source == "labels"
        what = f"its own {self.labels:,} labelled cells" if own else "cells of known laboratories"
        draw_trust(self.checked, f"{self.dataset}: measured on {what}", path)
        return True


def trust_dataset(
    atlas: Atlas, model_id: str, metadata: dict[str, Any], name: str, *, seed: int | None = None
) -> TrustReport:
    """Read, judge and check data set ``name``; nothing is changed but what ``adapt`` keeps.

    Raises AnswerError where it has no embedded cell, UnknownDatasetError, NoReferencesError.
    """
    room = Room(atlas, model_id, metadata, dataset=name, seed=seed)
    answered, own = room.answer_own(), room.own
    if own is None:
        raise ValueError("a room of a data set has its cells")
    checked = _by_labels(answered.judgement)
    ece = None
    if checked is not None:
        ece = expected_calibration_error(equal_mass_bins(checked.stated, checked.right))
    right, interval = _share_right(checked)
    return TrustReport(name, len(own), len(own.rows), answered, right, interval, ece)


@dataclass(frozen=True)
class InShort:
    """The most important of a judgement on a data set, small enough to be held.

    alarm: likeness to known laboratories. expected: the accuracy to expect, None where labels tell
    it. cells, labels: of the data set. right: share of the labelled cells that were answered
    rightly without their own label, with its 95% interval; None without labels enough.
    """

    alarm: Alarm
    expected: Expectation | None
    cells: int
    labels: int
    right: float | None
    interval: Interval | None

    @classmethod
    def of(cls, judgement: Judgement, cells: int, labels: int) -> InShort:
        """What to keep of ``judgement``."""
        share = _share_right(_by_labels(judgement))
        return cls(judgement.alarm, judgement.expected, cells, labels, *share)


def _by_labels(judgement: Judgement) -> Checked | None:
    """The laboratory's own labelled cells, where there are enough to measure by."""
    return judgement.trust.checked if judgement.trust.source == "labels" else None


def _share_right(checked: Checked | None) -> tuple[float | None, Interval | None]:
    if checked is None:
        return None, None
    right = checked.right
    return float(right.mean()), wilson_interval(int(right.sum()), len(right))


def hardly_labelled(atlas: Atlas, model_id: str) -> dict[str, int]:
    """The labels of each data set that has fewer than calibrate anything, with cells enough to be
    compared with others of which some are labelled."""
    found = {}
    for name in atlas.datasets()["name"].tolist():
        cells = atlas.count(CellFilter(datasets=(name,), embedded_with=model_id))
        labels = atlas.count(CellFilter(datasets=(name,), labelled=True))
        if cells >= LEAST and labels < min(FEWEST_LABELS, cells):
            found[name] = labels
    known = atlas.count(CellFilter(labelled=True, embedded_with=model_id))
    return found if known > sum(found.values()) else {}

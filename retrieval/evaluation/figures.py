"""All figures of an evaluation as one document: value and 95% interval of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.metrics import roc_auc_score

from index.taxonomy import Taxonomy
from retrieval.evaluation.calibration import CalibrationMetrics, calibration_metrics
from retrieval.evaluation.classification import (
    ClassificationMetrics,
    classification_metrics,
    confusion_figures,
)
from retrieval.evaluation.conformal import conformal_metrics
from retrieval.evaluation.intervals import ClusterBootstrap, Interval, ratio, wilson_interval
from retrieval.evaluation.judged import Evaluated, Judged
from retrieval.evaluation.selective import (
    SelectiveMetrics,
    decision_figures,
    selective_metrics,
    weighted_aurc,
)

DECISIONS = ("accept", "back_off", "abstain")
Document = dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """The document that ``metrics.json`` holds, and what the plots need besides."""

    document: Document
    classification: ClassificationMetrics
    calibration: CalibrationMetrics
    selective: SelectiveMetrics
    confidence: np.ndarray
    correct: np.ndarray


def figures_of(evaluated: Evaluated, taxonomy: Taxonomy, *, draws: int, seed: int) -> Figures:
    """Measure ``evaluated``: retrieval, classes, calibration, selection, sets, novelty.

    ``draws`` and ``seed`` are those of the bootstrap, whose groups are patients, else slides, else
    single cells.
    """
    cells = evaluated.cells
    groups = [cell.group for cell in cells]
    bootstrap = ClusterBootstrap(["\0".join(group) for group in groups], draws=draws, seed=seed)
    kinds = Counter(kind for kind, _ in set(groups))
    judge = _Judge(bootstrap, independent=set(kinds) == {"cell"})
    correct = np.array([cell.correct for cell in cells])
    confidence = np.array([cell.proposal.probability for cell in cells])
    classes, classification = _classification(cells, taxonomy, judge)
    calibration, calibrated = _calibration(cells, confidence, correct, judge)
    selection, selective = _selection(confidence, correct, bootstrap)
    document = {
        "bootstrap": {"draws": draws, "seed": seed, "groups": dict(kinds)},
        "retrieval": _retrieval(evaluated, judge),
        "classification": classes,
        "calibration": calibration,
        "selective": selection,
        "decisions": _decisions(cells, taxonomy, judge),
        "prediction_sets": _sets(cells, judge),
        "novelty": _novelty(cells),
    }
    return Figures(document, classification, calibrated, selective, confidence, correct)


@dataclass(frozen=True)
class _Judge:
    """Which interval a figure gets: by groups where cells are of patients or slides."""

    bootstrap: ClusterBootstrap
    independent: bool

    def share(self, hits: np.ndarray) -> Document:
        """A plain proportion of 0, 1 (NaN: not measured): Wilson where cells are independent.

        Where every group agrees a bootstrap has nothing to vary; Wilson over cells then stands in.
        """
        hits = np.asarray(hits, np.float64)
        known = hits[~np.isnan(hits)]
        interval = None if self.independent else self.bootstrap.mean(hits)
        if self.independent or (interval is not None and interval.low == interval.high):
            interval = wilson_interval(int(known.sum()), len(known))
        return figure(known.mean() if len(known) else None, interval)

    def mean(self, values: np.ndarray) -> Document:
        """A mean of values that are no yes or no."""
        known = values[~np.isnan(values)]
        return figure(known.mean() if len(known) else None, self.bootstrap.mean(values))


def figure(value: float | None, interval: Interval | None = None) -> Document:
    """One figure as the document keeps it; None where it could not be measured."""
    held = None if value is None or not np.isfinite(value) else float(value)
    return {"value": held, "interval": None if interval is None else asdict(interval)}


def _retrieval(evaluated: Evaluated, judge: _Judge) -> Document | None:
    found = evaluated.retrieval
    if found is None:
        return None
    values = found.per_query
    document: Document = {
        "queries": found.queries,
        "references": found.references,
        "without_own_class_among_references": found.lone,
        "precision_at_1": judge.share(values["precision_at_1"]),
    }
    for k in sorted(found.precision_at_k):
        document.setdefault(f"precision_at_{k}", judge.mean(values[f"precision_at_{k}"]))
    for name in ("r_precision", "map_at_r", "map_at_5_lenient", "map_at_5_strict"):
        document[name] = judge.mean(values[name])
    return document


def _classification(
    cells: list[Judged], taxonomy: Taxonomy, judge: _Judge
) -> tuple[Document, ClassificationMetrics]:
    true = np.array([cell.true for cell in cells])
    given = np.array([cell.proposal.class_code for cell in cells])
    found = classification_metrics(true, given, order=list(taxonomy.nodes))
    number = {code: column for column, code in enumerate(found.classes)}
    count = len(number)
    places = [number[a] * count + number[b] for a, b in zip(true, given, strict=True)]
    table = sparse.csr_array(
        (np.ones(len(cells)), (np.arange(len(cells)), places)), shape=(len(cells), count * count)
    )

    def redrawn(sums: np.ndarray) -> dict[str, np.ndarray]:
        matrices = sums.reshape(-1, count, count)
        right = np.diagonal(matrices, axis1=1, axis2=2)
        either = matrices.sum(axis=1) + matrices.sum(axis=2)
        f1 = {code: ratio(2 * right[:, c], either[:, c]) for code, c in number.items()}
        return confusion_figures(matrices) | f1

    spread = judge.bootstrap.of_sums(table, redrawn)
    kindred = [
        taxonomy.is_within(cell.true, cell.proposal.class_code)
        or taxonomy.is_within(cell.proposal.class_code, cell.true)
        for cell in cells
    ]
    document: Document = {
        "accuracy": judge.share(true == given),
        "accuracy_within_branch": judge.share(np.array(kindred)),
        "balanced_accuracy": figure(found.balanced_accuracy, spread["balanced_accuracy"]),
        "macro_f1": figure(found.macro_f1, spread["macro_f1"]),
        "classes": list(found.classes),
        "confusion": found.confusion.tolist(),
        "per_class": {},
    }
    for code, each in found.per_class.items():
        document["per_class"][code] = {
            "cells": each.support,
            "answered": each.answered,
            "precision": judge.share(np.where(given == code, true == code, np.nan)),
            "recall": judge.share(np.where(true == code, given == code, np.nan)),
            "f1": figure(each.f1, spread[code]),
        }
    return document, found


def _calibration(
    cells: list[Judged], confidence: np.ndarray, correct: np.ndarray, judge: _Judge
) -> tuple[Document, CalibrationMetrics]:
    codes = sorted({code for cell in cells for code in cell.proposal.probabilities})
    number = {code: column for column, code in enumerate(codes)}
    probabilities = np.zeros((len(cells), len(codes)))
    for row, cell in enumerate(cells):
        for code, probability in cell.proposal.probabilities.items():
            probabilities[row, number[code]] = probability
    true = np.array([number.get(cell.true, -1) for cell in cells])
    found = calibration_metrics(probabilities, true, confidence=confidence, correct=correct)

    def errors(name: str) -> Interval | None:
        place = found.per_cell[name]
        bins = int(place.max()) + 1
        gap = confidence - correct
        table = np.zeros((len(cells), bins))
        table[np.arange(len(cells)), place] = gap
        return judge.bootstrap.of_sums(
            np.column_stack([table, np.ones(len(cells))]),
            lambda sums: {"ece": np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1]},
        )["ece"]

    document = {
        "ece_equal_mass": figure(found.ece_equal_mass, errors("equal_mass")),
        "ece_equal_width": figure(found.ece_equal_width, errors("equal_width")),
        "brier": judge.mean(found.per_cell["brier"]),
        "nll": judge.mean(found.per_cell["nll"]),
        "mean_confidence": figure(found.mean_confidence),
        "bins": [asdict(entry) for entry in found.bins],
    }
    return document, found


def _selection(
    confidence: np.ndarray, correct: np.ndarray, bootstrap: ClusterBootstrap
) -> tuple[Document, SelectiveMetrics]:
    found = selective_metrics(confidence, correct)
    spread = bootstrap.of_weights(
        lambda weights: {"aurc": weighted_aurc(confidence, correct, weights)}
    )
    document = {
        "aurc": figure(found.aurc, spread["aurc"]),
        "excess_aurc": figure(found.excess_aurc),
        "coverage_at_risk": {
            f"{limit:g}": share for limit, share in found.coverage_at_risk.items()
        },
    }
    return document, found


def _decisions(cells: list[Judged], taxonomy: Taxonomy, judge: _Judge) -> Document:
    """Share of each decision, and of the answers it stands by how many are wrong."""
    decisions = np.array([cell.proposal.decision for cell in cells])
    right = np.array(
        [
            taxonomy.is_within(cell.true, cell.proposal.backed_off_to)
            if cell.proposal.decision == "back_off" and cell.proposal.backed_off_to
            else cell.correct
            for cell in cells
        ]
    )
    document: Document = {}
    for name, found in decision_figures(decisions, right, DECISIONS).items():
        document[name] = {
            "cells": found.count,
            "share": judge.share(decisions == name),
            "risk": judge.share(np.where(decisions == name, ~right, np.nan)),
        }
    return document


def _sets(cells: list[Judged], judge: _Judge) -> Document:
    true = [cell.true for cell in cells]
    sets = [cell.proposal.prediction_set for cell in cells]
    found = conformal_metrics(sets, true)
    held = np.array([code in members for members, code in zip(sets, true, strict=True)])
    truth = np.array(true)
    return {
        "coverage": judge.share(held),
        "mean_size": judge.mean(np.array([float(len(members)) for members in sets])),
        "single": figure(found.single),
        "single_correct": figure(found.single_correct),
        "empty": figure(found.empty),
        "sizes": {str(size): count for size, count in found.sizes.items()},
        "per_class": {
            code: judge.share(np.where(truth == code, held, np.nan)) for code in found.per_class
        },
    }


def _novelty(cells: list[Judged]) -> Document:
    """Mean novelty, and how well it tells cells of classes that no reference has (AUROC)."""
    scores = np.array([cell.proposal.novelty for cell in cells], np.float64)
    known = {code for cell in cells for code in cell.proposal.probabilities}
    strange = np.array([cell.true not in known for cell in cells])
    both = strange.any() and not strange.all()
    return {
        "mean": figure(scores.mean()),
        "cells_of_classes_without_reference": int(strange.sum()),
        "auroc": figure(roc_auc_score(strange, scores) if both else None),
    }

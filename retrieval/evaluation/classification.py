"""How often the named class is right, over all and class by class (scikit-learn)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from retrieval.evaluation.errors import EvaluationError


@dataclass(frozen=True)
class ClassFigures:
    """Of one class, all in 0..1: ``precision`` is 0 where it was never answered."""

    precision: float
    recall: float
    f1: float
    support: int
    answered: int


@dataclass(frozen=True)
class ClassificationMetrics:
    """``confusion`` int [C, C]: true class down, answer across, both in the order of ``classes``.

    ``balanced_accuracy`` is the mean recall over classes that occur in the truth; ``macro_f1`` the
    mean F1 over classes that occur in the truth or among the answers (scikit-learn's defaults).
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    per_class: dict[str, ClassFigures]
    classes: tuple[str, ...]
    confusion: np.ndarray = field(repr=False, compare=False)


def classification_metrics(
    true: Sequence[str] | np.ndarray,
    predicted: Sequence[str] | np.ndarray,
    *,
    order: Sequence[str] | None = None,
) -> ClassificationMetrics:
    """Figures of ``predicted`` [N] against ``true`` [N], class codes.

    ``order``: codes in display order; classes of neither list are left out, unlisted ones follow.
    """
    truth, answers = np.asarray(true, dtype=str), np.asarray(predicted, dtype=str)
    if len(truth) != len(answers) or not len(truth):
        raise EvaluationError(
            f"{len(truth)} true classes and {len(answers)} answers, "
            "as many of each and at least one are needed",
            "give one answer for each cell",
        )
    occur = set(truth) | set(answers)
    classes = [code for code in order or () if code in occur]
    classes += sorted(occur - set(classes))
    confusion = confusion_matrix(truth, answers, labels=classes)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, answers, labels=classes, zero_division=0.0
    )
    return ClassificationMetrics(
        accuracy=float(np.trace(confusion) / len(truth)),
        balanced_accuracy=float(recall[support > 0].mean()),
        macro_f1=float(f1.mean()),
        per_class={
            code: ClassFigures(
                float(precision[c]),
                float(recall[c]),
                float(f1[c]),
                int(support[c]),
                int(confusion[:, c].sum()),
            )
            for c, code in enumerate(classes)
        },
        classes=tuple(classes),
        confusion=confusion,
    )


def confusion_figures(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """The same three summary figures from many confusion matrices at once.

    ``confusion``: [..., C, C] counts or weights, true class down. → each figure [...]. For the
    bootstrap; a class that occurs in neither truth nor answers of a matrix is left out of its mean.
    """
    confusion = np.asarray(confusion, np.float64)
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    support, answered = confusion.sum(axis=-1), confusion.sum(axis=-2)
    recall = np.divide(right, support, out=np.zeros_like(right), where=support > 0)
    f1 = np.divide(
        2 * right, support + answered, out=np.zeros_like(right), where=support + answered > 0
    )
    return {
        "accuracy": right.sum(axis=-1) / confusion.sum(axis=(-2, -1)),
        "balanced_accuracy": recall.sum(axis=-1) / (support > 0).sum(axis=-1),
        "macro_f1": f1.sum(axis=-1) / (support + answered > 0).sum(axis=-1),
    }

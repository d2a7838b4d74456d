"""The figures of an evaluation as pictures, from arrays alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, PowerNorm

from retrieval.evaluation.calibration import CalibrationMetrics, equal_width_bins
from retrieval.evaluation.classification import ClassificationMetrics
from retrieval.evaluation.intervals import wilson_interval
from retrieval.evaluation.selective import SelectiveMetrics
from retrieval.evaluation.style import BLUE, INK, LINE, ORANGE, PAPER, QUIET, RED, figure, save

_SHADE = LinearSegmentedColormap.from_list("paper_to_blue", [PAPER, "#9cc8e3", BLUE, "#003a5c"])


def draw_confusion(found: ClassificationMetrics, names: Mapping[str, str], path: Path) -> None:
    """Confusion matrix: counts, shaded by their share of the true class."""
    classes = found.classes
    counts = found.confusion
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    size = max(4.8, 0.52 * len(classes) + 2.4)
    with figure(size + 0.6, size) as (made, axes):
        # the square root shows a share of 1% as a tint
        axes.imshow(share, cmap=_SHADE, norm=PowerNorm(0.5, 0, 1), aspect="equal")
        small = 8 if len(classes) <= 12 else 6
        for row, column in np.argwhere(counts > 0):
            axes.text(
                column, row, str(counts[row, column]), ha="center", va="center", fontsize=small,
                color=PAPER if share[row, column] > 0.3 else INK,
                fontweight="bold" if row == column else "normal",
            )  # fmt: skip
        labels = [names.get(code, code) for code in classes]
        axes.set_xticks(range(len(classes)), labels, rotation=45, ha="right")
        axes.set_yticks(
            range(len(classes)),
            [f"{label}  {total}" for label, total in zip(labels, totals[:, 0], strict=True)],
        )
        axes.set_xticks(np.arange(-0.5, len(classes)), minor=True)
        axes.set_yticks(np.arange(-0.5, len(classes)), minor=True)
        axes.grid(which="minor")
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("answer")
        axes.set_ylabel("true class, with its number of cells")
        axes.set_title(f"Which class is taken for which ({counts.sum()} cells)")
        save(made, path)


def draw_reliability(
    found: CalibrationMetrics, confidence: np.ndarray, correct: np.ndarray, path: Path
) -> None:
    """Stated probability against the share right, in equal-mass bins with Wilson bars."""
    stated = np.array([entry.confidence for entry in found.bins])
    right = np.array([entry.accuracy for entry in found.bins])
    spread = [wilson_interval(round(b.accuracy * b.count), b.count) for b in found.bins]
    bars = np.abs([right - [s.low for s in spread], np.array([s.high for s in spread]) - right])
    with figure(5.2, 5.8) as (made, only):
        only.remove()
        axes, below = made.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        lowest = max(0.0, min(0.5, stated.min(), min(s.low for s in spread)) - 0.03)
        axes.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=(0, (4, 3)), label="stated = right")
        axes.errorbar(
            stated, right, yerr=bars, fmt="o-", color=BLUE, ms=5, lw=1.2, capsize=2.5,
            elinewidth=1, label="bins of equal number of cells, 95% intervals",
        )  # fmt: skip
        axes.set(xlim=(lowest, 1.015), ylim=(lowest, 1.015), ylabel="share that is right")
        axes.set_title("Is a stated probability met?")
        axes.grid(True)
        axes.legend(
            loc="lower right", fontsize=8, alignment="left", title_fontsize=8.5,
            title=f"ECE {found.ece_equal_mass:.3f} equal mass, {found.ece_equal_width:.3f} equal "
            f"width\nBrier {found.brier:.3f}, NLL {found.nll:.3f}",
        )  # fmt: skip
        bins = equal_width_bins(confidence, correct, 40)
        middle = [(np.ceil(entry.confidence * 40 - 1e-9) - 0.5) / 40 for entry in bins]
        below.bar(middle, [entry.count for entry in bins], 1 / 44, color=BLUE)
        below.set_yscale("log")
        below.set_ylim(0.6, None)
        below.grid(True, axis="y")
        below.set_axisbelow(True)
        below.set_ylabel("cells")
        below.set_xlabel("stated probability of the answer")
        save(made, path)


def draw_risk_coverage(
    found: SelectiveMetrics, path: Path, *, accepted: tuple[float, float] | None = None
) -> None:
    """Share of wrong answers against the share accepted; ``accepted``: (coverage, risk) in use."""
    total = float(found.risk[-1])
    with figure(5.6, 4.2) as (made, axes):
        axes.axhline(100 * total, color=QUIET, lw=1, ls=(0, (4, 3)))
        axes.annotate(
            f"all answers: {100 * total:.2f}% wrong", (0, 100 * total), (4, 4),
            textcoords="offset points", fontsize=8, color=QUIET,
        )  # fmt: skip
        axes.plot(100 * found.coverage, 100 * found.risk, color=BLUE, lw=1.8)
        axes.fill_between(100 * found.coverage, 100 * found.risk, color=BLUE, alpha=0.1, lw=0)
        if accepted is not None:
            axes.plot(100 * accepted[0], 100 * accepted[1], "D", color=RED, ms=7, mec=PAPER,
                      clip_on=False, zorder=5)  # fmt: skip
            axes.annotate(
                f"accepted: {100 * accepted[0]:.1f}% of cells,\n{100 * accepted[1]:.2f}% wrong",
                (100 * accepted[0], 100 * accepted[1]), (-10, 12), textcoords="offset points",
                ha="right", fontsize=8.5, color=RED,
            )  # fmt: skip
        top = max(100 * total, 100 * float(found.risk.max()), 0.05)
        axes.set(xlim=(0, 101), ylim=(0, min(top, 100 * total * 4 + 0.5) * 1.2))
        axes.set_xlabel("accepted, surest first (% of cells)")
        axes.set_ylabel("wrong among the accepted (%)")
        axes.set_title(f"What is gained by leaving the doubtful (AURC {found.aurc:.4f})")
        axes.grid(True)
        save(made, path)


def draw_per_class(
    found: ClassificationMetrics,
    names: Mapping[str, str],
    colours: Mapping[str, str],
    path: Path,
) -> None:
    """F1 of each class as a bar in its colour; precision and recall as marks on it."""
    classes: Sequence[str] = [c for c in found.classes if found.per_class[c].support > 0]
    figures = [found.per_class[code] for code in classes]
    place = np.arange(len(classes))
    with figure(6.4, 0.38 * len(classes) + 1.9) as (made, axes):
        axes.barh(
            place, [f.f1 for f in figures], 0.62, color=[colours.get(c, BLUE) for c in classes],
            edgecolor=LINE, linewidth=0.6,
        )  # fmt: skip
        for marks, sign, label in (
            ([f.precision for f in figures], ">", "precision"),
            ([f.recall for f in figures], "o", "recall"),
        ):
            axes.plot(
                marks, place, sign, color=PAPER, mec=INK, mew=1.1, ms=6, label=label, ls="none"
            )
        lowest = min(min(f.precision, f.recall, f.f1) for f in figures)
        start = max(0.0, np.floor((lowest - 0.1) * 10) / 10)
        for y, each in zip(place, figures, strict=True):
            axes.annotate(
                f"{each.f1:.3f}", (1, y), (10, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="center", fontsize=8.5, fontweight="bold",
            )  # fmt: skip
        axes.set_xlim(start, 1.005)
        axes.set_yticks(
            place,
            [f"{names.get(c, c)}  {f.support}" for c, f in zip(classes, figures, strict=True)],
        )
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.grid(True, axis="x")
        axes.set_axisbelow(True)
        axes.set_xlabel("bar and number: F1" + (f" (axis starts at {start:g})" if start else ""))
        axes.set_title(f"Class by class (macro-F1 {found.macro_f1:.3f})")
        axes.legend(loc="upper right", bbox_to_anchor=(1.0, -0.06 - 0.4 / (len(classes) + 1)),
                    ncols=2, fontsize=8, handletextpad=0.3)  # fmt: skip
        axes.axvline(found.macro_f1, color=ORANGE, lw=1.2, zorder=0)
        save(made, path)

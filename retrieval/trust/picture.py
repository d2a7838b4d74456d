"""Reliability and risk–coverage of labelled cells, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retrieval.evaluation.calibration import equal_mass_bins, expected_calibration_error
from retrieval.evaluation.intervals import wilson_interval
from retrieval.evaluation.selective import selective_metrics
from retrieval.evaluation.style import BLUE, PAPER, QUIET, figure, save
from retrieval.trust.laboratory import Checked

BINS = 12


def draw_trust(checked: Checked, title: str, path: Path) -> None:
    """Write to ``path`` (PNG): is a stated probability met, and what do doubtful cells cost."""
    bins = equal_mass_bins(checked.stated, checked.right, BINS)
    stated = np.array([entry.confidence for entry in bins])
    right = np.array([entry.accuracy for entry in bins])
    spread = [wilson_interval(round(b.accuracy * b.count), b.count) for b in bins]
    bars = np.abs([right - [s.low for s in spread], np.array([s.high for s in spread]) - right])
    curve = selective_metrics(checked.stated, checked.right)
    with figure(9.2, 4.4) as (made, only):
        only.remove()
        met, cost = made.subplots(1, 2)
        lowest = max(0.0, min(0.6, float(stated.min()), min(s.low for s in spread)) - 0.03)
        met.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=(0, (4, 3)))
        met.errorbar(
            stated, right, yerr=bars, fmt="o-", color=BLUE, ms=5, lw=1.2, capsize=2.5, elinewidth=1
        )
        met.set(xlim=(lowest, 1.015), ylim=(lowest, 1.015))
        met.set(xlabel="stated probability of the answer", ylabel="share that is right")
        met.set_title(f"Stated and right: off by {expected_calibration_error(bins):.1%}")
        met.grid(True)
        total = float(curve.risk[-1])
        cost.plot(100 * curve.coverage, 100 * curve.risk, color=BLUE, lw=1.8)
        cost.fill_between(100 * curve.coverage, 100 * curve.risk, color=BLUE, alpha=0.1, lw=0)
        cost.annotate(
            f"all: {total:.1%} wrong", (100, 100 * total), (-4, 6), textcoords="offset points",
            ha="right", fontsize=8, color=QUIET, backgroundcolor=PAPER,
        )  # fmt: skip
        cost.set(xlim=(0, 100), ylim=(0, None))
        cost.set(xlabel="surest cells answered, %", ylabel="wrong among them, %")
        cost.set_title("What leaving the doubtful saves")
        cost.grid(True)
        made.suptitle(f"{title} ({len(checked.right):,} cells)", fontsize=10, color=QUIET)
        save(made, path)

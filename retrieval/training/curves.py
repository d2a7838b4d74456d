"""The picture of a training run: loss and val MAP@R by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def draw_curves(history: list[dict[str, Any]], best_epoch: int, file: Path) -> None:
    """Write a PNG of ``history`` (rows of epoch, loss, map_at_r) to ``file``."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    epochs = [row["epoch"] for row in history]
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [row["loss"] for row in history], color="#0072b2", marker="o", markersize=3)
    left.set(xlabel="epoch", ylabel="training loss", title="Loss")
    right.plot(
        epochs, [row["map_at_r"] for row in history], color="#d55e00", marker="o", markersize=3
    )
    best = next(row for row in history if row["epoch"] == best_epoch)
    right.annotate(
        f"kept: {best['map_at_r']:.3f}",
        (best_epoch, best["map_at_r"]),
        xytext=(0, -16),
        textcoords="offset points",
        ha="right" if len(epochs) > 1 else "center",
    )
    right.plot([best_epoch], [best["map_at_r"]], marker="o", color="black", fillstyle="none")
    right.set(xlabel="epoch", ylabel="MAP@R on val", title="MAP@R")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(file, dpi=120)

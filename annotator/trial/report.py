"""The figures of a trial as a table, as JSON, and as a curve of labels over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from annotator.trial import WAYS
from annotator.trial.run import Trial, document
from retrieval.evaluation.style import BLUE, GREEN, INK, ORANGE, QUIET, RED, figure, save
from retrieval.writing import write_whole

HEAD = ("way of working", "accuracy", "× one by one", "cells an hour", "labels an action",
        "purity of batches")  # fmt: skip
# Colour never says it alone: each way has a dash of its own.
_LOOKS = ((QUIET, ":"), (INK, "--"), (ORANGE, "-."), (ORANGE, ":"), (GREEN, "-."), (BLUE, "--"),
          (RED, "-"))  # fmt: skip


def rows(found: dict[str, Any]) -> list[list[str]]:
    """A row of text a way, in the order of HEAD; accuracy below the target is marked with *."""
    return [[WAYS[name].title, *_cells(each)] for name, each in found["ways"].items()]


def error_rows(found: dict[str, Any]) -> list[list[str]]:
    """The sheets' rows under other readers."""
    return [[name, *_cells(each)] for name, each in found["sensitivity"]["errors"].items()]


def time_rows(found: dict[str, Any]) -> list[list[str]]:
    """One row a changed time: how many times as fast as one by one each way is then."""
    return [
        [name, *(f"{value:.1f}" for value in ways.values())]
        for name, ways in found["sensitivity"]["times"].items()
    ]


def _cells(each: dict[str, Any]) -> list[str]:
    purity = each["purity"]
    return [
        _share(each["accuracy"]) + ("" if each["reached"] else " *"),
        _range(each["speed"], 1),
        f"{each['cells_per_hour']['value']:,.0f}",
        _range(each["labels_per_action"], 1),
        _share(purity) if purity else "",
    ]


def _share(found: dict[str, float]) -> str:
    return f"{found['value']:.4f} ({found['low']:.4f}–{found['high']:.4f})"


def _range(found: dict[str, float], digits: int) -> str:
    low, value, high = (f"{found[name]:.{digits}f}" for name in ("low", "value", "high"))
    return value if low == high else f"{value} ({low}–{high})"


def write(trial: Trial, folder: Path) -> dict[str, Any]:
    """Write trial.json and trial.png into ``folder``; returns the figures."""
    found = document(trial)
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / "trial.json", text)
    draw(trial, folder / "trial.png")
    return found


def draw(trial: Trial, path: Path) -> None:
    """Draw how many cells were labelled after how many minutes, by the first reader of each way."""
    looks = dict(zip(WAYS, _LOOKS, strict=True))
    times = trial.plan.times
    with figure(6.4, 4.0) as (made, axes):
        for name, results in trial.results.items():
            colour, dash = looks[name]
            points = [(0, 0.0)] + [(n, times.seconds(done) / 60) for n, done in results[0].curve]
            axes.plot(
                [minutes for _, minutes in points],
                [n for n, _ in points],
                color=colour,
                linestyle=dash,
                label=f"{WAYS[name].title}, {results[0].accuracy:.3f} right",
            )
        axes.set_xlabel("minutes of the simulated reader")
        axes.set_ylabel("cells labelled")
        axes.set_title(f"{len(trial.cells):,} cells, no label to start from")
        axes.grid(axis="y")
        axes.legend(fontsize=7, loc="lower right")
        save(made, path)

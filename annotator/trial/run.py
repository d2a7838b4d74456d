"""Hold a trial: every way of working at the same cells, by several readers, and the sums."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from annotator.trial import WAYS
from annotator.trial.bench import Cells, Result, new_bench, result_of
from annotator.trial.reader import Errors, Times
from retrieval.evaluation.intervals import wilson_interval

# What the outcome depends on, each varied alone. Times change no decision, so they cost no work.
OTHER_TIMES: dict[str, dict[str, float]] = {
    "a cell alone takes 0.7 s": {"single": 0.7, "confirm": 0.5},
    "a cell alone takes 2 s": {"single": 2.0, "confirm": 1.4},
    "a cell on a page takes 0.1 s": {"cell": 0.1},
    "a cell on a page takes 0.3 s": {"cell": 0.3},
    "a glance takes 3 s": {"glance": 3.0},
    "a correction takes 3 s": {"correction": 3.0},
}
OTHER_ERRORS: dict[str, dict[str, float]] = {
    "never wrong": {"single": 0.0, "follow": 0.0, "miss": 0.0, "alarm": 0.0},
    "misses half of what is foreign": {"miss": 0.5},
    "wrong on one cell in fifty": {"single": 0.02},
    "takes out one right cell in a hundred": {"alarm": 0.01},
}


@dataclass(frozen=True)
class Plan:
    """What is tried: ways by name, readers (seeds), the reader's times and errors, the target."""

    ways: tuple[str, ...] = tuple(WAYS)
    readers: int = 3
    times: Times = field(default_factory=Times)
    errors: Errors = field(default_factory=Errors)
    target: float = 0.99
    seed: int = 0
    sensitivity: bool = True


@dataclass(frozen=True)
class Trial:
    """What came of it: results by way, and those of the sheets under other errors."""

    plan: Plan
    cells: Cells
    results: dict[str, list[Result]]
    other_errors: dict[str, list[Result]]


def hold(cells: Cells, plan: Plan, tell: Callable[[str], None] = lambda said: None) -> Trial:
    """Let every way of ``plan`` label ``cells``; ``tell`` hears of each bench before it begins."""
    results: dict[str, list[Result]] = {}
    for way in plan.ways:
        for reader in range(plan.readers):
            tell(f"{WAYS[way].title}, reader {reader + 1} of {plan.readers}")
            results.setdefault(way, []).append(_bench(cells, way, plan, plan.seed + reader))
    other: dict[str, list[Result]] = {}
    if plan.sensitivity and "sheets" in plan.ways:
        for name, changed in OTHER_ERRORS.items():
            tell(f"sheets, another reader: {name}")
            errors = replace(plan.errors, **changed)
            other[name] = [_bench(cells, "sheets", replace(plan, errors=errors), plan.seed)]
    return Trial(plan, cells, results, other)


def _bench(cells: Cells, way: str, plan: Plan, seed: int) -> Result:
    with tempfile.TemporaryDirectory(prefix="cellkin-trial-") as folder:
        bench = new_bench(cells, plan.errors, Path(folder), target=plan.target, seed=seed)
        WAYS[way].work(bench)
        return result_of(way, bench)


def document(trial: Trial) -> dict[str, Any]:
    """The trial as figures for JSON; ``report.table`` shows them."""
    plan, times = trial.plan, trial.plan.times
    return {
        "cells": len(trial.cells),
        "classes": {
            code: int((trial.cells.truth == column).sum())
            for column, code in enumerate(trial.cells.classes)
        },
        "model": trial.cells.model_id,
        "data": fingerprint(trial.cells),
        "target": plan.target,
        "seed": plan.seed,
        "readers": plan.readers,
        "times": asdict(times),
        "errors": asdict(plan.errors),
        "ways": {name: _figures(found, plan, times) for name, found in trial.results.items()},
        "sensitivity": {
            "times": {
                name: {
                    way: round(_mean([r.speed(replace(times, **changed)) for r in found]), 3)
                    for way, found in trial.results.items()
                }
                for name, changed in OTHER_TIMES.items()
            }
            if plan.sensitivity
            else {},
            "errors": {
                name: _figures(found, plan, times) for name, found in trial.other_errors.items()
            },
        },
    }


def fingerprint(cells: Cells) -> str:
    """SHA-256 of the vectors and classes tried."""
    digest = hashlib.sha256(np.ascontiguousarray(cells.vectors).tobytes())
    digest.update(cells.truth.tobytes())
    digest.update("|".join(cells.classes).encode())
    return digest.hexdigest()


def _figures(found: Sequence[Result], plan: Plan, times: Times) -> dict[str, Any]:
    """Means over readers with their range; shares with Wilson's interval over all cells."""
    speeds = [each.speed(times) for each in found]
    right, cells = sum(each.right for each in found), sum(each.cells for each in found)
    batched = sum(each.batched for each in found)
    figures: dict[str, Any] = {
        "accuracy": _share(right, cells),
        "reached": min(each.accuracy for each in found) >= plan.target,
        "purity": _share(sum(each.batched_right for each in found), batched) if batched else None,
        "speed": _range(speeds),
        "cells_per_hour": _range([each.rate(times) for each in found]),
        "labels_per_action": _range([each.cells / each.actions for each in found]),
        "seconds": _range([each.seconds(times) for each in found]),
        "actions": {
            name: round(_mean([each.done[name] for each in found]), 1) for name in found[0].done
        },
    }
    notes = sorted({name for each in found for name in each.notes})
    figures["notes"] = {
        name: round(_mean([float(each.notes.get(name, 0)) for each in found]), 5) for name in notes
    }
    return figures


def _share(right: int, total: int) -> dict[str, float]:
    interval = wilson_interval(right, total)
    return {
        "value": round(right / total, 5),
        "low": round(interval.low, 5),
        "high": round(interval.high, 5),
    }


def _range(values: Sequence[float]) -> dict[str, float]:
    return {
        "value": round(_mean(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))

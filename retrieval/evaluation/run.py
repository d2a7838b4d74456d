"""From evaluated cells to a folder of figures: metrics.json, report.md, answers.csv and plots."""

from __future__ import annotations

import csv
import io
import json
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from index import Atlas, Cell
from index.errors import CellKinError
from retrieval.evaluation.errors_page import draw_errors, surest_errors
from retrieval.evaluation.figures import Figures, figures_of
from retrieval.evaluation.judged import Evaluated, Judged, data_hash
from retrieval.evaluation.plots import (
    draw_confusion,
    draw_per_class,
    draw_reliability,
    draw_risk_coverage,
)
from retrieval.evaluation.report import MEASURED, report_page
from retrieval.reading.decode import decode, read_cell
from retrieval.writing import write_whole

SCHEMA = "cellkin.evaluation/1"
PACKAGES = (
    "cellkin", "numpy", "torch", "torchvision", "pytorch-metric-learning", "faiss-cpu",
    "scikit-learn", "pillow",
)  # fmt: skip
FILES = (
    "metrics.json", "report.md", "answers.csv", "confusion.png", "per_class.png",
    "reliability.png", "risk_coverage.png", "errors.png",
)  # fmt: skip


def write_evaluation(
    atlas: Atlas,
    evaluated: Evaluated,
    out: Path,
    *,
    command: str,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure ``evaluated``, write FILES into folder ``out`` and return metrics.json's content.

    Files of an earlier evaluation there are replaced one by one; metrics.json comes last, so that
    it never speaks of plots that are not there. Raises WriteError.
    """
    figures = figures_of(evaluated, atlas.taxonomy, draws=draws, seed=seed)
    document = {
        "schema": SCHEMA,
        "made": _made(evaluated, command, seed),
        "data": _data(evaluated),
        **figures.document,
    }
    names = {node.code: node.name for node in atlas.taxonomy.nodes.values()}
    _plots(atlas, evaluated, figures, names, out)
    write_whole(out / "answers.csv", answers_table(evaluated.cells))
    write_whole(out / "report.md", report_page(document, names))
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(out / "metrics.json", text + "\n")
    return document


def _made(evaluated: Evaluated, command: str, seed: int) -> dict[str, Any]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed as a package"
    return {
        "command": command,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "measured": MEASURED,
        "level": evaluated.level,
        "k": evaluated.k,
        "model_id": evaluated.model_id,
        "versions": versions,
    }


def _data(evaluated: Evaluated) -> dict[str, Any]:
    return {
        "mode": evaluated.mode,
        "source": evaluated.source,
        "cells": len(evaluated.cells),
        "sha256": data_hash((cell.sha256, cell.true) for cell in evaluated.cells),
        "references": evaluated.references,
        "reference_sha256": evaluated.reference_sha256,
        "same_patient_left_out": evaluated.same_patient_left_out,
        "duplicates_left_out": evaluated.duplicates_left_out,
        "left_out": [{"file": file, "reason": reason} for file, reason in evaluated.left_out],
        "notes": evaluated.notes,
    }


def _plots(
    atlas: Atlas, evaluated: Evaluated, figures: Figures, names: dict[str, str], out: Path
) -> None:
    colours = {node.code: node.colour for node in atlas.taxonomy.nodes.values()}
    found = figures.classification
    draw_confusion(found, names, out / "confusion.png")
    draw_per_class(found, names, colours, out / "per_class.png")
    draw_reliability(
        figures.calibration, figures.confidence, figures.correct, out / "reliability.png"
    )
    accept = figures.document["decisions"]["accept"]
    draw_risk_coverage(
        figures.selective,
        out / "risk_coverage.png",
        accepted=(accept["share"]["value"], accept["risk"]["value"]) if accept["cells"] else None,
    )

    def read(cell: Judged) -> np.ndarray | CellKinError:
        picture = cell.picture
        try:
            if isinstance(picture, Cell):
                return read_cell(atlas, picture)
            return decode(picture.path, picture.frame, picture.member)
        except CellKinError as error:
            return error

    def read_reference(cell_id: int) -> np.ndarray | CellKinError:
        try:
            return read_cell(atlas, atlas.cell(cell_id))
        except CellKinError as error:
            return error

    draw_errors(
        surest_errors(evaluated.cells),
        names,
        read,
        read_reference,
        out / "errors.png",
        same_class=lambda code, true: atlas.taxonomy.at_level(code, evaluated.level) == true,
    )


def answers_table(cells: list[Judged]) -> str:
    """Every answer as CSV, in the order of the cells."""
    held = io.StringIO(newline="")
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(
        (
            "file", "dataset", "patient", "slide", "true_class", "class", "correct", "probability",
            "prediction_set", "novelty", "decision", "backed_off_to", "neighbours",
        )
    )  # fmt: skip
    for cell in cells:
        said = cell.proposal
        writer.writerow(
            (
                cell.name, cell.dataset or "", cell.patient or "", cell.slide or "", cell.true,
                said.class_code, int(cell.correct), f"{said.probability:.6f}",
                ";".join(said.prediction_set), f"{said.novelty:.6f}", said.decision,
                said.backed_off_to or "", ";".join(str(e.cell_id) for e in said.evidence),
            )
        )  # fmt: skip
    return held.getvalue()

"""Rows of docs/errors.md about data sets that are named and places that are written to."""

from __future__ import annotations

from pathlib import Path


def test_evaluate_for_an_unknown_data_set(refused, painted_atlas: Path, painted, tmp_path) -> None:
    refused(
        "evaluate-dataset-unknown",
        *("evaluate", painted_atlas, painted, "--dataset", "paintd", "--out", tmp_path / "report"),
    )


def test_sources_and_data_set_at_once(refused, painted_atlas: Path) -> None:
    refused(
        "train-sources-and-dataset",
        *("train", painted_atlas, "--sources", "painted", "--dataset", "painted"),
        status=2,
    )

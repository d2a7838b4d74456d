"""Rows of docs/errors.md about data sets that are named and places that are written to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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


def test_evaluate_into_a_file(refused, painted_atlas: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    out = tmp_path / "notes" / "report" / "new"
    refused("evaluate-out-in-file", "evaluate", painted_atlas, "--out", out)


def test_trial_onto_a_file(refused, painted_atlas: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    refused("trial-out-is-file", "trial", painted_atlas, "--out", tmp_path / "notes")


DRAWING = (("map",), ("trust", "--dataset", "painted"))


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be worked out: whatever a verb would do with an atlas fails."""

    def work(*_: object, **__: object) -> None:
        raise AssertionError("worked before --out was looked at")

    monkeypatch.setattr("index.Atlas.open", work)


@pytest.mark.parametrize("verb", DRAWING)
@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("picture-no-folder", "gone/m.png"),
        ("picture-is-folder", "mine.png"),
        ("picture-no-png", "m.txt"),
    ],
)
def test_where_pictures_are_drawn(refused, idle, tmp_path: Path, verb, row, name) -> None:
    (tmp_path / "mine.png").mkdir()
    refused(row, verb[0], tmp_path / "atlas", *verb[1:], "--out", tmp_path / name)


def test_where_the_page_of_a_map_is_written(refused, idle, tmp_path: Path) -> None:
    refused(
        "map-html-no-folder",
        *("map", tmp_path / "atlas", "--out", tmp_path / "m.png"),
        *("--html", tmp_path / "gone" / "m.html"),
    )


@pytest.mark.parametrize(
    ("verb", "name"), [(DRAWING[0], "m.png"), (DRAWING[1], "m.png"), (("evaluate",), "report")]
)
def test_a_write_protected_folder(
    refused, idle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb, name
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    refused("out-write-protected", verb[0], tmp_path / "atlas", *verb[1:], "--out", tmp_path / name)

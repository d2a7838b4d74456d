"""The verbs query and classify, run as a person would."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest


@pytest.fixture
def picture(painted: Path) -> Path:
    return sorted(painted.rglob("*.png"))[0]


def test_query_prints_neighbours(run_cellkin, painted_atlas, picture):
    result = run_cellkin("query", painted_atlas, picture, "-k", "3")
    assert result.status == 0
    lines = result.stdout.splitlines()
    assert lines[0] == str(picture)
    assert lines[1].split()[:4] == ["distance", "similarity", "class", "author"]
    assert len(lines) == 5
    assert float(lines[2].split()[0]) == pytest.approx(0, abs=1e-4)


def test_query_json_and_limits(run_cellkin, painted_atlas, picture):
    result = run_cellkin(
        "query", painted_atlas, picture, "-k", "4", "--class", "Eosinophils", "--dataset",
        "painted", "--not-same", "--json",
    )  # fmt: skip
    assert result.status == 0
    found = json.loads(result.stdout)
    assert found[0]["file"] == str(picture)
    keys = {"cell_id", "similarity", "distance", "class_code", "author", "dataset", "patient"}
    assert keys | {"slide", "file"} == set(found[0]["neighbours"][0])
    assert {each["class_code"] for each in found[0]["neighbours"]} == {"eosinophil"}


def test_query_draws_a_montage_and_reports_bad_pictures(
    run_cellkin, painted_atlas, picture, tmp_path
):
    bad = tmp_path / "bad.png"
    bad.write_text("text")
    montage = tmp_path / "montage.png"
    result = run_cellkin("query", painted_atlas, picture, bad, "--montage", montage)
    assert result.status == 0
    assert montage.read_bytes().startswith(b"\x89PNG")
    assert f"passed over {bad}" in result.stderr
    assert f"montage written to {montage}" in result.stderr


@pytest.mark.parametrize(
    ("extra", "status", "message"),
    [
        (["-k", "0"], 1, "k is '0', allowed is a whole number from 1 to 1000"),
        (["--class", "basofil"], 1, "class 'basofil' is not in the taxonomy; did you mean"),
        (["--dataset", "other"], 1, "data set 'other' is not in the atlas"),
        (["--not-patient", "nobody"], 1, "no cell of the atlas is of patient 'nobody'"),
        (["--montage", "out.jpg"], 1, "allowed is a name ending in .png"),
    ],
)
def test_query_errors_are_one_line(run_cellkin, painted_atlas, picture, extra, status, message):
    result = run_cellkin("query", painted_atlas, picture, *extra)
    assert result.status == status
    assert message in result.stderr
    assert result.stderr.startswith("cellkin: ")
    assert result.stderr.count("\n") == 1


def test_query_of_unreadable_pictures_only_fails(run_cellkin, painted_atlas, tmp_path):
    result = run_cellkin("query", painted_atlas, tmp_path / "none.png")
    assert result.status == 1
    assert "no picture could be read" in result.stderr


def test_classify_writes_the_table(run_cellkin, painted_atlas, painted, tmp_path):
    out = tmp_path / "predictions.csv"
    result = run_cellkin("classify", painted_atlas, painted, "--out", out, "-k", "5")
    assert result.status == 0, result.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    pictures = {path.relative_to(painted).as_posix() for path in painted.rglob("*.png")}
    assert {row["file"] for row in rows} == pictures
    assert list(rows[0]) == [
        "file", "class", "probability", "prediction_set", "novelty", "decision", "neighbours",
        "backed_off_to", "remark",
    ]  # fmt: skip
    assert {bool(row["backed_off_to"]) == (row["decision"] == "back_off") for row in rows} == {True}
    assert "cells classified in" in result.stdout.splitlines()[-1]
    assert "decision" in result.stdout
    assert "note: " in result.stderr  # so few painted cells cannot calibrate anything


def test_classify_json_levels_and_classes(run_cellkin, painted_atlas, painted, tmp_path):
    out = tmp_path / "predictions.csv"
    result = run_cellkin(
        "classify", painted_atlas, painted, "--out", out, "--level", "subclass", "--classes",
        "neutrophil, IG", "--one-vote", "slide", "--prior", "uniform", "--json",
    )  # fmt: skip
    assert result.status == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["level"] == "subclass"
    assert summary["out"] == str(out)
    allowed = {"neutrophil", "band_neutrophil", "segmented_neutrophil", "immature_granulocyte",
               "promyelocyte", "myelocyte", "metamyelocyte"}  # fmt: skip
    assert set(summary["counts"]["classes"]) <= allowed
    assert sum(summary["counts"]["decisions"].values()) == summary["counts"]["cells"]


@pytest.mark.parametrize(
    ("extra", "status", "message"),
    [
        (["-k", "0"], 1, "k is '0', allowed is a whole number from 1 to 1000"),
        (["--level", "family"], 1, "level is 'family', allowed is one of class, subclass"),
        (["--classes", "zebra"], 1, "class 'zebra' is not in the taxonomy"),
        (["--classes", "hairy_cell"], 1, "no labelled cell of class hairy_cell"),
        (["--dataset", "other"], 1, "data set 'other' is not in the atlas"),
        (["--one-vote", "city"], 2, "'city' is not one of 'cell', 'slide', 'patient'"),
    ],
)
def test_classify_errors_are_one_line_and_leave_nothing(
    run_cellkin, painted_atlas, painted, tmp_path, extra, status, message
):
    out = tmp_path / "predictions.csv"
    result = run_cellkin("classify", painted_atlas, painted, "--out", out, *extra)
    assert result.status == status
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.glob("predictions*"))


def test_classify_with_an_empty_atlas_says_what_to_do(run_cellkin, painted, tmp_path, tiny_model):
    from index import Atlas
    from retrieval.model import register_model

    with Atlas.open(tmp_path / "empty", create=True) as atlas:
        register_model(atlas, tiny_model)
    result = run_cellkin("classify", tmp_path / "empty", painted, "--out", tmp_path / "p.csv")
    assert result.status == 1
    assert "has no labelled cell; import cells with their classes" in result.stderr

"""``cellkin taxonomy``: show the tree, add a class, refuse what would break the tree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from index import Atlas
from index.taxonomy import shipped_taxonomy


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def test_tree_without_an_atlas(run_cellkin: Callable) -> None:
    result = run_cellkin("taxonomy")
    assert result.status == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert set(lines) == set(shipped_taxonomy().nodes)
    assert indent(lines["myelocyte"]) == indent(lines["immature_granulocyte"]) + 2
    assert "CL:" in lines["neutrophil"], "the Cell Ontology id is shown"


def test_json_holds_every_field(run_cellkin: Callable) -> None:
    nodes = json.loads(run_cellkin("taxonomy", "--json").stdout)
    band = next(node for node in nodes if node["code"] == "band_neutrophil")
    assert band["parent"] == "neutrophil"
    assert band["level"] == "subclass"
    assert "NGB" in band["aliases"]
    assert band["colour"].startswith("#")


def test_add_a_class_and_use_it(
    run_cellkin: Callable, painted_atlas: Path, painted: Path, tmp_path: Path
) -> None:
    added = run_cellkin(
        "taxonomy", painted_atlas, "--add", "moon_cell", "--parent", "LY", "--alias", "MOON"
    )
    assert (added.status, added.stderr) == (0, "")
    assert added.stdout.startswith("added moon_cell (")
    assert "› moon cell)" in added.stdout
    with Atlas.open(painted_atlas) as atlas:
        node = atlas.taxonomy.resolve("moon")
        assert (node.code, node.name, node.parent) == ("moon_cell", "moon cell", "lymphocyte")
        assert atlas.taxonomy.at_level("moon_cell", "class") == "lymphocyte"
    assert "moon_cell" in run_cellkin("taxonomy", painted_atlas).stdout
    assert "moon_cell" not in run_cellkin("taxonomy").stdout, "other atlases are untouched"

    picture = sorted(painted.glob("lymphocyte/*.png"))[0]
    table = tmp_path / "labels.csv"
    table.write_text(f"file,class\n{picture.name},MOON\n", encoding="utf-8")
    imported = run_cellkin(
        "import", painted_atlas, picture.parent, "--labels", table, "--dataset", "moons"
    )
    assert imported.status == 0, imported.stderr
    counts = json.loads(run_cellkin("info", painted_atlas, "--json").stdout)["classes"]
    assert counts["moon_cell"] == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--name", "x"], 2, "go with --add CODE"),
        (["--add", "moon_cell"], 2, "--add needs --parent CLASS"),
        (["--add", "moon_cell", "--parent", "nothing"], 1, "nothing"),
        (["--add", "lymphocyte", "--parent", "leukocyte"], 1, "class 'lymphocyte' exists"),
        (["--add", "Moon Cell", "--parent", "lymphocyte"], 1, "Moon Cell"),
        (["--add", "other", "--parent", "lymphocyte", "--alias", "BNE"], 1, "BNE"),
    ],
)
def test_what_is_refused_changes_nothing(
    run_cellkin: Callable, painted_atlas: Path, arguments: list[str], status: int, message: str
) -> None:
    before = run_cellkin("taxonomy", painted_atlas).stdout
    result = run_cellkin("taxonomy", painted_atlas, *arguments)
    assert result.status == status
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert run_cellkin("taxonomy", painted_atlas).stdout == before


def test_add_without_an_atlas(run_cellkin: Callable) -> None:
    result = run_cellkin("taxonomy", "--add", "moon_cell", "--parent", "lymphocyte")
    assert result.status == 2

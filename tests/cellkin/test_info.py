"""``cellkin info``: what an atlas holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from index import Atlas, NewLabel


def test_json_of_a_painted_atlas(run_cellkin: Callable, painted_atlas: Path) -> None:
    result = run_cellkin("info", painted_atlas, "--json")
    assert (result.status, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    with Atlas.open(painted_atlas) as atlas:
        assert found["cells"] == atlas.count() > 0
        assert found["active_model"] == atlas.active_model
    assert found["labelled"] == found["cells"]
    assert sum(found["classes"].values()) == found["labelled"]
    assert [dataset["name"] for dataset in found["datasets"]] == ["painted"]
    assert found["models"] == [
        {"id": found["active_model"], "active": True, "embedded": found["cells"]}
    ]
    assert (found["disputed"], found["flagged"]) == (0, 0)


def test_a_dispute_and_a_flag_are_counted(run_cellkin: Callable, painted_atlas: Path) -> None:
    with Atlas.open(painted_atlas) as atlas:
        first, second = atlas.cell_ids()[:2]
        other = next(
            code for code in ("monocyte", "platelet") if code != atlas.present_labels()[int(first)]
        )
        atlas.add_labels([NewLabel(int(first), other, author="second", how="single")])
        atlas.set_flag(int(second), True, "second")
    found = json.loads(run_cellkin("info", painted_atlas, "--json").stdout)
    assert (found["disputed"], found["flagged"]) == (1, 1)
    assert found["labelled"] == found["cells"] - 1


def test_text_says_the_same(run_cellkin: Callable, painted_atlas: Path) -> None:
    text = run_cellkin("info", painted_atlas).stdout
    found = json.loads(run_cellkin("info", painted_atlas, "--json").stdout)
    assert f"cells     {found['cells']:,}, of which {found['labelled']:,} labelled" in text
    assert f"{found['active_model'][:12]}: {found['cells']:,} cells embedded, active" in text
    for code in found["classes"]:
        assert f"  {code} " in text


def test_an_empty_atlas(run_cellkin: Callable, tmp_path: Path) -> None:
    Atlas.open(tmp_path / "new", create=True).close()
    result = run_cellkin("info", tmp_path / "new")
    assert result.status == 0
    assert "cells     0, of which 0 labelled" in result.stdout

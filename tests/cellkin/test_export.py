"""``cellkin export`` and ``cellkin take``: out, and in elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path


def test_out_and_in_again(run_cellkin: Callable, painted_atlas: Path, tmp_path: Path) -> None:
    before = json.loads(run_cellkin("info", painted_atlas, "--json").stdout)
    done = run_cellkin("export", painted_atlas, "--format", "coco", "--out", tmp_path / "out",
                       "--licence", "CC0", "--json")  # fmt: skip
    assert done.status == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["cells"] == before["labelled"]
    assert told["passed_over"] == []
    assert "CC0" in (tmp_path / "out" / "README.md").read_text()
    seen = json.loads(
        run_cellkin("take", painted_atlas, tmp_path / "out", "--dry-run", "--json").stdout
    )
    assert (seen["same"], seen["labels"], seen["written"]) == (told["cells"], 0, False)
    taken = run_cellkin("take", painted_atlas, tmp_path / "out")
    assert f"0 labels added, {told['cells']} known already" in taken.stdout


def test_a_table_tells_of_rows_passed_over(
    run_cellkin: Callable, painted_atlas: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text("cell,class\n1,monocyte\n99999,monocyte\n2,unicorn\n")
    done = run_cellkin("take", painted_atlas, tmp_path / "labels.csv", "--author", "ann")
    assert done.status == 0
    assert "1 label added, 0 known already, 2 passed over" in done.stdout
    assert "1 of them contradicts the present label" in done.stdout
    assert "no cell of this number" in done.stderr
    assert "unicorn" in done.stderr

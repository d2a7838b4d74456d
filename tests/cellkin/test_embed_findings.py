"""``cellkin embed`` says in how many pictures no cell was found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def test_embed_says_what_was_not_found(
    run_cellkin: Callable, tiny_joint_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    rows, columns = np.mgrid[:80, :80]
    for diameter in (0, 30, 36):
        rgb = np.full((80, 80, 3), 235, np.uint8)
        rgb[np.hypot(rows - 40, columns - 40) < diameter / 2] = (140, 60, 150)
        Image.fromarray(rgb).save(folder / f"{diameter}.png")
    assert run_cellkin("import", tmp_path / "atlas", folder).status == 0
    done = run_cellkin("embed", tmp_path / "atlas", "--model", tiny_joint_model)
    assert done.status == 0, done.stderr
    assert done.stdout.startswith("3 cells embedded")
    assert "1 picture shows no cell that could be found: taken whole" in done.stdout
    again = json.loads(run_cellkin("embed", tmp_path / "atlas", "--json").stdout)
    assert (again["embedded"], again["again"], again["no_cell"]) == (0, 0, 0)

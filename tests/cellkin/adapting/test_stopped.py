"""Classifying that is stopped: what it says is kept, and where it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from retrieval.cellview import CellFinder


class Counting:
    """Lets a finder look at so many batches, then Ctrl-C comes; counts the pictures looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pictures = 0
        monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # one batch after the other
        self.batches: int | None = None
        find = CellFinder.find_working

        def counted(finder: CellFinder, small: np.ndarray, shapes: list) -> list:
            if self.batches == 0:
                raise KeyboardInterrupt
            if self.batches is not None:
                self.batches -= 1
            self.pictures += len(small)
            return find(finder, small, shapes)

        monkeypatch.setattr(CellFinder, "find_working", counted)


@pytest.mark.parametrize("extra", [[], ["--one-vote", "slide"]])
def test_what_was_found_before_a_stop_is_not_looked_for_again(
    run_cellkin: Callable,
    made: Path,
    abroad: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    extra: list[str],
) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "p.csv"
    asked = ("classify", made, abroad, *extra, "--batch-size", "8", "--json", "--out")
    seen = Counting(monkeypatch)
    complete = json.loads(run_cellkin(*asked, whole).stdout)
    seen.batches, seen.pictures = 3, 0
    stopped = run_cellkin(*asked, out)
    assert stopped.status == 130
    assert "what was finished is kept" in stopped.stderr
    assert seen.pictures == 24
    kept = tmp_path / "p.csv.partial.found"
    kept.write_bytes(kept.read_bytes() + b'["half a line", 1.0')
    seen.batches = None
    again = json.loads(run_cellkin(*asked, out).stdout)
    assert seen.pictures == complete["counts"]["cells"]
    assert out.read_bytes() == whole.read_bytes()
    assert again["notes"] == complete["notes"]
    assert [path.name for path in tmp_path.glob("p.csv*")] == ["p.csv"]


def test_what_was_found_in_another_source_is_not_taken(
    run_cellkin: Callable,
    made: Path,
    abroad: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    pictures = sorted(abroad.rglob("*.png"))[:60]
    for file in pictures:
        (other / file.name).write_bytes(file.read_bytes())
    seen = Counting(monkeypatch)
    seen.batches = 2
    asked = ("--batch-size", "8", "--out", tmp_path / "p.csv")
    assert run_cellkin("classify", made, abroad, *asked).status == 130
    seen.batches, seen.pictures = None, 0
    assert run_cellkin("classify", made, other, *asked).status == 0
    assert seen.pictures == len(pictures)

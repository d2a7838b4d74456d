"""``cellkin demo``: from nothing to an answered new slide and a page that answers."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from index import Atlas, CellFilter, NewLabel
from retrieval.sample import lay_out


@pytest.fixture(scope="module")
def small_demo(tiny_model: Path) -> Iterator[None]:
    """A demo of few painted cells under a tiny model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CELLKIN_DATA", raising=False)
        patch.setattr("retrieval.model.SHIPPED", tiny_model)
        few = partial(lay_out, references_a_class=7, batch_a_class=2)
        patch.setattr("retrieval.sample.lay_out", few)
        yield


@pytest.fixture(scope="module")
def demo(
    small_demo: None, tmp_path_factory: pytest.TempPathFactory, run_cellkin: Callable
) -> tuple[Path, str]:
    """The folder of a demo that was run once, and what it printed."""
    folder = tmp_path_factory.mktemp("here") / "a demo"
    result = run_cellkin("demo", "--folder", folder, "--no-serve")
    assert result.status == 0, result.stderr
    return folder, result.stdout


def test_the_whole_path(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    assert "painted cells: drawn by a program" in printed
    assert "56 references, 16 unlabelled cells of a new slide" in printed
    assert re.search(r"^\d+ of 16 proposals agree with the source$", printed, re.MULTILINE)
    with Image.open(folder / "montage.png") as montage:
        assert montage.width > 1000
    with Atlas.open(folder / "atlas") as atlas:
        assert atlas.count(CellFilter(datasets=("references",), labelled=True)) == 56
        assert atlas.count(CellFilter(datasets=("new-slide",), authors=("import",))) == 0
        assert not len(atlas.without_embedding(atlas.active_model))


def test_the_next_three_commands_run(demo: tuple[Path, str], run_cellkin: Callable) -> None:
    folder, printed = demo
    lines = re.findall(r"^  cellkin (.+)$", printed, re.MULTILINE)
    assert [shlex.split(line)[0] for line in lines] == ["query", "classify", "evaluate"]
    for line in lines:
        result = run_cellkin(*shlex.split(line))
        assert result.status == 0, f"{line}\n{result.stderr}"
    with (folder / "predictions.csv").open(encoding="utf-8") as handle:
        assert len(list(csv.DictReader(handle))) == 16


def test_a_second_run_keeps_labels(demo: tuple[Path, str], run_cellkin: Callable) -> None:
    folder, first = demo
    with Atlas.open(folder / "atlas") as atlas:
        cell = int(atlas.cell_ids(CellFilter(datasets=("new-slide",)))[0])
        atlas.add_labels([NewLabel(cell, "monocyte", author="reader", how="single")])
        before = atlas.count()
    second = run_cellkin("demo", "--folder", folder, "--no-serve")
    assert second.status == 0, second.stderr
    assert second.stdout == first
    with Atlas.open(folder / "atlas") as atlas:
        assert atlas.count() == before
        assert atlas.present_labels()[cell] == "monocyte"


def test_real_ones_are_not_painted_ones(demo: tuple[Path, str], run_cellkin: Callable) -> None:
    folder, _ = demo
    result = run_cellkin("demo", "--folder", folder, "--real", "--no-serve")
    assert result.status == 1
    assert "holds painted cells of an earlier demo, now real ones are asked for" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_the_page_answers(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    command = [sys.executable, "-m", "cellkin", "demo", "--folder", str(folder), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            address = next(
                found[0] for line in process.stdout if (found := re.findall(r"http://\S+", line))
            )
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert answer.status == 200
        finally:
            process.terminate()

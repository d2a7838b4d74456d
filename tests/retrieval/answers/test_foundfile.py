"""What the first pass finds, on disk: whole lines only, of this source and finder only."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from retrieval.answers.errors import AnswerError
from retrieval.answers.foundfile import FoundFile

ROW = (1.5, 2.0, 80.25, 0.1, 200.0, 190.0, 1 / 3, 1.0, 0.0)


def found_file(folder: Path, finder: str = "finder") -> FoundFile:
    return FoundFile(folder / "p.csv", folder, finder)


def fill(kept: FoundFile, first: int, count: int) -> None:
    with kept:
        for number in range(first, first + count):
            kept.add(f"{number}.png", ROW)


def test_it_gives_back_what_it_was_given(tmp_path: Path) -> None:
    kept = found_file(tmp_path)
    assert kept.read() == []
    fill(kept, 0, 3)
    again = found_file(tmp_path)
    assert again.read() == [(f"{number}.png", ROW) for number in range(3)]
    fill(again, 3, 1)
    assert len(found_file(tmp_path).read()) == 4
    assert found_file(tmp_path, "another").read() == []
    again.remove()
    assert not list(tmp_path.iterdir())


def test_on_a_full_disk_whole_lines_stay(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(AnswerError, match=r"partial\.found cannot be written"):
            fill(found_file(tmp_path), 0, 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    again = found_file(tmp_path)
    whole = len(again.read())
    assert 0 < whole < 1000
    fill(again, whole, 1)
    assert [name for name, _ in found_file(tmp_path).read()] == [
        f"{i}.png" for i in range(whole + 1)
    ]

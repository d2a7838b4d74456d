"""What is kept of a source that is being read, on a disk that fills."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from retrieval.answers.errors import AnswerError
from retrieval.described import Described
from retrieval.laboratory.spool import Spool

WIDTHS = (8, 4, 2)


def spool(folder: Path, fingerprint: str = "same") -> Spool:
    return Spool(folder / "p.csv", fingerprint, WIDTHS)


def add(kept: Spool, first: int, count: int) -> None:
    kept.items, kept.last = first + count, f"{first + count - 1}.png"
    numbers = range(first, first + count)
    said = Described(
        np.full((count, 8), first, np.float32),
        np.zeros((count, 4), np.float16),
        np.zeros((count, 2), np.float32),
    )
    kept.add(list(numbers), [f"{i:064x}" for i in numbers], said, {})


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond ``size`` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_left_where_nothing_has_room(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    with room_for(100), pytest.raises(AnswerError, match="cannot be written"):
        add(kept, 0, 100)
    assert files(tmp_path) == []
    assert spool(tmp_path).resume() is None


def test_a_state_without_room_takes_its_rows_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(AnswerError, match="No space left on device"):
        add(spool(tmp_path), 0, 3)
    assert files(tmp_path) == []


def test_what_was_kept_before_stays_and_no_more(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    add(kept, 0, 3)
    rows = tmp_path / "p.csv.partial.cells"
    size = rows.stat().st_size
    with room_for(size + 100), pytest.raises(AnswerError, match="cannot be written"):
        add(kept, 3, 3)
    assert rows.stat().st_size == size
    again = spool(tmp_path)
    assert again.resume() == {}
    assert (again.items, again.count) == (3, 3)
    add(again, 3, 3)
    assert again.read()[0] == list(range(6))


def test_what_another_run_left_is_gone_with_its_rows(tmp_path: Path) -> None:
    add(spool(tmp_path), 0, 3)
    other = spool(tmp_path, "other")
    assert other.resume() is None
    with room_for(100), pytest.raises(AnswerError):
        add(other, 0, 3)
    assert files(tmp_path) == []

"""The table of answers on a disk that fills."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from retrieval.answers import table as table_module
from retrieval.answers.errors import AnswerError
from retrieval.answers.table import PartialTable


def write_and_save(table: PartialTable) -> None:
    with table:
        table.write("b.png", None)
        table.save({})


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_rows_that_no_state_tells_of_are_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "p.csv"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with (
            pytest.raises(AnswerError, match="No space"),
            PartialTable(out, tmp_path, "x") as table,
        ):
            table.save({})
    assert not list(tmp_path.iterdir())
    with PartialTable(out, tmp_path, "x") as table:
        table.items, table.last = 1, "a.png"
        table.save({})
    rows = tmp_path / "p.csv.partial"
    size = rows.stat().st_size
    again = PartialTable(out, tmp_path, "x")
    assert again.resume() == {}
    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(table_module, "row_of", lambda *_: ("a row more",))
    with pytest.raises(AnswerError, match="No space"):
        write_and_save(again)
    assert rows.stat().st_size == size
    assert PartialTable(out, tmp_path, "x").resume() == {}

"""docs/errors.md and the tests of its rows are one list."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).resolve().parent
FEWEST = 40


def names_in_tests() -> set[str]:
    """Every text in the tests that looks like the name of a row, from wherever it is passed on."""
    return {
        node.value
        for path in HERE.glob("test_errors_*.py")
        if path != Path(__file__)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_row_is_tested(rows) -> None:
    """A row that the tests never name would be a promise nobody keeps."""
    assert set(rows) <= names_in_tests()


def test_there_are_rows_enough(rows) -> None:
    assert len(rows) >= FEWEST


def test_no_row_matches_everything(rows) -> None:
    """A row of … alone would pass whatever CellKin says."""
    assert not [name for name, row in rows.items() if len(row.says.replace("…", "").strip()) < 5]

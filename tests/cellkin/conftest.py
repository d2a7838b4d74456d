"""Checks of bad input against docs/errors.md: the page is the one source of what CellKin says."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "errors.md"
# What SQLite keeps beside a database while it is open, and the vector index, a cache that may be
# written at any time.
MAY_COME_AND_GO = re.compile(r"-wal$|-shm$|^(.*/)?vectors(/[^/]+\.index)?$")
PROGRESS = re.compile(r"\d+%\||\d+ \w+s \[\d|^\s*$")


@dataclass(frozen=True)
class Row:
    """A line of docs/errors.md: what CellKin says and the remedy; … stands for anything.

    Where the run fails, both are on its one line. In a report ``says`` stands somewhere, and
    ``remedy`` is advice of the page.
    """

    says: str
    remedy: str


def pattern(text: str) -> re.Pattern[str]:
    """Matches ``text`` where each … stands for anything."""
    return re.compile(".*?".join(re.escape(part) for part in text.split("…")))


def read_rows() -> dict[str, Row]:
    """The rows of docs/errors.md by their id."""
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and re.fullmatch(r"`[a-z0-9-]+`", cells[0]):
            says, remedy = (cell.strip("`").replace("\\|", "|") for cell in cells[2:])
            name = cells[0].strip("`")
            if name in rows:
                raise ValueError(f"docs/errors.md has {name} twice")
            rows[name] = Row(says, remedy)
    return rows


@pytest.fixture(scope="session")
def rows() -> dict[str, Row]:
    """The rows of docs/errors.md by their id."""
    return read_rows()


def holdings(folder: Path) -> dict[str, object]:
    """Every file under ``folder`` with its hash; of a database, what its tables hold."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if MAY_COME_AND_GO.search(name):
            continue
        if not path.is_file():
            found[name] = "folder"
        elif path.suffix in (".sqlite", ".db"):
            found[name] = table_counts(path)
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def table_counts(database: Path) -> object:
    """Rows of each table; the hash of the file where it is no sound database."""
    uri = f"file:{database}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=1)) as connection:
            names = [
                name
                for (name,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
                )
            ]
            # a document is worked out from the rest, such as a calibration, and may be kept at will
            return {
                name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
                for name in names
                if name != "documents"
            }
    except sqlite3.DatabaseError:
        return hashlib.sha256(database.read_bytes()).hexdigest()


@pytest.fixture
def refused(run_cellkin: Callable, rows: dict[str, Row], tmp_path: Path) -> Callable[..., None]:
    """``refused("k-zero", "query", …)``: the run fails as docs/errors.md says and leaves no trace.

    Exit status 1 (``status=2`` for a wrong use), nothing on standard output, one line on standard
    error, every file and every table as before, no temporary file left. ``unchanged=False`` where
    part of the work was done before the failure: the test then says what must be kept.
    ``told_before=True`` where a verb shows something on standard output before it starts,
    ``notes`` for lines such as "passed over …" ahead of the error, which the row then holds too.
    """

    def check(
        row: str,
        *arguments: object,
        status: int = 1,
        unchanged: bool = True,
        told_before: bool = False,
        notes: int = 0,
    ) -> None:
        before = holdings(tmp_path)
        result = run_cellkin(*arguments)
        lines = [line for line in result.stderr.splitlines() if not PROGRESS.search(line)]
        assert len(lines) == 1 + notes, result.stderr
        assert "Traceback" not in result.stderr
        assert lines[-1].startswith("cellkin: ")
        told = " ".join(lines).replace("cellkin: ", "")
        if row not in rows:
            pytest.fail(f"docs/errors.md lacks {row}: {told}", pytrace=False)
        line = pattern(f"{rows[row].says}; {rows[row].remedy}")
        assert line.fullmatch(told), f"{told!r} is not what docs/errors.md says"
        assert result.status == status
        assert result.stdout == "" or told_before
        if unchanged:
            assert holdings(tmp_path) == before, "something was lost or left behind"

    return check


@pytest.fixture
def reported(run_cellkin: Callable, rows: dict[str, Row], tmp_path: Path) -> Callable[..., str]:
    """``reported("text-named-jpg", "import", …)``: the run succeeds and its report has the line.

    Returns all that was printed.
    """

    def check(row: str, *arguments: object) -> str:
        result = run_cellkin(*arguments)
        told = " ".join((result.stdout + "\n" + result.stderr).split())
        assert "Traceback" not in told
        assert result.status == 0, result.stderr
        if row not in rows:
            pytest.fail(f"docs/errors.md lacks {row}: {told}", pytrace=False)
        assert pattern(rows[row].says).search(told), f"{told!r} has not what docs/errors.md says"
        leftovers = [path for path in tmp_path.rglob("*") if "tmp" in path.suffix]
        assert not leftovers
        text: str = result.stdout + result.stderr
        return text

    return check

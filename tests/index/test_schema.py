"""The tables are what index.schema says, however old the atlas was."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import inspect

from index import Atlas
from index.database import Database
from index.errors import AtlasDamagedError, AtlasTooNewError
from index.explore_tables import TEXTS
from index.migrations import MIGRATIONS, migrate
from index.schema import metadata

NAMES = [name for name, _ in MIGRATIONS]


def form(file: Path) -> list[tuple[str, str]]:
    """Every table, index and trigger of a database with the SQL that made it."""
    connection = sqlite3.connect(file)
    rows = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
    connection.close()
    return rows


def build(folder: Path, upto: str | None) -> Path:
    """An atlas as the CellKin of migration ``upto`` left it."""
    folder.mkdir()
    database = Database(folder / "atlas.sqlite", create=True)
    migrate(database, upto)
    database.close()
    return folder


def test_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    with Atlas.open(tmp_path / "a", create=True) as atlas:
        found = inspect(atlas.database.engine)
        # SQLite keeps its full text index in tables of its own making.
        tables = {name for name in found.get_table_names() if not name.startswith(TEXTS)}
        columns = {table: {each["name"] for each in found.get_columns(table)} for table in tables}
        links = {
            (table, *key["constrained_columns"], key["referred_table"])
            for table in tables
            for key in found.get_foreign_keys(table)
        }
    assert columns == {
        name: {column.name for column in table.columns} for name, table in metadata.tables.items()
    }
    assert links == {
        (name, column.name, key.column.table.name)
        for name, table in metadata.tables.items()
        for column in table.columns
        for key in column.foreign_keys
    }


@pytest.mark.parametrize("upto", NAMES)
def test_an_atlas_of_any_age_opens_and_is_brought_up(tmp_path: Path, upto: str) -> None:
    old = build(tmp_path / "old", upto)
    connection = sqlite3.connect(old / "atlas.sqlite")
    connection.execute("INSERT INTO datasets (name, root, added) VALUES ('d', '/d', '2024')")
    connection.execute(
        "INSERT INTO cells (dataset_id, file, sha256, width, height, added)"
        " VALUES (1, 'x.png', ?, 9, 8, '2024')",
        ("a" * 64,),
    )
    connection.commit()
    connection.close()
    with Atlas.open(old) as atlas:
        assert [(cell.file, cell.width) for cell in atlas.cells()] == [("x.png", 9)]
        assert "neutrophil" in atlas.taxonomy.nodes
    Atlas.open(tmp_path / "new", create=True).close()
    assert form(old / "atlas.sqlite") == form(tmp_path / "new" / "atlas.sqlite")


def test_migrations_are_recorded_and_done_once(tmp_path: Path) -> None:
    database = Database(build(tmp_path / "a", None) / "atlas.sqlite")
    assert migrate(database) == []
    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT name, applied FROM migrations").fetchall()
    database.close()
    assert sorted(row[0] for row in rows) == NAMES
    assert all(row[1].endswith("+00:00") for row in rows)


def test_a_migration_that_fails_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = build(tmp_path / "a", None) / "atlas.sqlite"
    before = form(file)
    broken = ("9999_broken", ("CREATE TABLE half (x)", "CREATE TABLE half (x)"))
    monkeypatch.setattr("index.migrations.MIGRATIONS", (*MIGRATIONS, broken))
    database = Database(file)
    with pytest.raises(Exception, match="already exists"):
        migrate(database)
    database.close()
    assert form(file) == before
    monkeypatch.undo()
    Atlas.open(tmp_path / "a").close()


def test_a_newer_atlas_is_refused_unchanged(tmp_path: Path) -> None:
    Atlas.open(tmp_path / "a", create=True).close()
    file = tmp_path / "a" / "atlas.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("INSERT INTO migrations VALUES ('0099_future', '2030')")
    connection.commit()
    connection.close()
    before = form(file)
    with pytest.raises(AtlasTooNewError, match=r"newer CellKin \(it holds 0099_future\); update"):
        Atlas.open(tmp_path / "a")
    assert form(file) == before


def test_a_database_of_something_else_is_refused_unchanged(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "atlas.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE recipes (name)")
    connection.commit()
    connection.close()
    with pytest.raises(AtlasDamagedError, match="database of another program"):
        Atlas.open(tmp_path / "a")
    assert form(file) == [("recipes", "CREATE TABLE recipes (name)")]


def test_two_may_open_a_new_atlas_at_once(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def open_it() -> None:
        try:
            Atlas.open(tmp_path / "a", create=True).close()
        except BaseException as error:
            errors.append(error)

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "atlas.sqlite").touch()
    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with Atlas.open(tmp_path / "a") as atlas:
        assert len(atlas.taxonomy.nodes) > 30

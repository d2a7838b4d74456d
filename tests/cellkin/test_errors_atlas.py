"""Rows of docs/errors.md about the atlas: its folder, database, models, index, classes, disk."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from index import Atlas
from index.database import Database

DATABASE = "atlas.sqlite"


def only(folder: Path) -> Path:
    """The one file in ``folder``."""
    [found] = folder.iterdir()
    return found


def damage(path: Path, start: int, length: int = 64) -> None:
    """Overwrite a part of a file."""
    content = bytearray(path.read_bytes())
    content[start : start + length] = b"\xa5" * len(content[start : start + length])
    path.write_bytes(content)


# where an atlas should be --------------------------------------------------------------------


def test_atlas_missing(refused, tmp_path: Path) -> None:
    refused("atlas-missing", "info", tmp_path / "nowhere")


def test_atlas_folder_without_atlas(refused, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    refused("atlas-not-in-folder", "embed", tmp_path / "folder")


def test_atlas_is_a_file(refused, tmp_path: Path, painted: Path) -> None:
    (tmp_path / "thesis.doc").write_text("mine")
    refused("atlas-is-a-file", "import", tmp_path / "thesis.doc", painted)


def test_atlas_in_a_folder_of_other_things(refused, tmp_path: Path, painted: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.doc").write_text("mine")
    refused("atlas-folder-taken", "import", tmp_path / "folder", painted)


def test_atlas_and_source_swapped(refused, tmp_path: Path, painted: Path) -> None:
    shutil.copytree(painted, tmp_path / "cells")
    refused("atlas-source-swapped", "import", tmp_path / "cells", tmp_path / "my.atlas")


def test_atlas_address(refused) -> None:
    refused("atlas-address", "info", "postgresql://server/cells")


# the database --------------------------------------------------------------------------------


def test_database_is_text(refused, painted_atlas: Path) -> None:
    (painted_atlas / DATABASE).write_text("not a database at all, but a text of some length" * 9)
    refused("database-no-sqlite", "info", painted_atlas)


def test_database_damaged(refused, painted_atlas: Path) -> None:
    """Every page but the first few overwritten, as a failing disk may leave it."""
    path = painted_atlas / DATABASE
    damage(path, 4096, path.stat().st_size)
    refused("database-damaged", "info", painted_atlas)


def test_database_truncated(refused, painted_atlas: Path) -> None:
    path = painted_atlas / DATABASE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    refused("database-truncated", "info", painted_atlas)


def test_database_of_another_program(refused, painted_atlas: Path) -> None:
    path = painted_atlas / DATABASE
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (amount)")
    refused("database-of-another", "info", painted_atlas)


def test_atlas_of_a_newer_cellkin(refused, painted_atlas: Path) -> None:
    with contextlib.closing(sqlite3.connect(painted_atlas / DATABASE)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(migrations)")]
        values = dict.fromkeys(columns, "2031-01-01T00:00:00+00:00") | {"name": "9999_future"}
        marks = ", ".join("?" for _ in columns)
        connection.execute(f"INSERT INTO migrations VALUES ({marks})", list(values.values()))
        connection.commit()
    refused("atlas-newer", "info", painted_atlas)


def test_second_writer_waits_and_gives_up(
    refused, painted_atlas: Path, painted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Database.__init__
    monkeypatch.setattr(
        Database,
        "__init__",
        lambda self, file, **given: original(self, file, **{**given, "timeout": 0.2}),
    )
    with contextlib.closing(sqlite3.connect(painted_atlas / DATABASE)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused("two-writers", "import", painted_atlas, painted, "--dataset", "second")


# rights and room -----------------------------------------------------------------------------


@pytest.fixture
def locked(painted_atlas: Path) -> Iterator[Path]:
    """An atlas that may be read and not written; for root the file system itself must refuse."""
    paths = [painted_atlas, *painted_atlas.iterdir()]
    if os.geteuid() == 0:
        chattr = shutil.which("chattr")
        set_it = [chattr, "+i", *map(str, paths)]
        if chattr is None or subprocess.run(set_it, capture_output=True).returncode:
            subprocess.run([chattr or "true", "-i", *map(str, paths)], capture_output=True)
            pytest.skip("root may write everywhere, and this file system knows no chattr +i")
        yield painted_atlas
        subprocess.run([chattr, "-i", *map(str, paths)], check=True)
    else:
        for path in reversed(paths):
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield painted_atlas
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_atlas_read_only(refused, locked: Path, painted: Path) -> None:
    refused("atlas-read-only", "import", locked, painted, "--dataset", "second")


def test_disk_full(refused, painted_atlas: Path, painted: Path, monkeypatch) -> None:
    """SQLite itself reports a full disk when the database may grow no further."""
    original = Database.connect

    def small(self: Database) -> sqlite3.Connection:
        connection = original(self)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(Database, "connect", small)
    refused("disk-full", "import", painted_atlas, painted, "--dataset", "x" * 9000)


def test_disk_full_while_copying(refused, painted_atlas: Path, painted: Path, monkeypatch) -> None:
    """No room for the pictures of --copy: no cell comes in without its picture."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Atlas.open(painted_atlas) as atlas:
        before = atlas.count(), atlas.present_labels()
    monkeypatch.setattr("retrieval.reading.storing.os.fsync", full)
    refused(
        "disk-full-copy",
        *("import", painted_atlas, painted, "--dataset", "second", "--copy"),
        unchanged=False,
    )
    with Atlas.open(painted_atlas) as atlas:
        assert (atlas.count(), atlas.present_labels()) == before
    assert not [path for path in (painted_atlas / "images").rglob("*") if path.is_file()]


# models and the index ------------------------------------------------------------------------


def test_model_file_missing(refused, painted_atlas: Path) -> None:
    only(painted_atlas / "models").unlink()
    refused("model-missing", "embed", painted_atlas)


def test_shipped_model_comes_back(
    reported, painted_atlas: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.model.SHIPPED", tiny_model)
    file = only(painted_atlas / "models")
    before = file.read_bytes()
    file.unlink()
    reported("model-shipped-missing", "embed", painted_atlas)
    assert only(painted_atlas / "models") == file
    assert file.read_bytes() == before


def test_model_file_damaged(refused, painted_atlas: Path) -> None:
    damage(only(painted_atlas / "models"), 100_000)
    refused("model-changed", "embed", painted_atlas)


def test_model_file_truncated(refused, painted_atlas: Path) -> None:
    path = only(painted_atlas / "models")
    path.write_bytes(path.read_bytes()[:1000])
    refused("model-truncated", "embed", painted_atlas)


def test_model_of_another_program(refused, painted_atlas: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    refused("model-of-another", "embed", painted_atlas, "--model", tmp_path / "other.safetensors")


def test_model_that_is_pickled(refused, painted_atlas: Path, tmp_path: Path) -> None:
    import torch

    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    refused("model-pickled", "embed", painted_atlas, "--model", tmp_path / "other.pt")


def answers(path: Path) -> list[list[int]]:
    with Atlas.open(path) as atlas:
        _, vectors = atlas.embeddings()
        found: list[list[int]] = atlas.search(vectors, 3).ids.tolist()
    return found


@pytest.mark.parametrize("row", ["index-missing", "index-damaged", "index-of-another-model"])
def test_index_is_rebuilt(
    reported, painted_atlas: Path, row: str, tmp_path: Path, run_cellkin: Callable
) -> None:
    """The vector index is a cache: whatever happens to it, the answers stay the same."""
    before = answers(painted_atlas)
    file = only(painted_atlas / "vectors")
    if row == "index-missing":
        file.unlink()
    elif row == "index-damaged":
        damage(file, file.stat().st_size // 2)
    else:
        content = file.read_bytes()
        assert file.stem.encode() in content
        file.write_bytes(content.replace(file.stem.encode(), b"0" * len(file.stem)))
    reported(row, "embed", painted_atlas)
    assert answers(painted_atlas) == before
    assert only(painted_atlas / "vectors") == file


# backup --------------------------------------------------------------------------------------


def test_backup_onto_existing(refused, painted_atlas: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    refused("backup-target-exists", "backup", painted_atlas, tmp_path / "thesis")


def test_backup_below_a_file(refused, painted_atlas: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("mine")
    refused("backup-target-impossible", "backup", painted_atlas, tmp_path / "thesis.doc" / "copy")


# classes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "arguments"),
    [
        ("taxonomy-parent-missing", ["--add", "moon_cell", "--parent", "lymphocite"]),
        ("taxonomy-code-twice", ["--add", "monocyte", "--parent", "leukocyte"]),
        ("taxonomy-code-form", ["--add", "Moon Cell", "--parent", "lymphocyte"]),
        (
            "taxonomy-alias-taken",
            ["--add", "moon_cell", "--parent", "lymphocyte", "--alias", "SNE"],
        ),
    ],
)
def test_class_refused(refused, painted_atlas: Path, row: str, arguments: list[str]) -> None:
    refused(row, "taxonomy", painted_atlas, *arguments)


def test_class_without_parent(refused, painted_atlas: Path) -> None:
    refused("taxonomy-no-parent", "taxonomy", painted_atlas, "--add", "moon_cell", status=2)

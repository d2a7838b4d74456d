"""Damaged, locked, full, read-only: one named line with its remedy, and nothing lost."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from index import Atlas, CellKinError, NewLabel
from index.errors import (
    AtlasBusyError,
    AtlasDamagedError,
    AtlasNotFoundError,
    DiskFullError,
    RecordError,
    StorageError,
    TargetExistsError,
)

Make = SimpleNamespace


def one_line(error: pytest.ExceptionInfo[CellKinError]) -> None:
    """Every error is one line and says what to do."""
    assert "\n" not in str(error.value)
    assert error.value.remedy


def test_an_atlas_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AtlasNotFoundError, match="does not exist; make it with 'cellkin import"):
        Atlas.open(tmp_path / "none")
    (tmp_path / "pictures").mkdir()
    with pytest.raises(AtlasNotFoundError, match="exists but holds no atlas"):
        Atlas.open(tmp_path / "pictures")
    (tmp_path / "pictures" / "cell.png").touch()
    with pytest.raises(AtlasNotFoundError, match="holds other files and no atlas"):
        Atlas.open(tmp_path / "pictures", create=True)
    with pytest.raises(AtlasNotFoundError, match="is a file, an atlas is a folder"):
        Atlas.open(tmp_path / "pictures" / "cell.png", create=True)
    with pytest.raises(AtlasNotFoundError, match="address of a shared atlas"):
        Atlas.open("postgresql://host/atlas")
    with pytest.raises(StorageError):
        Atlas.open(tmp_path / "pictures" / "cell.png" / "atlas", create=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cell.png", "pictures"]


@pytest.mark.parametrize(
    "harm", [b"", b"this is text, not a database, and long enough to be one", b"\0" * 5000]
)
def test_a_file_that_is_no_database(filled: Atlas, harm: bytes) -> None:
    filled.close()
    file = filled.path / "atlas.sqlite"
    file.write_bytes(harm)
    with pytest.raises(AtlasDamagedError, match="restore the last 'cellkin backup'") as error:
        Atlas.open(filled.path)
    one_line(error)
    assert file.read_bytes() == harm


def test_damaged_pages_are_named_when_they_are_met(filled: Atlas) -> None:
    filled.close()
    file = filled.path / "atlas.sqlite"
    content = bytearray(file.read_bytes())
    for page in range(8, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = os.urandom(200)
    file.write_bytes(content)
    with pytest.raises(AtlasDamagedError, match=r"atlas\.sqlite is damaged") as error:
        use_everything(filled.path)
    one_line(error)


def use_everything(path: Path) -> None:
    with Atlas.open(path) as atlas:
        atlas.table()
        list(atlas.cells())
        atlas.embeddings()
        atlas.add_labels([NewLabel(1, "basophil", "ana", "single")])


def test_a_locked_atlas_is_named_after_a_while(filled: Atlas) -> None:
    holder = sqlite3.connect(filled.path / "atlas.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with Atlas.open(filled.path, timeout=0.05) as waiting:
            assert waiting.count() == 120  # reading goes on
            with pytest.raises(AtlasBusyError, match="locked by another process; wait") as error:
                waiting.add_labels([NewLabel(1, "basophil", "ana", "single")])
            one_line(error)
            assert len(waiting.history(1)) == len(filled.history(1))
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert filled.add_labels([NewLabel(1, "basophil", "ana", "single")])


def test_a_full_disk_loses_nothing_that_was_acknowledged(filled: Atlas, make: Make) -> None:
    (kept,) = filled.add_labels([NewLabel(1, "basophil", "ana", "single", note="kept")])
    cells = filled.count()
    with filled.database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFullError, match="no room left to write atlas") as error:
        filled.add_cells("set0", (make.record(number) for number in range(1000, 3000)))
    one_line(error)
    assert filled.count() == cells
    filled.close()
    with Atlas.open(filled.path) as again:
        assert again.history(1)[-1].id == kept
        assert again.add_cells("set0", [make.record(1000)]).added == 1


AS_NOBODY = """
    import os, sys
    from index import Atlas, CellKinError
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    for create in (False, True):
        try:
            Atlas.open(sys.argv[1], create=create)
        except CellKinError as error:
            print(type(error).__name__, error)
"""


@pytest.mark.parametrize("rights", [0o555, 0o000])
def test_a_folder_without_rights(filled: Atlas, rights: int) -> None:
    filled.close()
    # Not below tmp_path, which only its owner may enter.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = Path(shutil.copytree(filled.path, Path(place) / "atlas"))
        (folder / "atlas.sqlite").chmod(0o444)
        folder.chmod(rights)
        done = run(AS_NOBODY, folder)
        folder.chmod(0o755)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    for line in lines:
        assert line.startswith("AtlasReadOnlyError")
        assert "may not be written; make the folder and its files writable" in line


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


KILLED = """
    import os, signal, sys
    from index import Atlas, CellRecord
    import hashlib
    def records():
        for number in range(5000):
            if number == 1300:
                os.kill(os.getpid(), signal.SIGKILL)
            digest = hashlib.sha256(f"new{number}".encode()).hexdigest()
            yield CellRecord(f"new{number}.png", digest, 8, 8, class_code="blast")
    Atlas.open(sys.argv[1]).add_cells("set0", records())
"""


def test_a_killed_import_leaves_whole_batches(filled: Atlas) -> None:
    before = filled.count()
    filled.close()
    assert run(KILLED, filled.path).returncode == -signal.SIGKILL
    with Atlas.open(filled.path) as again:
        assert again.count() == before + 1024
        new = {cell.id for cell in again.cells() if cell.file.startswith("new")}
        assert new <= set(again.present_labels())
        with again.database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []


def test_the_database_is_as_durable_as_promised(filled: Atlas) -> None:
    with filled.database.read() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert told == {
        "journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 10_000,
    }  # fmt: skip


def test_a_backup_is_whole_and_consistent(filled: Atlas, tmp_path: Path) -> None:
    (filled.path / "images").mkdir()
    (filled.path / "images" / "x.png").write_bytes(b"picture")
    (filled.path / "images" / "y.png.part").write_bytes(b"half")
    filled.sync_index()
    target = filled.backup(tmp_path / "copy")
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*.*")) == [
        "atlas.sqlite", "images/x.png", "models/m.safetensors",
    ]  # fmt: skip
    with Atlas.open(target) as copy:
        assert copy.table().equals(filled.table())
        assert copy.present_labels() == filled.present_labels()
        ids, vectors = copy.embeddings()
        assert copy.search(vectors, 1, labelled=False).ids[:, 0].tolist() == ids.tolist()
    with pytest.raises(TargetExistsError, match="exists, a backup is written to a new folder"):
        filled.backup(target)


def test_a_backup_that_fails_leaves_nothing(
    filled: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("index.atlas.copy_whole", full)
    with pytest.raises(DiskFullError, match="no room left to write") as error:
        filled.backup(tmp_path / "copy")
    one_line(error)
    assert not list(tmp_path.glob("copy*"))


def test_a_model_that_cannot_be_copied_is_not_known(
    filled: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("index.keeping.copy_whole", full)
    (tmp_path / "n").write_bytes(b"n")
    with pytest.raises(DiskFullError):
        filled.add_model("n", tmp_path / "n", {})
    assert [row.id for row in filled.models()] == ["m"]


def test_documents_and_users(new_atlas: Callable[..., Atlas]) -> None:
    atlas = new_atlas()
    assert atlas.document("calibration") is None
    atlas.put_document("calibration", {"temperature": 1.5})
    atlas.put_document("calibration", {"temperature": 2.0, "text": "µ"})
    assert new_atlas().document("calibration") == {"temperature": 2.0, "text": "µ"}
    assert atlas.document_names() == ["calibration"]
    atlas.delete_document("calibration")
    assert atlas.document_names() == []
    with pytest.raises(RecordError, match="does not fit into JSON"):
        atlas.put_document("x", {"nan": float("nan")})
    atlas.put_user("ana", full_name="Ana", role="expert", password_hash="h")
    atlas.put_user("ana", full_name="Ana B", role="expert", password_hash="h")
    assert [(user.name, user.full_name) for user in atlas.users()] == [("ana", "Ana B")]
    with pytest.raises(RecordError, match="user name is ' '"):
        atlas.put_user(" ")
    with pytest.raises(RecordError, match=r"model id is '\.\./x'"):
        atlas.add_model("../x", atlas.path, {})


LIGHT = """
    import sys
    from index import Atlas
    Atlas.open(sys.argv[1], create=True).close()
    heavy = {"torch", "flask", "faiss", "pandas", "PIL", "sklearn"} & set(sys.modules)
    assert not heavy, heavy
"""


def test_opening_an_atlas_loads_nothing_heavy(tmp_path: Path) -> None:
    done = run(LIGHT, tmp_path / "a")
    assert done.returncode == 0, done.stderr

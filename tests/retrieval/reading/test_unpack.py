"""Archives are unpacked whole or not at all, and never outside their folder."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from retrieval.reading import unpack as module
from retrieval.reading.errors import FetchError
from retrieval.reading.unpack import unpack


def pack(path: Path, *names: str, mode: int = 0, content: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


def names(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*"))


def test_everything_and_again(tmp_path: Path, folder: Path) -> None:
    archive = pack(tmp_path / "a.zip", "t/a.png", "t/ü/b.png", "c.png", "__MACOSX/t/._a.png")
    for _ in range(2):
        assert unpack(archive, folder) == ["c.png", "t"]
        assert names(folder) == ["c.png", "t", "t/a.png", "t/ü", "t/ü/b.png"]


def test_one_folder_of_it(tmp_path: Path, folder: Path) -> None:
    archive = pack(tmp_path / "a.zip", "repo-1/BCCD/a.png", "repo-1/README.md")
    assert unpack(archive, folder, inside="BCCD") == ["BCCD"]
    assert names(folder) == ["BCCD", "BCCD/a.png"]
    with pytest.raises(FetchError, match="holds no folder other"):
        unpack(archive, folder, inside="other")


@pytest.mark.parametrize(
    "name", ["../out.png", "a/../../out.png", "/tmp/out.png", "..\\out.png", "C:/out.png"]
)
def test_no_way_out(tmp_path: Path, folder: Path, name: str) -> None:
    archive = pack(tmp_path / "a.zip", "good.png", name)
    with pytest.raises(FetchError, match=r"is refused: .* would land outside the folder"):
        unpack(archive, folder)
    assert names(folder) == []
    assert not (tmp_path / "out.png").exists()


def test_no_links(tmp_path: Path, folder: Path) -> None:
    archive = pack(tmp_path / "a.zip", "link", mode=stat.S_IFLNK | 0o777, content=b"/etc/passwd")
    with pytest.raises(FetchError, match="is a link"):
        unpack(archive, folder)
    assert names(folder) == []


def test_no_bombs(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_GROWTH", 2)
    archive = pack(tmp_path / "a.zip", "a.png", content=b"\0" * 3_000_000)
    with pytest.raises(FetchError, match="would fill the disk"):
        unpack(archive, folder)
    assert names(folder) == []


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_damaged(tmp_path: Path, folder: Path, share: float) -> None:
    archive = pack(tmp_path / "a.zip", *(f"{number}.png" for number in range(20)))
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(FetchError, match="no whole zip archive"):
        unpack(archive, folder)
    assert names(folder) == []


def test_rar_needs_a_tool(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.rar").write_bytes(b"Rar!")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(FetchError, match=r"nothing here unpacks \.rar; install one of unar, bsd"):
        unpack(tmp_path / "a.rar", folder)
    tool = tmp_path / "bin" / "unar"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\n/bin/mkdir "$4/Train"\n/bin/cp "$5" "$4/Train/cell.png"\n')
    tool.chmod(0o755)
    assert unpack(tmp_path / "a.rar", folder) == ["Train"]
    assert names(folder) == ["Train", "Train/cell.png"]
    tool.write_text('#!/bin/sh\n/bin/ln -s /etc "$4/out"\n')
    with pytest.raises(FetchError, match="is a link"):
        unpack(tmp_path / "a.rar", folder)
    tool.write_text("#!/bin/sh\necho broken archive >&2\nexit 3\n")
    with pytest.raises(FetchError, match=r"unar cannot unpack .*: broken archive"):
        unpack(tmp_path / "a.rar", folder)
    assert names(folder) == ["Train", "Train/cell.png"]

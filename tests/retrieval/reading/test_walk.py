"""The walk: sorted, each folder once, nothing silently left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval.reading.errors import SourceError
from retrieval.reading.found import PassedOver
from retrieval.reading.walk import Entry, plain, walk

Painter = Callable[..., Path]


def listed(root: Path) -> tuple[list[str], dict[str, str]]:
    found = list(walk(root))
    return (
        [each.file for each in found if isinstance(each, Entry)],
        {each.file: each.reason for each in found if isinstance(each, PassedOver)},
    )


def test_files_come_sorted_with_folders(tmp_path: Path, paint: Painter) -> None:
    for name in ("b/2.png", "b/1.PNG", "a/x.jpg", "c.png", "zelle-ü.png"):
        paint(tmp_path / name)
    files, passed = listed(tmp_path)
    assert files == ["a/x.jpg", "b/1.PNG", "b/2.png", "c.png", "zelle-ü.png"]
    assert passed == {}
    assert next(iter(walk(tmp_path))).folders == ("a",)  # type: ignore[union-attr]


def test_what_is_passed_over_is_named(tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / ".DS_169665.jpg")
    paint(tmp_path / "._cell.png")
    paint(tmp_path / ".hidden" / "cell.png")
    paint(tmp_path / "masks" / "cell.png")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "README").write_text("x")
    (tmp_path / "Thumbs.db").write_text("x")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    files, passed = listed(tmp_path)
    assert files == []
    assert passed == {
        ".DS_169665.jpg": "hidden file",
        "._cell.png": "hidden file",
        ".hidden": "hidden folder",
        "masks": "folder of masks, not of cells",
        "notes.txt": "no picture by its name (.txt)",
        "README": "no picture by its name (no suffix)",
        "pipe.png": "no regular file",
        "gone.png": "a link to nothing",
    }


def test_a_link_to_itself_is_passed_over(tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "cell.png")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    files, passed = listed(tmp_path)
    assert files == ["cell.png"]
    assert passed == {"loop": "cannot be read: Too many levels of symbolic links"}


def test_links_are_followed_and_loops_end(tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "in" / "a" / "cell.png")
    (tmp_path / "in" / "a" / "loop").symlink_to(tmp_path / "in")
    paint(tmp_path / "outside" / "far.png")
    (tmp_path / "in" / "b").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "near.png").symlink_to(tmp_path / "outside" / "far.png")
    files, passed = listed(tmp_path / "in")
    assert files == ["a/cell.png", "b/far.png", "near.png"]
    assert passed == {"a/loop": "a link to a folder already read"}


def test_names_that_are_no_utf8(tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "good.png")
    os.close(os.open(os.fsencode(tmp_path) + b"/b\xe4d.png", os.O_CREAT))
    files, passed = listed(tmp_path)
    assert files == ["good.png"]
    assert passed == {"b\\xe4d.png": "its name is not UTF-8"}


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert "Permission denied" in listed(tmp_path)[1]["closed"]


@pytest.mark.parametrize(("name", "says"), [("nowhere", "no folder"), ("f.txt", "is no folder")])
def test_the_root_must_be_a_folder(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "f.txt").write_text("x")
    with pytest.raises(SourceError, match=says):
        list(walk(tmp_path / name))


def test_plain_names_compare() -> None:
    assert plain(" .\\a\\zelle-u\u0308.png ") == "a/zelle-ü.png"

"""Rows of docs/errors.md about sources, tables and pictures."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from index import Atlas


@pytest.fixture
def cells(tmp_path: Path, painted: Path) -> Path:
    """A flat folder with two good painted cells, to put a bad file beside."""
    folder = tmp_path / "cells"
    folder.mkdir()
    for number, path in enumerate(sorted(painted.glob("monocyte/*.png"))[:2]):
        (folder / f"good{number}.png").write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def table(tmp_path: Path, cells: Path) -> Callable[[str | bytes], Path]:
    """Write labels.csv with the given content, beside the good cells."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "labels.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def count(atlas: Path) -> int:
    with Atlas.open(atlas) as opened:
        return opened.count()


# sources -------------------------------------------------------------------------------------


def test_source_missing(refused, tmp_path: Path) -> None:
    refused("source-missing", "import", tmp_path / "new", tmp_path / "nowhere")


def test_source_empty(refused, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused("source-empty", "import", tmp_path / "new", tmp_path / "empty")


def test_source_without_pictures(refused, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "notes.docx").write_text("no picture")
    refused("source-no-pictures", "import", tmp_path / "new", tmp_path / "texts")


def test_source_is_text(refused, tmp_path: Path) -> None:
    (tmp_path / "notes.docx").write_text("no picture")
    refused("source-is-text", "import", tmp_path / "new", tmp_path / "notes.docx")


def test_reader_unknown(refused, tmp_path: Path, cells: Path) -> None:
    refused("reader-unknown", "import", tmp_path / "new", cells, "--reader", "pcb")


def test_reader_of_a_file_for_a_folder(refused, tmp_path: Path, cells: Path) -> None:
    refused("reader-wants-file", "import", tmp_path / "new", cells, "--reader", "medmnist")


def test_npz_without_arrays(refused, tmp_path: Path) -> None:
    (tmp_path / "cells.npz").write_text("this is no archive")
    refused("npz-no-archive", "import", tmp_path / "new", tmp_path / "cells.npz")


def test_npz_with_pickled_objects(refused, tmp_path: Path) -> None:
    """Unpickling runs code of whoever made the file; the trap must not spring."""

    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    images = np.array([Trap(), Trap()], dtype=object)
    np.savez(tmp_path / "bloodmnist.npz", train_images=images, train_labels=np.zeros((2, 1)))
    refused("npz-pickled", "import", tmp_path / "new", tmp_path / "bloodmnist.npz")
    assert not (tmp_path / "sprung").exists()


# tables --------------------------------------------------------------------------------------


def test_labels_missing(refused, tmp_path: Path, cells: Path) -> None:
    refused("labels-missing", "import", tmp_path / "new", cells, "--labels", tmp_path / "no.csv")


@pytest.mark.parametrize(
    ("row", "content"),
    [
        ("table-empty", ""),
        ("table-no-file-column", "name,class\ngood0.png,monocyte\n"),
        ("table-column-twice", "file,class,class\ngood0.png,monocyte,platelet\n"),
        ("table-not-utf8", "file,class\ngood0.png,Zelle-\xe4\n".encode("latin-1")),
        ("table-quote-open", 'file,class\n"good0.png,monocyte\ngood1.png,monocyte\n'),
        ("table-binary", b"file,class\ngood0.png,\0\n"),
        ("table-unknown-class-strict", "file,class\ngood0.png,martian\n"),
        ("table-names-nothing-here", "file,class\nelsewhere.png,monocyte\n"),
    ],
)
def test_table_refused(
    refused, tmp_path: Path, cells: Path, table: Callable, row: str, content: str | bytes
) -> None:
    refused(row, "import", tmp_path / "new", cells, "--labels", table(content), "--strict")


def test_table_with_a_file_as_source(refused, tmp_path: Path, cells: Path, table) -> None:
    labels = table("file,class\ngood0.png,monocyte\n")
    refused(
        "labels-with-a-file", "import", tmp_path / "new", cells / "good0.png", "--labels", labels
    )


@pytest.mark.parametrize(
    ("row", "content", "labels"),
    [
        ("table-unknown-class", "file,class\ngood0.png,martian\ngood1.png,monocyte\n", 1),
        ("table-unknown-split", "file,class,split\ngood0.png,monocyte,holdout\n", 1),
        ("table-short-row", "file,class\ngood0.png\ngood1.png,monocyte\n", 1),
        ("table-row-without-file", "file,class\n,monocyte\ngood1.png,monocyte\n", 1),
        ("table-file-missing", "file,class\ngone.png,monocyte\ngood1.png,monocyte\n", 1),
        ("table-file-twice", "file,class\ngood0.png,monocyte\ngood0.png,platelet\n", 2),
        ("table-bad-box", "file,class,box\ngood0.png,monocyte,here\ngood1.png,monocyte,\n", 1),
    ],
)
def test_table_reported(
    reported, tmp_path: Path, cells: Path, table, row: str, content: str, labels: int
) -> None:
    reported(row, "import", tmp_path / "new", cells, "--labels", table(content))
    with Atlas.open(tmp_path / "new") as atlas:
        given = sum(len(atlas.history(int(cell_id))) for cell_id in atlas.cell_ids())
    assert given == labels


# pictures ------------------------------------------------------------------------------------


def jpeg(painted: Path, **options: object) -> bytes:
    """A painted cell as JPEG, made here: none is stored."""
    buffer = io.BytesIO()
    source = sorted(painted.glob("neutrophil/*.png"))[0]
    mode = str(options.pop("mode", "RGB"))
    Image.open(source).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def huge_png() -> bytes:
    """The header of a PNG of 60,000 x 60,000 pixels, with next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def bad_picture(row: str, painted: Path) -> tuple[str, bytes]:
    """Name and content of the bad file of a row."""
    whole = jpeg(painted)
    return {
        "jpeg-truncated": ("bad.jpg", whole[: len(whole) // 2]),
        "text-named-jpg": ("bad.jpg", b"Dear colleague,\nplease find attached\n"),
        "picture-empty": ("bad.png", b""),
        "png-60000": ("bad.png", huge_png()),
        "tiff-damaged": ("bad.tif", b"II*\0" + bytes(100)),
        "file-hidden": (".DS_169665.jpg", whole),
        "file-no-picture": ("notes.txt", b"hello"),
    }[row]


@pytest.mark.parametrize(
    "row",
    [
        "jpeg-truncated",
        "text-named-jpg",
        "picture-empty",
        "png-60000",
        "tiff-damaged",
        "file-hidden",
        "file-no-picture",
    ],
)
def test_picture_passed_over(
    reported, tmp_path: Path, cells: Path, painted: Path, row: str
) -> None:
    name, content = bad_picture(row, painted)
    (cells / name).write_bytes(content)
    told = reported(row, "import", tmp_path / "new", cells)
    assert name in told, "the file is named"
    assert count(tmp_path / "new") == 2, "the good cells are in"


def test_picture_out_of_reach(reported, tmp_path: Path, cells: Path) -> None:
    (cells / "bad.png").symlink_to(tmp_path / "gone.png")
    reported("link-to-nothing", "import", tmp_path / "new", cells)
    assert count(tmp_path / "new") == 2


def test_link_to_itself(reported, tmp_path: Path, cells: Path) -> None:
    (cells / "bad.png").symlink_to(cells / "bad.png")
    reported("link-to-itself", "import", tmp_path / "new", cells)
    assert count(tmp_path / "new") == 2


def test_named_pipe(reported, tmp_path: Path, cells: Path) -> None:
    os.mkfifo(cells / "bad.png")
    reported("named-pipe", "import", tmp_path / "new", cells)
    assert count(tmp_path / "new") == 2


def test_every_picture_bad(refused, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "bad.jpg").write_text("text")
    refused("every-picture-bad", "import", tmp_path / "new", tmp_path / "bad")
    assert not (tmp_path / "new").exists()


def test_cmyk_jpeg_is_read(reported, tmp_path: Path, cells: Path, painted: Path) -> None:
    (cells / "cmyk.jpg").write_bytes(jpeg(painted, mode="CMYK"))
    reported("jpeg-cmyk", "import", tmp_path / "new", cells)
    assert count(tmp_path / "new") == 3


def test_gif_animation_gives_its_first_picture(reported, tmp_path: Path, cells: Path) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(cells / "moving.gif", save_all=True, append_images=frames[1:])
    reported("gif-animation", "import", tmp_path / "new", cells)
    assert count(tmp_path / "new") == 3


def test_same_picture_under_two_classes(reported, tmp_path: Path, painted: Path) -> None:
    picture = sorted(painted.glob("monocyte/*.png"))[0].read_bytes()
    for name in ("monocyte", "platelet"):
        (tmp_path / "cells" / name).mkdir(parents=True)
        (tmp_path / "cells" / name / "a.png").write_bytes(picture)
    reported("two-classes", "import", tmp_path / "new", tmp_path / "cells")
    with Atlas.open(tmp_path / "new") as atlas:
        assert atlas.count() == 1
        assert len(atlas.disputed()) == 1
        assert len(atlas.history(atlas.disputed()[0])) == 2, "both labels are kept"


def test_import_twice_adds_nothing(reported, run_cellkin, tmp_path: Path, cells: Path) -> None:
    run_cellkin("import", tmp_path / "new", cells)
    reported("import-twice", "import", tmp_path / "new", cells)
    assert count(tmp_path / "new") == 2


def test_file_missing_later(reported, run_cellkin, painted_atlas: Path, cells: Path) -> None:
    run_cellkin("import", painted_atlas, cells, "--dataset", "late")
    (cells / "good0.png").unlink()
    reported("cell-file-missing", "embed", painted_atlas)
    found = json.loads(run_cellkin("info", painted_atlas, "--json").stdout)
    assert found["cells"] - found["models"][0]["embedded"] == 1


def test_file_changed_later(reported, run_cellkin, painted_atlas: Path, cells: Path) -> None:
    run_cellkin("import", painted_atlas, cells, "--dataset", "late")
    (cells / "good0.png").write_bytes((cells / "good1.png").read_bytes())
    reported("cell-file-changed", "embed", painted_atlas)


def test_zip_is_no_source(refused, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "cells.zip", "w") as archive:
        archive.writestr("../outside.png", b"x")
    refused("source-is-zip", "import", tmp_path / "new", tmp_path / "cells.zip")


def test_a_table_that_knows_more(reported, run_cellkin, tmp_path: Path, cells: Path) -> None:
    table, atlas = tmp_path / "labels.csv", tmp_path / "new"
    run_cellkin("import", atlas, cells)
    table.write_text("file,class,patient,split\ngood0.png,,p1,train\ngood1.png,,p1,\n")
    reported("import-tells-more", "import", atlas, cells, "--labels", table)
    table.write_text("file,class,patient,split\ngood0.png,,p2,train\ngood1.png,,p1,\n")
    reported("import-tells-otherwise", "import", atlas, cells, "--labels", table)
    with Atlas.open(atlas) as opened:
        assert [cell.patient for cell in opened.cells()] == ["p1", "p1"]

"""Sources with a table of labels, tables as sources, single pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval.reading.errors import SourceError, TableError
from retrieval.reading.found import Found, PassedOver
from retrieval.reading.source import iter_source

Painter = Callable[..., Path]


def table(path: Path, *lines: str, heading: str = "file,class") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")
    return path


def labelled(source: Path, labels: Path | None = None) -> dict[str, str | None]:
    return {
        each.file: each.class_text
        for each in iter_source(source, labels)
        if isinstance(each, Found)
    }


def passed(source: Path, labels: Path | None = None) -> list[tuple[str, str]]:
    return [
        (each.file, each.reason)
        for each in iter_source(source, labels)
        if isinstance(each, PassedOver)
    ]


@pytest.fixture
def cells(tmp_path: Path, paint: Painter) -> Path:
    for seed, name in enumerate(("a.png", "b.png", "sub/c.png")):
        paint(tmp_path / "set" / "images" / name, seed)
    return tmp_path / "set"


@pytest.mark.parametrize("spelling", ["{}", "images/{}", "./images/{}", "images\\{}", "{root}/{}"])
def test_rows_find_their_pictures(cells: Path, spelling: str) -> None:
    names = [spelling.format(name, root=cells / "images") for name in ("a.png", "sub/c.png")]
    labels = table(cells / "labels.csv", f"{names[0]},SNE", f"{names[1]},LY")
    assert labelled(cells, labels) == {
        "images/a.png": "SNE",
        "images/b.png": None,
        "images/sub/c.png": "LY",
    }
    assert passed(cells, labels) == []


def test_the_folder_of_pictures_as_source(cells: Path, tmp_path: Path) -> None:
    labels = table(tmp_path / "far" / "labels.csv", "a.png,SNE", "sub/c.png,LY")
    assert labelled(cells / "images", labels) == {"a.png": "SNE", "b.png": None, "sub/c.png": "LY"}


@pytest.mark.parametrize("name", ["c", "c.png", "c.jpg", "elsewhere/c.png"])
def test_bare_names_when_no_path_fits(cells: Path, tmp_path: Path, name: str) -> None:
    labels = table(tmp_path / "far" / "labels.csv", f"{name},LY", "zzz,SNE")
    assert labelled(cells, labels)["images/sub/c.png"] == "LY"
    assert passed(cells, labels) == [("zzz", "named in the table, but there is no such file")]


def test_a_bare_name_of_two_pictures(cells: Path, tmp_path: Path, paint: Painter) -> None:
    paint(cells / "images" / "other" / "c.png", 9)
    labels = table(tmp_path / "far" / "labels.csv", "c,LY", "a,SNE")
    assert labelled(cells, labels)["images/sub/c.png"] is None
    assert passed(cells, labels) == [("c", "2 pictures have this name")]


def test_a_table_of_other_pictures(cells: Path, tmp_path: Path) -> None:
    labels = table(tmp_path / "far" / "labels.csv", "x.png,LY", "y.png,LY")
    with pytest.raises(TableError, match=r"no row of the table names .*the first names x\.png"):
        labelled(cells, labels)


def test_pictures_outside_images_stay_out(cells: Path, paint: Painter) -> None:
    paint(cells / "thumbnails" / "a.png", 5)
    labels = table(cells / "labels.csv", "a.png,SNE")
    assert set(labelled(cells, labels)) == {"images/a.png", "images/b.png", "images/sub/c.png"}
    assert passed(cells, labels) == [
        ("thumbnails/a.png", "outside images/, where the table's pictures lie")
    ]


def test_the_table_alone_gives_classes(tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "neutrophil" / "a.png", 1)
    paint(tmp_path / "Patient_1" / "monocyte" / "b.png", 2)
    labels = table(tmp_path / "labels.csv", "neutrophil/a.png,LY,p9", heading="file,class,patient")
    found = {each.file: each for each in iter_source(tmp_path, labels) if isinstance(each, Found)}
    assert found["neutrophil/a.png"].class_text == "LY"
    assert found["neutrophil/a.png"].patient == "p9"
    assert found["Patient_1/monocyte/b.png"].class_text is None
    assert found["Patient_1/monocyte/b.png"].patient == "Patient_1"


def test_rows_without_file_rows_twice_and_contradictions(cells: Path) -> None:
    labels = table(
        cells / "labels.csv", "a.png,SNE", "a.png,SNE", "b.png,SNE", "b.png,LY", "zzz.png,LY"
    )
    assert labelled(cells, labels) == {
        "images/a.png": "SNE",
        "images/b.png": None,
        "images/sub/c.png": None,
    }
    assert passed(cells, labels) == [
        ("a.png", "named twice in the table"),
        ("b.png", "the table gives it different classes"),
        ("zzz.png", "named in the table, but there is no such file"),
    ]


def test_a_named_file_is_tried_whatever_it_is_called(cells: Path, paint: Painter) -> None:
    paint(cells / "images" / "odd.cell", 4)
    labels = table(cells / "labels.csv", "odd.cell,LY")
    assert labelled(cells, labels)["odd.cell"] == "LY"
    assert passed(cells, labels) == []


def test_accents_compare_however_composed(tmp_path: Path, paint: Painter) -> None:
    paint(tmp_path / "zelle-u\u0308.png")
    labels = table(tmp_path / "labels.csv", "zelle-ü.png,LY")
    assert list(labelled(tmp_path, labels).values()) == ["LY"]


def test_the_table_needs_a_class(cells: Path) -> None:
    with pytest.raises(TableError, match="no column 'class'"):
        labelled(cells, table(cells / "labels.csv", "a.png,1", heading="file,x"))


def test_a_table_as_source_keeps_its_spelling_and_order(cells: Path) -> None:
    source = table(cells / "list.csv", "sub/c.png,LY", "images/a.png,", "none.png,x")
    assert labelled(source) == {"sub/c.png": "LY", "images/a.png": None}
    assert passed(source) == [("none.png", "named in the table, but there is no such file")]
    plain = table(cells / "plain.csv", f"{cells}/images/b.png", heading="path")
    assert labelled(plain) == {f"{cells}/images/b.png": None}


def test_one_picture_and_the_pages_of_a_stack(tmp_path: Path, paint: Painter) -> None:
    import numpy as np
    import tifffile

    assert labelled(paint(tmp_path / "one.png")) == {"one.png": None}
    stack = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="rgb")
    found = [each for each in iter_source(tmp_path / "stack.tif") if isinstance(each, Found)]
    assert [(each.file, each.frame, each.whole) for each in found] == [
        ("stack.tif", page, False) for page in range(3)
    ]
    labels = table(
        tmp_path / "labels.csv", "stack.tif,LY,0", "stack.tif,SNE,2", heading="file,class,frame"
    )
    found = [each for each in iter_source(tmp_path, labels) if isinstance(each, Found)]
    assert [(each.frame, each.class_text) for each in found if each.file == "stack.tif"] == [
        (0, "LY"),
        (2, "SNE"),
    ]


@pytest.mark.parametrize("name", ["nowhere", "nowhere.csv", "notes.doc"])
def test_what_is_no_source(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.doc").write_text("x")
    with pytest.raises(SourceError):
        list(iter_source(tmp_path / name))


def test_labels_go_with_a_folder(cells: Path) -> None:
    labels = table(cells / "labels.csv", "a.png,SNE")
    with pytest.raises(SourceError, match="goes with a folder"):
        list(iter_source(cells / "images" / "a.png", labels))


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["raabin", "rvpbs", "pbites", "bccd", "tecom"])
def test_real_sets_are_read_whole(real_data: Path, name: str) -> None:
    labels = real_data / name / "labels.csv"
    lines = len(labels.read_text(encoding="utf-8").splitlines()) - 1
    found = labelled(real_data / name, labels)
    assert len(found) == lines
    assert all(found.values())

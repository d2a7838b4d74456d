"""Each published layout is recognised and read; one registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from retrieval.reading.decode import decode
from retrieval.reading.errors import ImageUnreadableError, SourceError, UnknownReaderError
from retrieval.reading.found import Found, PassedOver
from retrieval.reading.readers import READERS, reader_named
from retrieval.reading.source import iter_source, open_source

Painter = Callable[..., Path]
Pixels = Callable[..., np.ndarray]


def read(source: Path, reader: str | None = None) -> dict[str, Found]:
    return {
        each.file: each for each in iter_source(source, reader=reader) if isinstance(each, Found)
    }


def passed(source: Path) -> dict[str, str]:
    return {each.file: each.reason for each in iter_source(source) if isinstance(each, PassedOver)}


def make(root: Path, paint: Painter, *names: str) -> Path:
    for seed, name in enumerate(names):
        paint(root / name, seed)
    return root


def test_names_and_summaries() -> None:
    for name, reader in READERS.items():
        assert reader.name == name
        assert 20 < len(reader.summary) < 100


def test_unknown_reader_names_those_there_are() -> None:
    with pytest.raises(UnknownReaderError, match=r"'pcb', allowed is one of .*; did you mean pbc"):
        reader_named("pcb")


def test_pbc(tmp_path: Path, paint: Painter) -> None:
    source = make(
        tmp_path / "PBC_dataset_normal_DIB",
        paint,
        "neutrophil/SNE_1.jpg",
        "neutrophil/BNE_2.jpg",
        "neutrophil/NEUTROPHIL_3.jpg",
        "neutrophil/.DS_169665.jpg",
        "ig/PMY_1.jpg",
        "ig/IG_2.jpg",
        "basophil/BA_1.jpg",
        "eosinophil/EO_1.jpg",
        "platelet/PLATELET_1.jpg",
    )
    for given in (source, tmp_path):
        assert open_source(given).reader.name == "pbc"
    found = read(source)
    assert {name: (each.class_text, each.subclass_text) for name, each in found.items()} == {
        "neutrophil/SNE_1.jpg": ("neutrophil", "SNE"),
        "neutrophil/BNE_2.jpg": ("neutrophil", "BNE"),
        "neutrophil/NEUTROPHIL_3.jpg": ("neutrophil", "NEUTROPHIL"),
        "ig/PMY_1.jpg": ("ig", "PMY"),
        "ig/IG_2.jpg": ("ig", "IG"),
        "basophil/BA_1.jpg": ("basophil", "BA"),
        "eosinophil/EO_1.jpg": ("eosinophil", "EO"),
        "platelet/PLATELET_1.jpg": ("platelet", "PLATELET"),
    }
    assert passed(source) == {"neutrophil/.DS_169665.jpg": "hidden file"}


@pytest.mark.realdata
def test_pbc_as_shipped(real_data: Path) -> None:
    source = real_data / "pbc_native"
    assert open_source(source).reader.name == "pbc"
    found = read(source)
    assert len(found) == 52
    assert {each.subclass_text for each in found.values()} >= {"BNE", "SNE", "PMY", "MY", "MMY"}


def test_jhu(tmp_path: Path, paint: Painter) -> None:
    make(
        tmp_path,
        paint,
        "Patient_00/Signed slides/Blast, no lineage spec/a.jpg",
        "Patient_00/Unsigned slides/Monocyte/b.jpg",
        "Patient_01/Signed slides/Promyelocyte/c.jpg",
    )
    assert open_source(tmp_path).reader.name == "jhu"
    found = list(read(tmp_path).values())
    assert [(each.patient, each.class_text) for each in found] == [
        ("Patient_00", "Blast, no lineage spec"),
        ("Patient_00", None),
        ("Patient_01", "Promyelocyte"),
    ]


def test_munich(tmp_path: Path, paint: Painter) -> None:
    make(tmp_path, paint, "BAS/BAS_0001.tiff", "NGS/NGS_0001.tiff", "MYO/MYO_0001.tiff")
    assert open_source(tmp_path).reader.name == "munich"
    assert [each.class_text for each in read(tmp_path).values()] == ["BAS", "MYO", "NGS"]


def test_raabin(tmp_path: Path, paint: Painter) -> None:
    make(
        tmp_path,
        paint,
        "Train/Neutrophil/95-8-8-2_406_1.jpg",
        "TestA/Basophil/20190526_1.jpg",
        "TestB/Monocyte/x.jpg",
    )
    assert open_source(tmp_path).reader.name == "raabin"
    first = read(tmp_path)["Train/Neutrophil/95-8-8-2_406_1.jpg"]
    assert (first.class_text, first.split) == ("Neutrophil", "train")
    assert (first.slide, first.field) == ("95-8-8-2", "95-8-8-2_406")
    other = read(tmp_path)["TestA/Basophil/20190526_1.jpg"]
    assert (other.split, other.slide, other.field) == ("test", None, None)


def test_bccd_crops(tmp_path: Path, paint: Painter) -> None:
    make(
        tmp_path,
        paint,
        "TRAIN/EOSINOPHIL/_12_345.jpeg",
        "TEST_SIMPLE/MONOCYTE/_3_4.jpeg",
        "BCCD_cropped/Basophil/BloodImage_00008_1.jpg",
    )
    assert open_source(tmp_path).reader.name == "bccd"
    found = read(tmp_path)
    assert [(each.class_text, each.split, each.field) for each in found.values()] == [
        ("Basophil", None, "BloodImage_00008"),
        ("MONOCYTE", "test", "3"),
        ("EOSINOPHIL", "train", "12"),
    ]


VOC = """<annotation><filename>f.jpg</filename>
<object><name>WBC</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>8</xmax><ymax>8</ymax></bndbox>
</object><object><name>RBC</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax>
</bndbox></object></annotation>"""


def test_bccd_fields(tmp_path: Path, paint: Painter, picture: Pixels) -> None:
    paint(tmp_path / "BCCD" / "JPEGImages" / "f.png", 7)
    boxes = tmp_path / "BCCD" / "Annotations"
    boxes.mkdir()
    (boxes / "f.xml").write_text(VOC)
    (boxes / "g.xml").write_text(VOC)
    (boxes / "h.xml").write_text("<annotation>")
    assert open_source(tmp_path).reader.name == "bccd"
    (cell,) = read(tmp_path).values()
    assert (cell.class_text, cell.box, cell.field) == ("WBC", (2, 3, 6, 5), "f")
    rgb = decode(cell.path, cell.frame, cell.member)
    np.testing.assert_array_equal(rgb, picture(7)[3:8, 2:8])
    reasons = passed(tmp_path)
    assert reasons["BCCD/JPEGImages/f.png:RBC"] == "neither white cell nor platelet"
    assert reasons["BCCD/Annotations/g.xml"] == "boxes of a picture that is not there"
    assert "no VOC file" in reasons["BCCD/Annotations/h.xml"]


def blood(path: Path, *, size: int = 8, **more: np.ndarray) -> Path:
    generator = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 5), ("val", 2), ("test", 3)):
        arrays[f"{split}_images"] = generator.integers(0, 256, (count, size, size, 3), np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count, dtype=np.uint8) + 1)[:, None]
    np.savez_compressed(path, **{**arrays, **more})
    return path


def test_medmnist(tmp_path: Path) -> None:
    file = blood(tmp_path / "bloodmnist_64.npz")
    assert open_source(file).reader.name == "medmnist"
    found = [each for each in iter_source(file) if isinstance(each, Found)]
    assert [each.split for each in found] == ["train"] * 5 + ["val"] * 2 + ["test"] * 3
    assert [each.class_text for each in found[:5]] == [
        "eosinophil",
        "erythroblast",
        "immature granulocyte",
        "lymphocyte",
        "monocyte",
    ]
    with np.load(file) as arrays:
        last = found[-1]
        rgb = decode(last.path, last.frame, last.member)
        np.testing.assert_array_equal(rgb, arrays["test_images"][2])
        assert rgb.flags.writeable


def test_medmnist_grey_and_numbers_without_names(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "own.npz",
        train_images=np.full((2, 4, 4), 9, np.uint8),
        train_labels=np.array([0, 11]),
    )
    found = [each for each in iter_source(tmp_path / "own.npz") if isinstance(each, Found)]
    assert [each.class_text for each in found] == ["class 0", "class 11"]
    assert decode(found[0].path, 0, found[0].member).shape == (4, 4, 3)


def test_medmnist_never_unpickles(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    trapped = np.array([Trap(), Trap()], dtype=object)
    np.savez(tmp_path / "bloodmnist.npz", train_images=trapped, train_labels=np.array([0, 1]))
    with pytest.raises(ImageUnreadableError, match="pickled objects"):
        list(iter_source(tmp_path / "bloodmnist.npz"))
    assert not (tmp_path / "sprung").exists()


def test_medmnist_that_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no zip")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    for name in ("text.npz", "other.npz"):
        with pytest.raises(SourceError, match="holds no array train_images"):
            list(iter_source(tmp_path / name))
    blood(tmp_path / "bloodmnist.npz", train_labels=np.zeros((2, 1), np.uint8))
    with pytest.raises(SourceError, match="holds 2 uint8 for 5 pictures"):
        list(iter_source(tmp_path / "bloodmnist.npz"))
    whole = (tmp_path / "other.npz").read_bytes()
    (tmp_path / "bloodmnist.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError):
        list(iter_source(tmp_path / "bloodmnist.npz"))


def test_rows_that_are_no_pictures(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", train_images=np.zeros((2, 4, 4, 3)))
    with pytest.raises(ImageUnreadableError, match=r"float64 \[4, 4, 3\], allowed is uint8"):
        decode(tmp_path / "f.npz", 0, "train_images")
    with pytest.raises(ImageUnreadableError, match="no row 2"):
        decode(tmp_path / "f.npz", 2, "train_images")
    with pytest.raises(ImageUnreadableError, match="no array nothing"):
        decode(tmp_path / "f.npz", 0, "nothing")


def test_class_folders(tmp_path: Path, paint: Painter) -> None:
    make(
        tmp_path,
        paint,
        "train/Neutrophil/a.png",
        "val/ig/PMY/b.png",
        "Patient_7/slide 3/monocyte/c.png",
        "images/mystery/d.png",
        "images/e.png",
    )
    assert open_source(tmp_path).reader.name == "class_folders"
    found = read(tmp_path)
    assert {
        name: (each.class_text, each.subclass_text, each.split, each.patient, each.slide)
        for name, each in found.items()
    } == {
        "train/Neutrophil/a.png": ("Neutrophil", None, "train", None, None),
        "val/ig/PMY/b.png": ("ig", "PMY", "val", None, None),
        "Patient_7/slide 3/monocyte/c.png": ("monocyte", None, None, "Patient_7", "slide 3"),
        "images/mystery/d.png": ("mystery", None, None, None, None),
        "images/e.png": (None, None, None, None, None),
    }


def test_flat(tmp_path: Path, paint: Painter) -> None:
    make(tmp_path, paint, "a.png", "images/b.png")
    assert open_source(tmp_path).reader.name == "flat"
    assert [each.class_text for each in read(tmp_path).values()] == [None, None]


def test_a_reader_may_be_chosen(tmp_path: Path, paint: Painter) -> None:
    make(tmp_path, paint, "neutrophil/a.png")
    assert read(tmp_path, "flat")["neutrophil/a.png"].class_text is None
    with pytest.raises(SourceError, match="reads a file"):
        open_source(tmp_path, reader="table")
    with pytest.raises(SourceError, match="reads a folder"):
        open_source(tmp_path / "neutrophil" / "a.png", reader="pbc")

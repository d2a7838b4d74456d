"""The painter: seeded, named classes, patients kept apart."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval.painter import (
    KINDS,
    LABORATORIES,
    PBC_CLASSES,
    LaboratoryError,
    PaintError,
    paint_cell,
    paint_dataset,
    paint_field,
    painted_kind,
)


@pytest.mark.parametrize("code", sorted(KINDS))
def test_the_same_seed_paints_the_same_cell(code: str) -> None:
    first, second = (paint_cell(code, 7, size=96) for _ in range(2))
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)


def test_other_seeds_paint_other_cells() -> None:
    pictures = {paint_cell("lymphocyte", seed, size=32).tobytes() for seed in range(8)}
    assert len(pictures) == 8


@pytest.mark.parametrize("laboratory", sorted(LABORATORIES))
def test_each_laboratory_has_its_ground(laboratory: str) -> None:
    pixels = paint_cell("lymphocyte", 3, laboratory=laboratory, slide=1)
    brightest = np.percentile(pixels.reshape(-1, 3), 90, axis=0)
    wanted = np.asarray(LABORATORIES[laboratory].ground)
    assert np.abs(brightest - wanted).max() < 30


@pytest.mark.parametrize("size", [16, 96, 192, 360])
def test_sizes(size: int) -> None:
    assert paint_cell("eosinophil", 1, size=size).shape == (size, size, 3)


def test_a_class_paints_each_of_its_subclasses() -> None:
    kinds = {painted_kind("immature_granulocyte", seed) for seed in range(40)}
    assert kinds == {"promyelocyte", "myelocyte", "metamyelocyte"}


def test_unknown_names_are_answered_with_what_there_is() -> None:
    with pytest.raises(PaintError, match=r"class is 'elephant', the painter has neutrophil"):
        paint_cell("elephant", 0)
    with pytest.raises(LaboratoryError, match=r"laboratory is 'z', allowed is one of a, b"):
        paint_cell("monocyte", 0, laboratory="z")
    with pytest.raises(PaintError, match="size is 7, allowed is 16 to 2048"):
        paint_cell("monocyte", 0, size=7)
    with pytest.raises(PaintError, match="per_class is 0"):
        paint_dataset("nowhere", 0, 0)


def test_a_data_set_is_repeatable_and_splits_by_patient(tmp_path: Path) -> None:
    folders = [
        paint_dataset(tmp_path / name, 12, 5, laboratories=("a", "b"), size=32, classes=classes)
        for name, classes in (("one", PBC_CLASSES), ("two", PBC_CLASSES))
    ]
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*.*"))
    assert len(files) == 12 * len(PBC_CLASSES) + 1
    for file in files:
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes()
    with (folders[0] / "labels.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["file", "class", "subclass", "patient", "slide", "split"]
    assert {row["class"] for row in rows} == set(PBC_CLASSES)
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["patient"], set()).add(row["split"])
        assert row["slide"].startswith(row["patient"])
        with Image.open(folders[0] / row["file"]) as picture:
            assert picture.size == (32, 32)
    assert all(len(split) == 1 for split in splits.values())


def test_a_field_holds_its_cells_inside_its_borders() -> None:
    field = paint_field(4, width=400, height=300, cells=("neutrophil", "lymphocyte"))
    assert field.pixels.shape == (300, 400, 3)
    assert len(field.boxes) == 2
    for _, left, top, width, height in field.boxes:
        inside = field.pixels[top : top + height, left : left + width, 1]
        assert np.percentile(inside, 10) < 90, "a nucleus lies in the box"
        assert left >= -1
        assert top >= -1
        assert left + width <= 401
        assert top + height <= 301

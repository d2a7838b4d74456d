"""What an import tells of cells that are there: taken in, kept, noticed, and never half-written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index import Atlas, CellFilter, CellRecord
from index.errors import RecordError
from index.records import Differing

MODEL = "m" * 16
BARE = [CellRecord(f"{i}.png", f"{i:064x}", 8, 8, class_code="monocyte") for i in range(4)]


@pytest.fixture
def filled(atlas: Atlas, tmp_path: Path) -> Atlas:
    """Four cells of which nothing is known but their class, embedded."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    atlas.add_model(MODEL, file, {})
    atlas.add_dataset("a", str(tmp_path))
    atlas.add_cells("a", BARE)
    atlas.add_embeddings(MODEL, atlas.cell_ids(), np.eye(4, dtype=np.float32))
    return atlas


def test_what_was_unknown_is_taken_in(filled: Atlas) -> None:
    report = filled.add_cells("a", [replace(BARE[0], patient="p", slide="s"), *BARE[1:]])
    assert (report.existing, report.filled) == (4, {"patient": 1, "slide": 1})
    first, second, *_ = filled.cells()
    assert (first.patient, first.slide, first.split) == ("p", "s", None)
    assert second.patient is None
    told = {"split": "val", "stain": "MGG", "scanner": "DM96", "field": "f"}
    report = filled.add_cells("a", [replace(BARE[0], patient="p", slide="s", **told)])
    assert (report.filled, report.differing) == (dict.fromkeys(told, 1), [])
    first = next(filled.cells())
    assert {name: getattr(first, name) for name in told} == told
    assert (first.patient, first.slide) == ("p", "s")


def test_a_slide_goes_to_the_patient_that_is_told_later(filled: Atlas) -> None:
    filled.add_cells("a", [replace(each, slide="s") for each in BARE[:2]])
    filled.add_cells("a", [replace(BARE[0], patient="p", slide="s")])
    filled.add_cells("a", [replace(BARE[2], patient="p", slide="s")])
    assert [cell.slide for cell in filled.cells()] == ["s", "s", "s", None]
    rows = filled.database.connect().execute("SELECT slide_id FROM cells ORDER BY id").fetchall()
    assert rows[0] == rows[2] != rows[1]


def test_what_the_atlas_holds_stays(filled: Atlas) -> None:
    filled.add_cells("a", [replace(each, patient="p1", split="train") for each in BARE])
    mark = filled.marks(MODEL)
    report = filled.add_cells("a", [replace(each, patient="p2", split="train") for each in BARE])
    assert report.differing == [Differing("patient", 4, "0.png", "p1", "p2")]
    assert report.filled == {}
    assert {cell.patient for cell in filled.cells()} == {"p1"}
    assert filled.add_cells("a", BARE).differing == []
    assert filled.marks(MODEL) == mark


def test_another_file_of_the_same_pixels_tells_too(filled: Atlas) -> None:
    report = filled.add_cells("a", [replace(BARE[0], file="copy.png", patient="p")])
    assert (report.duplicates, report.filled) == ([("copy.png", "0.png")], {"patient": 1})
    assert next(filled.cells()).patient == "p"


def test_a_batch_is_written_whole_or_not(filled: Atlas) -> None:
    mark = filled.marks(MODEL)
    with pytest.raises(RecordError):
        filled.add_cells("a", [replace(BARE[0], patient="p"), replace(BARE[1], split="none")])
    assert next(filled.cells()).patient is None
    assert filled.marks(MODEL) == mark


def test_it_is_marked_and_search_heeds_it(filled: Atlas) -> None:
    query, limit = np.eye(4, dtype=np.float32)[:1], CellFilter(not_patients=("p",))
    with Atlas.open(filled.path) as other:
        for atlas in (filled, other):
            assert atlas.search(query, 1, filter=limit).ids.tolist() == [[1]]
        before = other.marks(MODEL)
        filled.add_cells("a", [replace(BARE[0], patient="p")])
        assert other.marks(MODEL) == before._replace(origins=before.origins + 1)
        for atlas in (filled, other):
            assert atlas.search(query, 1, filter=limit).ids.tolist() != [[1]]
            assert list(atlas.cells(CellFilter(patients=("p",))))

"""The references kept up label by label are those read from scratch."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from index import Atlas, CellRecord, NewLabel
from retrieval.answers import book
from retrieval.answers.book import ReferenceBook
from retrieval.answers.references import References, load_references

MODEL = "m" * 16
CLASSES = ("neutrophil", "lymphocyte", "monocyte", "band_neutrophil")


@pytest.fixture
def filled(atlas: Atlas, tmp_path) -> Atlas:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    atlas.add_model(MODEL, file, {})
    atlas.add_dataset("a", str(tmp_path))
    atlas.add_cells(
        "a",
        [
            CellRecord(
                file=f"{i}.png",
                sha256=f"{i:064x}",
                width=8,
                height=8,
                patient=f"p{i % 5}" if i % 3 else None,
                slide=f"s{i % 7}" if i % 3 else None,
                class_code=CLASSES[i % 3] if i < 30 else None,
            )
            for i in range(60)
        ],
    )
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    atlas.add_embeddings(MODEL, atlas.cell_ids()[:50], vectors)
    return atlas


def same(found: References, expected: References) -> None:
    for each in fields(References):
        mine, theirs = getattr(found, each.name), getattr(expected, each.name)
        if each.name.endswith("numbers"):  # equal as a partition, with the same unknown
            assert (mine < 0).tolist() == (theirs < 0).tolist()
            assert ((mine[:, None] == mine) == (theirs[:, None] == theirs)).all()
        else:
            assert mine.tolist() == theirs.tolist(), each.name


def test_it_follows_labels_and_undos_one_by_one(filled: Atlas) -> None:
    kept = ReferenceBook(filled, MODEL, None)
    same(kept.current(), load_references(filled, MODEL, None))
    generator = np.random.default_rng(1)
    given: list[int] = []
    for _ in range(60):
        if given and generator.random() < 0.3:
            filled.undo(given.pop(), "ann")
        else:
            cell = int(generator.integers(1, 61))
            code = CLASSES[int(generator.integers(len(CLASSES)))]
            given += filled.add_labels([NewLabel(cell, code, "ann", "single")])
        same(kept.current(), load_references(filled, MODEL, None))


def test_many_labels_at_once_are_joined_as_one_by_one(
    filled: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.add_cells(
        "a",
        [
            CellRecord(f"more{i}.png", f"{i + 99:064x}", 8, 8, patient=patient, slide="s1")
            for i, patient in enumerate(["p1", "fresh", "fresh", None])
        ],
    )
    more = filled.cell_ids()[60:]
    filled.add_embeddings(MODEL, more, np.eye(4, 8, dtype=np.float32))
    kept = ReferenceBook(filled, MODEL, None)
    kept.current()
    filled.add_labels([NewLabel(int(cell), "monocyte", "ann", "bulk") for cell in [7, 40, *more]])
    expected = load_references(filled, MODEL, None)
    monkeypatch.setattr(book, "load_references", lambda *_: pytest.fail("read again"))
    same(kept.current(), expected)


def test_nothing_is_read_while_nothing_changed(
    filled: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ReferenceBook(filled, MODEL, None)
    first = kept.current()
    monkeypatch.setattr(book, "load_references", lambda *_: pytest.fail("read again"))
    filled.put_document("note", {"a": 1})
    filled.set_flag(1, True, "ann")
    assert kept.current() is first
    filled.add_labels([NewLabel(1, "monocyte", "ann", "single")])
    assert kept.current() is not first


def test_new_embeddings_and_many_labels_are_read_afresh(filled: Atlas) -> None:
    kept = ReferenceBook(filled, MODEL, None)
    kept.current()
    last = filled.cell_ids()[50:]
    filled.add_labels([NewLabel(int(cell), "monocyte", "ann", "bulk") for cell in last])
    filled.add_embeddings(MODEL, last, np.eye(10, 8, dtype=np.float32)[:8].repeat(2, axis=0)[:10])
    same(kept.current(), load_references(filled, MODEL, None))


def test_what_an_import_tells_of_cells_is_read_afresh(filled: Atlas) -> None:
    kept = ReferenceBook(filled, MODEL, None)
    assert kept.current().splits.tolist() == [None] * 30
    told = [
        CellRecord(f"{i}.png", f"{i:064x}", 8, 8, patient="late", slide="later", split="val")
        for i in range(0, 30, 3)
    ]
    filled.add_cells("a", told)
    assert (kept.current().patients == "late").sum() == len(told)
    same(kept.current(), load_references(filled, MODEL, None))

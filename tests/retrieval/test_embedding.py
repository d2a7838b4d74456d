"""Embedding many pictures: order, errors in place, bounded memory, resuming."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index import Atlas, CellFilter
from index.errors import CellKinError
from retrieval.embedding import embed_atlas, embed_images
from retrieval.model import Model, load_model


@pytest.fixture
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


def picture(number: int) -> np.ndarray:
    if number % 7 == 3:
        raise CellKinError(f"picture {number} is unreadable")
    return np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)


def test_results_come_in_order_with_errors_in_their_place(model: Model) -> None:
    results = list(embed_images(model, range(23), picture, batch_size=5, workers=3))
    assert [item for item, _ in results] == list(range(23))
    for number, result in results:
        if number % 7 == 3:
            assert isinstance(result, CellKinError)
        else:
            np.testing.assert_allclose(result, model.embed_batch([picture(number)])[0], atol=1e-4)


def test_no_more_than_three_batches_are_taken_ahead(model: Model) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield 0

    stream = embed_images(model, endless(), picture, batch_size=4, workers=2)
    for _ in range(9):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert taken <= 9 + 3 * 4 + 4


def test_an_unexpected_error_is_not_swallowed(model: Model) -> None:
    def broken(_: int) -> np.ndarray:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        list(embed_images(model, range(3), broken))


@pytest.fixture
def fresh(painted: Path, tiny_model: Path, tmp_path: Path) -> Iterator[Atlas]:
    from retrieval.model import register_model
    from retrieval.reading.importing import import_source

    copy = tmp_path / "cells"
    shutil.copytree(painted, copy)
    with Atlas.open(tmp_path / "atlas", create=True) as atlas:
        import_source(atlas, copy, labels=copy / "labels.csv", dataset="painted")
        register_model(atlas, tiny_model)
        yield atlas


def test_embedding_passes_over_missing_and_changed_files_and_goes_on_later(fresh: Atlas) -> None:
    cells = list(fresh.cells())
    gone, changed = (Path(cell.root) / cell.file for cell in cells[:2])
    kept = gone.read_bytes()
    gone.unlink()
    changed.write_bytes((Path(cells[2].root) / cells[2].file).read_bytes())
    report = embed_atlas(fresh)
    assert report.embedded == len(cells) - 2
    assert {file for file, _ in report.passed_over} == {cells[0].file, cells[1].file}
    gone.write_bytes(kept)
    again = embed_atlas(fresh)
    assert again.embedded == 1
    assert fresh.embeddings()[1].shape == (len(cells) - 1, 32)
    ids, vectors = fresh.embeddings()
    neighbours = fresh.search(vectors[:4], 1, labelled=False)
    assert neighbours.ids[:, 0].tolist() == ids[:4].tolist()


def test_embedding_takes_a_filter(fresh: Atlas) -> None:
    report = embed_atlas(fresh, filter=CellFilter(classes=("eosinophil",)))
    assert 0 < report.embedded == fresh.count(CellFilter(classes=("eosinophil",)))

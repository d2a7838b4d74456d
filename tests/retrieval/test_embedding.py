"""Embedding many pictures: order, errors in place, bounded memory, resuming."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import numpy as np
import pytest
import torch

from index import Atlas, CellFilter
from index.errors import CellKinError
from retrieval.embedding import embed_atlas, embed_images
from retrieval.model import Model, load_model
from retrieval.stream import in_batches


@pytest.fixture
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


def picture(number: int) -> np.ndarray:
    if number % 7 == 3:
        raise CellKinError(f"picture {number} is unreadable")
    return np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Torch on so many threads, which is how many batches run abreast."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    left = torch.get_num_threads()
    torch.set_num_threads(before)
    assert left == request.param  # whoever described pictures left it as it was


def test_results_come_in_order_with_errors_in_their_place(model: Model, threads: int) -> None:
    results = list(embed_images(model, range(23), picture, batch_size=5, workers=3))
    assert [item for item, _ in results] == list(range(23))
    for number, result in results:
        if number % 7 == 3:
            assert isinstance(result, CellKinError)
        else:
            np.testing.assert_allclose(result, model.embed_batch([picture(number)])[0], atol=1e-4)


def test_each_batch_abreast_runs_on_one_thread(threads: int) -> None:
    def work(numbers: list[int]) -> list[int]:
        sleep(0.01 * (numbers[0] % 3))  # so that they do not end as they began
        return [torch.get_num_threads()] * len(numbers)

    found = list(in_batches(range(17), int, work, batch_size=2))
    assert found == [(number, 1) for number in range(17)]
    # what is one batch in all has every thread
    assert list(in_batches(range(2), int, work, batch_size=2)) == [(0, threads), (1, threads)]
    # and what starts later as well
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == threads


def test_no_more_than_three_batches_and_one_a_thread_are_held(model: Model, threads: int) -> None:
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
    assert taken <= 9 + 3 * 4 + 4 * (threads + 1)


def test_an_unexpected_error_is_not_swallowed(model: Model, threads: int) -> None:
    def broken(_: object) -> np.ndarray:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        list(embed_images(model, range(3), broken))
    with pytest.raises(ValueError, match="a bug"):
        list(in_batches(range(9), int, broken, batch_size=2))


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

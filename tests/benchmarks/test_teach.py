"""What teaches the shipped model's trunks: pictures read back, votes as the product's, weights."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.pack_model import CLASSES, LEAVES, taught_trunk
from benchmarks.teach_network import VIEW, Cells, Net, loaded, saved, vote
from benchmarks.teach_trunks import Course, Lessons, batches
from retrieval.folder.readout import neighbour_shares

SIDE = 172


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as ``teach_data`` writes it: 24 pictures of two classes, two sources and one other."""
    rng = np.random.default_rng(0)
    count = 24
    path = tmp_path_factory.mktemp("teach") / "cells.zip"
    leaves = np.zeros((count, len(LEAVES)), bool)
    classes = np.arange(count) % 2 + 1
    leaves[np.arange(count), classes + 1] = True
    with zipfile.ZipFile(path, "w") as packed:
        for row in range(count):
            held = io.BytesIO()
            flat = np.full((SIDE, SIDE, 3), rng.integers(60, 200, 3), np.uint8)
            Image.fromarray(flat).save(held, "PNG")
            packed.writestr(f"{row:05}.jpg", held.getvalue())
        facts = io.BytesIO()
        np.savez(
            facts,
            rows=np.arange(count),
            masks=np.full((count, SIDE // 2, SIDE // 2), 15, np.uint8),
            own=np.ones(count, np.float32),
            datasets=np.array(["pbc"] * 10 + ["bccd"] * 10 + ["tecom"] * 4),
            classes=classes,
            leaves=leaves,
        )
        packed.writestr("facts.npz", facts.getvalue())
        packed.writestr("about.json", json.dumps({"sha256": "0" * 64}))
    return path


@pytest.fixture
def cells(file: Path) -> Cells:
    return Cells([file], torch.device("cpu"), ("pbc", "bccd"))


def test_pictures_come_back_whole_and_varied_by_the_seed(cells: Cells) -> None:
    assert cells.plain(np.arange(3)).shape == (3, 3, VIEW, VIEW)
    first, again = (
        cells.varied(np.arange(6), 48, "filters", np.random.default_rng(2)) for _ in range(2)
    )
    assert first.shape == (6, 3, 48, 48)
    assert torch.equal(first, again)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_only_the_sources_teach(cells: Cells) -> None:
    drawn = batches(cells, (1, 1), 8, 0)
    rows = np.concatenate([next(drawn) for _ in range(20)])
    assert set(cells.datasets[rows]) == {"pbc", "bccd"}
    cells.limit(("bccd",))
    drawn = batches(cells, (1,), 8, 0)
    assert set(cells.datasets[next(drawn)]) == {"bccd"}


def test_the_vote_is_that_of_the_product() -> None:
    rng = np.random.default_rng(1)
    points = rng.standard_normal((90, 6)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    classes = rng.integers(0, len(CLASSES), 60)
    expected = neighbour_shares(points[60:], points[:60], classes, len(CLASSES))
    tensors = torch.from_numpy(points)
    found = vote(tensors[60:], tensors[:60], torch.from_numpy(classes))
    assert found.numpy() == pytest.approx(expected, abs=1e-5)


def test_a_course_moves_the_weights_and_they_come_back_as_a_trunk(
    cells: Cells, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    course = Course([Net()], torch.device("cpu"), (1e-3, 1e-3))
    before = course.nets[0].head.weight.detach().clone()
    lessons, rng = Lessons(cells), np.random.default_rng(0)
    drawn = batches(cells, (1, 1), 8, 0)

    def step(_: int) -> torch.Tensor:
        rows = next(drawn)
        _, *said = course.nets[0](cells.normal(cells.varied(rows, 32, "dyes", rng), 32))
        return lessons.loss(rows, *said)

    assert course.run(step, 3, 0, "test") == 3
    assert not torch.equal(before, course.nets[0].head.weight)
    torch.save(saved(course.means[0].module), tmp_path / "net.pt")
    net = loaded(tmp_path / "net.pt").eval()
    trunk = taught_trunk(tmp_path / "net.pt", 32, len(CLASSES), len(LEAVES)).eval()
    seen = cells.normal(cells.plain(np.arange(4)), 32)
    with torch.inference_mode():
        pooled, vectors, *_ = net(seen)
        assert trunk.pooled(seen) == pytest.approx(pooled, abs=1e-4)
        assert trunk.head is not None
        own = torch.nn.functional.normalize(trunk.head(trunk.pooled(seen)), dim=1)
        assert own.numpy() == pytest.approx(vectors.numpy(), abs=1e-4)

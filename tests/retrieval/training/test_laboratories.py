"""Training from several laboratories: sources, balance, the cell view, backgrounds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from index import Atlas
from retrieval.cellview import CellFinder, CellUNet, CellView
from retrieval.joint import Trunk
from retrieval.model import load_model
from retrieval.training import TrainingError, TrainingOptions, cells, data, joint, train_atlas
from retrieval.training.augment import LEVELS, replace_background, vary_geometry
from retrieval.training.options import parse_sources
from retrieval.training.sources import SourceSampler


def test_sources_are_names_with_weights() -> None:
    assert parse_sources("pbc:2, bccd,raabin:0.5") == {"pbc": 2.0, "bccd": 1.0, "raabin": 0.5}
    assert parse_sources("") == {}


@pytest.mark.parametrize("text", ["pbc:0", "pbc:two", ":1", "pbc:-1", "pbc:inf"])
def test_a_weight_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(TrainingError, match="no positive weight"):
        parse_sources(text)


def test_a_source_named_twice_is_refused() -> None:
    with pytest.raises(TrainingError, match="pbc is named twice"):
        TrainingOptions(sources="pbc,bccd,pbc:2")


def unequal() -> tuple[np.ndarray, np.ndarray]:
    """Two classes: 500 and 40 cells of laboratory 0, 50 and 3 of laboratory 1."""
    class_of = np.repeat([0, 1, 0, 1], [500, 40, 50, 3])
    laboratory_of = np.repeat([0, 0, 1, 1], [500, 40, 50, 3])
    return class_of, laboratory_of


def test_batches_balance_classes_and_laboratories() -> None:
    class_of, laboratory_of = unequal()
    sampler = SourceSampler(class_of, laboratory_of, np.array([1.0, 1.0]))
    rows = np.concatenate(list(sampler.batches(64, 50, (0, 1))))
    assert len(rows) == 64 * 50
    assert np.mean(class_of[rows] == 0) == 0.5
    assert np.mean(laboratory_of[rows][class_of[rows] == 0]) == pytest.approx(0.5, abs=0.04)
    # three cells of fifteen that would be enough: a fifth of the weight, so a sixth of the draws
    assert np.mean(laboratory_of[rows][class_of[rows] == 1]) == pytest.approx(1 / 6, abs=0.04)


def test_a_laboratory_of_twice_the_weight_is_drawn_twice_as_often() -> None:
    class_of, laboratory_of = unequal()
    sampler = SourceSampler(class_of, laboratory_of, np.array([2.0, 1.0]))
    rows = np.concatenate(list(sampler.batches(64, 50, (0, 1))))
    assert np.mean(laboratory_of[rows][class_of[rows] == 0]) == pytest.approx(1 / 3, abs=0.04)


def test_rare_subclasses_are_drawn_more_often_than_their_number() -> None:
    class_of = np.zeros(110, int)
    label_of = np.repeat([0, 1], [100, 10])
    sampler = SourceSampler(class_of, np.zeros(110, int), np.ones(1), label_of)
    rows = np.concatenate(list(sampler.batches(32, 40, (0, 1))))
    assert np.mean(label_of[rows] == 1) == pytest.approx(0.25 + 0.5 / 11, abs=0.05)


def test_the_same_seed_draws_the_same_batches() -> None:
    class_of, laboratory_of = unequal()
    first, second = (
        np.concatenate(
            list(SourceSampler(class_of, laboratory_of, np.ones(2)).batches(16, 5, (3, 2)))
        )
        for _ in range(2)
    )
    assert (first == second).all()


def test_a_batch_too_small_for_all_classes_still_holds_pairs() -> None:
    class_of = np.repeat(np.arange(8), 10)
    sampler = SourceSampler(class_of, np.zeros(80, int), np.ones(1))
    for rows in sampler.batches(8, 20, (0, 0)):
        assert len(rows) == 8
        assert (np.bincount(class_of[rows], minlength=8)[np.unique(class_of[rows])] == 2).all()


def test_a_replaced_background_leaves_the_cell_as_it_was() -> None:
    pictures = torch.rand(6, 3, 8, 8)
    masks = torch.zeros(6, 1, 8, 8)
    masks[:, :, 2:6, 2:6] = 1
    replaced = replace_background(pictures, masks, 1.0, np.random.default_rng(0))
    assert torch.equal(replaced[:, :, 2:6, 2:6], pictures[:, :, 2:6, 2:6])
    corner = replaced[:, :, 0, :]
    assert torch.allclose(corner, corner[:, :, :1].expand_as(corner))
    assert float(corner.min()) >= 0.5
    untouched = replace_background(pictures, masks, 0.0, np.random.default_rng(0))
    assert torch.equal(untouched, pictures)


def test_the_own_scale_makes_a_cell_larger() -> None:
    whole = torch.zeros(2, 1, 64, 64)
    whole[:, :, 24:40, 24:40] = 1
    rng = np.random.default_rng(0)
    seen = vary_geometry(whole, 64, 1.0, LEVELS["none"], rng, np.array([1.0, 0.5]))
    assert float(seen[1].sum() / seen[0].sum()) == pytest.approx(4, rel=0.1)


def test_a_mask_that_shows_nothing_keeps_the_whole_picture() -> None:
    assert (cells.soft_mask(np.zeros((96, 96), np.float32), 40) == 255).all()
    disc = np.hypot(*(np.indices((96, 96)) - 47.5)) < 25
    mask = cells.soft_mask(disc.astype(np.float32), 172)
    assert mask[86, 86] == 255
    assert mask[0, 0] == 0


@pytest.fixture
def untaught_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    def network() -> CellUNet:
        torch.manual_seed(0)
        return CellUNet()

    for module in (data, joint):
        monkeypatch.setattr(module, "shipped_finder_network", network)


@pytest.mark.usefixtures("untaught_finder")
def test_a_model_taught_under_the_cell_view_can_be_used(
    painted_atlas: Path, tmp_path: Path
) -> None:
    target = tmp_path / "labelled"
    shutil.copytree(painted_atlas, target)
    with Atlas.open(target) as atlas:
        name = atlas.datasets()["name"].iloc[0]
        options = TrainingOptions(
            weights="random",
            input_size=32,
            view="cell",
            sources=f"{name}:2",
            augment="laboratory",
            dim=16,
            batch_size=16,
            steps_per_epoch=2,
            epochs=1,
            hierarchy=0.25,
            precision="float32",
            averaging=0.5,
        )
        report = train_atlas(atlas, options)
        model = load_model(report.file)
        assert isinstance(model.view, CellView)
        assert isinstance(model.finder, CellFinder)
        assert model.score_classes == tuple(report.classes)
        described = model.describe([np.full((50, 60, 3), 200, np.uint8)] * 2)
        assert described.vectors.shape == (2, 16)
        assert described.scores.sum(1) == pytest.approx([1, 1], abs=1e-5)
        assert described.leaves.shape[1] == len(model.leaf_classes) > 0
        assert not list(report.folder.glob("*.npy"))
        # what adapt learns from: its own features, and those of the trunk nobody taught
        names = [name for name, _ in model.feature_parts]
        assert names == ["taught", "frozen", "early"]
        assert described.features.shape[1] == sum(width for _, width in model.feature_parts)
        assert np.isfinite(described.features).all()


def few_pictures(count: int, side: int) -> data.TrainingSet:
    """Pictures of noise, two classes, two laboratories, a tenth val."""
    rng = np.random.default_rng(5)
    classes = np.arange(count) % 2
    return data.TrainingSet(
        pictures=rng.integers(0, 255, (count, side, side, 3), dtype=np.uint8),
        cell_ids=np.arange(count),
        class_of=classes,
        classes=["a", "b"],
        label_of=classes,
        labels=["a", "b"],
        leaves_of=torch.eye(2, dtype=torch.bool),
        is_val=np.arange(count) >= count - count // 10,
        passed_over=[],
        laboratories=("first", "second"),
        laboratory_of=np.arange(count) // 2 % 2,
    )


def test_the_taught_features_are_the_principal_directions_of_what_taught() -> None:
    torch.manual_seed(0)
    trunk = Trunk("mobilenet_v2", 32, dim=8).eval()
    cells_taught = few_pictures(40, 44)
    view = CellView(32)
    found = joint.taught_projection(trunk, cells_taught, view)
    assert found.matrix.shape == (35, 1280)  # 36 cells taught: 35 directions, fewer than asked
    rows = np.flatnonzero(~cells_taught.is_val)
    seen = cells_taught.pictures[rows, 6:38, 6:38].astype(np.float32) / 255
    batch = (seen - np.array(view.mean)) / np.array(view.std)
    with torch.inference_mode():
        pooled = trunk.pooled(torch.from_numpy(batch).permute(0, 3, 1, 2).float()).numpy()
    assert found.mean.numpy() == pytest.approx(pooled.mean(0), abs=1e-4)
    # all that varies among so few is in so many directions: singular values say the same
    projected = (pooled - pooled.mean(0)) @ found.matrix.numpy().T
    naive = np.linalg.svd(pooled - pooled.mean(0), compute_uv=False)[:35]
    assert np.sqrt((projected**2).sum(0)) == pytest.approx(naive, rel=2e-2, abs=1e-3)


def test_a_source_that_is_not_there_is_named(painted_atlas: Path, tmp_path: Path) -> None:
    target = tmp_path / "labelled"
    shutil.copytree(painted_atlas, target)
    with (
        Atlas.open(target) as atlas,
        pytest.raises(TrainingError, match="the atlas has no data set nowhere"),
    ):
        train_atlas(atlas, TrainingOptions(weights="random", sources="nowhere"))

"""Augmentation levels: what they keep, what they change, and that the seed decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from retrieval.training.augment import (
    DYES,
    LEVELS,
    Dice,
    augment,
    filter_some,
    level,
    vary_dyes,
    vary_geometry,
    vary_stain,
)
from retrieval.view import View


@pytest.fixture
def whole() -> np.ndarray:
    rng = np.random.default_rng(1)
    smooth = rng.integers(0, 255, (6, 8, 8, 3))
    return np.repeat(np.repeat(smooth, 8, axis=1), 8, axis=2).astype(np.uint8)


@pytest.mark.parametrize("name", sorted(LEVELS))
def test_every_level_gives_pictures_in_range_by_the_seed(name: str, whole: np.ndarray) -> None:
    first = augment(whole, 48, 0.75, level(name), np.random.default_rng(3))
    again = augment(whole, 48, 0.75, level(name), np.random.default_rng(3))
    assert first.shape == (6, 3, 48, 48)
    assert first.dtype == torch.float32
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1
    assert torch.equal(first, again)


def test_no_augmentation_is_the_view_of_inference(whole: np.ndarray) -> None:
    view = View(48, 0.75)
    trained = augment(whole, 48, 0.75, level("none"), np.random.default_rng(0))
    seen = np.stack([view.picture(picture) for picture in whole])
    difference = np.abs(trained.permute(0, 2, 3, 1).numpy() * 255 - seen)
    assert difference.mean() < 1


def test_levels_grow(whole: np.ndarray) -> None:
    plain = augment(whole, 48, 0.75, level("none"), np.random.default_rng(0))
    change = []
    for name in ("mild", "medium", "strong"):
        still = LEVELS[name].__class__(
            **{**vars(LEVELS[name]), "turn": False, "shift": 0, "scale": 0}
        )
        varied = augment(whole, 48, 0.75, still, np.random.default_rng(0))
        change.append(float((varied - plain).abs().mean()))
    assert 0 < change[0] < change[1] < change[2]


def test_turning_keeps_the_middle_in_the_middle() -> None:
    picture = torch.zeros(20, 3, 65, 65)
    picture[:, :, 31:34, 31:34] = 1
    turned = vary_geometry(
        picture,
        65,
        1.0,
        LEVELS["medium"].__class__(0, 0, True, 0, 0, 0, 0, 0, 0),
        np.random.default_rng(0),
    )
    peak = turned[:, 0].flatten(1).argmax(1)
    assert (abs(peak // 65 - 32) <= 1).all()
    assert (abs(peak % 65 - 32) <= 1).all()


def test_stain_leaves_white_white_without_tint_and_darkens_with_gain() -> None:
    white = torch.ones(64, 3, 4, 4)
    varied = vary_stain(white.clone(), 1.0, np.random.default_rng(0))
    untouched = (varied > 0.999).flatten(1).all(dim=1)
    assert 0.2 < float(untouched.float().mean()) < 0.8  # half the pictures keep a clear ground


def test_unknown_level_is_refused_with_the_list() -> None:
    from index.errors import CellKinError

    with pytest.raises(CellKinError, match="unknown augmentation 'wild', allowed is one of none"):
        level("wild")


def dice(seed: int = 0) -> Dice:
    return Dice(np.random.default_rng(seed), torch.device("cpu"))


def test_dyes_of_strength_zero_change_nothing() -> None:
    density = torch.rand(4, 3, 8, 8) * 2
    assert torch.allclose(vary_dyes(density, 0.0, dice()), density, atol=5e-3)


def test_a_dye_alone_stays_one_dye() -> None:
    """Methylene blue in any amount is varied to one other colour, so nothing of eosin appears."""
    blue = torch.nn.functional.normalize(torch.tensor(DYES[0]), dim=0)
    amount = torch.rand(6, 1, 16, 16) + 0.2
    varied = vary_dyes(amount * blue.view(1, 3, 1, 1), 1.0, dice(1))
    for picture in varied:
        values = torch.linalg.svdvals(picture.flatten(1))
        assert float(values[1] / values[0]) < 0.02
    assert not torch.allclose(varied, amount * blue.view(1, 3, 1, 1), atol=0.05)


def test_a_random_filter_keeps_the_mean_and_spread_of_each_channel_about() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(8, 3, 32, 32) * 0.4 + 0.3
    seen = filter_some(pictures, 1.0, np.random.default_rng(0))
    assert (seen.mean((2, 3)) - pictures.mean((2, 3))).abs().max() < 0.02
    assert (seen.std((2, 3)) / pictures.std((2, 3)) - 1).abs().max() < 0.5
    assert (seen - pictures).abs().mean() > 0.02
    assert torch.equal(filter_some(pictures, 0.0, np.random.default_rng(0)), pictures)

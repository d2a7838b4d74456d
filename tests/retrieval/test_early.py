"""Early layers in the middle of the picture: windows, order, and the same after folding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from retrieval.early import LEVELS, early_width, in_windows, pooled_with_early, windows
from retrieval.joint import Trunk, _for_inference


def test_each_window_is_a_mean() -> None:
    assert windows(24).sum((1, 2)) == pytest.approx([1, 1, 1])
    flat = torch.full((2, 5, 12, 12), 3.0)
    assert in_windows(flat) == pytest.approx(torch.full((2, 15), 3.0), abs=1e-4)


def test_core_lies_within_body_and_the_rim_leaves_the_middle_out() -> None:
    body, core, rim = windows(48)
    assert core[24, 24] > body[24, 24] > rim[24, 24]
    assert rim[24, 35] == pytest.approx(float(rim.max()), rel=0.02)
    assert rim[24, 24] < 0.01 * rim.max()


def test_windows_are_weighted_sums_in_the_order_body_core_rim() -> None:
    channels = torch.rand(2, 4, 10, 10)
    found = in_windows(channels).numpy()
    for number, window in enumerate(windows(10).numpy()):
        naive = (channels.numpy() * window).sum((2, 3))
        assert np.allclose(found[:, 4 * number : 4 * number + 4], naive, atol=1e-5)


@pytest.mark.parametrize("backbone", LEVELS)
def test_a_trunk_with_early_layers_gives_pooled_then_early(backbone: str) -> None:
    torch.manual_seed(0)
    trunk = Trunk(backbone, 64, early=True).eval()
    plain = Trunk(backbone, 64).eval()
    plain.trunk.load_state_dict(trunk.trunk.state_dict())
    pictures = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        both, pooled = trunk.pooled(pictures), plain.pooled(pictures)
        blocks = trunk.trunk.get_submodule("features")
        direct = pooled_with_early(blocks, LEVELS[backbone], pictures)
        folded = _for_inference(trunk).pooled(pictures)
    assert both.shape[1] == trunk.width == plain.width + early_width(backbone)
    assert torch.allclose(both[:, : plain.width], pooled, atol=1e-5)
    assert torch.allclose(both, direct)
    assert torch.allclose(both, folded, atol=1e-4)

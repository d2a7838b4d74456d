"""Shapes on the canvas against their plain meaning."""

from __future__ import annotations

import numpy as np
import pytest

from index.taxonomy import shipped_taxonomy
from retrieval.painter import KINDS, LABORATORIES
from retrieval.painter.canvas import COMPONENTS, HAEM, NUCLEAR, Canvas
from retrieval.painter.noise import TILE, texture
from retrieval.painter.nuclei import PLANS
from retrieval.painter.recipes import RECIPES
from retrieval.painter.stains import STRAY, develop, make_slide


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def canvas(side: int = 64, scale: float = 1.0) -> Canvas:
    return Canvas(side, side, scale, generator())


def test_discs_melt_into_the_nearest_of_them() -> None:
    patch = canvas().patch(32, 32, 20)
    assert patch is not None
    discs = np.array([[-6, 0, 5], [7, 2, 4]], np.float32)
    naive = np.min([np.hypot(patch.x - x, patch.y - y) - r for x, y, r in discs], axis=0)
    found = patch.discs(discs, blend=0.5)
    assert np.abs(found - naive)[naive < 10].max() <= 0.5 * np.log(2) + 1e-4
    assert (found <= naive + 1e-4)[naive < 10].all()


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_dots_are_stamped_as_one_by_one(scale: float) -> None:
    """Also where they hang over the border of the patch."""
    patch = canvas(48, scale).patch(24 / scale, 24 / scale, 24 / scale)
    assert patch is not None
    rng = generator(3)
    x, y = rng.uniform(-26, 26, (2, 30)) / scale
    radius = rng.uniform(0.5, 4, 30)
    naive = np.zeros(patch.shape)
    rows, columns = np.indices(patch.shape)
    for number in range(30):
        row = (y[number] - patch.y[0, 0]) * scale
        column = (x[number] - patch.x[0, 0]) * scale
        naive += np.clip(
            radius[number] * scale - np.hypot(rows - row, columns - column) + 0.5, 0, 1
        )
    np.testing.assert_allclose(patch.dots(x, y, radius), naive, atol=1e-5)


def test_a_patch_outside_the_canvas_is_none() -> None:
    assert canvas().patch(200, 10, 5) is None


def test_nuclei_fit_the_unit_circle() -> None:
    for name, plan in PLANS.items():
        for seed in range(20):
            discs = plan(generator(seed))
            reach = np.hypot(discs[:, 0], discs[:, 1]) + discs[:, 2]
            assert reach.max() == pytest.approx(1, abs=1e-5), name


def test_textures_are_standard_and_wrap() -> None:
    whole = texture(generator(1), TILE, TILE, 3.0)
    assert whole.mean() == pytest.approx(0, abs=1e-3)
    assert whole.std() == pytest.approx(1, abs=1e-3)
    larger = texture(generator(2), TILE + 40, TILE + 40, 3.0)
    np.testing.assert_array_equal(larger[:40], larger[TILE:])


@pytest.mark.parametrize("code", sorted(LABORATORIES))
def test_light_follows_beer_and_lambert(code: str) -> None:
    """A picture of one even concentration has the colour the absorbance gives, but for noise."""
    slide = make_slide(LABORATORIES[code], generator(4))
    plain = canvas(96)
    plain.layers[NUCLEAR] = 0.5
    centre = np.asarray(develop(plain, slide, generator(5)))[32:64, 32:64].mean(axis=(0, 1))
    through = np.exp(-0.5 * slide.absorbance[NUCLEAR] / (1 - STRAY))
    wanted = slide.ground * (STRAY + (1 - STRAY) * through)
    shade = LABORATORIES[code].vignette
    assert np.all(centre <= wanted + 2)
    assert np.all(centre >= wanted * (1 - shade) - 2)


def test_red_cells_over_one_another_are_darker_but_not_twice() -> None:
    slide = make_slide(LABORATORIES["a"], generator(4))
    light = []
    for amount in (0.9, 1.8):
        plain = canvas(32)
        plain.layers[HAEM] = amount
        light.append(np.asarray(develop(plain, slide, generator(5)), float).mean(axis=(0, 1)))
    once, twice = (np.log(slide.ground / each) for each in light)
    assert np.all(twice > 1.1 * once)
    assert np.all(twice < 1.8 * once)


def test_every_kind_is_a_class_of_the_taxonomy() -> None:
    nodes = shipped_taxonomy().nodes
    assert set(KINDS) <= set(nodes)
    assert {recipe.class_code for recipe in RECIPES.values()} <= set(nodes)
    assert all(
        component < COMPONENTS for recipe in RECIPES.values() for component in recipe.cytoplasm
    )

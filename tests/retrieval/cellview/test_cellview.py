"""Finding a cell and making the network's input of it: exact, on painted discs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from retrieval.cellview import CellFinder, CellUNet, CellView, Finding, laboratory_diameter
from retrieval.cellview.doublets import split
from retrieval.cellview.finder import FILLED, LARGEST, SMALLEST, WHITE, background_of, unfound
from retrieval.cellview.view import white_balanced

GROUND, CELL, NUCLEUS = (236, 220, 200), (170, 120, 180), (90, 30, 120)


@pytest.fixture(scope="module")
def finder(finder_below: Callable[[float], CellUNet]) -> CellFinder:
    """Green below 0.6 is cell, below 0.3 nucleus."""
    return CellFinder(finder_below(0.6))


def paint(
    discs: list[tuple[float, float, float]],
    size: tuple[int, int] = (192, 192),
    ground: tuple[int, int, int] = GROUND,
) -> np.ndarray:
    """Discs (x, y, diameter), each with a nucleus of half its diameter; size is (height, width)."""
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    rgb = np.empty((*size, 3), np.uint8)
    rgb[:] = ground
    for share, colour in ((1.0, CELL), (0.5, NUCLEUS)):
        for x, y, diameter in discs:
            inside = np.hypot(columns - x, rows - y) <= share * diameter / 2
            rgb[inside] = colour
    return rgb


@pytest.mark.parametrize(
    ("at", "diameter"),
    [((96, 96), 40), ((96, 96), 130), ((70, 120), 80), ((110.5, 84.5), 130), ((30, 96), 40)],
)
def test_a_disc_is_found_where_it_is(
    finder: CellFinder, at: tuple[float, float], diameter: int
) -> None:
    [found] = finder.find([paint([(*at, diameter)])])
    assert found.found
    assert (found.x, found.y) == pytest.approx(at, abs=1)
    assert found.diameter == pytest.approx(diameter, rel=0.04)
    assert found.nucleus == pytest.approx(0.25, abs=0.03)
    assert found.background == pytest.approx(GROUND, abs=1)
    assert found.others == 0


@pytest.mark.parametrize("size", [(96, 96), (360, 360), (200, 300), (363, 240)])
def test_lengths_are_in_pixels_of_the_picture_whatever_its_shape(
    finder: CellFinder, size: tuple[int, int]
) -> None:
    x, y, diameter = 0.45 * size[1], 0.55 * size[0], 0.4 * min(size)
    [found] = finder.find([paint([(x, y, diameter)], size)])
    assert (found.x, found.y) == pytest.approx((x, y), abs=max(size) / 96)
    assert found.diameter == pytest.approx(diameter, rel=0.05)


def test_the_central_cell_is_taken_and_the_others_are_counted(finder: CellFinder) -> None:
    small_in_the_middle = [(100, 90, 50), (10, 10, 90), (185, 180, 70)]
    [found] = finder.find([paint(small_in_the_middle)])
    assert (found.x, found.y) == pytest.approx((100, 90), abs=1)
    assert found.others == 2


@pytest.mark.parametrize("gap", [0.86, 0.95])
def test_cells_that_touch_are_told_apart(finder: CellFinder, gap: float) -> None:
    """Two discs of 60 whose centres are less than a diameter apart, and a chain of three."""
    step = 60 * gap
    [found] = finder.find([paint([(92, 96, 60), (92 + step, 96, 60)])])
    assert (found.x, found.y) == pytest.approx((92, 96), abs=4)
    assert found.diameter == pytest.approx(60, rel=0.08)
    assert found.others == 1
    chain = [(96, 100, 56), (96 - 56 * gap, 100, 56), (96, 100 + 56 * gap, 56)]
    [found] = finder.find([paint(chain)])
    assert (found.x, found.y) == pytest.approx((96, 100), abs=6)
    assert found.others == 2


def test_one_cell_stays_one(finder: CellFinder) -> None:
    rows, columns = np.mgrid[:96, :96]
    oval = ((columns - 48) / 34) ** 2 + ((rows - 48) / 20) ** 2 <= 1
    lobes = np.hypot(columns - 34, rows - 48) <= 8
    lobes |= np.hypot(columns - 60, rows - 48) <= 8
    assert len(split(oval, lobes)) == 1
    bean = oval & ~(np.hypot(columns - 48, rows - 30) <= 9)
    assert len(split(bean, lobes)) == 1
    ring = oval & ~(np.hypot(columns - 48, rows - 48) <= 6)  # a pale middle is a hole in the map
    assert len(split(ring, lobes)) == 1


def test_a_blurred_pair_is_told_by_its_nuclei() -> None:
    rows, columns = np.mgrid[:96, :96]
    capsule = (np.abs(rows - 48) <= 14) & (columns >= 12) & (columns <= 84)
    nuclei = np.hypot(columns - 28, rows - 48) <= 9
    nuclei |= np.hypot(columns - 68, rows - 48) <= 9
    cells = split(capsule, nuclei)
    assert len(cells) == 2
    assert (sum(cells) == capsule).all()
    assert abs(int(cells[0].sum()) - int(cells[1].sum())) < 60
    assert len(split(capsule, np.hypot(columns - 28, rows - 48) <= 9)) == 1


@pytest.mark.parametrize("ground", [GROUND, (255, 255, 255), (120, 130, 110)])
def test_a_picture_with_no_cell_says_so_and_is_taken_whole(
    finder: CellFinder, ground: tuple[int, int, int]
) -> None:
    rgb = np.empty((120, 160, 3), np.uint8)
    rgb[:] = np.maximum(ground, 160)
    [found] = finder.find([rgb])
    assert not found.found
    assert (found.x, found.y) == (80, 60)
    assert found.diameter == pytest.approx(160 * FILLED)
    assert CellView(64).side(found, None, 160) == pytest.approx(160)
    assert CellView(64).side(found, 40.0, 160) == pytest.approx(40 / FILLED)


@pytest.mark.parametrize("colour", [(140, 140, 140), (170, 120, 180), (0, 0, 0)])
def test_a_picture_of_one_colour_shows_no_cell(
    finder: CellFinder, colour: tuple[int, int, int]
) -> None:
    noise = np.random.default_rng(0).normal(0, 3, (192, 192, 3))
    empty = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    found = finder.find([empty, paint([(96, 96, 60)])])
    assert [each.found for each in found] == [False, True]


def test_what_is_too_small_for_a_cell_is_none(finder: CellFinder) -> None:
    assert not finder.find([paint([(96, 96, 8)])])[0].found


def test_a_batch_finds_what_each_alone_finds(finder: CellFinder) -> None:
    pictures = [paint([(90 + n, 96, 40 + 9 * n)]) for n in range(5)]
    pictures.append(np.full((40, 60, 3), 230, np.uint8))
    together = finder.find(pictures)
    assert [finder.find([picture])[0] for picture in pictures] == together
    assert finder.find([]) == []


def test_a_read_only_picture_is_taken(finder: CellFinder) -> None:
    rgb = paint([(96, 96, 60)])
    rgb.flags.writeable = False
    small = np.stack([rgb])
    small.flags.writeable = False
    middle = np.array([96.0], np.float32)
    maps = finder.masks(small, middle, middle, 2 * middle)
    assert maps.shape == (1, 96, 96, 2)
    assert maps[0, ..., 0].sum() == pytest.approx(np.pi * 15**2, rel=0.05)
    assert finder.find([rgb])[0].found


# the view ------------------------------------------------------------------------------------


def test_the_cell_fills_its_share_and_stands_in_the_middle() -> None:
    finding = Finding(70, 110, 50, 0.2, GROUND, True, 0)
    seen = CellView(124).picture(paint([(70, 110, 50)]), finding)
    cell = seen[..., 1] < 200
    assert np.sqrt(4 * cell.sum() / np.pi) == pytest.approx(124 * FILLED, rel=0.03)
    rows, columns = np.nonzero(cell)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((62, 62), abs=0.7)


def test_half_of_a_size_stays_and_half_goes() -> None:
    view = CellView(100)
    small, large = (Finding(96, 96, d, 0.2, GROUND, True, 0) for d in (40.0, 90.0))
    assert view.side(small, 60.0, 192) == pytest.approx(np.sqrt(40 * 60) / FILLED)
    assert view.side(large, 60.0, 192) == pytest.approx(np.sqrt(90 * 60) / FILLED)
    assert view.side(small, None, 192) == pytest.approx(40 / FILLED)
    tiny = Finding(96, 96, 2.0, 0.0, GROUND, True, 0)
    assert view.side(tiny, None, 192) == pytest.approx(SMALLEST * 192)
    assert view.side(large, 1e4, 192) == pytest.approx(LARGEST * 192)
    shown = [
        np.sqrt((view.picture(paint([(96, 96, f.diameter)]), f, 60.0)[..., 1] < 200).sum())
        for f in (small, large)
    ]
    assert shown[1] / shown[0] == pytest.approx(np.sqrt(90 / 40), rel=0.04)


def test_the_ground_becomes_one_white_and_what_lies_beyond_the_border_too() -> None:
    for ground in (GROUND, (250, 250, 250), (190, 160, 130)):
        finding = Finding(12, 180, 60, 0.2, ground, True, 0)
        seen = CellView(96).picture(paint([(12, 180, 60)], ground=ground), finding)
        assert np.abs(seen[:8, -8:].astype(float) - WHITE).max() <= 3
        assert np.abs(seen[-4:, :4].astype(float) - seen[0, -1]).max() <= 3  # beyond the corner


def test_a_dark_picture_is_lifted_no_further_than_four_times() -> None:
    rgb = np.full((4, 4, 3), 10, np.uint8)
    assert white_balanced(rgb, (10.0, 10.0, 10.0)).max() == 48
    assert (white_balanced(rgb, (243.0,) * 3) == 12).all()  # a gain of one, two levels up


def test_a_picture_not_looked_at_is_only_resized() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    seen = CellView(64).picture(rgb, unfound(rgb))
    np.testing.assert_array_equal(seen, np.minimum(rgb.astype(int) + 2, 255))


def test_the_background_is_the_bright_part_outside_the_cell() -> None:
    rgb = paint([(96, 96, 90)])
    rgb[:60, :60] = (190, 120, 120)  # red cells are darker than the ground
    outside = np.hypot(*(np.mgrid[:192, :192] - 95.5)) > 50
    assert background_of(rgb, ~outside) == pytest.approx(GROUND, abs=1)
    assert background_of(rgb, np.ones((192, 192), bool)) == pytest.approx(GROUND, abs=1)


def test_the_median_is_of_cells_that_were_found() -> None:
    some = [Finding(0, 0, d, 0, GROUND, d < 100, 0) for d in (30.0, 50.0, 70.0, 400.0)]
    assert laboratory_diameter(some) == 50
    assert laboratory_diameter(some[3:]) is None


def test_a_view_comes_back_from_its_dictionary() -> None:
    view = CellView(112, 0.5)
    assert CellView.from_dict(view.as_dict()) == view

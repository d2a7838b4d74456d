"""Findings, features and scores of cells."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from index import Atlas, CellFilter
from index.describing import FINDING
from index.errors import UnknownCellError, UnknownModelError, VectorError
from index.records import CellRecord


@pytest.fixture
def cells(atlas: Atlas, tmp_path: Path) -> np.ndarray:
    """Ids of twelve cells of two data sets, under models a and b."""
    for name, count in (("one", 8), ("two", 4)):
        atlas.add_dataset(name, "/pictures")
        records = (
            CellRecord(f"{n}.png", f"{len(name) + count:03x}{n:061x}", 30, 30) for n in range(count)
        )
        atlas.add_cells(name, records)
    (tmp_path / "m").write_bytes(b"m")
    for name in "ab":
        atlas.add_model(name, tmp_path / "m", {})
    return atlas.cell_ids()


def values(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).uniform(0, 200, (count, len(FINDING)))
    rows[:, 7] = rows[:, 7] > 100
    rows[:, 8] = np.floor(rows[:, 8])
    return rows


def test_findings_come_back_as_they_went_in(atlas: Atlas, cells: np.ndarray) -> None:
    given = values(12)
    atlas.add_findings("f", cells[::-1], given)
    ids, found = atlas.findings("f")
    np.testing.assert_array_equal(ids, cells)
    np.testing.assert_array_equal(found, given[::-1])
    assert len(atlas.findings("f", CellFilter(datasets=("two",)))[0]) == 4
    assert atlas.findings("other")[1].shape == (0, 9)
    atlas.add_findings("f", cells[:1], given[:1])
    ids, found = atlas.findings_of("f", [int(cells[0]), 9999])
    assert ids.tolist() == [cells[0]]
    np.testing.assert_array_equal(found, given[:1])
    atlas.add_findings("f", cells[:0], values(0))


def test_findings_of_wrong_shape_or_unknown_cells_are_refused(
    atlas: Atlas, cells: np.ndarray
) -> None:
    with pytest.raises(VectorError, match=r"findings of 12 cells have shape \(11, 9\)"):
        atlas.add_findings("f", cells, values(11))
    with pytest.raises(UnknownCellError, match="cell 999 is not in the atlas"):
        atlas.add_findings("f", np.array([999, 1]), values(2))
    assert len(atlas.findings("f")[0]) == 0


def test_features_and_scores_come_back_by_model_and_filter(atlas: Atlas, cells: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(12, 5)).astype(np.float16)
    scores = rng.dirichlet(np.ones(3), 12)
    typical = np.where(np.arange(12) < 8, 70.5, np.nan)
    atlas.add_features("a", cells[::-1], features, scores, typical)
    ids, back, shares = atlas.features()
    np.testing.assert_array_equal(ids, cells)
    np.testing.assert_array_equal(back, features[::-1])
    assert back.dtype == np.float16
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares, scores[::-1], atol=1e-3)
    np.testing.assert_array_equal(atlas.scaled_by("a")[1], typical[::-1])
    two = CellFilter(datasets=("two",))
    np.testing.assert_array_equal(atlas.features("a", two)[1], back[8:])
    np.testing.assert_array_equal(atlas.scaled_by("a", two)[0], cells[8:])
    ids, back, shares = atlas.features("b")
    assert (ids.shape, back.shape, shares.shape) == ((0,), (0, 0), (0, 0))
    atlas.add_features("a", cells[:1], features[:1].astype(float) * 1e6, scores[:1])
    assert np.isfinite(atlas.features("a")[1]).all()
    assert len(atlas.features("a")[0]) == 12


def test_features_that_do_not_fit_are_refused(atlas: Atlas, cells: np.ndarray) -> None:
    good, scores = np.ones((2, 3)), np.ones((2, 1))
    with pytest.raises(VectorError, match=r"2 cells have features \(3,\)"):
        atlas.add_features("a", cells[:2], good[0], scores)
    with pytest.raises(VectorError, match="a cell comes twice"):
        atlas.add_features("a", cells[[0, 0]], good, scores)
    with pytest.raises(VectorError, match="not a finite number"):
        atlas.add_features("a", cells[:2], good * np.nan, scores)
    with pytest.raises(UnknownModelError):
        atlas.add_features("c", cells[:2], good, scores)
    with pytest.raises(UnknownCellError):
        atlas.add_features("a", np.array([1, 999]), good, scores)
    assert len(atlas.features("a")[0]) == 0


@pytest.mark.slow
def test_twenty_thousand_cells_are_read_in_a_second(atlas: Atlas, tmp_path: Path) -> None:
    atlas.add_dataset("large", "/pictures")
    atlas.add_cells("large", (CellRecord(f"{n}.png", f"{n:064x}", 9, 9) for n in range(20_000)))
    (tmp_path / "m").write_bytes(b"m")
    atlas.add_model("m", tmp_path / "m", {})
    rng = np.random.default_rng(0)
    features = rng.standard_normal((20_000, 640)).astype(np.float16)
    atlas.add_features("m", atlas.cell_ids(), features, rng.random((20_000, 8)))
    began = time.process_time()
    _, back, _ = atlas.features("m")
    assert time.process_time() - began < 1
    np.testing.assert_array_equal(back, features)

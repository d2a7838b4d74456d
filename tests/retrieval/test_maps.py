from __future__ import annotations

import numpy as np
import pytest

from retrieval.maps.layout import KeptMap, MapError, fit, load_map, place


def blobs(seed: int = 0, each: int = 40, kinds: int = 4, width: int = 16):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(kinds, width))
    labels = np.repeat(np.arange(kinds), each)
    vectors = centres[labels] + 0.35 * rng.normal(size=(len(labels), width))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit.astype(np.float32), labels


@pytest.fixture(scope="module")
def fitted():
    vectors, labels = blobs()
    return vectors, labels, fit(vectors, seed=3)


def nearest_label(points, others, labels):
    return labels[((points[:, None] - others[None]) ** 2).sum(axis=2).argmin(axis=1)]


def test_a_map_keeps_kinds_together_and_repeats(fitted):
    vectors, labels, layout = fitted
    assert layout.shape == (160, 2)
    assert layout.dtype == np.float32
    gap = ((layout[:, None] - layout[None]) ** 2).sum(axis=2) + np.eye(160) * 1e9
    assert (labels[gap.argmin(axis=1)] == labels).mean() > 0.95
    assert np.array_equal(fit(vectors, seed=3), layout)


def test_a_fitted_cell_is_placed_on_itself(fitted):
    vectors, _, layout = fitted
    assert place(vectors, vectors, layout) == pytest.approx(layout, abs=1e-5)


def test_new_cells_lie_among_their_kind(fitted):
    vectors, labels, layout = fitted
    rng = np.random.default_rng(9)
    new = vectors + 0.05 * rng.normal(size=vectors.shape).astype(np.float32)
    new /= np.linalg.norm(new, axis=1, keepdims=True)
    placed = place(new, vectors, layout)
    assert (nearest_label(placed, layout, labels) == labels).mean() > 0.95
    spread = np.linalg.norm(layout - layout.mean(axis=0), axis=1).mean()
    assert np.median(np.linalg.norm(placed - layout, axis=1)) < 0.25 * spread


def test_placing_equals_the_naive_loop(fitted):
    vectors, _, layout = fitted
    new, _ = blobs(seed=5, each=3)
    for row, vector in enumerate(new):
        distance = 1 - vectors.astype(float) @ vector.astype(float)
        near = np.argsort(distance)[:15]
        gap = distance[near] - distance[near].min()
        weight = np.exp(-gap / gap.mean())
        expected = (weight[:, None] * layout[near]).sum(axis=0) / weight.sum()
        assert place(new, vectors, layout)[row] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 12, 21])
def test_few_cells_have_a_map(count):
    vectors, _ = blobs(each=count, kinds=1)
    layout = fit(vectors)
    assert layout.shape == (count, 2)
    assert np.isfinite(layout).all()
    assert place(vectors[:1], vectors, layout)[0] == pytest.approx(layout[0], abs=1e-5)


def test_a_kept_map_comes_back_and_holds_no_pickle(tmp_path, fitted):
    vectors, _, layout = fitted
    file = tmp_path / "maps" / "map.npz"
    KeptMap("m" * 64, 3, np.arange(160), vectors, layout).save(file)
    again = load_map(file)
    assert again.model_id == "m" * 64
    assert again.seed == 3
    assert np.array_equal(again.coordinates, layout)
    assert np.array_equal(again.place(vectors[:7]), place(vectors[:7], vectors, layout))
    assert all(array.dtype != object for array in np.load(file, allow_pickle=False).values())
    assert load_map(tmp_path / "none.npz") is None


def test_a_damaged_map_is_named(tmp_path, fitted):
    vectors, _, layout = fitted
    file = tmp_path / "map.npz"
    KeptMap("m", 0, np.arange(160), vectors, layout).save(file)
    file.write_bytes(file.read_bytes()[:400])
    with pytest.raises(MapError, match=r"map\.npz cannot be read.*--fit"):
        load_map(file)
    KeptMap("m", 0, np.arange(9), vectors, layout).save(file)
    with pytest.raises(MapError, match="damaged"):
        load_map(file)


def test_refuses_what_has_no_place(fitted):
    vectors, _, layout = fitted
    with pytest.raises(MapError, match=r"shape \(0, 4\)"):
        fit(np.zeros((0, 4), np.float32))
    with pytest.raises(MapError, match="width 16"):
        place(np.zeros((1, 4), np.float32), vectors, layout)

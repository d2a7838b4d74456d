from __future__ import annotations

import base64
import dataclasses
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from index import Atlas
from index.taxonomy import shipped_taxonomy
from retrieval.maps import (
    COLOURS,
    KeptMap,
    MapError,
    draw_map,
    fit,
    grouping,
    load_map,
    map_atlas,
    map_file,
    place,
    write_page,
)
from retrieval.maps.page import chosen_rows
from retrieval.reading.decode import read_cell


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


# the map of an atlas ------------------------------------------------------------------------


@pytest.fixture
def opened(painted_atlas):
    with Atlas.open(painted_atlas) as atlas:
        yield atlas


def data_of(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_new_cells_find_their_place_and_old_ones_stay(opened, tmp_path):
    ids, vectors = opened.embeddings()
    old = KeptMap(opened.active_model, 0, ids[:20], vectors[:20], fit(vectors[:20]))
    with pytest.raises(MapError, match="keeps no map"):
        map_atlas(opened, fitted_anew=False)
    old.save(map_file(opened, opened.active_model))
    drawn = map_atlas(opened, novelty=False)
    assert drawn.table["id"].tolist() == ids.tolist()
    assert drawn.placed.tolist() == [False] * 20 + [True] * (len(ids) - 20)
    assert np.array_equal(drawn.coordinates[:20], old.coordinates)
    assert drawn.coordinates[20:] == pytest.approx(old.place(vectors[20:]))
    anew = map_atlas(opened, fitted_anew=True, novelty=False)
    assert not anew.placed.any()
    assert len(load_map(map_file(opened, opened.active_model)).cell_ids) == len(ids)


def test_of_many_cells_a_draw_is_fitted_and_the_others_placed(opened):
    drawn = map_atlas(opened, fitted_anew=True, novelty=False, most=12)
    assert (~drawn.placed).sum() == 12
    assert np.isfinite(drawn.coordinates).all()


@pytest.fixture
def drawn(opened):
    ids, vectors = opened.embeddings()
    # laid out by hand: these tests are not about UMAP
    flat = np.column_stack([vectors[:, 0], vectors[:, 1]])
    KeptMap(opened.active_model, 0, ids[:-3], vectors[:-3], flat[:-3]).save(
        map_file(opened, opened.active_model)
    )
    return map_atlas(opened)


@pytest.mark.parametrize("colour", COLOURS)
def test_each_colouring_is_drawn(opened, drawn, tmp_path, colour):
    draw_map(drawn, opened.taxonomy, tmp_path / "map.png", colour=colour)
    with Image.open(tmp_path / "map.png") as picture:
        picture.load()
        assert picture.width > 1000


def test_the_page_is_whole_and_asks_for_nothing(opened, drawn, tmp_path):
    page = tmp_path / "map.html"
    assert write_page(opened, drawn, page) == len(drawn.table)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)\s*=|https?:|@import|url\((?!\$)", text)
    assert "default-src 'none'" in text
    data = data_of(page)
    count = len(drawn.table)
    assert data["ids"] == drawn.table["id"].tolist()
    for name in ("x", "y", "files", "placed", "novelty", "dataset", "patient", "slide"):
        assert len(data[name]) == count
    assert min(data["x"] + data["y"]) >= 0
    assert max(data["x"] + data["y"]) <= 10_000
    assert sum(data["placed"]) == 3
    for groups in data["groups"].values():
        assert np.bincount(groups["of"]).tolist() == groups["counts"]
    names = data["groups"]["class"]["names"]
    label = opened.taxonomy.node(drawn.table["label"][0]).name
    assert names[data["groups"]["class"]["of"][0]] == label
    picture = base64.b64decode(data["sprite"]["image"].partition(",")[2])
    with Image.open(io.BytesIO(picture)) as sheet:
        assert sheet.width == data["sprite"]["columns"] * 48
        shown = np.asarray(sheet.convert("RGB"))[:48, 48:96].astype(float)
    own = Image.fromarray(read_cell(opened, opened.cell(data["ids"][1]))).resize((48, 48))
    assert abs(shown - np.asarray(own)).mean() < 12


def test_of_many_cells_the_page_shows_a_draw_and_says_so(opened, drawn, tmp_path):
    page = tmp_path / "map.html"
    assert write_page(opened, drawn, page, most=10) == 10
    assert f"10 of {len(drawn.table)} cells" in data_of(page)["note"]
    many = dataclasses.replace(
        drawn,
        coordinates=np.zeros((1000, 2), np.float32),
        table=pd.DataFrame({"label": ["basophil"] * 40 + [None] * 960}),
    )
    rows = chosen_rows(many, 200, seed=1)
    assert len(rows) == 200
    assert (rows < 40).sum() >= 20
    assert np.array_equal(rows, chosen_rows(many, 200, seed=1))


def test_names_cannot_end_the_script(opened, drawn, tmp_path):
    drawn.table.loc[0, "patient"] = "</script><script>alert(1)</script>"
    write_page(opened, drawn, tmp_path / "map.html")
    text = (tmp_path / "map.html").read_text()
    assert "alert(1)</script>" not in text
    assert "</script><script>alert(1)</script>" in data_of(tmp_path / "map.html")["patients"]


def test_a_missing_picture_leaves_its_cell_on_the_page(opened, drawn, tmp_path):
    opened.add_dataset("painted", str(tmp_path / "nowhere"))
    write_page(opened, drawn, tmp_path / "map.html")
    assert set(data_of(tmp_path / "map.html")["sprite"]["of"]) == {-1}


def test_without_labels_there_is_a_map_but_no_novelty(opened, tmp_path):
    for cell in opened.cell_ids().tolist():
        for label in opened.history(cell):
            opened.undo(label.id, "tester")
    bare = map_atlas(opened, fitted_anew=True)
    assert bare.novelty is None
    write_page(opened, bare, tmp_path / "map.html")
    assert data_of(tmp_path / "map.html")["groups"]["class"]["names"] == ["no label"]
    with pytest.raises(MapError, match="no labelled cell"):
        draw_map(bare, opened.taxonomy, tmp_path / "map.png", colour="novelty")


def test_an_empty_atlas_has_no_map(atlas):
    with pytest.raises(MapError, match=r"no embedded cell.*cellkin embed"):
        map_atlas(atlas)


def test_of_many_patients_the_rare_ones_share_a_colour():
    table = pd.DataFrame(
        {
            "dataset": ["one"] * 40,
            "patient": [f"p{n}" for n in range(19) for _ in (0, 1)] + [None, None],
            "label": [None] * 40,
        }
    ).astype(object)
    table = table.where(table.notna(), None)
    found = grouping(table, shipped_taxonomy(), "patient")
    assert [group.name for group in found.groups][-2:] == ["7 others", "no patient known"]
    assert np.bincount(found.of).tolist() == [group.count for group in found.groups]

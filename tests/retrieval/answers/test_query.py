"""Query and montage on painted cells under a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from index import Atlas
from index.errors import UnknownClassError
from retrieval.answers.errors import AnswerError, NoReferencesError
from retrieval.answers.montage import (
    INK,
    MOST,
    Tile,
    _fit,
    _font,
    draw_montage,
    montage_rows,
    write_montage,
)
from retrieval.answers.query import QueryResult, nearest, query_limits
from retrieval.model import atlas_model
from retrieval.writing import WriteError


@pytest.fixture
def opened(painted_atlas):
    with Atlas.open(painted_atlas) as atlas:
        yield atlas


def some_picture(atlas: Atlas) -> tuple[Path, int]:
    cell = next(atlas.cells())
    return Path(cell.root) / cell.file, cell.id


def test_neighbours_are_those_of_the_vectors(opened):
    picture, cell_id = some_picture(opened)
    result = next(iter(nearest(opened, [picture], k=6)))
    ids, vectors = opened.embeddings(atlas_model(opened).id)
    own = vectors[list(ids).index(cell_id)]
    order = np.argsort(-(vectors @ own))[:6]
    similarity = [each.similarity for each in result.neighbours]
    np.testing.assert_allclose(similarity, (vectors @ own)[order], atol=1e-4)
    assert result.neighbours[0].cell_id == cell_id
    assert result.neighbours[0].distance == pytest.approx(0, abs=1e-4)


def test_the_same_pixels_can_be_left_out(opened):
    picture, cell_id = some_picture(opened)
    result = next(iter(nearest(opened, [picture], k=6, leave_out_same=True)))
    assert len(result.neighbours) == 6
    assert cell_id not in {each.cell_id for each in result.neighbours}


def test_limits_hold(opened):
    picture, _ = some_picture(opened)
    limits = query_limits(opened, classes=["IG"])
    result = next(iter(nearest(opened, [picture], k=200, limits=limits)))
    below = opened.taxonomy.descendants("immature_granulocyte")
    assert {each.class_code for each in result.neighbours} <= below
    patient = opened.table()["patient"].dropna().iloc[0]
    limits = query_limits(opened, not_patients=[f"painted/{patient}"])
    result = next(iter(nearest(opened, [picture], k=200, limits=limits)))
    assert result.neighbours
    assert patient not in {each.patient for each in result.neighbours}


def test_a_bad_picture_does_not_stop_the_others(opened, tmp_path):
    picture, _ = some_picture(opened)
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    first, second = nearest(opened, [bad, picture])
    assert first.error is not None
    assert first.neighbours == ()
    assert len(second.neighbours) == 10


def test_errors_say_what_to_do(opened, atlas):
    picture, _ = some_picture(opened)
    with pytest.raises(AnswerError, match="no cell of the atlas is of patient 'nobody'"):
        query_limits(opened, not_patients=["nobody"])
    with pytest.raises(AnswerError, match="no cell of the atlas is of slide 'none'"):
        query_limits(opened, not_slides=["none"])
    with pytest.raises(UnknownClassError, match="basofil"):
        query_limits(opened, classes=["basofil"])
    with pytest.raises(AnswerError, match="k is 0, allowed is at least 1"):
        list(nearest(opened, [picture], k=0))
    limits = query_limits(opened, authors=["nobody"])
    with pytest.raises(NoReferencesError, match="within the limits"):
        list(nearest(opened, [picture], limits=limits))


def test_montage_shows_pictures_and_frames(opened, tmp_path):
    picture, _ = some_picture(opened)
    results = list(nearest(opened, [picture, picture], k=12))
    rows = montage_rows(opened, results)
    first = rows[0][1][0]
    node = opened.taxonomy.node(results[0].neighbours[0].class_code)
    assert first.colour == node.colour
    assert first.captions[0] == node.name
    assert "distance 0.0000" in first.captions[1]
    out = tmp_path / "montage.png"
    assert write_montage(opened, results, out) == 2
    with Image.open(out) as drawn:
        pixels = np.asarray(drawn.convert("RGB")).reshape(-1, 3)
    for colour in (INK, node.colour):
        rgb = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
        assert (pixels == rgb).all(axis=1).sum() > 500
    assert [path.name for path in tmp_path.glob(".montage*")] == []


def test_montage_of_a_missing_file_says_so(opened, tmp_path):
    picture, _ = some_picture(opened)
    results = list(nearest(opened, [picture], k=3))
    away = tmp_path / "elsewhere"
    away.mkdir()
    opened.add_dataset("painted", str(away))
    rows = montage_rows(opened, results)
    assert [tile.picture for tile in rows[0][1]] == [None] * 3
    assert write_montage(opened, results, tmp_path / "m.png") == 1


def test_montage_wraps_many_neighbours_and_limits_queries(opened, tmp_path):
    tile = Tile(np.zeros((9, 5, 3), np.uint8), "#0072b2", ("Neutrophil", "distance 0.1", "set"))
    one = draw_montage([(tile, [tile] * 10)])
    two = draw_montage([(tile, [tile] * 11)])
    assert one.width == two.width
    assert two.height > 1.8 * one.height
    picture, _ = some_picture(opened)
    result = next(iter(nearest(opened, [picture], k=1)))
    assert write_montage(opened, [result] * (MOST + 5), tmp_path / "m.png") == MOST
    assert write_montage(opened, [QueryResult("x.png", error="gone")], tmp_path / "n.png") == 0


def test_long_captions_are_shortened_in_the_middle():
    font = _font(13)
    text = "a very long name of a data set · patient 0123456789"
    short = _fit(text, font, 140)
    assert "…" in short
    assert font.getlength(short) <= 140
    assert (short[0], short[-1]) == (text[0], text[-1])
    assert _fit("short", font, 140) == "short"


@pytest.mark.parametrize(
    ("name", "message"),
    [("montage.jpg", "allowed is a name ending in .png"), ("no/m.png", "there is no folder")],
)
def test_montage_to_a_wrong_place(opened, tmp_path, name, message):
    with pytest.raises(WriteError, match=message):
        write_montage(opened, [], tmp_path / name)

"""Pictures by the hash of their pixels; what cannot be shown is said and never shown wrong."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotator.pictures import THUMBNAIL, Pictures, _Recent, placeholder
from index import Atlas
from retrieval.reading.decode import pixel_hash


@pytest.fixture
def document(browser) -> dict:
    return browser.get("/api/v1/cells/1").json


def file_of(drawn: Path) -> Path:
    return drawn.parent / "lab" / "cell_00.png"


def test_the_full_picture_is_every_pixel(browser, document, opened: Atlas) -> None:
    answer = browser.get(document["picture"])
    assert answer.mimetype == "image/png"
    rgb = np.asarray(Image.open(io.BytesIO(answer.data)))
    assert pixel_hash(rgb) == opened.cell(1).sha256


def test_pictures_may_be_kept_for_ever_and_are_not_sent_twice(browser, document) -> None:
    for name in ("picture", "thumbnail"):
        answer = browser.get(document[name])
        assert "immutable" in answer.headers["Cache-Control"]
        again = browser.get(document[name], 304, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.data == b""


def test_the_address_holds_the_hash_and_no_other_is_answered(browser, document) -> None:
    assert browser.get("/images/1/0000000000000000/full.png", 404).status_code == 404
    browser.get(document["picture"].replace("/images/1/", "/images/2/"), 404)
    browser.get("/images/999/0000000000000000/thumb.webp", 404)


def test_a_thumbnail_is_small_made_once_and_kept_under_its_hash(drawn: Path, opened: Atlas) -> None:
    cell = opened.cell(1)
    data = Pictures(opened).thumbnail(cell)
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    assert max(image.size) <= THUMBNAIL
    (kept,) = (drawn / "thumbnails").rglob("*.webp")
    assert cell.sha256 in kept.name
    file_of(drawn).unlink()
    assert Pictures(opened).thumbnail(cell) == data


def test_a_thumbnail_is_served_where_nothing_can_be_written(drawn: Path, opened: Atlas) -> None:
    (drawn / "thumbnails").write_text("a file stands where the folder should be")
    assert Pictures(opened).thumbnail(opened.cell(1))


def test_a_missing_file_shows_a_placeholder_and_says_so(browser, drawn: Path) -> None:
    file_of(drawn).unlink()
    document = browser.get("/api/v1/cells/1").json
    assert document["picture_state"]["state"] == "missing"
    assert "is gone" in document["picture_state"]["message"]
    assert document["picture_state"]["remedy"]
    answer = browser.get(document["picture"])
    assert answer.mimetype == "image/svg+xml"
    assert answer.headers["X-CellKin-Picture"] == "missing"
    assert "immutable" not in answer.headers["Cache-Control"]
    assert "is gone" in browser.get("/cells/1").text


def test_a_changed_file_is_never_shown_as_the_cell(browser, drawn: Path) -> None:
    Image.new("RGB", (40, 40), "red").save(file_of(drawn))
    document = browser.get("/api/v1/cells/1").json
    assert document["picture_state"]["state"] == "changed"
    for name in ("picture", "thumbnail"):
        answer = browser.get(document[name])
        assert answer.headers["X-CellKin-Picture"] == "changed"
        assert b"file changed" in answer.data


def test_a_picture_that_comes_back_is_shown_again(browser, drawn: Path) -> None:
    data = file_of(drawn).read_bytes()
    file_of(drawn).write_bytes(b"")
    assert browser.get("/api/v1/cells/1").json["picture_state"]["state"] == "changed"
    file_of(drawn).write_bytes(data)
    assert browser.get("/api/v1/cells/1").json["picture_state"]["state"] == "ok"


def test_a_cell_without_picture_can_still_be_labelled(browser, drawn: Path) -> None:
    (drawn.parent / "new" / "cell_00.png").unlink()
    assert browser.label(25, "neutrophil")["now"]["present"]["code"] == "neutrophil"


def test_the_placeholder_is_an_svg_without_scripts() -> None:
    svg = placeholder("missing").decode()
    assert svg.startswith("<svg")
    assert "script" not in svg


def test_memory_for_pictures_is_bounded_by_bytes() -> None:
    kept = _Recent(10)
    for name in "abc":
        kept.put(name, b"1234")
    assert kept.get("a") is None
    assert kept.get("b") == b"1234"
    kept.put("b", b"123456")
    assert (kept.get("c"), kept.get("b")) == (b"1234", b"123456")
    kept.put("large", b"x" * 50)
    assert kept.get("large")
    assert kept.get("b") is None


def test_a_thumbnail_given_before_costs_no_look_up(opened: Atlas) -> None:
    pictures = Pictures(opened)
    cell = opened.cell(1)
    digest = cell.sha256[:16]
    assert pictures.kept_thumbnail(1, digest) is None
    data = pictures.thumbnail(cell)
    assert pictures.kept_thumbnail(1, digest) == data
    assert pictures.kept_thumbnail(1, "") is None
    assert pictures.kept_thumbnail(1, "0" * 16) is None
    assert pictures.kept_thumbnail(2, digest) is None

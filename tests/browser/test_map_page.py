"""The page of ``cellkin map --html``: opened from disk, by pointer, touch and keyboard."""

from __future__ import annotations

import numpy as np
import pytest

from index import Atlas
from retrieval.maps import KeptMap, map_atlas, map_file, write_page


@pytest.fixture
def map_page(painted_atlas, tmp_path):
    """A page of the painted cells in a grid, so that each can be pointed at."""
    with Atlas.open(painted_atlas) as atlas:
        ids, vectors = atlas.embeddings()
        grid = np.column_stack([np.arange(len(ids)) % 8, np.arange(len(ids)) // 8])
        KeptMap(atlas.active_model, 0, ids, vectors, grid).save(map_file(atlas, atlas.active_model))
        write_page(atlas, map_atlas(atlas), tmp_path / "map.html")
        names = [
            atlas.taxonomy.node(label).name
            for label in (atlas.present_labels()[cell] for cell in ids.tolist())
        ]
    return tmp_path / "map.html", names


def open_page(chromium, file, **options):
    page = chromium.new_page(**options)
    page.set_default_timeout(30_000)
    page.problems, page.asked = [], []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(file.as_uri())
    return page


def point_of(page, cell):
    """Where the cell of that row lies in the window."""
    return page.evaluate(
        "(i) => { const b = canvas.getBoundingClientRect(); return [b.x + toX(i), b.y + toY(i)]; }",
        cell,
    )


def test_pointing_walking_and_colouring(chromium, map_page):
    file, names = map_page
    page = open_page(chromium, file, viewport={"width": 1280, "height": 800})
    for cell in (0, 13):
        page.mouse.move(*point_of(page, cell))
        assert page.text_content("#name") == names[cell]
        assert "painted" in page.text_content("#facts")
    assert page.evaluate("document.getElementById('picture').style.backgroundImage") != "none"
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("chosen") == 14
    page.keyboard.press("ArrowDown")
    assert page.evaluate("chosen") in (6, 22)
    page.keyboard.press("+")
    assert page.evaluate("zoom") > 1
    page.keyboard.press("0")
    assert page.evaluate("zoom") == 1
    page.click(".legend button >> nth=0")
    assert page.evaluate("alone") == 0
    for colour in ("dataset", "patient", "novelty"):
        page.select_option("#colour", colour)
        assert page.evaluate("colour") == colour
    assert page.is_visible(".ramp")
    assert page.problems == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    page.close()


def test_on_a_telephone(chromium, map_page):
    file, names = map_page
    page = open_page(
        chromium, file, viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.touchscreen.tap(*point_of(page, 9))
    assert page.text_content("#name") == names[9]
    assert page.problems == []
    page.close()

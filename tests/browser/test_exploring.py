"""Map, clusters and search in a real browser: by pointer, by keyboard, and as a table."""

from __future__ import annotations

import numpy as np
import pytest

from index import Atlas
from retrieval.maps.sight import Sight, sight_file

READY = "body[data-ready=map]"
# A browser without a graphics card says that its software is slow.
SLOW_GRAPHICS = "GPU stall"


@pytest.fixture
def grid(to_label):
    """The painted atlas with a map on which each cell has a place of its own."""
    with Atlas.open(to_label) as atlas:
        ids, _ = atlas.embeddings()
        places = np.column_stack([np.arange(len(ids)) % 9, np.arange(len(ids)) // 9])
        novelty = np.linspace(0, 1, len(ids))
        sight = Sight(atlas.active_model, ids, places, np.zeros(len(ids), bool), novelty)
        sight.save(sight_file(atlas, atlas.active_model))
    return to_label


@pytest.fixture
def at_map(grid, annotator, look):
    """The map page, drawn."""
    seen = look(annotator.address + "map", height=900)
    seen.page.wait_for_selector(READY)
    yield seen
    seen.forgive(SLOW_GRAPHICS)


def chosen(seen) -> int:
    words = seen.text("#selection-count")
    return 0 if words.startswith("No ") else int(words.split()[0])


def lasso(page, left, bottom, right, top, **keys) -> None:
    """Draw a line around a part of the map, given in shares of the canvas."""
    box = page.locator("#canvas").bounding_box()

    def at(x, y):
        return box["x"] + box["width"] * x, box["y"] + box["height"] * y

    page.mouse.move(*at(left, top))
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(*at(x, y), steps=4)
    page.mouse.up()


def sheet_of(seen, button: str = "#open-sheet") -> dict:
    """Press the button and read the selection that the sheet is asked for."""
    seen.page.click(button)
    seen.page.wait_for_url("**/sheets?selection=*")
    address, _, kept = seen.page.url.partition("/sheets?selection=")
    seen.forgive("status of 404")  # what the sheet makes of it is the sheets' matter
    found: dict = seen.page.request.get(f"{address}/api/v1/explore/selections/{kept}").json()
    return found


def test_a_lasso_takes_unlabelled_cells_and_opens_a_sheet(at_map) -> None:
    page = at_map.page
    lasso(page, 0.01, 0.99, 0.99, 0.01)
    assert chosen(at_map) == 15  # the unlabelled ones
    page.uncheck("#unlabelled")
    lasso(page, 0.01, 0.99, 0.99, 0.01)
    assert chosen(at_map) == 45
    page.click("#clear")
    assert chosen(at_map) == 0
    page.check("#unlabelled")
    lasso(page, 0.01, 0.99, 0.99, 0.01)
    kept = sheet_of(at_map)
    assert (kept["total"], kept["origin"]) == (15, "map")


def test_the_keyboard_does_what_the_lasso_does(at_map) -> None:
    page = at_map.page
    page.uncheck("#unlabelled")
    page.focus("#canvas")
    for _ in range(6):
        page.keyboard.press("]")
    page.keyboard.press("Space")
    first = chosen(at_map)
    assert first > 0
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    assert chosen(at_map) > first
    page.keyboard.press("Delete")
    assert chosen(at_map) < 45
    page.keyboard.press("+")
    page.keyboard.press("0")
    page.keyboard.press("Escape")
    assert chosen(at_map) == 0


def test_colours_legend_and_novelty_say_which_cells_are_shown(at_map) -> None:
    page = at_map.page
    rows = "() => document.getElementById('rows-at').textContent"
    assert page.evaluate(rows).endswith("of 45")
    page.click("#legend button >> nth=0")
    assert not page.evaluate(rows).endswith("of 45")
    page.click("#legend button >> nth=0")
    page.select_option("#colour", "dataset")
    assert "known" in at_map.text("#legend")
    page.select_option("#colour", "novelty")
    page.fill("#least", "50")
    page.dispatch_event("#least", "input")
    left = int(page.evaluate(rows).split()[-1])
    assert 0 < left < 45
    page.select_option("#table-order", "novelty")
    assert page.locator("#rows td.number").first.inner_text() == "1.00"


def test_the_table_selects_as_well(at_map) -> None:
    page = at_map.page
    page.locator("#rows input").first.check()
    page.locator("#rows input").nth(1).check()
    assert chosen(at_map) == 2
    page.select_option("#table-which", "selected")
    assert at_map.text("#rows-at").endswith("of 2")
    assert page.locator("#rows a").first.get_attribute("href") == "/cells/1"


def test_a_cell_is_shown_when_it_is_pointed_at(at_map) -> None:
    page = at_map.page
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    at_map.wait_for("#cell-link", "Cell 23")
    page.wait_for_function("() => document.getElementById('cell-picture').naturalWidth > 0")
    for _ in range(4):
        page.mouse.wheel(0, -240)
    page.click("#tool-move")
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 230, steps=3)
    page.mouse.up()
    assert chosen(at_map) == 0
    page.click("#zoom-all")


def test_clusters_are_made_named_grown_and_undone(annotator, look) -> None:
    seen = look(annotator.address + "clusters")
    page = seen.page
    field = page.get_by_role("spinbutton", name="Cells in a cluster")
    assert field.get_attribute("id") == "make-size"
    page.select_option("#make-method", "density")
    assert seen.text("#size-label") == "Cells in a cluster, at least"
    assert "many are much larger" in seen.text("#size-means")
    page.select_option("#make-method", "centres")
    assert seen.text("#size-label") == "Cells in a cluster, about"
    page.fill("#make-size", "4")
    page.click("#make button")
    page.wait_for_selector(".cluster-card")
    count = page.locator(".cluster-card").count()
    assert seen.text("#summary").startswith(f"{count} clusters · 0 named")
    page.click(".cluster-card a >> nth=0")
    seen.wait_for("#one-head", "cells")
    page.wait_for_selector("#candidates .tile")
    size = int(seen.text("#one-head").split()[-2])
    page.fill("#one-name", "mine")
    page.select_option("#one-class", "platelet")
    page.click("#name-form button[type=submit], #name-form button:not([type])")
    seen.wait_for("#one-said", "Kept")
    seen.wait_for("#summary", f"{count} clusters · 1 named")
    page.locator("#candidates").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Space")
    page.click("#accept")
    seen.wait_for("#one-said", "1 cell taken in")
    assert int(seen.text("#one-head").split()[-2]) == size + 1
    page.click("#undo-one")
    seen.wait_for("#one-head", f"{size} cells")
    page.click("#split")
    seen.wait_for("#one-said", "Split into clusters")
    seen.wait_for("#summary", f"{count + 1} clusters · 1 named")
    page.click("#undo-one")
    seen.wait_for("#summary", f"{count} clusters · 1 named")
    page.click("#to-list")
    seen.wait_for(".cluster-card", "mine")
    assert page.locator(".cluster-card").count() <= count
    page.locator(".cluster-card input").nth(0).check()
    page.locator(".cluster-card input").nth(1).check()
    page.click("#merge")
    page.wait_for_function(
        "(n) => document.querySelectorAll('.cluster-card').length === n", arg=count - 1
    )


def test_clusters_are_named_and_walked_through_by_keys(annotator, look) -> None:
    seen = look(annotator.address + "clusters")
    page = seen.page
    page.select_option("#make-method", "centres")
    page.fill("#make-size", "4")
    page.click("#make button")
    page.wait_for_selector(".cluster-card")
    last = page.locator(".cluster-card").count() - 1
    page.locator("h1").click()
    page.keyboard.press(".")
    page.keyboard.press(".")
    page.keyboard.press(",")
    cards = page.locator(".cluster-card")
    assert cards.nth(0).locator("a").evaluate("link => link === document.activeElement")
    page.keyboard.press("l")
    seen.wait_for("#list-said", "is taken for lymphocyte")
    seen.wait_for(".cluster-card >> nth=0", "Lymphocyte")
    assert cards.nth(0).locator("a").evaluate("link => link === document.activeElement")
    page.keyboard.press("Enter")
    page.wait_for_selector("#candidates .tile")
    first = page.evaluate("location.hash")
    page.keyboard.press("n")
    seen.wait_for("#one-said", "is taken for neutrophil")
    assert page.input_value("#one-class") == "neutrophil"
    page.focus("#one-name")
    page.keyboard.type("e.")  # writing is not a command
    assert page.input_value("#one-name").endswith("e.")
    assert page.evaluate("location.hash") == first
    page.locator("#one-head").focus()
    for _ in range(last):
        before = seen.text("#one-head")
        page.keyboard.press(".")
        page.wait_for_function(
            "before => document.querySelector('#one-head').textContent !== before", arg=before
        )
    page.keyboard.press(".")
    seen.wait_for("#one-said", "last cluster")


def test_growth_candidates_are_ticked_only_within_the_clusters_spread(annotator, look) -> None:
    seen = look(annotator.address + "clusters")
    page = seen.page
    page.select_option("#make-method", "centres")
    page.fill("#make-size", "4")
    page.click("#make button")
    page.click(".cluster-card a >> nth=0")
    page.wait_for_selector("#candidates .tile")
    number = page.evaluate("location.hash").split("-")[1]
    address = f"{annotator.address}api/v1/explore/clusters/{number}/candidates?count=40"
    cells = page.request.get(address).json()["cells"]
    ticked = page.locator('#candidates .tile[aria-selected="true"]').count()
    assert ticked == sum(cell["within"] for cell in cells) < len(cells)


def test_spread_labels_are_looked_at_before_a_sheet(annotator, look) -> None:
    seen = look(annotator.address + "clusters")
    page = seen.page
    page.select_option("#spread-dataset", "new")
    page.click("#spread button")
    page.click("#spread-rows button >> nth=0")
    page.wait_for_selector("#spread-cells .tile")
    page.locator("#spread-cells").focus()
    page.keyboard.press("Space")
    shown = page.locator("#spread-cells .tile").count()
    assert sheet_of(seen, "#spread-sheet")["total"] == shown - 1


def test_search_by_words_and_likeness_saved_and_opened(annotator, look) -> None:
    seen = look(annotator.address + "search")
    page = seen.page
    page.select_option("#dataset", "new")
    page.click(".search-go button")
    assert seen.text("#total").startswith("15")
    page.click(".found-cell >> nth=0 >> a.chip")
    page.wait_for_selector("#wanted img")
    page.wait_for_selector("text=most alike first", state="attached")
    assert page.locator(".found-cell").count() == 14
    page.fill("#save-name", "like the first")
    page.click("#save button")
    seen.wait_for("#saved", "like the first")
    page.locator(".found-cell input").nth(0).uncheck()
    assert sheet_of(seen)["total"] == 13


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
@pytest.mark.parametrize("locale", ["en-GB", "es-ES"])
def test_results_of_a_search_are_in_sight(shown, look, width, height, locale) -> None:
    """The first row whole, with the links that go on from it, without scrolling."""
    address = shown.address + "search?more=31&less=32&dataset=new"
    page = look(address, width=width, height=height, locale=locale).page
    for link in page.locator(".found-cell >> nth=0 >> a.chip").all():
        box = link.bounding_box()
        assert box["y"] + box["height"] <= height
    assert page.locator("#open-sheet").bounding_box()["y"] < 0.6 * height


def test_a_condition_that_is_folded_away_is_shown_where_it_is_set(shown, look) -> None:
    page = look(shown.address + "search?dataset=new").page
    assert not page.locator("#patient").is_visible()
    page.locator(".search-more summary").click()
    page.fill("#slide", "slide 1")
    page.click(".search-go button")
    page.wait_for_url("**slide=slide**")
    assert page.locator("#slide").is_visible()


DROP = """([name, type]) => {
  const files = new DataTransfer();
  files.items.add(new File(["<svg onload='alert(1)'/>"], name, { type }));
  dispatchEvent(new DragEvent("drop", { dataTransfer: files, cancelable: true }));
}"""
PASTE = """() => {
  const files = new DataTransfer();
  files.items.add(new File(["no picture"], "", { type: "image/png" }));
  dispatchEvent(new ClipboardEvent("paste", { clipboardData: files, cancelable: true }));
}"""


def test_what_is_dropped_or_pasted_is_sent_and_proved(annotator, look) -> None:
    seen = look(annotator.address + "search")
    for act, given in ((DROP, ["cell.png", "image/png"]), (PASTE, None)):
        with seen.page.expect_response("**/explore/examples") as told:
            seen.page.evaluate(act, given)
        assert told.value.status == 422
        seen.wait_for("#problem", "is no picture of a kind that can be read")
        assert seen.page.evaluate("location.search") == ""
    seen.forgive("status of 422")


def test_cells_like_a_cell_are_a_link_away_from_every_page_of_cells(annotator, look) -> None:
    seen = look(annotator.address)
    page = seen.page
    number = int(seen.text("#cell-title").split()[-1])
    assert page.get_attribute("#more-like", "href") == f"/search?more={number}"
    assert page.get_by_role("link", name=f"More like it cell {number}").is_visible()
    seen.press("s")
    page.locator(f'#more-like:not([href$="={number}"])').wait_for()

    page.goto(annotator.address + "cells?state=all")
    link = page.locator("#more-like")
    tile = page.locator('.tile[aria-posinset="3"]')
    tile.hover()
    like = page.get_by_role("link", name="More like cell")
    assert like.is_visible()
    box, over = link.bounding_box(), tile.bounding_box()
    assert 0 < box["x"] - over["x"] < 20
    assert 0 < box["y"] - over["y"] < 20
    wanted = tile.get_attribute("href").split("/")[-1]
    assert link.get_attribute("href") == f"/search?more={wanted}"
    page.locator("#cells").focus()
    page.keyboard.press("End")
    last = page.locator("#cells .tile-active").get_attribute("href").split("/")[-1]
    page.wait_for_timeout(300)  # what scrolled under the pointer, which stays, is not pointed at
    assert last != wanted
    assert link.get_attribute("href") == f"/search?more={last}"
    page.keyboard.press("m")
    page.wait_for_url("**/search?more=" + last)
    assert page.locator(".found-cell").count() > 0


PLACES = """() => [...document.querySelectorAll('form[role="search"] .field')].map((field) => {
  const { left, top } = field.getBoundingClientRect();
  return [left, top];
})"""


@pytest.mark.parametrize("where", ["cells?state=all", "search"])
def test_no_field_of_a_search_moves_when_a_select_gets_its_options(annotator, look, where) -> None:
    """They may come after the first frame of a page: then all would jump under the finger."""
    page = look(annotator.address + where, width=390).page
    whole = page.evaluate(PLACES)
    assert len(whole) >= 5
    page.evaluate("document.querySelectorAll('select').forEach((each) => each.replaceChildren())")
    assert page.evaluate(PLACES) == whole

"""The grid of cells: what keys, clicks and frames select, and that only what is near is drawn."""

from __future__ import annotations

import pytest

# Builds a grid of 2,000 items in place of the page's content; pictures repeat those of the atlas.
BUILD = """async (options) => {
  const { Grid } = await import("/static/js/grid.js");
  const cells = (await (await fetch("/api/v1/cells?state=all&size=40")).json()).cells;
  const host = document.createElement("div");
  document.getElementById("main").replaceChildren(host);
  window.shifts = 0;
  host.className = "grid-room";
  new PerformanceObserver((list) => {
    window.shifts += list.getEntries().reduce((sum, each) => sum + each.value, 0);
  }).observe({ type: "layout-shift", buffered: false });
  const items = Array.from({ length: 2000 }, (_, i) => ({
    id: i + 1, thumbnail: cells[i % cells.length].thumbnail,
  }));
  window.told = [];
  window.grid = new Grid(host, {
    label: "Cells", name: (item) => `Cell ${item.id}`, words: 0, select: "many",
    onSelect: (ids) => { window.last = [...ids].sort((a, b) => a - b); },
    onOpen: (item) => window.told.push(item.id),
    ...options,
  });
  window.grid.set(items, 2000);
  return window.grid.columns;
}"""


# How far anything has moved by itself since the page was opened.
SHIFTED = """() => new Promise((done) => {
  new PerformanceObserver((list) => done(list.getEntries().reduce((sum, e) => sum + e.value, 0)))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(0), 500);
})"""


@pytest.fixture
def gridded(shown, look):
    """``gridded(**options)``: a page with a grid; how many columns it has."""

    def build(**options):
        seen = look(shown.address.rstrip("/") + "/cells?state=flagged")
        columns = seen.page.evaluate(BUILD, options)
        seen.page.locator("canvas.tile-drawn").first.wait_for()
        return seen, columns

    return build


def selected(seen) -> list[int]:
    return seen.page.evaluate("window.last ?? []")


def tile(seen, number: int):
    return seen.page.locator(f'.tile[aria-posinset="{number}"]')


def test_only_tiles_near_the_view_are_in_the_page(gridded) -> None:
    seen, columns = gridded()
    page = seen.page
    assert 0 < page.locator(".tile").count() <= 2 * columns * 12
    page.evaluate("window.shifts = 0")  # what taking the page's content away has moved
    page.mouse.wheel(0, 20_000)
    page.wait_for_function("() => window.scrollY > 15000")
    page.wait_for_timeout(300)
    assert page.locator(".tile").count() <= 2 * columns * 12
    assert int(page.locator(".tile").first.get_attribute("aria-posinset")) > 100
    assert page.evaluate("window.shifts") == 0


def test_keys_move_and_select(gridded) -> None:
    seen, columns = gridded()
    page = seen.page
    page.evaluate("window.grid.focus()")
    seen.press("ArrowRight", "ArrowDown", " ")
    assert selected(seen) == [columns + 2]
    seen.press("Shift+ArrowRight", "Shift+ArrowRight")
    assert selected(seen) == [columns + 2, columns + 3, columns + 4]
    assert page.evaluate("document.activeElement.getAttribute('aria-activedescendant')") == (
        tile(seen, columns + 4).get_attribute("id")
    )
    seen.press("Enter")
    assert page.evaluate("window.told") == [columns + 4]
    seen.press("Escape")
    assert selected(seen) == []
    seen.press("Control+a")
    assert len(selected(seen)) == 2000
    seen.press("Control+End")
    tile(seen, 2000).wait_for()
    assert page.evaluate("window.grid.active.id") == 2000
    seen.press("Control+Home")
    assert page.evaluate("window.grid.active.id") == 1


def test_clicks_tick_and_shift_takes_the_range(gridded) -> None:
    seen, _ = gridded()
    tile(seen, 2).click()
    tile(seen, 5).click(modifiers=["Shift"])
    assert selected(seen) == [2, 3, 4, 5]
    assert tile(seen, 4).get_attribute("aria-selected") == "true"
    assert tile(seen, 4).locator(".tile-tick").is_visible()
    tile(seen, 3).click()
    tile(seen, 5).click(modifiers=["Shift"])
    assert selected(seen) == [2]


def test_a_frame_takes_what_it_covers(gridded) -> None:
    seen, columns = gridded()
    page = seen.page
    first, last = tile(seen, 1).bounding_box(), tile(seen, columns + 2).bounding_box()
    page.mouse.move(first["x"] + 10, first["y"] + 10)
    page.mouse.down()
    page.mouse.move(last["x"] + 20, last["y"] + 20, steps=4)
    page.mouse.up()
    assert selected(seen) == [1, 2, columns + 1, columns + 2]
    page.mouse.move(first["x"] + 10, first["y"] + 10)
    page.mouse.down()
    page.mouse.move(first["x"] + 30, first["y"] + 30, steps=4)
    page.mouse.up()
    assert selected(seen) == [2, columns + 1, columns + 2]
    assert page.evaluate("window.told") == []


def test_items_come_and_go(gridded) -> None:
    seen, _ = gridded()
    page = seen.page
    page.evaluate("window.grid.select([1, 2, 3])")
    page.evaluate("window.grid.remove([2])")
    assert selected(seen) == [1, 3]
    assert tile(seen, 2).get_attribute("aria-label") == "Cell 3"
    page.evaluate("window.grid.go(1500)")
    page.locator('.tile[aria-label="Cell 1500"]').wait_for()
    page.evaluate("window.grid.update({ ...window.grid.active, id: 1500 })")
    assert page.locator(".tile-active").get_attribute("aria-label") == "Cell 1500"
    page.evaluate("window.grid.set([], 0)")
    assert page.locator(".tile").count() == 0


def test_the_cells_page_goes_on_by_itself(annotator, look) -> None:
    seen = look(annotator.address + "cells?state=all", height=400)
    page = seen.page
    page.locator("canvas.tile-drawn").first.wait_for()
    total = int(tile(seen, 1).get_attribute("aria-setsize"))
    assert total == 45
    assert page.evaluate(SHIFTED) == 0
    page.keyboard.press("End")
    tile(seen, 45).wait_for()
    page.locator("#cells").focus()
    seen.press("Control+Home", "Enter")
    page.wait_for_url("**/cells/45")

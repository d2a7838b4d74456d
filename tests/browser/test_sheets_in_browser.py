"""The sheets in a real browser: keys, acceptance, undo, restart, proposals that move in place."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from index import Atlas, CellRecord, NewLabel
from index import sheets as kept
from retrieval.painter import paint_cell
from retrieval.reading.decode import pixel_hash

CLASSES = ("neutrophil", "lymphocyte", "eosinophil")
KEYS = {"neutrophil": "n", "lymphocyte": "l", "eosinophil": "e"}
EACH, LABELLED = 26, 12  # cells of each class, and those labelled when a test begins

WATCH_SHIFTS = """() => { window.shifted = [];
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) {
    if (!entry.hadRecentInput) {
      window.shifted.push(...entry.sources.map((each) => [entry.value, each.node?.outerHTML,
        JSON.stringify(each.previousRect), JSON.stringify(each.currentRect)]));
    } } }).observe({type: 'layout-shift'}); }"""


@pytest.fixture(scope="session")
def sheet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Painted cells of three classes in groups, some labelled: enough for sheets to begin."""
    folder = tmp_path_factory.mktemp("sheets")
    generator = np.random.default_rng(5)
    kinds = [i % len(CLASSES) for i in range(EACH * len(CLASSES))]
    vectors = np.eye(16)[kinds] + generator.normal(scale=0.05, size=(len(kinds), 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    (folder / "model.safetensors").write_bytes(b"no weights are read here")
    with Atlas.open(folder / "atlas", create=True) as atlas:
        atlas.add_model("painted", folder / "model.safetensors", {})
        atlas.add_dataset("new", str(folder))
        records = []
        for i, kind in enumerate(kinds):
            rgb = paint_cell(CLASSES[kind], seed=i, size=64)
            Image.fromarray(rgb).save(folder / f"{i:03}.png")
            told = CLASSES[kind] if i < LABELLED * len(CLASSES) else None
            records.append(CellRecord(f"{i:03}.png", pixel_hash(rgb), 64, 64, class_code=told))
        atlas.add_cells("new", records)
        atlas.add_embeddings("painted", atlas.cell_ids(), vectors.astype(np.float32))
    return folder


@pytest.fixture
def at_sheets(sheet_folder: Path, tmp_path: Path, start_annotator):
    """A running annotator on a fresh copy of the painted cells."""
    return start_annotator(sheet_folder / "atlas", tmp_path)


def true_class(cell: int) -> str:
    return CLASSES[(cell - 1) % len(CLASSES)]


def shown_cell(seen) -> int:
    source = seen.page.get_attribute("#single-picture", "src")
    found = re.search(r"/images/(\d+)/", source)
    assert found is not None, source
    return int(found[1])


def name_singles(seen) -> None:
    """Name the single cells by their keys until a sheet stands there."""
    for _ in range(40):
        seen.page.locator("#single:not([hidden]), #grid:not([hidden])").first.wait_for()
        if seen.page.locator("#grid").is_visible():
            return
        before = seen.page.get_attribute("#single-picture", "src")
        seen.press(KEYS[true_class(shown_cell(seen))])
        seen.page.wait_for_function(
            "before => document.querySelector('#grid').checkVisibility() || "
            "document.querySelector('#single-picture').getAttribute('src') !== before",
            arg=before,
        )
    raise AssertionError("there was no end of single cells")


def pending(annotator):
    with Atlas.open(annotator.atlas) as atlas:
        return kept.open_sheets(atlas, "ann")[0]


def tiles(seen):
    return seen.page.locator("#grid .tile")


def test_a_sheet_by_keyboard_alone_then_undone(at_sheets, look) -> None:
    seen = look(f"{at_sheets.address}sheets")
    name_singles(seen)
    sheet = pending(at_sheets)
    assert tiles(seen).count() == len(sheet.displayed)
    seen.press("ArrowRight", "Space", "ArrowRight", "m")
    out = tiles(seen).filter(has_text="out").count() + tiles(seen).filter(has_text="MO").count()
    assert out == 2
    count = len(sheet.displayed) - 2
    seen.wait_for("#accept-words", f"Accept {count} as ")
    seen.press("Enter")
    seen.wait_for("#status", f"{count + 1} labels saved.")
    with Atlas.open(at_sheets.atlas) as atlas:
        given = kept.sheet(atlas, sheet.id)
        assert given.state == "accepted"
        second, third = (cell.cell_id for cell in sheet.displayed[1:3])
        assert atlas.history(second) == []
        assert atlas.present_of([third]) == {third: "monocyte"}
    seen.page.wait_for_timeout(3000)  # keys are not taken until what comes next is there
    seen.press("u")
    seen.wait_for("#status", "The sheet is taken back")
    with Atlas.open(at_sheets.atlas) as atlas:
        assert atlas.present_of([cell.cell_id for cell in sheet.displayed]) == {}
    # The very same sheet stands there, with the same cells taken out and corrected.
    seen.wait_for("#accept-words", f"Accept {count} as ")
    assert tiles(seen).count() == len(sheet.displayed)
    assert "out" in tiles(seen).nth(1).inner_text()
    assert "MO" in tiles(seen).nth(2).inner_text()
    seen.press("Control+y")
    seen.wait_for("#status", "The sheet is accepted again.")
    with Atlas.open(at_sheets.atlas) as atlas:
        assert atlas.present_of([second, third]) == {third: "monocyte"}
    for key, words in (("Control+z", "taken back"), ("Control+Shift+z", "accepted again")):
        seen.page.wait_for_timeout(1500)
        seen.press(key)
        seen.wait_for("#status", words)


def test_a_single_cell_is_flagged_skipped_and_searched_by_key(at_sheets, look) -> None:
    seen = look(f"{at_sheets.address}sheets")
    seen.page.locator("#single:not([hidden])").wait_for()
    cell = shown_cell(seen)
    seen.press("f")
    seen.wait_for("#status", f"Cell {cell} is flagged.")
    assert seen.page.locator("#flag-mark").is_visible()
    assert seen.page.get_attribute("#flag", "aria-pressed") == "true"
    source = seen.page.get_attribute("#single-picture", "src")
    seen.press("s")
    seen.wait_for("#status", f"Skipped cell {cell}: it comes back after all others.")
    seen.page.wait_for_timeout(1500)
    assert shown_cell(seen) != cell
    seen.press("u")  # shows it again, still flagged
    seen.wait_for("#status", "Undone.")
    seen.page.locator(f'#single-picture[src="{source}"]').wait_for()
    assert seen.page.locator("#flag-mark").is_visible()
    seen.page.wait_for_timeout(1500)
    seen.press("/")
    seen.page.keyboard.type("neutro", delay=20)
    seen.press("Enter")
    seen.wait_for("#status", "Saved: neutrophil.")
    with Atlas.open(at_sheets.atlas) as atlas:
        assert atlas.present_of([cell]) == {cell: "neutrophil"}
        assert atlas.cell(cell).flagged


def test_whoever_cannot_name_what_is_left_may_leave_it(
    sheet_folder, tmp_path, start_annotator, look
) -> None:
    def name_most(path: Path) -> None:
        with Atlas.open(path) as atlas:
            left = [cell for cell in atlas.cell_ids().tolist() if not atlas.history(cell)]
            atlas.add_labels([NewLabel(c, true_class(c), "bea", "single") for c in left[:-2]])

    there = start_annotator(sheet_folder / "atlas", tmp_path, first=name_most)
    seen = look(f"{there.address}sheets")
    for _ in range(2):
        seen.page.locator("#single:not([hidden])").wait_for()
        before = shown_cell(seen)
        seen.press("s")
        seen.wait_for("#status", f"Skipped cell {before}")
        seen.page.wait_for_timeout(1500)
    seen.wait_for("#stage-title", "Nothing else is left")
    seen.page.get_by_role("button", name="Show them again").click()
    seen.wait_for("#stage-words", "You skipped this one before.")
    seen.press(KEYS[true_class(shown_cell(seen))])
    seen.wait_for("#status", "Saved")


def test_shift_and_a_frame_take_many_out(at_sheets, look) -> None:
    seen = look(f"{at_sheets.address}sheets")
    name_singles(seen)
    many = tiles(seen).count()
    first, second = tiles(seen).nth(0), tiles(seen).nth(2)
    first.click()
    second.click(modifiers=["Shift"])
    assert seen.page.locator('#grid .tile[aria-selected="false"]').count() == 3
    box, end = tiles(seen).nth(3).bounding_box(), tiles(seen).nth(4).bounding_box()
    seen.page.mouse.move(box["x"] + 4, box["y"] + 10)
    seen.page.mouse.down()
    seen.page.mouse.move(end["x"] + 60, end["y"] + 40, steps=4)
    seen.page.mouse.up()
    assert seen.page.locator('#grid .tile[aria-selected="false"]').count() == 5
    seen.wait_for("#accept-words", f"Accept {many - 5} as ")


def test_a_pending_sheet_survives_the_end_of_the_server(at_sheets, look) -> None:
    seen = look(f"{at_sheets.address}sheets")
    name_singles(seen)
    sheet = pending(at_sheets)
    at_sheets.kill()
    at_sheets.start()
    seen.page.reload()
    tiles(seen).first.wait_for()
    assert tiles(seen).count() == len(sheet.displayed)
    assert pending(at_sheets) == sheet
    seen.press("Enter")
    seen.wait_for("#status", "labels saved.")
    seen.forgive("ERR_CONNECTION_REFUSED", "Failed to load resource")


def test_a_selection_opens_first_under_its_origin(at_sheets, look) -> None:
    seen = look(f"{at_sheets.address}sheets")
    name_singles(seen)
    with Atlas.open(at_sheets.atlas) as atlas:
        first, *others = kept.open_sheets(atlas, "ann")
        for sheet in others:
            kept.drop(atlas, sheet.id)
        lying = {cell.cell_id for cell in first.cells}
        free = [c for c in atlas.cell_ids().tolist() if not atlas.history(c) and c not in lying]
    seen.page.evaluate(
        """async (cells) => {
          const { openSheet } = await import("/static/js/open_sheet.js");
          await openSheet(cells, { origin: "map", title: "Lasso on the map" });
        }""",
        free[:7],
    )
    seen.page.wait_for_url("**/sheets")
    seen.page.locator("#single:not([hidden])").wait_for()
    seen.wait_for("#stage-words", "Then: Lasso on the map, 7 cells.")
    name_singles(seen)
    seen.wait_for("#stage-title", "Lasso on the map, 7 cells. ")


def test_a_cell_is_enlarged_beside_labelled_ones(at_sheets, look) -> None:
    seen = look(f"{at_sheets.address}sheets")
    name_singles(seen)
    sheet = pending(at_sheets)
    ids = [cell.cell_id for cell in sheet.displayed]
    strip = seen.page.locator("#references img")
    assert strip.count() == 6
    name = sheet.class_code
    assert re.fullmatch(rf"Cell \d+, labelled {name}", strip.first.get_attribute("alt"))
    seen.press("ArrowRight", "+")
    seen.wait_for("#enlarged-title", f"Cell {ids[1]}")
    picture = seen.page.locator("#enlarged-picture")
    assert f"/images/{ids[1]}/" in picture.get_attribute("src")
    assert picture.bounding_box()["width"] > 300
    seen.press("ArrowRight")
    seen.wait_for("#enlarged-title", f"Cell {ids[2]}")
    seen.press("+")
    assert not seen.page.get_by_role("dialog").is_visible()
    tiles(seen).first.dblclick()
    seen.wait_for("#enlarged-title", f"Cell {ids[0]}")
    seen.press("Escape")
    assert seen.page.locator('#grid .tile[aria-selected="false"]').count() == 0


@pytest.mark.parametrize("way", ["key", "button"])
def test_all_ticked_cells_become_another_class(at_sheets, look, way) -> None:
    seen = look(f"{at_sheets.address}sheets")
    name_singles(seen)
    sheet = pending(at_sheets)
    seen.press("ArrowRight", "Space")
    if way == "key":
        seen.press("Shift+M")
    else:
        seen.page.get_by_role("button", name="All are …").click()
        dialog = seen.page.get_by_role("dialog", name=re.compile("^Which class are the"))
        dialog.get_by_role("button", name="Monocyte M").first.click()
    seen.wait_for("#status", "Proposed as monocyte now.")
    with Atlas.open(at_sheets.atlas) as atlas:
        (new,) = [each for each in kept.open_sheets(atlas, "ann") if each.parent_id == sheet.id]
        out = [cell.cell_id for cell in new.cells if cell.draft is not None]
        assert new.class_code == "monocyte"
        assert out == [sheet.displayed[1].cell_id]
    seen.page.locator("#single:not([hidden])").wait_for()
    for _ in range(12):  # what is checked is no monocyte, but the test says so
        seen.page.locator("#single:not([hidden]), #grid:not([hidden])").first.wait_for()
        if seen.page.locator("#grid").is_visible():
            break
        before = seen.page.get_attribute("#single-picture", "src")
        cell = shown_cell(seen)
        seen.press("m" if cell in new.waiting else KEYS[true_class(cell)])
        seen.page.wait_for_function(
            "before => document.querySelector('#grid').checkVisibility() || "
            "document.querySelector('#single-picture').getAttribute('src') !== before",
            arg=before,
        )
    seen.wait_for("#stage-title", "Monocyte: all of these?")
    assert tiles(seen).filter(has_text="out").count() == 1


def test_a_fresh_label_moves_proposals_and_nothing_else(at_sheets, look) -> None:
    """Labels given elsewhere make cells of the sheet be proposed as another class: they are
    unticked where they stand, and nothing on the page shifts."""
    seen = look(f"{at_sheets.address}sheets")
    name_singles(seen)
    sheet = pending(at_sheets)
    seen.page.evaluate(WATCH_SHIFTS)
    with Atlas.open(at_sheets.atlas) as atlas:
        alike = [cell for cell in range(1, LABELLED * 3 + 1)
                 if true_class(cell) == sheet.class_code]  # fmt: skip
        atlas.add_labels([NewLabel(cell, "monocyte", "chief", "adjudicated") for cell in alike])
    seen.wait_for("#status", "proposed as another class now")
    out = seen.page.locator('#grid .tile[aria-selected="false"]')
    assert out.count() == len(sheet.displayed)
    assert "MO" in out.first.inner_text()
    assert seen.page.evaluate("window.shifted") == []
    # One is ticked and unticked by the reader; the program took the others out.
    first = sheet.displayed[0].cell_id
    for _ in range(2):
        tiles(seen).first.click()
        seen.page.wait_for_timeout(600)  # two quick clicks show the cell large
    seen.press("Enter")
    seen.wait_for("#status", "0 labels saved.")
    with Atlas.open(at_sheets.atlas) as atlas:
        said = {c.cell_id: c.verdict for c in kept.sheet(atlas, sheet.id).cells if not c.checked}
    assert said.pop(first) == "taken_out"
    assert set(said.values()) == {"moved"}

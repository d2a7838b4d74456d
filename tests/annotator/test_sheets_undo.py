"""Sheets taken back, as the page meets them: the very same sheet, as its reader left it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from index import NewLabel
from index import sheets as kept
from index.checks import outcomes
from index.sheet_records import SheetCell


@pytest.fixture
def app(make_app, clustered):
    return make_app(clustered, dataset="new")


def whole(app):
    return app.extensions["desk"].whole


def planted_next(app, browser) -> tuple[dict, list[int]]:
    """The next sheet with planted cells, and these; sheets before it are accepted."""
    for _ in range(4):
        sheet = browser.next_sheet()
        planted = [cell.cell_id for cell in kept.sheet(whole(app), sheet["id"]).planted]
        if planted:
            return sheet, planted
        browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 201)
    raise AssertionError("no sheet had a planted cell")


def test_a_sheet_taken_back_stands_first_as_it_was_left(app, browser, make_app, browse_as) -> None:
    sheet = browser.next_sheet()
    path = f"/api/v1/sheets/{sheet['id']}/accept"
    first, second, *rest = [cell["id"] for cell in sheet["cells"]]
    out = {str(first): "monocyte", str(second): None}
    browser.post(path, {"out": out}, 201)
    later = browser.get("/api/v1/sheets/round").json["sheets"]
    assert sheet["id"] not in [each["id"] for each in later]
    # After a restart, too: all there is to know is in the atlas.
    again = browse_as(make_app(whole(app).path, dataset="new").test_client())
    assert again.post("/api/v1/undo").json["done"]["kind"] == "sheet"
    due = again.get("/api/v1/sheets/round").json
    assert due["singles"] == []  # the checks of other sheets wait
    back = due["sheets"][0]
    assert back["id"] == sheet["id"]
    assert [cell["id"] for cell in back["cells"]] == [cell["id"] for cell in sheet["cells"]]
    assert back["out"] == out
    atlas = whole(app)
    assert atlas.present_of([first, *rest]) == {}
    again.post("/api/v1/redo")
    code = sheet["class"]["code"]
    assert atlas.present_of([first, second, *rest]) == {
        first: "monocyte", **dict.fromkeys(rest, code)
    }  # fmt: skip
    again.post("/api/v1/undo")
    again.post(path, {"out": {str(second): code, str(first): None}}, 201)
    assert atlas.present_of([first, second, *rest]) == dict.fromkeys([second, *rest], code)
    again.post("/api/v1/undo")
    assert again.get("/api/v1/sheets/round").json["sheets"][0]["out"] == {
        str(second): code, str(first): None
    }  # fmt: skip


def test_a_sheet_of_which_all_was_taken_out_is_taken_back(browser) -> None:
    sheet = browser.next_sheet()
    out = {str(cell["id"]): None for cell in sheet["cells"]}
    browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {"out": out}, 201)
    assert browser.post("/api/v1/undo").json["done"]["kind"] == "sheet"
    assert browser.get("/api/v1/sheets/round").json["sheets"][0]["out"] == out


@pytest.mark.parametrize("caught", [True, False])
def test_a_sheet_taken_back_and_accepted_again_judges_no_planted_cell_anew(
    app, browser, caught
) -> None:
    sheet, planted = planted_next(app, browser)
    path = f"/api/v1/sheets/{sheet['id']}/accept"
    out = {str(each): "monocyte" for each in planted}
    browser.post(path, {"out": out if caught else {}}, 201)
    before = outcomes(whole(app), "ann")
    browser.post("/api/v1/undo")
    back = browser.get("/api/v1/sheets/round").json["sheets"][0]
    assert [cell["id"] for cell in back["cells"]] == [cell["id"] for cell in sheet["cells"]]
    assert back["out"] == (out if caught else {})  # as any other cell that was corrected
    done = browser.post(path, {"out": {} if caught else out}, 201).json
    assert done["noticed"] == done["missed"] == []
    assert outcomes(whole(app), "ann") == before
    state = {cell.cell_id: cell.verdict for cell in kept.sheet(whole(app), sheet["id"]).planted}
    assert state == dict.fromkeys(planted, "taken_out" if caught else "left")


def test_a_sheet_that_was_put_away_comes_back(app, browser) -> None:
    sheet = browser.next_sheet()
    cells = {cell["id"] for cell in sheet["cells"]}
    browser.post(f"/api/v1/sheets/{sheet['id']}/drop")
    later = browser.get("/api/v1/sheets/round").json["sheets"]
    assert sheet["id"] not in [each["id"] for each in later]
    done = browser.post("/api/v1/undo").json["done"]
    assert done["kind"] == "drop"
    back = browser.get("/api/v1/sheets/round").json["sheets"][0]
    assert back["id"] == sheet["id"]
    assert {cell["id"] for cell in back["cells"]} == cells
    assert browser.post("/api/v1/redo").json["done"]["kind"] == "drop"
    assert kept.sheet(whole(app), sheet["id"]).state == "dropped"
    browser.post("/api/v1/undo")
    browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 201)


@pytest.mark.parametrize(("author", "begun"), [("bob", False), ("ann", True)])
def test_a_sheet_put_away_stays_so_where_its_cells_were_worked_on_since(
    app, browser, author, begun
) -> None:
    first = browser.get("/api/v1/sheets/round").json["singles"]
    cell = first[0]["id"]
    browser.post(f"/api/v1/cells/{cell}/skip")
    sheet = browser.next_sheet()
    browser.post(f"/api/v1/sheets/{sheet['id']}/drop")
    old = kept.sheet(whole(app), sheet["id"])
    mine = [SheetCell(each.cell_id, checked=True) for each in old.open_cells[:4]]
    made = replace(old, author=author, cells=tuple(mine), parent_id=None, id=0, state="open")
    (other,) = kept.make(whole(app), [made])
    if begun:
        label = NewLabel(mine[0].cell_id, old.class_code, "ann", "single", proposal_visible=False)
        kept.answer_check(whole(app), other, label, same=True)
    error = browser.post("/api/v1/undo", status=409).json["error"]
    assert f"lie on sheet {other}" in error["message"]
    assert kept.sheet(whole(app), sheet["id"]).state == "dropped"
    assert browser.post("/api/v1/undo").json["done"]["kind"] != "drop"

"""Selections as sheets: all of the cells, on sheets of like size, first, under their origin."""

from __future__ import annotations

import pytest

from annotator.explore.selections import origin_words
from index import Atlas
from index import sheets as kept
from index.exploring import Selection

CLASSES = ("neutrophil", "lymphocyte", "eosinophil", "platelet")


def true_class(cell: int) -> str:
    return CLASSES[(cell - 1) % len(CLASSES)]


@pytest.fixture
def app(make_app, clustered):
    return make_app(clustered, dataset="new")


def whole(app):
    return app.extensions["desk"].whole


def unlabelled(app) -> list[int]:
    return [cell for cell in range(1, 321) if not whole(app).history(cell)]


def of(app, selection: str) -> list[kept.Sheet]:
    found = kept.open_sheets(whole(app), "ann")
    return [sheet for sheet in found if sheet.selection_id == selection]


def cells_of(sheets: list[kept.Sheet]) -> list[int]:
    return [c.cell_id for sheet in sheets for c in sheet.cells if c.planted is None]


def test_more_than_a_page_is_cut_into_sheets_of_like_size(app, browser) -> None:
    wanted = unlabelled(app)[:101]
    sheets = of(app, browser.choose(wanted))
    assert [sum(c.planted is None for c in each.cells) for each in sheets] == [51, 50]
    assert sorted(cells_of(sheets)) == wanted


def test_what_does_not_fit_at_once_follows_until_all_has_been_on_a_sheet(app, browser) -> None:
    wanted = unlabelled(app)[:230]
    chosen = browser.choose(wanted)
    seen: list[int] = []
    told = []
    for _ in range(4):
        sheet = browser.next_sheet()
        assert kept.sheet(whole(app), sheet["id"]).selection_id == chosen
        told.append(sheet["selection"]["follow"])
        seen += cells_of([kept.sheet(whole(app), sheet["id"])])
        out = {str(cell["id"]): None for cell in sheet["cells"]
               if true_class(cell["id"]) != sheet["class"]["code"]}  # fmt: skip
        browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {"out": out}, 201)
        if len(seen) >= len(wanted):
            break
    assert sorted(seen) == wanted
    assert told == sorted(told, reverse=True)
    assert 160 < told[0] <= len(wanted) - 57
    assert told[-1] == 0
    browser.get("/api/v1/sheets/round")
    assert not of(app, chosen)


def test_who_puts_away_the_last_sheet_has_done_with_the_selection(app, browser) -> None:
    chosen = browser.choose(unlabelled(app)[:230])
    for sheet in of(app, chosen):
        browser.post(f"/api/v1/sheets/{sheet.id}/drop")
    browser.get("/api/v1/sheets/round")
    assert of(app, chosen) == []


def test_a_selection_comes_before_sheets_that_were_there(app, browser) -> None:
    browser.next_sheet()
    lying = set(cells_of(kept.open_sheets(whole(app), "ann")))
    free = [cell for cell in unlabelled(app) if cell not in lying]
    for cells in (free[:24], free[24:30]):
        browser.choose(cells)
        due = browser.get("/api/v1/sheets/round").json
        first = due["sheets"][0]
        assert first["selection"]["words"] == f"Lasso on the map, {len(cells)} cells"
        assert first["selection"]["follow"] == 0
        assert set(cells_of([kept.sheet(whole(app), first["id"])])) == set(cells)
        waiting = set(kept.sheet(whole(app), first["id"]).waiting)
        singles = {cell["id"] for cell in due["singles"]}
        assert waiting <= singles
        assert len(singles) <= 2 * len(waiting)  # it does not wait for the checks of all others


def test_cells_that_lie_on_another_sheet_are_told_of(app, browser) -> None:
    browser.next_sheet()
    lying = cells_of(kept.open_sheets(whole(app), "ann"))
    waits = [c for c in lying if not whole(app).history(c)]
    free = [cell for cell in unlabelled(app) if cell not in lying]
    browser.choose([*free[:20], *waits[:4]])
    first = browser.get("/api/v1/sheets/round").json["sheets"][0]
    assert first["selection"]["elsewhere"] == 4


def test_a_search_without_words_is_called_what_it_is(app) -> None:
    found = Selection("id", "ann", "search", "", None, (1, 2), "2026-01-01")
    with app.test_request_context():
        assert origin_words(found) == "Cells found by a search, 2 cells"


@pytest.mark.parametrize(
    ("origin", "words"),
    [("cluster", "Cells of words, 2 cells"), ("spread", "Spread as words, 2 cells"),
     ("search", "Search: words, 2 cells"), ("list", "Cells chosen, 2 cells")],
)  # fmt: skip
def test_the_heading_says_where_a_selection_is_from(app, browser, origin, words) -> None:
    browser.choose(unlabelled(app)[:2], origin)
    first = browser.get("/api/v1/sheets/round").json["sheets"][0]
    assert first["selection"]["words"] == words
    assert "selection" in first


def test_sheets_of_what_waits_are_of_no_selection(browser) -> None:
    assert browser.next_sheet()["selection"] is None


def test_a_selection_of_which_nothing_waits_is_refused(clustered, make_app, browse_as) -> None:
    with Atlas.open(clustered) as atlas:
        labelled = next(cell for cell in range(1, 321) if atlas.history(cell))
    browser = browse_as(make_app(clustered, dataset="new").test_client())
    sent = {"cells": [labelled], "origin": "map"}
    chosen = browser.post("/api/v1/explore/selections", sent, 201).json["id"]
    error = browser.post("/api/v1/sheets/selection", {"selection": chosen}, 400).json["error"]
    assert "none of the cells selected waits" in error["message"]


def test_labelled_cells_of_its_class_stand_above_a_sheet(app, browser) -> None:
    for _ in range(4):
        sheet = browser.next_sheet()
        cells = [cell["id"] for cell in sheet["references"]]
        assert len(cells) == len(set(cells)) == 6
        assert max(cells) <= 320  # of the data set
        code = sheet["class"]["code"]
        assert whole(app).present_of(cells) == dict.fromkeys(cells, code)
        planted = {c.cell_id for s in kept.open_sheets(whole(app), "ann") for c in s.planted}
        assert not planted & set(cells)
        assert {key for cell in sheet["references"] for key in cell} == {
            "id", "picture", "thumbnail", "present"
        }  # fmt: skip
        browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 201)


def test_a_class_that_nobody_labelled_has_no_cells_to_compare_with(app, browser) -> None:
    browser.choose(unlabelled(app)[:6], code="blast")
    assert browser.get("/api/v1/sheets/round").json["sheets"][0]["references"] == []

"""Sheets of which all is of another class than proposed: renamed at once, checked all the same."""

from __future__ import annotations

import pytest

from annotator.sheets import Record
from index import sheets as kept
from index.sheet_records import FAILED

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


def blasts(app, browser, count: int = 40) -> dict:
    """The sheet of ``count`` cells that were lassoed and are, for this test, of a class that nobody
    has labelled: its check is answered as the class it is proposed as."""
    browser.choose([cell for cell in unlabelled(app) if true_class(cell) == "platelet"][:count])
    return browser.next_sheet()


def test_what_is_ticked_becomes_a_sheet_of_the_class_said_with_checks_of_its_own(
    app, browser
) -> None:
    sheet = blasts(app, browser)
    cells = [cell["id"] for cell in sheet["cells"]]
    planted = {c.cell_id for c in kept.sheet(whole(app), sheet["id"]).planted}
    first, second, *rest = [cell for cell in cells if cell not in planted]
    before = len(list(whole(app).log()))
    sent = {"class": "blast", "out": {str(first): None, str(second): "monocyte"}}
    number = browser.post(f"/api/v1/sheets/{sheet['id']}/rename", sent, 201).json["sheet"]
    assert len(list(whole(app).log())) == before  # nothing is labelled by it
    new = kept.sheet(whole(app), number)
    assert new.class_code == "blast"
    assert len(new.waiting) >= 2
    assert set(new.waiting) <= set(rest)
    assert {c.cell_id for c in new.cells if c.planted is None} == {first, second, *rest}
    due = browser.get("/api/v1/sheets/round").json
    assert due["sheets"][0]["id"] == number
    assert due["sheets"][0]["out"] == {str(first): None, str(second): "monocyte"}
    assert due["sheets"][0]["because"] == "rename"
    assert not any(cell["moved"] for cell in due["sheets"][0]["cells"])  # the reader's word holds
    browser.post(f"/api/v1/sheets/{number}/accept", {}, 409)  # its checks come first
    for cell in new.waiting:
        browser.post(f"/api/v1/sheets/singles/{cell}", {"class": "blast"}, 201)
    out = due["sheets"][0]["out"]
    browser.post(f"/api/v1/sheets/{number}/accept", {"out": out}, 201)
    said = whole(app).present_of([first, second, *rest])
    assert said == {second: "monocyte", **dict.fromkeys(rest, "blast")}


def test_a_sheet_renamed_wrongly_is_caught_by_its_checks(app, browser) -> None:
    sheet = blasts(app, browser)
    path = f"/api/v1/sheets/{sheet['id']}/rename"
    number = browser.post(path, {"class": "blast"}, 201).json["sheet"]
    cell = kept.sheet(whole(app), number).waiting[0]
    sent = {"class": "platelet"}
    assert browser.post(f"/api/v1/sheets/singles/{cell}", sent, 201).json["split"] is True
    assert kept.sheet(whole(app), number).state == "split"
    # The selection stays together, as the class that the check was given.
    back = kept.open_sheets(whole(app), "ann")[0]
    assert back.parent_id == number
    assert back.class_code == "platelet"
    assert len(back.waiting) >= 2
    assert whole(app).present_of([c.cell_id for c in back.cells if c.planted is None]) == {}


def test_a_check_of_a_selection_says_of_what_class_it_is(app, browser) -> None:
    """Forty blasts that nobody has named yet, proposed as something else, are not thrown back."""
    wanted = [cell for cell in unlabelled(app) if true_class(cell) == "platelet"][:40]
    browser.choose(wanted)
    cell = kept.open_sheets(whole(app), "ann")[0].waiting[0]
    browser.post(f"/api/v1/sheets/singles/{cell}", {"class": "blast"}, 201)
    due = browser.get("/api/v1/sheets/round").json
    sheet = kept.sheet(whole(app), due["sheets"][0]["id"])
    assert sheet.class_code == "blast"
    assert due["sheets"][0]["because"] == "check"
    assert not any(cell["moved"] for cell in due["sheets"][0]["cells"])
    assert {c.cell_id for c in sheet.cells if c.planted is None} == set(wanted) - {cell}
    for each in sheet.waiting:
        browser.post(f"/api/v1/sheets/singles/{each}", {"class": "blast"}, 201)
    browser.post(f"/api/v1/sheets/{sheet.id}/accept", {}, 201)
    assert whole(app).present_of(wanted) == dict.fromkeys(wanted, "blast")


def test_renaming_is_undone_and_done_again(app, browser) -> None:
    sheet = blasts(app, browser)
    first = next(c.cell_id for c in kept.sheet(whole(app), sheet["id"]).open_cells)
    sent = {"class": "blast", "out": {str(first): None}}
    number = browser.post(f"/api/v1/sheets/{sheet['id']}/rename", sent, 201).json["sheet"]
    assert browser.post("/api/v1/undo").json["done"]["kind"] == "rename"
    back = browser.get("/api/v1/sheets/round").json["sheets"][0]
    assert back["id"] == sheet["id"]
    assert back["out"] == {str(first): None}
    assert kept.sheet(whole(app), number).state == "undone"
    browser.post("/api/v1/redo")
    assert kept.sheet(whole(app), number).state == "open"
    assert kept.sheet(whole(app), sheet["id"]).state == "split"


def test_the_sure_cells_of_a_renamed_sheet_were_foreign(app, browser) -> None:
    """Else to rename would be a way to take foreign cells out unseen. Others were never kept."""
    sheet = kept.sheet(whole(app), browser.next_sheet()["id"])
    before = Record.of(kept.outcomes(whole(app), "new"))
    browser.post(f"/api/v1/sheets/{sheet.id}/rename", {"class": "blast"}, 201)
    after = Record.of(kept.outcomes(whole(app), "new"))
    sure = sum(cell.sure for cell in sheet.open_cells)
    assert sure > 0
    code = sheet.class_code
    assert after.of_class(code).noticed - before.of_class(code).noticed == sure
    assert after.doubtful == before.doubtful
    assert after.everything.kept == before.everything.kept
    assert not any(cell.verdict == FAILED for cell in kept.sheet(whole(app), sheet.id).cells)


@pytest.mark.parametrize("sent", [{"class": "platelet"}, {"class": "blast", "out": "all"}])
def test_a_sheet_is_not_renamed_to_itself_nor_with_nothing_ticked(app, browser, sent) -> None:
    sheet = blasts(app, browser)
    if sent.get("out"):
        sent["out"] = {str(cell["id"]): None for cell in sheet["cells"]}
    error = browser.post(f"/api/v1/sheets/{sheet['id']}/rename", sent, 409).json["error"]
    assert "cannot become" in error["message"]


def test_the_class_must_be_said(app, browser) -> None:
    sheet = blasts(app, browser)
    browser.post(f"/api/v1/sheets/{sheet['id']}/rename", {}, 400)

"""Sheets over the wire: single cells first, then a sheet, its acceptance, its undo."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from annotator.sheets import making
from index import sheets as kept
from index.adaptations import adaptation, adaptations_of
from index.facts import facts_of
from index.records import CellFilter, NewLabel
from index.sheet_records import SheetCell

CLASSES = ("neutrophil", "lymphocyte", "eosinophil", "platelet")


def true_class(cell: int) -> str:
    """Cells of data set new are numbered from 25, their classes go round."""
    return CLASSES[(cell - 25) % 4]


@pytest.fixture
def many(app, browser, monkeypatch):
    """The browser at an atlas where sheets are made from the second cell of a class on."""
    from annotator.sheets import forming

    monkeypatch.setattr(making, "COLD", 2)
    monkeypatch.setattr(forming, "FEWEST", 2)
    return browser


def name_singles(browser) -> dict[str, Any]:
    """Answer the single cells rightly until a sheet is next; the round."""
    for _ in range(30):
        due = browser.get("/api/v1/sheets/round").json
        if not due["singles"]:
            return due
        for cell in due["singles"]:
            sent = {"class": true_class(cell["id"]), "seconds": 1.0}
            browser.post(f"/api/v1/sheets/singles/{cell['id']}", sent, 201)
    raise AssertionError("there was no end of single cells")


def desk(app):
    return app.extensions["desk"]


def test_the_page_opens(browser) -> None:
    text = browser.get("/sheets").text
    assert "<h1>Sheets</h1>" in text
    assert 'id="accept"' in text


def test_typical_cells_come_first(browser) -> None:
    due = browser.get("/api/v1/sheets/round").json
    assert due["sheets"] == []
    assert due["missing"] == due["needed"] == making.COLD
    assert len(due["singles"]) == 5
    assert due["left"] == 12


def test_no_single_cell_tells_what_it_is_proposed_as(many) -> None:
    due = many.get("/api/v1/sheets/round").json
    for cell in due["singles"]:
        assert cell["present"] is None
        assert "proposal" not in cell
        assert "sheet" not in cell


def test_a_sheet_is_accepted_and_undone_as_one_action(app, many) -> None:
    due = name_singles(many)
    sheet = due["sheets"][0]
    ids = [cell["id"] for cell in sheet["cells"]]
    assert {true_class(cell) for cell in ids} == {sheet["class"]["code"]}
    done = many.post(f"/api/v1/sheets/{sheet['id']}/accept", {"seconds": 4}, 201).json
    assert done["labels"] == len(ids)
    atlas = desk(app).atlas
    assert {atlas.present_of(ids)[cell] for cell in ids} == {sheet["class"]["code"]}
    label = atlas.history(ids[0])[-1]
    assert label.how == "bulk"
    assert label.proposed_class == sheet["class"]["code"]
    assert label.proposal_visible is True
    facts = facts_of(atlas, [label.id])[label.id]
    assert facts.sheet_id == sheet["id"]
    assert facts.shown == "with_proposal"
    assert facts.seconds == pytest.approx(4 / len(ids))
    undone = many.post("/api/v1/undo").json["done"]
    assert undone["kind"] == "sheet"
    assert atlas.present_of(ids) == {}
    assert kept.sheet(atlas, sheet["id"]).state == "open"


def test_a_sheet_and_its_labels_keep_the_adaptation_that_proposed_them(app, many) -> None:
    sheet = name_singles(many)["sheets"][0]
    atlas, rests = desk(app).whole, sheet["rests"]
    record = adaptation(atlas, rests["adaptation"])
    assert record is not None
    assert record.way["sheets"] is True
    assert 2 <= record.count == rests["labels"] <= len(atlas.present_labels(CellFilter()))
    assert rests["words"].startswith(f"Adapted to {record.count} labels of ")
    logged = len(adaptations_of(atlas))
    assert many.get("/api/v1/sheets/round").json["sheets"][0]["rests"] == rests
    assert len(adaptations_of(atlas)) == logged  # looking again is no new adaptation
    many.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 201)
    label = atlas.history(sheet["cells"][0]["id"])[-1]
    assert facts_of(atlas, [label.id])[label.id].adaptation_id == record.id
    assert adaptation(atlas, 10_000) is None


def test_what_is_taken_out_gets_its_own_class_or_none(app, many) -> None:
    sheet = name_singles(many)["sheets"][0]
    first, *rest = [cell["id"] for cell in sheet["cells"]]
    out = {str(first): "monocyte"} | ({str(rest[0]): None} if rest else {})
    many.post(f"/api/v1/sheets/{sheet['id']}/accept", {"out": out}, 201)
    atlas = desk(app).atlas
    assert atlas.present_of([first]) == {first: "monocyte"}
    assert atlas.history(first)[-1].how == "single"
    if rest:
        assert atlas.history(rest[0]) == []


def fail_a_check(app, browser) -> tuple[int, kept.Sheet]:
    """Answer the single cells rightly until one is a check, that one wrongly: its cell, and
    the sheet as it was."""
    whole = desk(app).whole
    for _ in range(30):
        due = browser.get("/api/v1/sheets/round").json
        waiting = {
            cell: sheet for sheet in kept.open_sheets(whole, "ann") for cell in sheet.waiting
        }
        for cell in (each["id"] for each in due["singles"]):
            path = f"/api/v1/sheets/singles/{cell}"
            if cell in waiting:
                done = browser.post(path, {"class": "monocyte"}, 201).json
                assert done["split"] is True
                return cell, waiting[cell]
            browser.post(path, {"class": true_class(cell)}, 201)
    raise AssertionError("no check came")


def test_a_failed_check_splits_the_sheet(app, many) -> None:
    _, before = fail_a_check(app, many)
    assert kept.sheet(desk(app).whole, before.id).state == "split"


def test_a_wrong_answer_to_a_check_is_taken_back_with_its_split(app, many) -> None:
    cell, before = fail_a_check(app, many)
    whole = desk(app).whole
    assert many.get("/api/v1/sheets/round").json["promise"]["failed"] == 1
    answer = many.post("/api/v1/undo").json
    assert (answer["cell"]["id"], answer["split_stays"]) == (cell, False)
    now = kept.sheet(whole, before.id)
    assert now.state == "open"
    assert now.waiting == before.waiting
    due = many.get("/api/v1/sheets/round").json
    assert due["promise"]["failed"] == 0
    assert before.id in {sheet["id"] for sheet in due["sheets"]}
    assert cell in {each["id"] for each in due["singles"]}
    many.post("/api/v1/redo")
    assert kept.sheet(whole, before.id).state == "split"
    assert many.get("/api/v1/sheets/round").json["promise"]["failed"] == 1
    assert whole.present_of([cell]) == {cell: "monocyte"}


def test_a_wrong_answer_is_taken_back_after_a_restart(app, many, make_app, browse_as) -> None:
    _, before = fail_a_check(app, many)
    again = make_app(desk(app).whole.path, dataset="new")
    browse_as(again.test_client()).post("/api/v1/undo")
    assert kept.sheet(desk(again).whole, before.id).state == "open"


def test_a_split_stays_where_a_part_was_worked_on(app, many) -> None:
    cell, before = fail_a_check(app, many)
    whole = desk(app).whole
    left = [each.cell_id for each in before.cells if each.cell_id != cell]
    part = replace(before, parent_id=before.id, cells=tuple(map(SheetCell, left)))
    (number,) = kept.make(whole, [part])
    kept.accept(whole, number, [NewLabel(left[0], "platelet", "ann", "bulk")])
    assert many.post("/api/v1/undo").json["split_stays"] is True
    now = kept.sheet(whole, before.id)
    assert now.state == "split"
    assert cell in now.waiting  # no verdict: it counts for nothing
    assert whole.present_of([cell, left[0]]) == {left[0]: "platelet"}
    assert many.get("/api/v1/sheets/round").json["promise"]["failed"] == 0


def test_a_pending_sheet_is_found_again_after_a_restart(app, many, make_app, browse_as) -> None:
    sheet = name_singles(many)["sheets"][0]
    path = desk(app).whole.path
    again = browse_as(make_app(path, dataset="new").test_client())
    found = again.get("/api/v1/sheets/round").json["sheets"][0]
    assert found["id"] == sheet["id"]
    assert [cell["id"] for cell in found["cells"]] == [cell["id"] for cell in sheet["cells"]]


def test_a_sheet_put_away_labels_nothing(app, many) -> None:
    sheet = name_singles(many)["sheets"][0]
    many.post(f"/api/v1/sheets/{sheet['id']}/drop")
    assert desk(app).atlas.present_of([cell["id"] for cell in sheet["cells"]]) == {}
    error = many.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 409).json["error"]
    assert error["type"] == "sheet"
    assert "is dropped" in error["message"]


def test_moved_proposals_are_told_once(many) -> None:
    sheet = name_singles(many)["sheets"][0]
    first = many.get(f"/api/v1/sheets/{sheet['id']}/moved").json
    assert first["cells"] == []
    again = many.get(f"/api/v1/sheets/{sheet['id']}/moved?state={first['state']}").json
    assert again["cells"] is None


def test_a_selection_opens_as_a_sheet(many) -> None:
    name_singles(many)
    for sheet in many.get("/api/v1/sheets/round").json["sheets"]:
        many.post(f"/api/v1/sheets/{sheet['id']}/drop")
    left = many.get("/api/v1/cells?state=unlabelled&dataset=new").json["cells"]
    ids = [cell["id"] for cell in left][:3]
    chosen = many.post("/api/v1/explore/selections", {"cells": ids, "origin": "list"}, 201).json
    assert "Sheets" in many.get(chosen["sheet"]).text
    sent = {"selection": chosen["id"], "class": "lymphocyte"}
    made = many.post("/api/v1/sheets/selection", sent, 201).json["sheet"]
    assert many.get("/api/v1/sheets/round").json["sheets"][0]["id"] == made
    sheets = {s["id"]: s for s in many.get("/api/v1/sheets/round").json["sheets"]}
    assert sheets[made]["class"]["code"] == "lymphocyte"


@pytest.mark.parametrize(
    ("path", "sent", "status", "kind"),
    [
        ("/api/v1/sheets/singles/999", {"class": "neutrophil"}, 404, "unknown_cell"),
        ("/api/v1/sheets/singles/25", {}, 400, "bad_request"),
        ("/api/v1/sheets/singles/25", {"class": "unicorn"}, 422, "unknown_class"),
        ("/api/v1/sheets/7/accept", {}, 409, "sheet"),
        ("/api/v1/sheets/7/drop", {}, 409, "sheet"),
        ("/api/v1/sheets/selection", {}, 400, "bad_request"),
        ("/api/v1/sheets/selection", {"selection": "none"}, 404, "unknown_selection"),
    ],
)
def test_failures_have_the_one_shape(browser, path: str, sent: Any, status: int, kind: str) -> None:
    error = browser.post(path, sent, status).json["error"]
    assert error["type"] == kind
    assert error["remedy"]


def test_out_must_be_an_object_of_cells(many) -> None:
    sheet = name_singles(many)["sheets"][0]
    many.post(f"/api/v1/sheets/{sheet['id']}/accept", {"out": {"x": None}}, 400)
    many.post(f"/api/v1/sheets/{sheet['id']}/accept", {"out": [1]}, 400)


def test_nobody_accepts_another_readers_sheet(app, many, make_app, browse_as) -> None:
    sheet = name_singles(many)["sheets"][0]
    path = desk(app).whole.path
    other = browse_as(make_app(path, dataset="new", author="bea").test_client())
    error = other.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 409).json["error"]
    assert "another reader's" in error["message"]

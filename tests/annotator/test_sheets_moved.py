"""Cells that the program takes out of a sheet say nothing of what its reader notices."""

from __future__ import annotations

import pytest

from annotator.sheets import Record
from index import NewLabel
from index import sheets as kept
from index.sheet_records import CORRECTED, KEPT, MOVED, TAKEN_OUT

CLASSES = ("neutrophil", "lymphocyte", "eosinophil", "platelet")


def true_class(cell: int) -> str:
    return CLASSES[(cell - 1) % len(CLASSES)]


@pytest.fixture
def app(make_app, clustered):
    return make_app(clustered, dataset="new")


def whole(app):
    return app.extensions["desk"].whole


@pytest.fixture
def turned(app, browser) -> dict:
    """A sheet of which all cells are proposed as another class by now, by labels given since."""
    sheet = browser.next_sheet()
    code = sheet["class"]["code"]
    alike = [
        cell for cell in range(1, 321) if true_class(cell) == code and whole(app).history(cell)
    ]
    whole(app).add_labels([NewLabel(cell, "blast", "chief", "adjudicated") for cell in alike])
    moved = browser.get(f"/api/v1/sheets/{sheet['id']}/moved").json["cells"]
    planted = {c.cell_id for c in kept.sheet(whole(app), sheet["id"]).planted}
    ids = [cell["id"] for cell in sheet["cells"] if cell["id"] not in planted]
    assert {each["cell"] for each in moved} == set(ids)
    return {"id": sheet["id"], "code": code, "cells": ids}


def noticed(app) -> int:
    return Record.of(kept.outcomes(whole(app), "new")).everything.noticed


def verdicts(app, sheet: dict) -> dict[int, str | None]:
    return {cell.cell_id: cell.verdict for cell in kept.sheet(whole(app), sheet["id"]).cells}


def test_what_the_program_took_out_counts_neither_as_kept_nor_as_noticed(
    app, browser, turned
) -> None:
    before = noticed(app)
    first, second, third, *rest = turned["cells"]
    out = {str(first): None, str(second): "blast", str(third): None}
    sent = {"out": out, "moved": [first, second]}
    browser.post(f"/api/v1/sheets/{turned['id']}/accept", sent, 201)
    said = verdicts(app, turned)
    assert (said[first], said[second], said[third]) == (MOVED, MOVED, TAKEN_OUT)
    assert {said[cell] for cell in rest} == {KEPT}
    assert noticed(app) == before + 1
    # The class that the reader gave it stands all the same, and is taken back with the sheet.
    labels = whole(app).present_of([first, second, third])
    assert labels == {second: "blast"}
    browser.post("/api/v1/undo")
    assert whole(app).present_of([second]) == {}
    back = browser.get("/api/v1/sheets/round").json["sheets"][0]
    assert sorted(back["by_program"]) == sorted([first, second])
    assert back["out"] == out
    browser.post("/api/v1/redo")
    assert verdicts(app, turned) == said
    assert whole(app).present_of([second]) == {second: "blast"}


def test_a_page_cannot_claim_that_the_program_took_a_cell_out(app, browser) -> None:
    sheet = browser.next_sheet()
    planted = {c.cell_id for c in kept.sheet(whole(app), sheet["id"]).planted}
    first, second = [c["id"] for c in sheet["cells"] if c["id"] not in planted][:2]
    before = noticed(app)
    sent = {"out": {str(first): None, str(second): "blast"}, "moved": [first, second]}
    browser.post(f"/api/v1/sheets/{sheet['id']}/accept", sent, 201)
    said = verdicts(app, sheet)
    assert (said[first], said[second]) == (TAKEN_OUT, CORRECTED)
    assert noticed(app) == before + 2


def test_moved_must_be_a_list_of_cells(browser) -> None:
    sheet = browser.next_sheet()
    browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {"moved": ["x"]}, 400)

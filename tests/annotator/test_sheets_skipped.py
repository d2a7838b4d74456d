"""Single cells of the sheets left for later: replaced, counted, and asked again after all else."""

from __future__ import annotations

import pytest

from annotator.sheets import Record
from annotator.sheets.plan import Tally
from index import Atlas, NewLabel
from index import sheets as kept
from index.reviewing import skipped_cells

CLASSES = ("neutrophil", "lymphocyte", "eosinophil", "platelet")


def true_class(cell: int) -> str:
    return CLASSES[(cell - 1) % len(CLASSES)]


@pytest.fixture
def app(make_app, clustered):
    return make_app(clustered, dataset="new")


def whole(app):
    return app.extensions["desk"].whole


def a_check(app, browser) -> tuple[int, kept.Sheet]:
    """A cell that waits to be checked, and its sheet; what comes before sheets is named."""
    for _ in range(40):
        due = browser.get("/api/v1/sheets/round").json
        for sheet in kept.open_sheets(whole(app), "ann"):
            if sheet.waiting:
                return sheet.waiting[0], sheet
        for cell in due["singles"]:
            sent = {"class": true_class(cell["id"])}
            browser.post(f"/api/v1/sheets/singles/{cell['id']}", sent, 201)
    raise AssertionError("no check came")


def skip(browser, cell: int) -> None:
    browser.post(f"/api/v1/sheets/singles/{cell}/skip")


def test_another_cell_of_the_sheet_is_checked_in_the_place_of_one_skipped(app, browser) -> None:
    cell, before = a_check(app, browser)
    skip(browser, cell)
    now = kept.sheet(whole(app), before.id)
    verdicts = {each.cell_id: each.verdict for each in now.cells}
    assert verdicts[cell] == "skipped"
    (new,) = set(now.waiting) - set(before.waiting)
    assert len(now.waiting) == len(before.waiting)
    assert next(each for each in before.cells if each.cell_id == new).sure
    assert whole(app).history(cell) == []
    singles = {each["id"] for each in browser.get("/api/v1/sheets/round").json["singles"]}
    assert new in singles
    assert cell not in singles


def test_a_skipped_check_counts_as_failed_in_the_bound_until_its_cell_is_named(
    app, browser
) -> None:
    cell, sheet = a_check(app, browser)
    skip(browser, cell)

    def counted() -> Tally:
        return Record.of(kept.outcomes(whole(app), "new")).everything

    assert (counted().skipped, counted().failed) == (1, 0)
    assert browser.get("/api/v1/sheets/round").json["promise"]["skipped"] == 1
    wrong = next(code for code in CLASSES if code != sheet.class_code)
    label = whole(app).add_labels([NewLabel(cell, wrong, "ann", "single")])[0]
    assert (counted().skipped, counted().failed) == (0, 1)
    whole(app).undo(label, "ann")
    whole(app).add_labels([NewLabel(cell, sheet.class_code, "ann", "single")])
    assert (counted().skipped, counted().failed, counted().checked) == (0, 0, 1)


def test_who_skips_all_that_is_foreign_proves_no_more_than_who_names_it() -> None:
    named = Tally(glanced=200, checked=20, failed=3)
    dodged = Tally(glanced=200, checked=17, skipped=3)
    assert dodged.bound(0.7, 0.95) == named.bound(0.7, 0.95)
    assert dodged.bound(0.7, 0.95) > Tally(glanced=200, checked=17).bound(0.7, 0.95)
    assert dodged.expected(0.7) == Tally(glanced=200, checked=17).expected(0.7)


def test_a_skipped_check_is_undone_and_skipped_again(app, browser) -> None:
    cell, before = a_check(app, browser)
    skip(browser, cell)
    after = kept.sheet(whole(app), before.id)
    assert browser.post("/api/v1/undo").json["cell"]["id"] == cell
    assert kept.sheet(whole(app), before.id) == before
    assert skipped_cells(whole(app), "ann") == []
    browser.post("/api/v1/redo")
    assert kept.sheet(whole(app), before.id) == after
    assert skipped_cells(whole(app), "ann") == [cell]


def test_a_skipped_cell_is_on_no_later_sheet(app, browser) -> None:
    cell, _ = a_check(app, browser)
    skip(browser, cell)
    for sheet in kept.open_sheets(whole(app), "ann"):
        kept.drop(whole(app), sheet.id)
    browser.get("/api/v1/sheets/round")
    made = kept.open_sheets(whole(app), "ann")
    assert made
    assert all(cell != each.cell_id for sheet in made for each in sheet.cells)


def test_skipped_cells_come_last_and_in_the_order_of_skipping(
    make_app, clustered, browse_as
) -> None:
    """Also those skipped on Label."""
    with Atlas.open(clustered) as atlas:
        left = [cell for cell in range(1, 321) if not atlas.history(cell)]
        some = [NewLabel(cell, true_class(cell), "bea", "single") for cell in left[:-4]]
        atlas.add_labels(some)
    browser = browse_as(make_app(clustered, dataset="new").test_client())
    first, second, third, fourth = left[-4:]
    browser.post(f"/api/v1/cells/{third}/skip")
    skip(browser, first)
    singles = browser.get("/api/v1/sheets/round").json["singles"]
    assert {each["id"] for each in singles[:2]} == {second, fourth}
    assert [each["id"] for each in singles[2:]] == [third, first]
    assert [each["skipped"] for each in singles] == [False, False, True, True]
    browser.post(f"/api/v1/cells/{second}/flag", {"flagged": True})
    flagged = {each["id"]: each["flagged"] for each in
               browser.get("/api/v1/sheets/round").json["singles"]}  # fmt: skip
    assert flagged == {first: False, second: True, third: False, fourth: False}


def test_a_cell_that_is_none_cannot_be_skipped(browser) -> None:
    browser.post("/api/v1/sheets/singles/999/skip", {}, 404)

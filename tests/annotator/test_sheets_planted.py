"""Known cells of another class on sheets: mixed in, told by nothing, judged, never labels."""

from __future__ import annotations

import pytest

from annotator.checks import has_stopped_reading, judge, vigilance
from annotator.sheets import plan as planning
from annotator.sheets.plan import Aim, Record, catching, plan
from annotator.sheets.planting import LONGEST
from annotator.team import choose_gold
from index import sheets as kept
from index.checks import SHEET, gold_answers, note_outcome, outcomes
from index.planting import met_by, sheets_without

CLASSES = ("neutrophil", "lymphocyte", "eosinophil", "platelet")
CELLS = 320  # of data set new


def true_class(cell: int) -> str:
    return CLASSES[(cell - 1) % len(CLASSES)]


@pytest.fixture
def app(make_app, clustered):
    return make_app(clustered, dataset="new")


def whole(app):
    return app.extensions["desk"].whole


def planted_next(app, browser) -> tuple[dict, list[int]]:
    """The next sheet with planted cells, and these; sheets before it are accepted."""
    for _ in range(LONGEST + 2):
        sheet = browser.next_sheet()
        planted = [cell.cell_id for cell in kept.sheet(whole(app), sheet["id"]).planted]
        if planted:
            return sheet, planted
        browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 201)
    raise AssertionError("no sheet had a planted cell")


def test_what_is_planted_is_known_and_of_another_class(app, browser) -> None:
    sheet, planted = planted_next(app, browser)
    shown = {cell["id"] for cell in sheet["cells"]}
    for cell in kept.sheet(whole(app), sheet["id"]).planted:
        assert cell.cell_id in shown
        assert cell.planted == true_class(cell.cell_id) != sheet["class"]["code"]
        assert cell.cell_id <= CELLS  # of the same data set
    assert whole(app).present_of(planted) == {each: true_class(each) for each in planted}


def test_nothing_that_is_sent_tells_a_planted_cell(app, browser) -> None:
    """The same fields, the same values but number and picture, no place of its own."""
    sheet, planted = planted_next(app, browser)
    cells = {cell["id"]: cell for cell in sheet["cells"]}
    of_planted = {
        (key, str(value)) for each in planted for key, value in cells[each].items()
        if key not in ("id", "picture", "thumbnail")
    }  # fmt: skip
    of_others = {
        (key, str(value)) for each in cells.values() if each["id"] not in planted
        for key, value in each.items() if key not in ("id", "picture", "thumbnail")
    }  # fmt: skip
    assert of_planted <= of_others
    for each in planted:
        # The address of a picture is its number and its content, as everywhere.
        digest = whole(app).cell(each).sha256
        assert cells[each]["thumbnail"].split("/")[2:4] == [str(each), digest[:16]]
        assert each not in sheet["doubtful"]
    assert "planted" not in sheet
    moved = browser.get(f"/api/v1/sheets/{sheet['id']}/moved").json["cells"]
    assert not {each["cell"] for each in moved} & set(planted)
    folded = browser.get(f"/api/v1/sheets/{sheet['id']}/folded").json["cells"]
    assert len(folded) == sheet["folded"] == 0


def test_planted_cells_stand_anywhere(app, browser) -> None:
    """Over many sheets their places are spread over the whole sheet."""
    places = []
    for _ in range(12):
        sheet = browser.next_sheet()
        found = kept.sheet(whole(app), sheet["id"])
        order = [cell["id"] for cell in sheet["cells"]]
        places += [order.index(cell.cell_id) / len(order) for cell in found.planted]
        out = {cell.cell_id: None for cell in found.planted}
        browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {"out": out}, 201)
        if not browser.get("/api/v1/sheets/round").json["sheets"]:
            break
    assert len(places) >= 5
    assert min(places) < 0.4 < 0.6 < max(places)


@pytest.mark.parametrize("answer", ["accepted", "unticked", "corrected"])
def test_a_planted_cell_is_judged_and_never_labelled(app, browser, answer) -> None:
    sheet, planted = planted_next(app, browser)
    atlas = whole(app)
    before = {each: atlas.history(each) for each in planted}
    was = browser.get("/api/v1/sheets/round").json["promise"]
    wanted = {"accepted": {}, "unticked": dict.fromkeys(map(str, planted)),
              "corrected": {str(each): true_class(each) for each in planted}}[answer]  # fmt: skip
    sent = {"out": wanted}
    done = browser.post(f"/api/v1/sheets/{sheet['id']}/accept", sent, 201).json
    caught = answer != "accepted"
    assert (done["noticed"], done["missed"]) == ((planted, []) if caught else ([], planted))
    assert done["labels"] == len(sheet["cells"]) - len(planted)
    assert {each: atlas.history(each) for each in planted} == before
    noted = [each for each in outcomes(atlas, "ann") if each.cell_id in planted]
    assert [(each.kind, each.caught) for each in noted] == [(SHEET, caught)] * len(planted)
    # They count for the reader alone, never for what the sheet was worth.
    now = browser.get("/api/v1/sheets/round").json["promise"]
    assert now["labelled"] == was["labelled"] + done["labels"]
    assert now["foreign"] == was["foreign"]
    assert now["planted"] == was["planted"] + len(planted)
    assert now["noticed"] == was["noticed"] + (len(planted) if caught else 0)
    assert not set(planted) & {
        cell.cell_id for cell in kept.sheet(atlas, sheet["id"]).cells if cell.label_id is not None
    }


def test_undo_and_redo_leave_planted_cells_and_their_judgement_alone(app, browser) -> None:
    sheet, planted = planted_next(app, browser)
    atlas = whole(app)
    before = {each: atlas.history(each) for each in planted}
    browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 201)
    judged = outcomes(atlas, "ann")
    mine = [cell["id"] for cell in sheet["cells"] if cell["id"] not in planted]
    for _ in range(2):
        browser.post("/api/v1/undo")
        assert atlas.present_of(mine) == {}
        assert {each: atlas.history(each) for each in planted} == before
        browser.post("/api/v1/redo")
        assert set(atlas.present_of(mine).values()) == {sheet["class"]["code"]}
        assert {each: atlas.history(each) for each in planted} == before
    assert outcomes(atlas, "ann") == judged


def test_what_was_missed_cannot_be_made_good_in_another_tab(app, browser) -> None:
    sheet, planted = planted_next(app, browser)
    browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 201)
    out = dict.fromkeys(map(str, planted))
    browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {"out": out}, 409)
    browser.post("/api/v1/undo")
    browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {"out": out}, 201)
    assert [each.caught for each in outcomes(whole(app), "ann")] == [False] * len(planted)


def test_a_sheet_put_away_judges_nothing(app, browser) -> None:
    sheet, planted = planted_next(app, browser)
    browser.post(f"/api/v1/sheets/{sheet['id']}/drop")
    assert outcomes(whole(app), "ann") == []
    assert set(planted) <= met_by(whole(app), "ann")  # another cell comes in its place
    again, others = planted_next(app, browser)
    assert again["id"] != sheet["id"]
    assert not set(others) & set(planted)


def test_no_three_sheets_in_a_row_go_without(app, browser) -> None:
    atlas, run, shares = whole(app), 0, [0, 0]
    for _ in range(15):
        if not browser.get("/api/v1/sheets/round").json["left"]:
            break
        sheet = browser.next_sheet()
        found = kept.sheet(atlas, sheet["id"])
        run = 0 if found.planted else run + 1
        assert run <= LONGEST
        shares[0] += len(found.planted)
        shares[1] += len(found.displayed)
        out = {cell.cell_id: None for cell in found.planted}
        browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {"out": out}, 201)
        if not browser.get("/api/v1/sheets/round").json["sheets"]:
            break
    assert 0.01 < shares[0] / shares[1] < 0.1
    assert sheets_without(atlas, "ann")[0] <= LONGEST


def test_with_planting_off_there_are_none(make_app, clustered, browse_as) -> None:
    app = make_app(clustered, dataset="new", planted=0.0)
    browser = browse_as(app.test_client())
    for _ in range(6):
        sheet = browser.next_sheet()
        assert kept.sheet(whole(app), sheet["id"]).planted == ()
        browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 201)


def test_known_answers_of_an_owner_come_first_and_are_hidden(app, browse_as) -> None:
    choose_gold(app.extensions["desk"], {"count": "24", "dataset": "new"}, "olga")
    golden = gold_answers(whole(app))
    browser = browse_as(app.test_client())
    sheet, planted = planted_next(app, browser)
    assert set(planted) <= set(golden)
    beside = next(cell["id"] for cell in sheet["cells"] if cell["id"] not in planted)
    for each in planted:
        known = browser.get(f"/api/v1/cells/{each}").json
        plain = browser.get(f"/api/v1/cells/{beside}").json
        assert known.keys() == plain.keys()
        for name in ("present", "history", "version", "disputed", "flagged", "dataset"):
            assert known[name] == plain[name]
    browser.post(f"/api/v1/sheets/{sheet['id']}/accept", {}, 201)
    assert all(len(whole(app).history(each)) == 1 for each in planted)


def test_known_answers_of_another_data_set_would_stand_out(app, browse_as) -> None:
    choose_gold(app.extensions["desk"], {"count": "24", "dataset": "other"}, "olga")
    _, planted = planted_next(app, browse_as(app.test_client()))
    assert max(planted) <= CELLS
    assert not set(planted) & set(gold_answers(whole(app)))


def test_planted_cells_keep_nobody_else_from_them(app, browser) -> None:
    """A known cell is not leased: two readers may meet it, each judged alone."""
    sheet, planted = planted_next(app, browser)
    taken = kept.reserved(whole(app), "bea", "0")
    assert taken >= {cell["id"] for cell in sheet["cells"] if cell["id"] not in planted}
    assert set(planted) <= set(whole(app).present_of(planted))
    assert not met_by(whole(app), "bea")


# slowing down ----------------------------------------------------------------------------------


def test_who_misses_five_on_sheets_is_slowed_down_and_told(app, browser) -> None:
    atlas = whole(app)
    assert browser.get("/api/v1/sheets/round").json["promise"]["slowed"] is False
    for n in range(5):
        assert not vigilance(atlas, "ann").noticed
        note_outcome(atlas, "ann", n + 1, "platelet", False)
    assert vigilance(atlas, "ann").noticed
    rate = catching(outcomes(atlas, "ann"))
    assert rate == planning.UNREAD
    promise = browser.get("/api/v1/sheets/round").json["promise"]
    assert promise["slowed"] is promise["unread"] is True
    assert (promise["noticed"], promise["planted"]) == (0, 5)
    plain = plan("neutrophil", Record({}, {}), Aim(), 0.7)
    slow = plan("neutrophil", Record({}, {}), Aim(), rate)
    assert slow.shown < plain.shown
    assert slow.checks > plain.checks
    assert slow.wary
    assert not slow.folds
    for n in range(3):
        note_outcome(atlas, "ann", n + 1, "platelet", True)
    assert not vigilance(atlas, "ann").noticed


def test_sheets_are_judged_by_what_can_be_seen_at_a_glance() -> None:
    assert has_stopped_reading([False] * 3)
    assert not has_stopped_reading([False] * 4, [True] * 4)
    assert has_stopped_reading([False] * 5, [True] * 5)
    assert has_stopped_reading([False] * 4, [True, False, True, False])
    seen = judge([False, True, True], [True, True, False])
    assert (seen.planted, seen.caught, seen.glanced, seen.glanced_caught) == (3, 2, 2, 1)

"""Progress: what is left, how sure, how fast, and how far readers agree."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from annotator.charts import Row, Series, interval, lines
from annotator.progress.figures import Log, Sureness, paces, read_log, remaining, steps
from annotator.progress.honest import estimate
from index import NewLabel, sheets
from index.facts import CHECKED, LabelFacts, add_labels
from index.records import Label
from index.sheet_records import Sheet, SheetCell
from index.taxonomy import shipped_taxonomy
from retrieval.evaluation.intervals import wilson_interval


def test_the_share_met_step_by_step() -> None:
    met = [True] * 20 + [False] * 10 + [True] * 10
    found = steps([(each, 0.9 if number < 10 else None) for number, each in enumerate(met)])
    assert [(each.labels, each.count) for each in found] == [(10, 10), (20, 10), (30, 10), (40, 10)]
    assert [each.share for each in found] == [1.0, 1.0, 0.0, 1.0]
    assert [each.stated for each in found] == [pytest.approx(0.9), None, None, None]
    assert found[2].interval.low == 0.0 < found[2].interval.high
    assert steps([(True, 0.9)] * 9) == []


def given(number: int, second: float, author: str = "ann", how: str = "single") -> Label:
    time = f"2026-01-01T00:{int(second) // 60:02}:{second % 60:09.6f}+00:00"
    return Label(1, "monocyte", author, how, id=number, time=time)


def test_a_sheet_is_one_action_however_many_labels_it_gave() -> None:
    bulk = {"how": "bulk"}
    labels = [given(1, 0), given(2, 5, **bulk), given(3, 5, **bulk), given(4, 5), given(5, 9)]
    facts = {
        1: LabelFacts(seconds=2.0),
        2: LabelFacts(seconds=2.0, sheet_id=7, policy="sheet"),
        3: LabelFacts(seconds=2.0, sheet_id=7, policy="sheet, not displayed"),
        4: LabelFacts(seconds=2.0, sheet_id=7, policy="sheet"),  # corrected on the sheet
        5: LabelFacts(seconds=4.0, sheet_id=7, policy=CHECKED),  # an action before the sheet's own
    }
    sheet, single = sorted(paces(labels, facts), key=lambda pace: pace.how)
    assert (sheet.how, sheet.actions, sheet.labels, sheet.median) == ("bulk", 1, 3, 6.0)
    assert (single.actions, single.labels, single.median, single.told) == (2, 2, 3.0, True)


def test_the_time_of_an_accepted_sheet_is_that_of_the_action(opened) -> None:
    cells = tuple(SheetCell(cell) for cell in (25, 26, 27, 28))
    (number,) = sheets.make(opened, [Sheet("monocyte", "ann", "new", None, 0.99, 0.95, 0.9, cells)])
    labels = [NewLabel(cell, "monocyte", "ann", "bulk") for cell in (25, 26, 27)]
    labels.append(NewLabel(28, "neutrophil", "ann", "single"))
    sheets.accept(opened, number, labels, out={28: "neutrophil"}, seconds=8.0)
    add_labels(opened, [NewLabel(29, "neutrophil", "ann", "single")], [LabelFacts(seconds=3.0)])
    told = read_log(opened, "new")
    found = {pace.how: (pace.actions, pace.labels, pace.median) for pace in told.paces}
    assert found == {"bulk": (1, 4, pytest.approx(8.0)), "single": (1, 1, 3.0)}
    assert told.a_sheet == 4
    sure = Sureness(100, 0, {"accept": 0, "back_off": 0, "abstain": 0}, None, {})
    assert remaining(sure, told).hours == pytest.approx(100 * 3 / 3600)


def test_without_recorded_times_the_pause_stands_in_and_breaks_do_not_count() -> None:
    labels = [given(n, second) for n, second in enumerate((0, 3, 8, 900, 904), start=1)]
    (pace,) = paces(labels, {})
    assert pace.told is False
    assert (pace.actions, pace.median) == (5, 4.0)  # 3, 5 and 4 seconds; not 892
    assert paces([given(1, 0)], {}) == []


def test_what_remains_with_and_without_sheets() -> None:
    sure = Sureness(
        1000, 400, {"accept": 300, "back_off": 60, "abstain": 40}, wilson_interval(300, 400), {}
    )
    pace = paces([given(1, 0)], {1: LabelFacts(seconds=2.0)})
    found = remaining(sure, Log(paces=pace, a_sheet=15.0))
    assert found.one_by_one == 1000
    assert found.hours == pytest.approx(1000 * 2 / 3600)
    middle, low, high = found.with_sheets
    assert middle == pytest.approx(750 / 15 + 250)
    assert low < middle < high < 1000
    assert remaining(sure, Log()).with_sheets is None
    assert remaining(sure, Log()).hours is None


def test_the_page_and_its_document(app, browser) -> None:
    atlas = app.extensions["desk"].atlas
    for number, cell in enumerate(range(25, 36)):
        code = ("neutrophil", "lymphocyte", "eosinophil", "platelet")[(cell - 25) % 4]
        label = NewLabel(cell, code, "ann", "single", code, 0.9, "m", True)
        add_labels(atlas, [label], [LabelFacts("with_proposal", seconds=2.0 + number)])
        other = code if number % 3 else "monocyte"
        atlas.add_labels([NewLabel(cell, other, "bob", "single")])
    told = browser.get("/api/v1/progress?dataset=").json
    assert told["fresh"] is True
    assert told["dataset"] is None
    figures = told["figures"]
    assert figures["sureness"]["left"] == 1 + 4  # the disputed are left too
    assert figures["learning_curve"][0]["labels"] == 10
    assert {pace["author"] for pace in figures["paces"]} >= {"ann"}
    cohen = [e for e in figures["agreement"]["figures"] if e["measure"] == "cohen"]
    assert cohen[0]["readers"] == ["ann", "bob"]
    assert cohen[0]["cells"] == 11
    assert figures["independent"]["cells"] == 0  # ann had the proposal in view
    (only,) = figures["met"]["seen"]
    assert (only["labels"], only["count"], only["stated"]) == (11, 11, pytest.approx(0.9))
    html = browser.get("/progress?dataset=").text
    assert html.count('role="img"') >= 4
    assert "<details open><summary>As a table" in html  # a single step is told, not drawn
    assert "CellKin would accept by itself" in html  # not what readers have accepted
    assert "Fleiss" in html
    assert "95 % interval" in html
    assert "%%" not in html


def test_the_figures_are_of_one_data_set_by_default_that_of_the_queue(app, browser) -> None:
    atlas = app.extensions["desk"].atlas
    for cell in (1, 2, 25, 26, 27):
        for name in ("ann", "bob"):
            label = NewLabel(cell, atlas.present_of([1])[1], name, "single")
            add_labels(atlas, [label], [LabelFacts(seconds=2.0 if cell > 24 else 40.0)])
    new = browser.get("/api/v1/progress").json
    assert new["dataset"] == "new"
    assert new["figures"]["sureness"]["left"] == 9
    assert new["figures"]["learning_curve"] == []  # three labels of it are too few
    assert new["figures"]["agreement"]["cells"] == 3
    assert {pace["median"] for pace in new["figures"]["paces"]} == {2.0}
    lab = browser.get("/api/v1/progress?dataset=lab").json["figures"]
    assert lab["agreement"]["cells"] == 2
    assert {pace["median"] for pace in lab["paces"]} == {40.0}
    every = browser.get("/api/v1/progress?dataset=").json["figures"]
    assert every["agreement"]["cells"] == 5
    assert every["learning_curve"]
    html = browser.get("/progress").text
    assert re.search(r"<option selected>\s*new</option>", html)
    assert "<dt>Cells</dt><dd>12</dd>" in html
    assert "<dt>Cells</dt><dd>36</dd>" in browser.get("/progress?dataset=").text
    browser.get("/progress?dataset=elsewhere", 404)


def test_labels_keep_the_order_that_asked_for_them(browser) -> None:
    first = browser.next()["id"]
    browser.label(first, "neutrophil")
    browser.post("/api/v1/queue", {"order": "random"}, method="PUT")
    drawn = browser.next()["id"]
    browser.label(drawn, "neutrophil")
    other = next(cell for cell in range(25, 36) if cell not in (first, drawn, browser.next()["id"]))
    browser.label(other, "neutrophil")  # come to by an address

    def asked_by(cell: int) -> str | None:
        return browser.get(f"/api/v1/cells/{cell}").json["history"][0]["asked_by"]

    assert [asked_by(cell) for cell in (first, drawn, other)] == ["worth", "random", None]
    told = browser.get("/api/v1/progress").json["figures"]["random"]
    assert told["cells"] == 1
    html = browser.get("/progress").text
    assert "1 cell drawn at random has a label." in html


def test_what_cells_drawn_at_random_tell() -> None:
    def one(number: int, cell: int, code: str, proposed: str | None = "monocyte") -> Label:
        return Label(cell, code, "ann", "single", proposed_class=proposed, id=number)

    drawn = LabelFacts("with_proposal", asked_by="random")
    unseen = LabelFacts("blind", asked_by="random")
    chosen = LabelFacts("with_proposal", asked_by="doubtful")
    told = {
        1: (one(1, 1, "monocyte"), drawn),
        2: (one(2, 2, "promonocyte"), unseen),  # a kind of what was proposed
        3: (one(3, 3, "lymphocyte"), unseen),
        4: (one(4, 4, "lymphocyte"), chosen),
        5: (one(5, 5, "lymphocyte"), drawn),  # taken back
        6: (one(6, 1, "lymphocyte"), drawn),  # a second label of one cell
        7: (one(7, 7, "monocyte", None), drawn),  # nothing was proposed
        8: (one(8, 8, "monocyte"), LabelFacts()),
    }
    found = estimate(
        [label for label, _ in told.values()],
        {number: fact for number, (_, fact) in told.items()},
        {5},
        {2, 3},
        shipped_taxonomy(),
    )
    assert (found.cells, found.proposed, found.of_blind) == (4, 3, 2)
    assert found.met is not None
    assert (found.met.count, found.met.value) == (2, pytest.approx(2 / 3))
    assert found.met.interval == wilson_interval(2, 3)
    assert found.blind is not None
    assert found.blind.interval == wilson_interval(1, 2)
    assert {code: share.count for code, share in found.classes.items()} == {
        "monocyte": 3, "lymphocyte": 1,
    }  # fmt: skip
    assert found.classes["monocyte"].interval == wilson_interval(3, 4)
    assert estimate([], {}, set(), set(), shipped_taxonomy()).met is None


def test_an_undo_that_was_taken_back_takes_no_label_from_the_figures(browser) -> None:
    browser.post("/api/v1/queue", {"order": "random"}, method="PUT")
    browser.label(browser.next()["id"], "neutrophil")

    def drawn() -> int:
        return browser.get("/api/v1/progress").json["figures"]["random"]["cells"]

    assert drawn() == 1
    browser.post("/api/v1/undo")
    assert drawn() == 0
    browser.post("/api/v1/redo")
    assert drawn() == 1


def test_an_empty_history_has_a_page(browser) -> None:
    html = browser.get("/progress").text
    assert "No cell has been read so by two readers yet." in html
    assert "No sheet has been accepted yet" in html


SVG = "{http://www.w3.org/2000/svg}"


def parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(
        str(markup).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    )


def test_a_chart_tells_its_numbers_in_words_and_stays_inside_its_box() -> None:
    points = [(10.0, 0.4, 0.3, 0.5), (100.0, 0.8, 0.7, 0.9), (1000.0, 0.95, 0.9, 1.0)]
    chart = lines([Series("hidden", points), Series("in view", points)], "labels", log=True)
    root = parsed(chart)
    assert root.attrib["role"] == "img"
    assert "hidden: 40 % · 10 labels" in root.attrib["aria-label"]
    _x, _y, wide, high = map(float, root.attrib["viewBox"].split())
    shapes = {e.tag.removeprefix(SVG) for e in root.iter() if e.attrib.get("class") == "mark"}
    assert shapes == {"circle", "rect"}  # series differ by shape, not by colour alone
    for path in root.iter(f"{SVG}path"):
        numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", path.attrib["d"])]
        assert all(-1 <= number <= max(wide, high) for number in numbers)
    assert lines([], "labels") == ""
    assert lines([Series("one", points[:1])], "labels", log=True)


def test_no_number_of_a_chart_stands_on_another_or_in_the_middle() -> None:
    def box(text: ElementTree.Element) -> tuple[float, float, float, float]:
        x, y, width = float(text.attrib["x"]), float(text.attrib["y"]), 7 * len(text.text or "")
        left = x - {"end": width, "middle": width / 2}[text.attrib["text-anchor"]]
        return left, y - 12, left + width, y

    few = [(17.0, 0.6, 0.0, 0.9)]
    for points in (few, [(16.0, 0.3, 0.0, 0.5), (32.0, 0.9, 0.6, 1.0)], [(10.0, 0.8, 0.35, 1.0)]):
        root = parsed(lines([Series("seen", points)], "labels given"))
        boxes = [box(text) for text in root.iter(f"{SVG}text")]
        for number, (left, top, right, bottom) in enumerate(boxes):
            for other in boxes[number + 1 :]:
                apart = right < other[0] or other[2] < left or bottom < other[1] or other[3] < top
                assert apart, (points, boxes)
        grid = [e for e in root.iter(f"{SVG}path") if e.attrib["class"] == "grid"]
        starts = {float(re.findall(r"[\d.]+", each.attrib["d"])[0]) for each in grid}
        assert starts == {46.0}  # of all lines, however few the points
        heights = [float(re.findall(r"[\d.]+", each.attrib["d"])[1]) for each in grid]
        assert max(heights) <= 220 - 44
    (band,) = (e for e in parsed(lines([Series("seen", few)], "n")).iter(f"{SVG}path")
               if e.attrib["class"] == "band")  # fmt: skip
    across = [float(pair.split()[0]) for pair in band.attrib["d"][1:-1].split("L")]
    assert max(across) - min(across) == 4  # the interval of a lone point is a bar that can be seen


def test_a_chart_of_an_interval_and_names_that_are_markup() -> None:
    root = parsed(interval(Row('<b onload="x">', 0.5, 0.2, 0.7)))
    assert root.attrib["aria-label"] == '<b onload="x">: 0.50 (0.20 – 0.70)'
    assert interval(Row("none", None, None, None)) == ""
    far = parsed(interval(Row("low", -0.9, -1.0, -0.5)))
    assert all(
        0 <= float(n) <= 200
        for path in far.iter(f"{SVG}path")
        for n in re.findall(r"-?\d+\.?\d*", path.attrib["d"])
    )

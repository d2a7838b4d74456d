"""The pages: each opens, says what is missing, and says what CellKin is not."""

from __future__ import annotations

import re

import pytest

from annotator.pages import percent, thousands
from index import Atlas, CellRecord

PAGES = ("/", "/overview", "/cells", "/cells/1", "/classes", "/exchange")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_and_says_what_cellkin_is_not(browser, path) -> None:
    html = browser.get(path).text
    assert "CellKin is a research tool, not a diagnostic device." in html
    assert html.count("<h1") == 1
    assert '<html lang="en">' in html
    for image in re.findall(r"<img[^>]*>", html):
        assert " alt=" in image


@pytest.mark.parametrize("path", ["/", "/overview", "/cells", "/classes", "/exchange"])
def test_every_page_opens_on_an_empty_atlas(make_app, atlas: Atlas, path) -> None:
    client = make_app(atlas.path).test_client()
    answer = client.get(path)
    assert answer.status_code == 200
    if path in ("/", "/overview"):
        assert "holds no cells yet" in answer.text
        assert f"cellkin import {atlas.path} FOLDER" in answer.text


def test_without_model_and_labels_it_says_what_to_do_and_labels_all_the_same(
    make_app, atlas: Atlas, tmp_path, browse_as
) -> None:
    atlas.add_dataset("plain", str(tmp_path))
    atlas.add_cells("plain", [CellRecord(f"{i}.png", f"{i:064x}", 9, 9) for i in range(3)])
    browser = browse_as(make_app(atlas.path).test_client())
    html = browser.get("/").text
    assert "3 of 3 cells have no embedding" in html
    assert f"cellkin embed {atlas.path}" in html
    assert "No cell is labelled yet" in html
    cell = browser.next()
    assert cell["proposal"] is None
    assert cell["no_proposal"]["type"] == "no_embedding"
    assert browser.label(cell["id"], "monocyte")["next"]["cell"]["id"] != cell["id"]


def test_the_labelling_page_carries_the_first_cell(browser) -> None:
    html = browser.get("/").text
    first = browser.next()
    assert first["picture"] in html
    assert 'aria-live="polite"' in html


def test_a_cell_can_be_named_in_the_address(browser) -> None:
    assert browser.get("/api/v1/cells/7").json["picture"] in browser.get("/?cell=7").text
    browser.get("/?cell=999", 404)
    browser.get("/?cell=x", 400)


def test_a_cells_page_has_its_whole_history_and_its_neighbours(browser) -> None:
    cell = browser.get("/api/v1/cells/25").json
    browser.label(25, "monocyte", proposal=cell["proposal"]["token"], note="<b>odd</b>")
    browser.post("/api/v1/undo")
    html = browser.get("/cells/25").text
    assert "Taken back:" in html
    assert "proposed was neutrophil" in html
    assert "&lt;b&gt;odd&lt;/b&gt;" in html
    against = browser.get("/api/v1/focus/25/why-not").json["neighbours"]
    assert html.count('class="neighbour"') == len(cell["proposal"]["evidence"]) + len(against)


def test_the_order_is_chosen_on_the_overview(browser, app) -> None:
    answer = browser.client.post(
        "/queue", data={"order": "random", "dataset": "lab", "csrf_token": browser.token}
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert app.extensions["desk"].reader("ann").queue.order.name == "random"
    html = browser.get("/overview").text
    assert re.search(r'value="random" checked', html)
    html = browser.get("/").text.split('id="queue-choice"')[1].split("</form>")[0]
    assert re.search(r'value="random"[^>]* selected>', html)
    assert re.search(r"<option selected>lab</option>", html)
    for field in ("queue-dataset", "queue-order"):
        assert f'<label for="{field}">' in html


def test_a_class_is_added_by_the_form(browser) -> None:
    answer = browser.client.post(
        "/classes",
        data={
            "name": "Sickle cell",
            "parent": "non_leukocyte",
            "short": "",
            "key": "9",
            "colour": "#aa1122",
            "aliases": "",
            "csrf_token": browser.token,
        },
    )
    assert answer.headers["Location"] == "/classes#sickle_cell"
    assert 'id="sickle_cell"' in browser.get("/classes").text
    assert ".c-sickle_cell{--class-colour:#aa1122}" in browser.get("/classes.css").text


def test_class_colours_are_checked_for_change_each_time(browser) -> None:
    answer = browser.get("/classes.css")
    assert answer.headers["Cache-Control"] == "no-cache"
    browser.get("/classes.css", 304, headers={"If-None-Match": answer.headers["ETag"]})


def test_pages_of_cells_keep_their_filter(make_app, drawn) -> None:
    client = make_app(drawn, page_size=5).test_client()
    html = client.get("/cells?dataset=lab&before=20").text
    assert "/cells?before=15&amp;dataset=lab" in html


def test_an_atlas_without_that_dataset_does_not_start(make_app, drawn) -> None:
    from index.errors import UnknownDatasetError

    with pytest.raises(UnknownDatasetError, match="it holds lab, new"):
        make_app(drawn, dataset="none")


def test_numbers_in_words() -> None:
    assert [percent(value) for value in (0, 0.001, 0.5, 0.999, 1)] == [
        "0 %", "< 1 %", "50 %", "> 99 %", "100 %",
    ]  # fmt: skip
    assert thousands(1234567) == "1\u202f234\u202f567"


def test_the_largest_class_fills_its_bar(browser) -> None:
    """Groups above the classes hold more cells but are no row, so they do not count."""
    parts = re.findall(r'class="bar-part" width="([\d.]+)"', browser.get("/overview").text)
    assert max(float(part) for part in parts) == 100

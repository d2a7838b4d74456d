"""Adjudication and looking closely, by keyboard, in a real browser."""

from __future__ import annotations

import pytest

from index import Atlas, NewLabel
from index.reviewing import decisions_of, set_pixel_size


@pytest.fixture
def disputed(to_label, annotator):
    """A running annotator of ann's on an atlas where two readers disagree on two cells."""
    said = [(31, "neutrophil", "ada"), (31, "monocyte", "bob")]
    said += [(32, "lymphocyte", "ada"), (32, "platelet", "bob")]
    with Atlas.open(to_label) as atlas:
        atlas.add_labels([NewLabel(cell, code, author, "single") for cell, code, author in said])
        set_pixel_size(atlas, "new", 0.1, "ann")
        set_pixel_size(atlas, "known", 0.2, "ann")
    return annotator


def test_a_third_reader_decides_by_keyboard_and_takes_it_back(disputed, look) -> None:
    seen = look(f"{disputed.address}review")
    assert "2 to look at" in seen.text(".review-head")
    seen.press("Enter")
    seen.wait_for("h1", "Cell 31")
    assert "ada" not in seen.page.content()
    seen.press("e")
    seen.page.locator("#evidence-body .neighbour").first.wait_for()
    assert seen.page.locator("#evidence-seen").input_value() == "yes"
    seen.press("1")
    seen.wait_for("#decided", "Decided: cell 31 is neutrophil.")
    assert "ada" in seen.text("#decided")
    assert seen.text("h1") == "Cell 32"
    with Atlas.open(disputed.atlas) as atlas:
        (decision,) = decisions_of(atlas)
        label = atlas.history(31)[-1]
    assert (label.how, label.class_code, label.proposal_visible) == (
        "adjudicated", "neutrophil", True,
    )  # fmt: skip
    assert {each["author"] for each in decision.former} == {"ada", "bob"}
    seen.press("u")
    seen.wait_for("h1", "Cell 31")
    with Atlas.open(disputed.atlas) as atlas:
        assert atlas.disputed() == [31, 32]
        assert len(atlas.history(31)) == 4  # nothing is ever taken away


def test_two_cells_stand_side_by_side_at_one_scale(disputed, look) -> None:
    seen = look(f"{disputed.address}?cell=33")
    assert "µm" in seen.text("#scale-words")
    seen.press(",")
    seen.page.locator("#compare[open] .sample").nth(1).wait_for()
    wide = "() => [...document.querySelectorAll('#compare .sample img')].map((i) => i.clientWidth)"
    seen.page.wait_for_function(f"() => ({wide})()[1] > 0")
    mine, other = seen.page.evaluate(wide)
    assert other == pytest.approx(2 * mine, abs=2)  # a pixel there is twice as wide
    first = seen.text("#compare-samples")
    seen.press("ArrowRight")
    seen.wait_for("#compare-place", "neighbour 2")
    seen.page.wait_for_function(  # the words above it change first
        "first => document.getElementById('compare-samples').innerText !== first", arg=first
    )
    seen.press("Escape")
    assert not seen.page.locator("#compare[open]").count()


def test_why_not_shows_the_runner_up_and_moves_nothing(disputed, look) -> None:
    seen = look(f"{disputed.address}?cell=33")
    before = seen.page.locator("#accept").bounding_box()
    proposed = seen.text("#neighbours .neighbour-class")
    seen.press(";")
    seen.wait_for("#evidence-words", "most like it")
    assert seen.page.locator("#why-not").get_attribute("aria-pressed") == "true"
    assert seen.text("#neighbours .neighbour-class").split()[0] != proposed.split()[0]
    assert seen.page.locator("#accept").bounding_box() == before
    seen.press(";")
    seen.wait_for("#evidence-words", "nearest first")


def test_light_never_touches_the_stored_picture_and_is_off_at_first(disputed, look) -> None:
    seen = look(f"{disputed.address}?cell=33")
    style = "() => document.getElementById('picture').style.filter"
    source = seen.page.locator("#picture").get_attribute("src")
    assert seen.page.evaluate(style) == ""
    seen.press("_")
    seen.press("ArrowRight", "ArrowRight")
    assert "brightness(110%)" in seen.page.evaluate(style)
    assert "sharpen" not in seen.page.evaluate(style)
    seen.page.locator("#sharper").check()
    assert "sharpen" in seen.page.evaluate(style)
    assert seen.page.locator("#picture").get_attribute("src") == source
    seen.page.locator("#adjust-reset").click()
    assert seen.page.evaluate(style) == ""


def test_on_a_telephone_the_accept_button_keeps_off_both_edges(disputed, look) -> None:
    seen = look(f"{disputed.address}?cell=33", width=390, height=844)
    box = seen.page.locator("#accept").bounding_box()
    width = seen.page.evaluate("() => document.documentElement.clientWidth")
    assert box["x"] >= 10
    assert width - box["x"] - box["width"] >= 10


def test_the_evidence_comes_into_view_by_its_key(disputed, look) -> None:
    seen = look(f"{disputed.address}review/disagreements/31", height=420)
    seen.settle()
    summary = seen.page.locator("#evidence summary")
    assert summary.bounding_box()["y"] > 420
    seen.press("e")
    seen.page.locator("#evidence-body .neighbour").first.wait_for()
    seen.page.wait_for_function(
        "() => document.querySelector('#evidence summary').getBoundingClientRect().top < 100"
    )
    assert seen.page.evaluate("document.activeElement.matches('#evidence summary')")


def test_a_search_under_way_is_followed_to_its_end(disputed, look) -> None:
    address = f"{disputed.address}review?queue=suspects"
    seen = look(address)
    told = [
        {"searched": 0.3, "total": 1},
        {"searched": 0.6, "total": 2},
        {"searched": 1, "total": 2},
    ]
    seen.page.route("**/api/v1/review/suspects", lambda route: route.fulfill(json=told.pop(0)))
    over = []

    def page(route) -> None:
        answer = route.fetch()
        if over:
            route.fulfill(response=answer)
            return
        over.append(True)
        going = 'role="status" id="searching" data-queue="suspects"'
        body = answer.text().replace('class="faint" role="status"', f'class="faint" {going}', 1)
        body = body.replace("</header>", '<progress id="search-bar" max="1"></progress></header>')
        route.fulfill(response=answer, body=body)

    seen.page.route(address, page)
    seen.page.goto(address)
    seen.wait_for("#searching", "1 to look at · still searching: 30 %")
    seen.wait_for("#searching", "2 to look at · still searching: 60 %")
    seen.page.locator("#searching").wait_for(state="detached")  # loaded again by itself
    assert told == []


def test_the_buttons_of_a_queue_stand_apart(disputed, look) -> None:
    seen = look(f"{disputed.address}review?queue=suspects")
    group = seen.page.locator(".review-head .group")
    assert group.evaluate("each => getComputedStyle(each).display") == "flex"
    assert group.evaluate("each => parseFloat(getComputedStyle(each).columnGap)") >= 8


def test_why_not_shows_a_newer_proposal_together_with_its_answer(disputed, look) -> None:
    """As after an adaptation that came while the cell was in view."""
    seen = look(f"{disputed.address}?cell=33")
    seen.settle()
    before = seen.text("#proposed")

    def newer(route) -> None:
        told = route.fetch().json()
        proposal = told["proposal"]
        first, second = proposal["class"], proposal["runner_up"]
        proposal |= {"class": second, "runner_up": first, "probability": 0.59, "token": "newer"}
        route.fulfill(json={**told, "class": first, "probability": 0.41})

    seen.page.route("**/why-not", newer)
    seen.press(";")
    seen.wait_for("#evidence-words", f"The labelled cells of {before.lower()} (41 %)")
    assert seen.text("#proposed") != before
    assert "59 %" in seen.text("#proposal")
    assert "adapted meanwhile" in seen.text("#status")
    assert seen.page.locator("#why-not").get_attribute("aria-pressed") == "true"
    refused = seen.page.expect_console_message(lambda said: "409" in said.text)
    with refused, seen.page.expect_request("**/label") as asked:
        seen.press("Enter")
    assert asked.value.post_data_json["proposal"] == "newer"
    seen.forgive("409")

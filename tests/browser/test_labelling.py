"""Labelling with the keyboard alone, in a real browser."""

from __future__ import annotations

import re
import time

import pytest

from index import Atlas


def cell_of(seen) -> int:
    return int(seen.title().removeprefix("Cell "))


def history(annotator, cell: int):
    with Atlas.open(annotator.atlas) as atlas:
        return atlas.history(cell)


def test_enter_accepts_and_the_label_is_on_disk_when_the_page_says_so(annotator, look) -> None:
    seen = look(annotator.address)
    cell, proposed = cell_of(seen), seen.text("#proposed").lower()
    seen.press("Enter")
    seen.wait_for("#status", f"Saved: cell {cell} is {proposed}.")
    (label,) = history(annotator, cell)
    assert label.class_code == label.proposed_class == proposed
    assert (label.author, label.how, label.proposal_visible) == ("ann", "single", True)
    assert cell_of(seen) != cell
    assert "1 now" in seen.text("#progress")
    assert seen.text("#live") == seen.text("#status")


def test_a_whole_batch_by_keyboard_alone(annotator, look) -> None:
    seen = look(annotator.address)
    for turn in range(15):
        cell = cell_of(seen)
        seen.press("e" if turn % 3 == 2 else "Enter")
        seen.wait_for("#status", f"Saved: cell {cell} ")
    seen.page.locator("#empty").wait_for()
    assert "All 45 cells have a label" in seen.text("#empty-words")
    assert seen.page.locator("#ask-again").is_hidden()
    seen.press("u")
    seen.wait_for("#status", "Undone: label")
    assert seen.page.locator("#desk").is_visible()


def test_what_others_hold_is_said_at_the_end_and_asked_for_again(annotator, look) -> None:
    seen = look(annotator.address)
    cell = cell_of(seen)
    progress = {
        "total": 45,
        "labelled": 43,
        "left": 2,
        "this_run": 9,
        "skipped": 0,
        "dataset": None,
    }
    ended = {
        "cell": None, "ahead": [], "progress": progress,
        "elsewhere": {"cells": 2, "seconds": 200.0},
    }  # fmt: skip
    again = seen.page.request.get(f"{annotator.address}api/v1/next?without={cell}").json()
    answers = [ended, again]
    seen.page.route("**/api/v1/next", lambda route: route.fulfill(json=answers.pop(0)))
    seen.page.route(
        f"**/api/v1/cells/{cell}/skip",
        lambda route: route.fulfill(json={"done": {"cell": cell}, "next": ended}),
    )
    seen.press("s")
    seen.page.locator("#empty").wait_for()
    assert seen.text("#empty-title") == "Nothing for you just now"
    words = (
        "2 more cells are on other readers' screens. "
        "What stays unanswered there comes back after 4 minutes."
    )
    assert seen.text("#empty-words") == words
    seen.page.get_by_role("button", name="Ask again").click()
    seen.wait_for("#status", words)
    seen.page.get_by_role("button", name="Ask again").click()
    seen.page.locator("#desk").wait_for()
    assert cell_of(seen) == again["cell"]["id"]
    assert seen.page.evaluate("document.activeElement.id") == "viewer"


def test_a_class_key_a_subclass_and_undo_without_limit(annotator, look) -> None:
    seen = look(annotator.address)
    first = cell_of(seen)
    seen.press("m")
    seen.wait_for("#status", f"Saved: cell {first} is monocyte.")
    second = cell_of(seen)
    seen.press("Shift+I")
    seen.page.locator("#subclass[open]").wait_for()
    assert "Which immature granulocyte?" in seen.text("#subclass-title")
    seen.press("p")
    seen.wait_for("#status", f"Saved: cell {second} is promyelocyte.")
    third = cell_of(seen)
    seen.press("Shift+N", "Enter")
    seen.wait_for("#status", f"Saved: cell {third} is neutrophil.")
    for cell, key in ((third, "u"), (second, "Control+z"), (first, "u")):
        seen.press(key)
        seen.wait_for("#status", f"of cell {cell}.")
        assert cell_of(seen) == cell
        assert history(annotator, cell)[-1].how == "undo"
    seen.press("u")
    seen.wait_for("#status", "nothing left to undo")
    seen.forgive("status of 409")


def test_typing_finds_a_class_by_name_or_alias(annotator, look) -> None:
    seen = look(annotator.address)
    cell = cell_of(seen)
    seen.press("/")
    seen.page.keyboard.type("smud")
    seen.page.locator("#search-results li").first.wait_for()
    assert seen.text("#search-results li[aria-selected=true]").startswith("Smudge cell")
    seen.press("Escape")
    assert not seen.page.locator("#search-results").is_visible()
    seen.press("/")
    seen.page.keyboard.type("unicorn")
    assert seen.text("#search-results li") == "No class of that name"
    seen.page.locator("#search").fill("")
    seen.page.keyboard.type("SNE")
    seen.press("Enter")
    seen.wait_for("#status", f"Saved: cell {cell} is segmented neutrophil.")


def test_skip_flag_and_previous(annotator, look) -> None:
    seen = look(annotator.address)
    first = cell_of(seen)
    seen.press("f")
    seen.wait_for("#status", f"Cell {first} is flagged.")
    assert seen.page.locator("#flag").get_attribute("aria-pressed") == "true"
    seen.press("s")
    seen.wait_for("#status", f"Skipped cell {first}")
    second = cell_of(seen)
    assert second != first
    seen.press("ArrowLeft")
    seen.wait_for("#status", f"Back at cell {first}.")
    assert seen.page.locator("#flag-mark").is_visible()
    seen.press("ArrowRight")
    seen.wait_for("#status", f"Back at cell {second}.")


def test_a_hidden_proposal_cannot_be_accepted_and_is_recorded_as_hidden(annotator, look) -> None:
    seen = look(annotator.address)
    cell = cell_of(seen)
    seen.press(".")
    seen.wait_for("#proposal", "hidden")
    assert seen.page.locator("#neighbours li").count() == 0
    seen.press("Enter")
    seen.wait_for("#status", "press a class's key")
    seen.press("e")
    seen.wait_for("#status", "Saved")
    (label,) = history(annotator, cell)
    assert label.proposal_visible is False


def test_a_key_held_down_labels_one_cell_only(annotator, look) -> None:
    seen = look(annotator.address)
    cell = cell_of(seen)
    for _ in range(5):
        seen.page.keyboard.down("Enter")  # the browser marks all but the first as repeats
    seen.page.keyboard.up("Enter")
    seen.wait_for("#status", f"Saved: cell {cell} ")
    assert "1 now" in seen.text("#progress")


def test_the_evidence_is_beside_the_cell(annotator, look) -> None:
    seen = look(annotator.address)
    near = seen.page.locator("#neighbours li")
    assert near.count() == 15
    words = near.first.inner_text()
    assert "by import" in words
    assert re.search(r"\d\.\d{3}", words)
    assert "· known" in words
    assert seen.page.locator("#votes .vote").count() >= 1
    assert near.first.locator("img").evaluate("image => image.decode().then(() => 1)") == 1


def test_the_keys_are_explained(annotator, look) -> None:
    seen = look(annotator.address)
    seen.press("?")
    seen.page.locator("#help[open]").wait_for()
    cell = cell_of(seen)
    seen.press("e")  # keys of classes rest while a dialog is open
    seen.press("?")
    assert not seen.page.locator("#help[open]").count()
    assert cell_of(seen) == cell
    assert history(annotator, cell) == []


def test_zoom_shows_pixels_only_past_the_frame(annotator, look) -> None:
    seen = look(annotator.address)
    assert "fit" in seen.text("#zoom-words")
    assert "pixels" not in (seen.page.locator("#picture").get_attribute("class") or "")
    seen.press("+", "+")
    assert "pixels" in (seen.page.locator("#picture").get_attribute("class") or "")
    seen.press("=")
    assert "fit" in seen.text("#zoom-words")


def test_acknowledged_labels_survive_the_death_of_the_server(annotator, look) -> None:
    seen = look(annotator.address)
    cell = cell_of(seen)
    seen.press("e")
    seen.wait_for("#status", f"Saved: cell {cell} is eosinophil.")
    annotator.kill()
    assert [label.class_code for label in history(annotator, cell)] == ["eosinophil"]
    waiting = cell_of(seen)
    seen.press("Enter")
    seen.wait_for("#status", "does not answer")
    assert cell_of(seen) == waiting
    assert history(annotator, waiting) == []
    annotator.start()
    seen.press("Enter")  # the proposal was made before: it is looked at again, not taken on trust
    seen.wait_for("#status", "look at what is proposed now")
    seen.press("Enter")
    seen.wait_for("#status", f"Saved: cell {waiting} ")
    for undone in (waiting, cell):
        seen.press("u")
        seen.wait_for("#status", f"of cell {undone}.")
    # the server was gone, then it refused the old token and the old proposal
    seen.forgive("net::ERR_", "status of 403", "status of 409")


@pytest.mark.slow
def test_the_next_cell_is_there_at_once(annotator, look) -> None:
    seen = look(annotator.address)
    spent = []
    for _ in range(10):
        cell = cell_of(seen)
        spent.append(
            seen.page.evaluate(
                """() => new Promise((done) => {
                  const title = document.getElementById("cell-title");
                  const start = performance.now();
                  new MutationObserver(() => {
                    const image = document.getElementById("picture");
                    image.decode().then(() => requestAnimationFrame(
                      () => done(performance.now() - start)));
                  }).observe(title, { childList: true });
                  document.getElementById("accept").click();
                })"""
            )
        )
        seen.wait_for("#status", f"Saved: cell {cell} ")
        time.sleep(0.05)
    # Other work on the machine only ever adds time, so the quickest shows what the page takes.
    assert min(spent) < 250, spent


def test_data_set_and_order_are_chosen_where_one_labels(annotator, look) -> None:
    seen = look(annotator.address)
    page = seen.page
    assert "known" not in seen.text("#cell-origin")
    page.get_by_label("Only cells of").select_option("known")
    page.get_by_label("Order of the queue").select_option("imported")
    page.get_by_role("button", name="Set", exact=True).click()
    page.wait_for_selector("#empty:not([hidden])")  # all of it is labelled
    assert "of known have a label" in seen.text("#empty-words")
    assert page.get_by_label("Order of the queue").input_value() == "imported"
    page.get_by_label("Only cells of").select_option("new")
    page.get_by_role("button", name="Set", exact=True).click()
    page.wait_for_selector("#desk:not([hidden])")
    assert "new" in seen.text("#cell-origin")

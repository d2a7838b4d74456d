"""How pages look and answer: the theme, the focus, motion, a preview. See also test_every_page."""

from __future__ import annotations

import pytest


def test_the_theme_can_be_chosen_and_is_kept(shown, look) -> None:
    seen = look(shown.address, scheme="light")
    paper = "() => getComputedStyle(document.body).backgroundColor"
    before = seen.page.evaluate(paper)
    seen.page.locator("#theme").click()
    dark = seen.page.evaluate(paper)
    assert dark != before
    assert seen.page.locator("#theme").get_attribute("aria-pressed") == "true"
    seen.page.goto(f"{shown.address}overview")
    assert seen.page.evaluate(paper) == dark


@pytest.mark.parametrize("path", ["", "overview", "classes"])
def test_focus_is_always_seen(shown, look, path) -> None:
    seen = look(shown.address + path)
    for _ in range(25):
        seen.press("Tab")
        ring = seen.page.evaluate(
            """() => {
              const style = getComputedStyle(document.activeElement);
              return document.activeElement === document.body
                || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
            }"""
        )
        assert ring, seen.page.evaluate("() => document.activeElement.outerHTML.slice(0, 200)")


def test_motion_is_reduced_where_asked(shown, look) -> None:
    seen = look(shown.address, reduced_motion="reduce")
    longest = seen.page.evaluate(
        """() => Math.max(...[...document.querySelectorAll("*")].map(
          (element) => parseFloat(getComputedStyle(element).transitionDuration) || 0))"""
    )
    assert longest < 0.01


def test_labels_come_in_with_a_preview(annotator, look, tmp_path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("cell,class\n31,monocyte\n32,unicorn\n", encoding="utf-8")
    seen = look(f"{annotator.address}exchange")
    seen.page.locator("#file").set_input_files(str(table))
    seen.page.get_by_role("button", name="Preview").click()
    seen.wait_for(
        "#import-report", "1 label is new and will be added. 1 of 2 rows are passed over."
    )
    assert "'unicorn' is not in the taxonomy" in seen.text("#import-report")
    seen.page.get_by_role("button", name="Add these labels").click()
    seen.wait_for("#import-report", "1 label added.")
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Export", exact=True).click()
    assert download.value.suggested_filename == "atlas-csv.zip"


@pytest.mark.parametrize("locale", ["en", "es"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1280, 800), (1024, 768), (390, 844)])
def test_no_words_of_the_labelling_page_leave_their_place(
    shown, look, locale: str, width: int, height: int
) -> None:
    seen = look(shown.address, width=width, height=height, locale=locale)
    seen.settle()
    burst = seen.page.evaluate(
        """() => [...document.querySelectorAll(".acts .tool, .zoom .tool, .who, .menu-button")]
          .filter((each) => each.scrollWidth > each.clientWidth + 1)
          .map((each) => each.textContent)"""
    )
    assert burst == []
    scale, zoom = (seen.page.locator(each).bounding_box() for each in ("#scale-words", "#zoom"))
    assert scale["x"] + scale["width"] <= zoom["x"] or scale["y"] + scale["height"] <= zoom["y"], (
        scale,
        zoom,
    )
    if width > 760:
        evidence = seen.page.locator(".evidence").bounding_box()
        assert evidence["y"] + 150 < height  # what the proposal rests on is seen without scrolling


def test_an_unknown_scale_leads_to_where_it_is_set(annotator, look) -> None:
    seen = look(annotator.address)
    seen.settle()
    cell = seen.title().removeprefix("Cell ")
    assert seen.text("#scale-words") == "scale unknown: set it on its page"
    seen.page.get_by_role("link", name="set it on its page").click()
    seen.page.wait_for_url(f"**/cells/{cell}#pixel-size")
    seen.page.get_by_label("Micrometres a pixel").fill("0.1")
    seen.page.get_by_role("button", name="Set", exact=True).click()
    seen.page.goto(annotator.address)
    seen.settle()
    assert "µm" in seen.text("#scale-words")

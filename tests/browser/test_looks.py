"""Every page, light and dark, wide and narrow: nothing overflows, nothing complains."""

from __future__ import annotations

import pytest

PAGES = ("", "overview", "cells?state=all", "cells/1", "classes", "exchange", "nowhere")
WIDTHS = (1280, 390)

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

# Contrast of text on what lies behind it (WCAG 2.2, 1.4.3), for each text that is in view.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (css) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = css;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const linear = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, noscript, [disabled], .visually-hidden, option")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgba(style.color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) {
      found.push(`${walker.currentNode.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
  }
  return found;
}"""


NAMELESS = """() => [...document.querySelectorAll("button, a[href], input, select, textarea, img")]
          .filter((element) => element.checkVisibility() && element.type !== "hidden")
          .filter((element) => !(element.innerText?.trim() || element.getAttribute("aria-label")
            || element.labels?.length || element.hasAttribute("alt")
            || element.querySelector("img[alt]:not([alt=''])")))
          .map((element) => element.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_can_be_read(shown, look, width, scheme) -> None:
    seen = look(shown.address, width=width, height=844, scheme=scheme)
    for path in PAGES:
        seen.page.goto(shown.address + path)
        assert seen.page.evaluate(OVERFLOW) <= 0, f"/{path} is wider than {width}"
        assert seen.page.evaluate(CONTRAST) == [], f"/{path} in {scheme}"
    seen.forgive("status of 404")


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


def test_everything_that_can_be_used_has_a_name(shown, look) -> None:
    seen = look(shown.address)
    for path in PAGES:
        seen.page.goto(shown.address + path)
        assert seen.page.evaluate(NAMELESS) == [], f"/{path}"
    seen.forgive("status of 404")


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
    seen.wait_for("#import-report", "1 label will be added. 1 of 2 rows are passed over.")
    assert "'unicorn' is not in the taxonomy" in seen.text("#import-report")
    seen.page.get_by_role("button", name="Add these labels").click()
    seen.wait_for("#import-report", "1 label added.")
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Export", exact=True).click()
    assert download.value.suggested_filename == "atlas-csv.zip"

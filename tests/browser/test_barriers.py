"""axe-core finds no barrier on any page of the annotator, in light and dark, in both languages."""

from __future__ import annotations

import pytest

from annotator.rooms import ROOMS

PAGES = [*(room.path for room in ROOMS if room.nav), "/account", "/cells/1", "/nowhere"]
SETTLED = 700  # milliseconds after which the scripts of a page have drawn it
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def barriers(page) -> list[str]:
    """What axe-core finds on a page: the rule, what it is about, and where."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is missing"
    ).Axe()
    found = axe.run(page, options=RULES).response["violations"]
    return [
        f"{each['id']}: {each['help']} at {'; '.join(node['html'][:120] for node in each['nodes'])}"
        for each in found
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_barrier(shown, look, path: str, scheme: str) -> None:
    seen = look(shown.address.rstrip("/") + path, scheme=scheme)
    assert barriers(seen.page) == []
    if path == "/nowhere":
        seen.forgive("404")


@pytest.mark.parametrize("path", ["/", "/cells"])
def test_a_telephone_meets_no_barrier_in_spanish(shown, look, path: str) -> None:
    seen = look(shown.address.rstrip("/") + path, width=390, height=844, locale="es-ES")
    assert seen.page.locator("html").get_attribute("lang") == "es"
    assert barriers(seen.page) == []


@pytest.mark.parametrize("path", ["/login", "/join/nothing-of-the-kind"])
def test_the_door_has_no_barrier(to_label, annotator, look, path: str) -> None:
    annotator.kill()
    annotator.arguments = ("--accounts",)
    annotator.start()
    seen = look(annotator.address.rstrip("/") + path)
    assert barriers(seen.page) == []
    seen.forgive("410")  # an invitation that does not count

"""Every page of the annotator, light and dark, wide and narrow: no barrier, complaint or shift.

Which pages there are is read from the application's own routes, so that none can be left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from werkzeug.security import generate_password_hash

from annotator import AnnotatorConfig, create_app
from annotator.rooms import OWNER
from index import Atlas, NewLabel
from index.accounts import invite, join, make_token
from index.reviewing import set_pixel_size
from retrieval.maps.sight import Sight, sight_file

# Where each page is looked at, by its route; what stands in it is chosen by ``_prepare``.
PAGES: dict[str, tuple[str, ...]] = {
    "/": ("", "?cell=33"),
    "/overview": ("overview",),
    "/cells": ("cells?state=all",),
    "/cells/<int:cell_id>": ("cells/1", "cells/31"),
    "/classes": ("classes",),
    "/exchange": ("exchange",),
    "/sheets": ("sheets",),
    "/clusters": ("clusters",),
    "/map": ("map",),
    "/search": ("search", "search?more=31&less=32"),
    "/review": ("review",),
    "/review/<name>/<matter>": ("review/disagreements/31",),
    "/progress": ("progress",),
    "/account": ("account",),
    "/people": ("people",),
}
# Pages of an annotator with accounts: of who is not signed in, and of an owner who is.
DOOR = {"/login": ("login",), "/join/<secret>": ("join/nothing-of-the-kind",)}
OWNED = {"/people": ("people",), "/account": ("account",)}
LOST = ("nowhere",)  # what is answered where there is no page
NO_PAGES = ("/api/v1/", "/images/", "/language/", "/static/", "/focus/seen/")

SCHEMES = ("light", "dark")
WIDTHS = (1440, 390)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SETTLED = 400  # milliseconds after the last answer, in which a late shift would show
STILL = 0.005  # of layout shift: words on a centred button that get longer count as so much
# The software that stands in for a graphics card in a test says that it is slow; an answer that is
# meant to be an error is told by the browser.
FORGIVEN = ("GPU stall", "status of 404", "status of 410")

PAINTED = ("neutrophil", "lymphocyte", "eosinophil", "platelet", "monocyte")  # cell by cell

WATCH = """() => { window.shift = 0; window.shifted = [];
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) {
    if (entry.hadRecentInput && !window.evenAfterInput) continue;
    window.shift += entry.value;
    window.shifted.push(...entry.sources.map((each) => each.node?.outerHTML?.slice(0, 80)));
  } }).observe({ type: "layout-shift", buffered: true }); }"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_no_page_is_left_out(tmp_path) -> None:
    with Atlas.open(tmp_path / "atlas", create=True) as atlas:
        app = create_app(AnnotatorConfig(tmp_path / "atlas", author="ann"), atlas)
        rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    pages = {r.rule for r in rules if not r.rule.startswith(NO_PAGES) and "." not in r.rule}
    assert pages == set(PAGES) | set(DOOR)


def _prepare(path) -> None:
    """Give the painted atlas a dispute, a scale and a map, so that every page has something."""
    with Atlas.open(path) as atlas:
        said = [(31, "neutrophil", "ada"), (31, "monocyte", "bob")]
        atlas.add_labels([NewLabel(cell, code, author, "single") for cell, code, author in said])
        set_pixel_size(atlas, "new", 0.1, "ann")
        ids, _ = atlas.embeddings()
        places = np.column_stack([np.arange(len(ids)) % 9, np.arange(len(ids)) // 9])
        novelty = np.linspace(0, 1, len(ids))
        sight = Sight(atlas.active_model, ids, places, np.zeros(len(ids), bool), novelty)
        sight.save(sight_file(atlas, atlas.active_model))


@pytest.fixture(scope="module")
def walked(_to_label, tmp_path_factory, start_annotator):
    """A running annotator for one."""
    folder = tmp_path_factory.mktemp("walked")
    return start_annotator(_to_label / "atlas", folder, first=_prepare)


@pytest.fixture(scope="module")
def owned(_to_label, tmp_path_factory, start_annotator):
    """A running annotator with accounts, and the token of its owner."""
    tokens = []

    def found_team(path) -> None:
        with Atlas.open(path) as atlas:
            for name, role in (("olga", OWNER), ("ann", "reader")):
                secret = invite(atlas, role, "olga", 1.0)
                join(atlas, secret, name, name.title(), generate_password_hash("a long password"))
            tokens.append(make_token(atlas, "olga", "walk"))

    folder = tmp_path_factory.mktemp("owned")
    running = start_annotator(_to_label / "atlas", folder, "--accounts", first=found_team)
    return running, tokens[0]


@dataclass
class Walk:
    """One tab that goes from page to page, and what it meets."""

    page: object
    address: str
    width: int
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(f"({WATCH})()")
        self.page.on(
            "console",
            lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None,
        )
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("requestfailed", lambda r: self.said.append(f"failed: {r.url} {r.failure}"))

    def look(self, path: str, axe: bool = True) -> list[str]:
        """What is wrong with the page at ``path``."""
        self.said.clear()
        self.page.goto(self.address + path)
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_timeout(SETTLED)
        found = barriers(self.page) if axe else []
        shift = self.page.evaluate("window.shift")
        if shift > STILL:
            found.append(f"shifted by {shift:.4f}: {self.page.evaluate('window.shifted')}")
        over = self.page.evaluate(OVERFLOW)
        if over > 0:
            found.append(f"{over} pixels wider than {self.width}")
        said = [each for each in self.said if not any(word in each for word in FORGIVEN)]
        return [f"{path or 'label'}: {each}" for each in (*found, *said)]

    def go(self, wanted: dict[str, tuple[str, ...]], more: tuple[str, ...] = ()) -> list[str]:
        """What is wrong with all the pages of ``wanted``, and of ``more`` addresses."""
        paths = [path for each in wanted.values() for path in each]
        return [problem for path in (*paths, *more) for problem in self.look(path)]


@pytest.fixture
def walk(chromium):
    """``walk(address, width, scheme)``: a tab of its own."""
    contexts = []

    def begin(address: str, width: int = 1440, scheme: str = "light", **more) -> Walk:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **more
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        return Walk(context.new_page(), address, width)

    yield begin
    for context in contexts:
        context.close()


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


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page(walked, walk, scheme: str, width: int) -> None:
    assert walk(walked.address, width, scheme).go(PAGES, LOST) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page_with_accounts(owned, walk, scheme: str, width: int) -> None:
    running, token = owned
    assert walk(running.address, width, scheme).go(DOOR) == []
    signed_in = {"Authorization": f"Bearer {token}"}
    assert walk(running.address, width, scheme, extra_http_headers=signed_in).go(OWNED) == []


def test_a_telephone_meets_no_barrier_in_spanish(walked, walk) -> None:
    tab = walk(walked.address, 390, locale="es-ES")
    assert tab.go({}, ("", "cells", "sheets")) == []
    assert tab.page.locator("html").get_attribute("lang") == "es"


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_shifts_when_a_label_moves_proposals(
    start_annotator, to_label, tmp_path, walk, width
) -> None:
    """Even what follows a key at once keeps its place, the buttons above all."""
    running = start_annotator(to_label, tmp_path / "moved", first=_prepare)
    tab = walk(running.address, width)
    assert tab.look("", axe=False) == []
    tab.page.evaluate("window.evenAfterInput = true")
    for _ in range(3):
        before = tab.page.inner_text("#cell-title")
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_function(
            "before => document.querySelector('#cell-title').textContent !== before", arg=before
        )
        tab.page.wait_for_timeout(SETTLED)
    assert tab.page.evaluate("window.shift") <= STILL, tab.page.evaluate("window.shifted")
    assert tab.said == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page_on_a_screen_between(walked, walk, scheme: str) -> None:
    assert walk(walked.address, 1024, scheme).go(PAGES) == []


@pytest.mark.parametrize("width", [1024, 390])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_opens_upon_a_page(start_annotator, to_label, tmp_path, walk, scheme, width) -> None:
    """Dialogs, a cluster and a sheet are no addresses, so each is opened and looked at."""
    running = start_annotator(to_label, tmp_path / "opened", first=_prepare)
    tab = walk(running.address, width, scheme)
    page, found = tab.page, {}

    def note(name: str, selector: str) -> None:
        page.locator(selector).first.wait_for()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(SETTLED)
        found[name] = [*barriers(page), *tab.said]
        over = page.evaluate(OVERFLOW)
        if over > 0:
            found[name].append(f"{over} pixels wider than {width}")
        tab.said.clear()

    assert tab.look("", axe=False) == []
    for name, key in (("help", "?"), ("compare", ",")):
        page.keyboard.press(key)
        note(name, f"#{name}[open]")
        page.keyboard.press("Escape")
        page.locator(f"#{name}:not([open])").wait_for(state="attached")

    assert tab.look("clusters", axe=False) == []
    page.select_option("#make-method", "centres")
    page.fill("#make-size", "4")
    page.click("#make button")
    page.locator(".cluster-card").first.wait_for()
    note("clusters", ".cluster-card img")
    page.click(".cluster-card a >> nth=0")
    note("cluster", "#members .tile")

    page.click("#to-sheet")
    kinds = page.request.get(f"{running.address}api/v1/classes").json()["classes"]
    keys = {node["code"]: node["key"] for node in kinds}
    for _ in range(20):  # its checks come first, one by one
        page.locator("#single:not([hidden]), #grid:not([hidden])").first.wait_for()
        if page.locator("#grid").is_visible():
            break
        source = page.get_attribute("#single-picture", "src")
        cell = int(source.split("/images/")[1].split("/")[0])
        page.keyboard.press(keys[PAINTED[(cell - 1) % len(PAINTED)]])
        page.wait_for_function(
            "before => document.querySelector('#grid').checkVisibility() || "
            "document.querySelector('#single-picture').getAttribute('src') !== before",
            arg=source,
        )
    note("sheet", "#grid .tile")
    page.keyboard.press("?")
    note("help of sheets", "#help[open]")
    assert {name: what for name, what in found.items() if what} == {}
    assert len(found) == 6

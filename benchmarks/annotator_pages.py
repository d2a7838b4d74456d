"""A page of 60 thumbnails of an atlas of a million cells, at the server and in Chromium.

python -m benchmarks.annotator_pages [--cells 1000000] [--pages 200] [--folder KEPT]
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.annotator_atlas import DATASETS, build
from benchmarks.annotator_server import Client, Server, percentile
from benchmarks.report import table, write_section

SIZE = 60
CONNECTIONS = 6  # what a browser opens to one host
QUERIES = {
    "all cells": "state=all",
    "labelled": "state=labelled",
    "without a label, one data set": f"state=unlabelled&dataset={DATASETS[2]}",
    "one class": "class=monocyte",
    "one author, one data set": f"author=reader+3&dataset={DATASETS[0]}",
    "a text": "state=all&text=slide+77",
}
SCROLL = """(seconds) => new Promise((done) => {
  const since = new Map();
  let worst = 0, shown = 0, last = 0;
  const begin = performance.now();
  const step = () => {
    const now = performance.now();
    scrollBy(0, (now - (last || now)) * innerHeight / 700);  // a screen in 0.7 s
    last = now;
    const blank = new Set();
    for (const tile of document.querySelectorAll(".tile")) {
      const { top, bottom } = tile.getBoundingClientRect();
      if (bottom <= 0 || top >= innerHeight) continue;
      if (!tile.firstChild.classList.contains("tile-drawn")) blank.add(tile.id);
      else shown += 1;
    }
    // Where the view holds no tile at all, all of it is blank.
    const host = document.getElementById("cells").getBoundingClientRect();
    if (host.bottom < innerHeight - 40) blank.add("end");
    for (const id of blank) {
      since.has(id) || since.set(id, now);
      worst = Math.max(worst, now - since.get(id));
    }
    for (const id of since.keys()) blank.has(id) || since.delete(id);
    if (now - begin < seconds * 1000) requestAnimationFrame(step);
    else done({ worst, shown, tiles: document.querySelectorAll(".tile").length, y: scrollY });
  };
  requestAnimationFrame(step);
})"""


def page_times(port: int, query: str, count: int, highest: int) -> dict[str, list[float]]:
    """Milliseconds of ``count`` pages at random places, by part.

    list: the cells alone. made: with their thumbnails, most of which nobody has asked for before,
    so that each is made from its picture. kept: the same again.
    """
    chance = random.Random(0)
    clients = [Client(port) for _ in range(CONNECTIONS)]
    found: dict[str, list[float]] = {"list": [], "made": [], "kept": []}
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for i in range(count):
            before = "" if i % 4 == 0 else f"&before={chance.randint(highest // 10, highest)}"
            address = f"/api/v1/cells?{query}&size={SIZE}{before}"
            for visit in ("made", "kept"):
                begun = time.perf_counter()
                cells = clients[0].document(address)["cells"]
                if visit == "made":
                    found["list"].append(1000 * (time.perf_counter() - begun))
                lanes = [(client, cells[i::CONNECTIONS]) for i, client in enumerate(clients)]
                list(pool.map(_fetch, lanes))
                found[visit].append(1000 * (time.perf_counter() - begun))
    for client in clients:
        client.close()
    return found


def _fetch(lane: tuple[Client, list[Any]]) -> None:
    client, cells = lane
    for cell in cells:
        status, _ = client.ask("GET", cell["thumbnail"])
        if status != 200:
            raise RuntimeError(f"{cell['thumbnail']} answered {status}")


def scroll(port: int, seconds: float) -> dict[str, float] | None:
    """Scroll the page of cells in Chromium; the longest time a place in view stayed blank, in ms.

    None where there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        return None
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"http://127.0.0.1:{port}/cells?state=all")
        page.locator("canvas.tile-drawn").first.wait_for(timeout=120_000)
        page.wait_for_timeout(1000)
        found: dict[str, float] = page.evaluate(SCROLL, seconds)
        browser.close()
    return found


def main() -> None:
    """Build or take the atlas, measure, write the section."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20, help="of scrolling")
    parser.add_argument("--folder", type=Path, default=None, help="kept, and taken if it is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cellkin-") as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "atlas").exists():
            build(folder, given.cells)
        server = Server(folder)
        server.start()
        try:
            page_times(server.port, QUERIES["all cells"], 5, given.cells)  # warm
            rows = []
            for what, query in QUERIES.items():
                found = page_times(server.port, query, given.pages, given.cells)
                told = [percentile(found[part], at) for part in found for at in (0.5, 0.95)]
                rows.append((what, *(f"{value:.0f}" for value in told)))
            blank = scroll(server.port, given.seconds)
        finally:
            server.kill()
    body = f"{given.cells:,} cells; a page is the list of {SIZE} cells and their thumbnails over "
    body += f"{CONNECTIONS} connections; {given.pages} pages of each list, at random places, each "
    body += "asked for twice: the first time thumbnails are made from their pictures.\n\n"
    head = ("list", "list alone p50, ms", "p95", "thumbnails made p50", "p95",
            "thumbnails kept p50", "p95 (target < 200)")  # fmt: skip
    body += table(head, rows)
    if blank is not None:
        body += f"\n\nChromium, scrolling a screen in 0.7 s for {given.seconds:g} s "
        body += f"({blank['y']:,.0f} pixels): the longest that a place in view stayed blank "
        body += f"was **{blank['worst']:.0f} ms** (target < 300); "
        body += f"{blank['tiles']:.0f} tiles in the page at the end."
    write_section(
        "annotator-pages",
        "Annotator: pages of a million cells",
        f"python -m benchmarks.annotator_pages --cells {given.cells} --pages {given.pages}",
        body,
        seed=0,
        data_hash="synthetic",
    )


if __name__ == "__main__":
    main()

"""The map's frames at 100,000 cells in a real browser, and the time to cluster 20,000.

python -m benchmarks.exploring [--cells 100000] [--clustered 20000]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from annotator.app import create_app
from annotator.config import AnnotatorConfig
from annotator.serve import make_server
from benchmarks.annotator_atlas import build
from benchmarks.report import table, write_section
from index import Atlas
from retrieval.clusters import METHODS, SIZE, cluster
from retrieval.maps.sight import Sight, sight_file
from retrieval.spreading import neighbour_graph, spread

SEED = 0
SECONDS = 4.0  # of movement that are timed
WIDTH = 128  # of the vectors clustered: as of the shipped model's first part
KINDS = 40

# Moves the map by the wheel's and pointer's own events and times the frames in between.
FRAMES = """async (seconds) => {
  const canvas = document.getElementById("canvas");
  const box = canvas.getBoundingClientRect();
  const at = (x) => ({ clientX: box.x + box.width * x, clientY: box.y + box.height / 2,
                       bubbles: true, cancelable: true });
  const times = [];
  const begin = performance.now();
  let last = begin;
  let turn = 0;
  await new Promise((done) => {
    const step = () => {
      const now = performance.now();
      times.push(now - last);
      last = now;
      turn += 1;
      const inwards = Math.floor(turn / 20) % 2 === 0;
      canvas.dispatchEvent(new WheelEvent("wheel", { ...at(0.4), deltaY: inwards ? -40 : 40 }));
      now - begin < seconds * 1000 ? requestAnimationFrame(step) : done();
    };
    requestAnimationFrame(step);
  });
  return times.slice(1);
}"""
RENDERER = """() => {
  const gl = document.createElement("canvas").getContext("webgl2");
  const told = gl?.getExtension("WEBGL_debug_renderer_info");
  return gl ? gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER) : "none";
}"""


def put_map(path: Path) -> None:
    """Give the atlas at ``path`` a map of clouds, as UMAP would, without waiting for UMAP."""
    random = np.random.default_rng(SEED)
    with Atlas.open(path) as atlas:
        model = str(atlas.active_model)
        ids, vectors = atlas.embeddings(model)
        centres = random.uniform(-10, 10, size=(KINDS, 2))
        kind = (vectors[:, :6] > 0) @ (1 << np.arange(6)) % KINDS
        places = centres[kind] + random.normal(scale=0.8, size=(len(ids), 2))
        novelty = random.beta(2, 6, size=len(ids))
        sight = Sight(model, ids, places.astype(np.float32), np.zeros(len(ids), bool), novelty)
        sight.save(sight_file(atlas, model))


def frames(path: Path) -> dict[str, Any]:
    """Frame times in milliseconds of the map page while it moves, and what drew them."""
    from playwright.sync_api import sync_playwright

    found = next((p for name in ("chromium", "google-chrome") if (p := shutil.which(name))), None)
    if found is None:
        sys.exit("benchmarks.exploring: no Chromium on this machine")
    app = create_app(AnnotatorConfig(atlas=path, author="bench", port=0))
    server, address = make_server(app.extensions["desk"].config, app)
    threading.Thread(target=server.run, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        begin = time.perf_counter()
        page.goto(f"{address}map")
        page.wait_for_selector("body[data-ready=map]")
        opened = time.perf_counter() - begin
        page.wait_for_timeout(3000)
        times = page.evaluate(FRAMES, SECONDS)
        answer = {"opened": opened, "times": times, "renderer": page.evaluate(RENDERER)}
        browser.close()
    server.close()
    app.extensions["desk"].close()
    return answer


def blobs(count: int) -> np.ndarray:
    """Unit vectors float32 [N, WIDTH] in KINDS overlapping groups."""
    random = np.random.default_rng(SEED)
    centres = random.normal(size=(KINDS, WIDTH))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = centres[random.integers(KINDS, size=count)]
    vectors = vectors + random.normal(scale=0.06, size=vectors.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustering(count: int) -> list[tuple[str, str, str]]:
    """Seconds of each method, of the graph and of spreading at ``count`` cells."""
    vectors = blobs(count)
    rows = []
    for name in METHODS:
        begin = time.perf_counter()
        _, found = cluster(vectors, method=name, size=SIZE, seed=SEED)
        took = time.perf_counter() - begin
        rows.append((f"clusters by `{name}`", f"{took:.1f} s", f"{found.count} clusters"))
    begin = time.perf_counter()
    graph = neighbour_graph(vectors)
    took = time.perf_counter() - begin
    rows.append(("graph of neighbours", f"{took:.1f} s", f"{graph.nnz:,} links"))
    labels = [str(row % 10) if row < count // 100 else None for row in range(count)]
    begin = time.perf_counter()
    spread(graph, labels)
    took = time.perf_counter() - begin
    rows.append(("labels spread", f"{took:.1f} s", f"from {count // 100} labelled cells"))
    return rows


def main() -> None:
    """Measure, print and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--clustered", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = build(Path(folder), given.cells)
        put_map(path)
        seen = frames(path)
    times = sorted(seen["times"])
    middle, slow = statistics.median(times), times[int(0.95 * (len(times) - 1))]
    body = (
        f"The map page at {given.cells:,} cells, zooming without pause for {SECONDS:g} s in "
        f"Chromium, drawn by **{seen['renderer']}**"
        + (" (software: no graphics card)" if "SwiftShader" in seen["renderer"] else "")
        + f": median frame **{middle:.0f} ms**, 95th percentile {slow:.0f} ms, "
        f"{len(times)} frames; while it moves the page draws as many points as keep it smooth, "
        "at rest all of them. "
        f"First picture {seen['opened']:.1f} s after the address was entered.\n\n"
        f"At {given.clustered:,} cells of width {WIDTH}:\n\n"
        + table(("step", "time", "result"), clustering(given.clustered))
    )
    print(body)
    write_section(
        "exploring",
        "Exploring: map, clusters",
        f"python -m benchmarks.exploring --cells {given.cells} --clustered {given.clustered}",
        body,
        seed=SEED,
        data_hash="synthetic",
    )


if __name__ == "__main__":
    main()

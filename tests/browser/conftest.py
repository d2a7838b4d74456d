"""A real browser on a real annotator: the system's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000  # milliseconds: test machines may be busy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser, or a skip with the reason."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Annotator:
    """``cellkin annotate`` in a process of its own, which can be killed and started again."""

    atlas: Path
    arguments: tuple[str, ...] = ("--author", "ann")
    port: int = 0
    address: str = ""
    run: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it and wait until it answers; a second start takes the same port."""
        command = [sys.executable, "-m", "cellkin", "annotate", str(self.atlas)]
        self.run = subprocess.Popen(
            [*command, "--port", str(self.port), *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.run.stdout is not None
        line = self.run.stdout.readline()
        self.address = line.rpartition(" ")[2].strip()
        self.port = int(self.address.rstrip("/").rpartition(":")[2])

    def kill(self) -> None:
        """End it without any warning."""
        if self.run is not None:
            self.run.send_signal(signal.SIGKILL)
            self.run.wait()
            assert self.run.stdout is not None
            self.run.stdout.close()
            self.run = None


@pytest.fixture
def annotator(to_label: Path) -> Iterator[Annotator]:
    """A running annotator on an atlas with labelled and unlabelled painted cells."""
    running = Annotator(to_label)
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def start_annotator() -> Iterator[Callable[..., Annotator]]:
    """``start_annotator(atlas, folder, *arguments)`` runs an annotator on a copy of ``atlas``.

    ``first(copy)`` is called before it starts. It runs to the end of the module, so that tests that
    only look may share it; those that change something give a folder of their own.
    """
    running: list[Annotator] = []

    def start(
        atlas: Path, folder: Path, *arguments: str, first: Callable[[Path], None] | None = None
    ) -> Annotator:
        shutil.copytree(atlas, folder / "atlas")
        if first is not None:
            first(folder / "atlas")
        running.append(Annotator(folder / "atlas", arguments or ("--author", "ann")))
        running[-1].start()
        return running[-1]

    yield start
    for each in running:
        each.kill()


@pytest.fixture(scope="session")
def shown(_to_label: Path) -> Iterator[Annotator]:
    """A running annotator for tests that only look."""
    running = Annotator(_to_label / "atlas")
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def _to_label(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of painted cells: data set known is labelled, data set new is not.

    The vectors are clusters by class, so that no network is needed.
    """
    import numpy as np
    from PIL import Image

    from index import Atlas, CellRecord
    from retrieval.painter import paint_cell
    from retrieval.reading.decode import pixel_hash

    folder = tmp_path_factory.mktemp("to_label")
    classes = ("neutrophil", "lymphocyte", "eosinophil", "platelet", "monocyte")
    generator = np.random.default_rng(3)
    centres = np.linalg.qr(generator.normal(size=(16, 16)))[0][: len(classes)]
    model = folder / "model.safetensors"
    model.write_bytes(b"no weights are read here")
    kinds: list[int] = []
    with Atlas.open(folder / "atlas", create=True) as atlas:
        atlas.add_model("painted", model, {})
        for dataset, count in (("known", 30), ("new", 15)):
            atlas.add_dataset(dataset, str(folder / dataset))
            (folder / dataset).mkdir()
            records = []
            for i in range(count):
                kind = i % len(classes)
                rgb = paint_cell(classes[kind], seed=i + 1000 * len(dataset), size=96)
                Image.fromarray(rgb).save(folder / dataset / f"{i:03}.png")
                told = classes[kind] if dataset == "known" else None
                records.append(
                    CellRecord(f"{i:03}.png", pixel_hash(rgb), 96, 96, slide=f"slide {i % 4}",
                               class_code=told)
                )  # fmt: skip
                kinds.append(kind)
            atlas.add_cells(dataset, records)
        vectors = centres[kinds] + generator.normal(scale=0.15, size=(len(kinds), 16))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        atlas.add_embeddings("painted", atlas.cell_ids(), vectors.astype(np.float32))
    return folder


@pytest.fixture
def to_label(_to_label: Path, tmp_path: Path) -> Path:
    """Path of the painted atlas to label, a fresh copy."""
    shutil.copytree(_to_label / "atlas", tmp_path / "atlas")
    return tmp_path / "atlas"


@dataclass
class Seen:
    """A page and what went wrong on it."""

    page: Page
    complaints: list[str]

    def forgive(self, *words: str) -> None:
        """Forget what the browser itself reports of requests that were meant to fail."""
        self.complaints[:] = [
            each for each in self.complaints if not any(word in each for word in words)
        ]

    def text(self, selector: str) -> str:
        """The text of the first element that ``selector`` finds."""
        return self.page.locator(selector).first.inner_text()

    def settle(self) -> None:
        """Wait until the page's modules have run and what they fill is shown."""
        self.page.wait_for_load_state()
        self.page.locator("body:is(.drawing, .drawing-all)").wait_for(state="detached")

    def title(self) -> str:
        """Which cell the page shows."""
        return self.text("#cell-title")

    def wait_for(self, selector: str, text: str) -> None:
        """Wait until an element holds ``text`` and the page it is on is styled and complete."""
        self.page.locator(selector).filter(has_text=text).first.wait_for(
            state="attached", timeout=PATIENCE
        )
        self.settle()

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, once the page can hear them."""
        self.settle()
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def look(chromium: Browser) -> Iterator[Callable[..., Seen]]:
    """``look(address, width=1280, scheme="light")`` opens a page; complaints fail the test.

    Ask for it after the annotator, so that pages are closed before their server goes.
    """
    opened: list[tuple[Any, Seen]] = []

    def open_page(
        address: str, width: int = 1280, height: int = 800, scheme: str = "light", **more: Any
    ) -> Seen:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **more
        )
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        seen = Seen(page, [])
        page.on(
            "console",
            lambda message: (
                seen.complaints.append(message.text)
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address.split("/", 3)[0], "data:", "blob:"))
                and "127.0.0.1" in request.url
                else seen.complaints.append(f"asked {request.url}")
            ),
        )
        page.goto(address)
        opened.append((context, seen))
        return seen

    yield open_page
    for context, _ in opened:
        context.close()
    assert not [words for _, seen in opened for words in seen.complaints]

"""Sixteen readers at once on one annotator: errors, lost labels, waiting.

python -m benchmarks.annotator_readers [--readers 16] [--seconds 600]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.annotator_atlas import CLASSES, build
from benchmarks.annotator_server import Client, Server, ServerGoneError, hire, percentile
from benchmarks.report import table, write_section
from index import Atlas

THINKING = (0.5, 1.5)  # seconds between an answer and the next label: a quick reader


@dataclass
class Told:
    """What the clients saw: milliseconds by kind of request, failures, labels acknowledged."""

    times: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    labels: dict[int, tuple[int, str]] = field(default_factory=dict)
    checks: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, what: str, begun: float) -> None:
        """Note how long a request took."""
        with self.lock:
            self.times.setdefault(what, []).append(1000 * (time.perf_counter() - begun))


class Reading:
    """One reader who looks at cells and labels them until told to stop."""

    def __init__(
        self,
        port: int,
        token: str,
        seed: int,
        told: Told,
        stop: threading.Event,
        thinking: tuple[float, float] = THINKING,
    ) -> None:
        self._client = Client(port, token)
        self._chance = random.Random(seed)
        self._told = told
        self._stop = stop
        self._thinking = thinking

    def run(self) -> None:
        """Work until the stop is called or the server is gone."""
        try:
            begun = time.perf_counter()
            status, body = self._client.ask("GET", "/api/v1/next")
            self._told.took("first cell", begun)
            following = json.loads(body) if status == 200 else self._failed("next", status, body)
            while not self._stop.is_set() and following and following["cell"]:
                following = self._one(following)
                self._stop.wait(self._chance.uniform(*self._thinking))
        except ServerGoneError as error:
            if not self._stop.is_set():
                self._told.errors.append(f"gone: {error}")
        finally:
            self._client.close()

    def _one(self, shown: Any) -> Any:
        """Look at a cell and those ahead, then label it; what comes next."""
        cell = shown["cell"]
        for each in shown["ahead"][-1:]:
            begun = time.perf_counter()
            status, body = self._client.ask("GET", each["picture"])
            self._told.took("picture", begun)
            if status != 200:
                self._failed("picture", status, body)
        sent = {"class": self._chance.choice(CLASSES)}
        if cell["proposal"]:
            sent["proposal"] = cell["proposal"]["token"]
        begun = time.perf_counter()
        status, body = self._client.ask("POST", f"/api/v1/cells/{cell['id']}/label", sent)
        self._told.took("label, and the next cell", begun)
        if status not in (200, 201):
            return self._failed("label", status, body)
        answer = json.loads(body)
        done = answer["done"]
        with self._told.lock:
            if done["label"] is None:
                self._told.checks += 1
            else:
                self._told.labels[done["label"]] = (done["cell"], sent["class"])
        return answer["next"]

    def _failed(self, what: str, status: int, body: bytes) -> dict[str, Any] | None:
        """Note a failure; there is no next cell after it."""
        with self._told.lock:
            self._told.errors.append(f"{what}: {status} {body[:200]!r}")
        return None


def work(port: int, tokens: list[str], seconds: float) -> Told:
    """Let the readers of ``tokens`` label for ``seconds``."""
    told, stop = Told(), threading.Event()
    threads = [
        threading.Thread(target=Reading(port, token, seed, told, stop).run)
        for seed, token in enumerate(tokens)
    ]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return told


def lost(folder: Path, labels: dict[int, tuple[int, str]]) -> list[int]:
    """The ids of acknowledged labels that the atlas does not hold as they were given."""
    with Atlas.open(folder / "atlas") as atlas:
        kept = {label.id: (label.cell_id, label.class_code) for label in atlas.log()}
    return [number for number, said in labels.items() if kept.get(number) != said]


def main() -> None:
    """Build, measure, write the section."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--readers", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--cells", type=int, default=30_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cellkin-") as scratch:
        folder = Path(scratch)
        build(folder, given.cells, dimension=128)
        tokens = hire(folder, given.readers)
        server = Server(folder, accounts=True)
        server.start()
        try:
            told = work(server.port, tokens, given.seconds)
        finally:
            server.kill()
        gone = lost(folder, told.labels)
    rows = [
        (what, len(each), f"{percentile(each, 0.5):.0f}", f"{percentile(each, 0.95):.0f}",
         f"{max(each):.0f}")
        for what, each in sorted(told.times.items())
    ]  # fmt: skip
    everything = [value for each in told.times.values() for value in each]
    body = (
        f"{given.readers} readers with accounts, each thinking {THINKING[0]:g} to {THINKING[1]:g} "
        f"seconds between an answer and the next label, for {given.seconds:g} s; {given.cells:,} "
        f"cells of 128 numbers, a tenth of them labelled.\n\n"
        + table(("request", "times", "p50, ms", "p95, ms", "longest, ms"), rows)
        + f"\n\nAll requests: p95 **{percentile(everything, 0.95):.0f} ms** (target < 300). "
        f"Errors: **{len(told.errors)}** (target 0). Labels acknowledged: {len(told.labels):,}, "
        f"lost: **{len(gone)}** (target 0); {told.checks} answers were to planted checks."
    )
    for error in told.errors[:5]:
        print("error:", error)
    write_section(
        "annotator-readers",
        "Annotator: sixteen readers at once",
        f"python -m benchmarks.annotator_readers --readers {given.readers} "
        f"--seconds {given.seconds:g}",
        body,
        seed=0,
        data_hash="synthetic",
    )


if __name__ == "__main__":
    main()

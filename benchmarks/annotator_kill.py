"""The server killed at random moments while readers label: what was acknowledged is kept.

python -m benchmarks.annotator_kill [--kills 100]
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.annotator_atlas import build
from benchmarks.annotator_readers import Reading, Told, lost
from benchmarks.annotator_server import PATIENCE, Server, hire, percentile
from benchmarks.report import write_section

LONGEST = 1.5  # seconds after the first label at which a server is killed, at most; drawn evenly


def one(server: Server, tokens: list[str], seconds: float, told: Told) -> None:
    """Let readers work on a running server; kill it ``seconds`` after the first label of theirs."""
    stop = threading.Event()
    before = len(told.labels)
    hurry = (0.0, 0.0)
    threads = [
        threading.Thread(target=Reading(server.port, token, seed, told, stop, hurry).run)
        for seed, token in enumerate(tokens)
    ]
    for thread in threads:
        thread.start()
    begun = time.perf_counter()
    while len(told.labels) == before and time.perf_counter() - begun < PATIENCE:
        time.sleep(0.005)
    time.sleep(seconds)
    stop.set()
    server.kill()
    for thread in threads:
        thread.join()


def half_written(folder: Path) -> list[str]:
    """What SQLite and the atlas's own rules find wrong with the database; empty if nothing."""
    with sqlite3.connect(folder / "atlas" / "atlas.sqlite") as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        bare = connection.execute(
            "SELECT cell_id FROM labels WHERE how <> 'undo' AND cell_id NOT IN"
            " (SELECT cell_id FROM present_labels)"
        ).fetchall()
    wrong = [each for each in found if each != "ok"] + [str(each) for each in broken]
    return wrong + [f"cell {row[0]} has a label and no present one" for row in bare]


def main() -> None:
    """Build, kill, count, write the section."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--cells", type=int, default=20_000)
    given = parser.parse_args()
    chance = random.Random(0)
    told = Told()
    starts: list[float] = []
    with tempfile.TemporaryDirectory(prefix="cellkin-") as scratch:
        folder = Path(scratch)
        build(folder, given.cells, dimension=64)
        tokens = hire(folder, given.readers)
        server = Server(folder, accounts=True)
        wrong: list[str] = []
        for _ in range(given.kills):
            starts.append(server.start())
            one(server, tokens, chance.uniform(0, LONGEST), told)
            wrong += half_written(folder)
        starts.append(server.start())  # and after the last it opens by itself as well
        server.kill()
        gone = lost(folder, told.labels)
    for error in told.errors[:5]:
        print("error:", error)
    write_section(
        "annotator-kill",
        "Annotator: killed while readers label",
        f"python -m benchmarks.annotator_kill --kills {given.kills}",
        f"{given.readers} readers labelling as fast as the server answers; killed by SIGKILL "
        f"{given.kills} times, up to {LONGEST:g} s after the first label, and started again."
        "\n\n"
        f"Labels acknowledged: {len(told.labels):,}; lost: **{len(gone)}** (target 0). Half "
        f"written: **{len(wrong)}** (target 0). Reopened by itself: {len(starts) - 1} of "
        f"{given.kills} times, p95 {percentile(starts, 0.95):.1f} s. Answers that were errors "
        f"before a kill: {len(told.errors)}.",
        seed=0,
        data_hash="synthetic",
    )


if __name__ == "__main__":
    main()

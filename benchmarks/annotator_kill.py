"""The server killed at random moments while readers label: what was acknowledged is kept.

python -m benchmarks.annotator_kill [--kills 100]
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.annotator_atlas import build
from benchmarks.annotator_readers import Reading, Told, lost
from benchmarks.annotator_server import PATIENCE, Client, Server, ServerGoneError, hire, percentile
from benchmarks.report import write_section

LONGEST = 1.5  # seconds after the first label at which a server is killed, at most; drawn evenly
WRITING = 0.4  # seconds after a sheet is sent at which it is killed in its place, at most
EARLY = 5  # of so many kills one more falls on a server that has not answered yet


@dataclass
class SheetReader:
    """A reader who accepts sheets as they come; ``accepted`` are the labels of each, by its id."""

    token: str
    accepted: dict[int, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    sent: threading.Event = field(default_factory=threading.Event)

    def work(self, port: int, stop: threading.Event) -> None:
        """Answer single cells and accept sheets until the stop is called or the server is gone."""
        client = Client(port, self.token)
        try:
            while not stop.is_set():
                status, body = client.ask("GET", "/api/v1/sheets/round")
                if status != 200:
                    self.errors.append(f"round: {status} {body[:200]!r}")
                    return
                self._round(client, json.loads(body))
        except ServerGoneError as error:
            if not stop.is_set():
                self.errors.append(f"gone: {error}")
        finally:
            client.close()

    def _round(self, client: Client, due: Any) -> None:
        first = due["sheets"][0]["class"]["code"] if due["sheets"] else "monocyte"
        for cell in due["singles"]:
            client.ask("POST", f"/api/v1/sheets/singles/{cell['id']}", {"class": first})
        for sheet in due["sheets"]:
            out = {str(each["id"]): "platelet" for each in sheet["cells"][:2]}
            self.sent.set()
            status, body = client.ask("POST", f"/api/v1/sheets/{sheet['id']}/accept", {"out": out})
            if status == 201:
                self.accepted[sheet["id"]] = json.loads(body)["labels"]


def one(
    server: Server, tokens: list[str], seconds: float, told: Told, sheets: SheetReader | None = None
) -> None:
    """Let readers work on a running server; kill it ``seconds`` after the first label of theirs.

    With ``sheets`` it is killed ``seconds`` after that reader has sent a sheet.
    """
    stop = threading.Event()
    before = len(told.labels)
    hurry = (0.0, 0.0)
    threads = [
        threading.Thread(target=Reading(server.port, token, seed, told, stop, hurry).run)
        for seed, token in enumerate(tokens)
    ]
    if sheets is not None:
        sheets.sent.clear()
        threads.append(threading.Thread(target=sheets.work, args=(server.port, stop)))
    for thread in threads:
        thread.start()
    begun = time.perf_counter()
    while len(told.labels) == before and time.perf_counter() - begun < PATIENCE:
        time.sleep(0.005)
    if sheets is not None:
        sheets.sent.wait(PATIENCE)
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
        halves = connection.execute(
            "SELECT s.id FROM sheet_batches s JOIN sheet_cells c ON c.sheet_id = s.id"
            " WHERE (s.state = 'accepted' AND c.verdict IS NULL)"
            " OR (s.state = 'open' AND c.verdict IN ('kept', 'corrected'))"
        ).fetchall()
    wrong = [each for each in found if each != "ok"] + [str(each) for each in broken]
    wrong += [f"cell {row[0]} has a label and no present one" for row in bare]
    return wrong + [f"sheet {row[0]} is accepted in part" for row in halves]


def lost_sheets(folder: Path, accepted: dict[int, int]) -> list[int]:
    """The sheets that were acknowledged with more labels, or fewer, than the atlas holds."""
    with sqlite3.connect(folder / "atlas" / "atlas.sqlite") as connection:
        kept = dict(
            connection.execute(
                "SELECT c.sheet_id, count(l.id) FROM sheet_cells c JOIN labels l ON"
                " l.id = c.label_id WHERE c.verdict IN ('kept', 'corrected') GROUP BY c.sheet_id"
            ).fetchall()
        )
    return [sheet for sheet, labels in accepted.items() if kept.get(sheet, 0) != labels]


@dataclass
class Outcome:
    """What the kills left: seconds of each start, what is half written, what was lost."""

    starts: list[float] = field(default_factory=list)
    early: int = 0
    wrong: list[str] = field(default_factory=list)


def kill_often(
    server: Server, tokens: list[str], sheets: SheetReader, told: Told, kills: int
) -> Outcome:
    """Start, let work and kill ``kills`` times, every second one as a sheet is written."""
    chance, found = random.Random(0), Outcome()
    for turn in range(kills):
        if turn % EARLY == EARLY - 1:
            server.begin()
            time.sleep(chance.uniform(0, percentile(found.starts, 0.5)))
            server.kill()
            found.early += 1
            found.wrong += half_written(server.folder)
        found.starts.append(server.start())
        if turn % 2:
            one(server, tokens, chance.uniform(0, WRITING), told, sheets)
        else:
            one(server, tokens, chance.uniform(0, LONGEST), told)
        found.wrong += half_written(server.folder)
    found.starts.append(server.start())  # and after the last it opens by itself as well
    server.kill()
    return found


def main() -> None:
    """Build, kill, count, write the section."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--cells", type=int, default=20_000)
    given = parser.parse_args()
    told = Told()
    with tempfile.TemporaryDirectory(prefix="cellkin-") as scratch:
        folder = Path(scratch)
        build(folder, given.cells, dimension=64)
        *tokens, last = hire(folder, given.readers + 1)
        sheets = SheetReader(last)
        server = Server(folder, accounts=True)
        found = kill_often(server, tokens, sheets, told, given.kills)
        gone, torn = lost(folder, told.labels), lost_sheets(folder, sheets.accepted)
    errors = told.errors + sheets.errors
    for error in errors[:5]:
        print("error:", error)
    if len(told.labels) < given.kills or not sheets.accepted:
        raise SystemExit("benchmarks: too little was labelled to say anything; nothing is written")
    write_section(
        "annotator-kill",
        "Annotator: killed while readers label",
        f"python -m benchmarks.annotator_kill --kills {given.kills}",
        f"{given.readers} readers labelling as fast as the server answers; killed by SIGKILL "
        f"{given.kills} times: half of them up to {LONGEST:g} s after the first label, half up to "
        f"{1000 * WRITING:g} ms after one more reader had sent a sheet to be accepted. Besides, "
        f"{found.early} times before the server answered at all."
        "\n\n"
        f"Labels acknowledged one by one: {len(told.labels):,}; lost: **{len(gone)}** (target 0). "
        f"By sheets: {sum(sheets.accepted.values()):,} on {len(sheets.accepted)}; sheets not as "
        f"acknowledged: **{len(torn)}** (target 0). Half written: **{len(found.wrong)}** (target "
        f"0). Reopened by itself: {len(found.starts) - 1} of {given.kills} times, p95 "
        f"{percentile(found.starts, 0.95):.1f} s. Answers that were errors before a kill: "
        f"{len(errors)}.",
        seed=0,
        data_hash="synthetic",
    )


if __name__ == "__main__":
    main()

"""Several at work on one atlas: leases, no silent winner, nothing acknowledged is lost."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from index import Atlas, CellFilter
from index.accounts import make_token
from index.checks import plant
from index.facts import all_facts, facts_of
from index.work import held_by_others, lease, release


def new_cells(app) -> list[int]:
    whole = app.extensions["desk"].whole
    return [int(cell) for cell in whole.cell_ids(CellFilter(datasets=("new",)))]


def test_a_stale_page_keeps_both_labels_and_is_told(team, member) -> None:
    anna, otto = member(team, "anna"), member(team, "otto")
    cell = new_cells(team)[0]
    version = {one: one.get(f"/cells/{cell}")["version"] for one in (anna, otto)}
    otto.label(cell, "platelet", version=version[otto])
    answer = anna.label(cell, "eosinophil", 409, version=version[anna])
    assert set(answer) == {"error", "kept", "labels", "cell", "next"}
    assert answer["error"]["type"] == "label_conflict"
    assert "labelled by otto since" in answer["error"]["message"]
    assert answer["kept"] is True
    assert {(each["author"], each["class"]["code"]) for each in answer["labels"]} == {
        ("otto", "platelet"), ("anna", "eosinophil"),
    }  # fmt: skip
    assert answer["cell"]["disputed"] is True
    whole = team.extensions["desk"].whole
    assert [label.author for label in whole.history(cell)] == ["otto", "anna"]
    assert whole.disputed() == [cell]


def test_one_person_in_two_windows_is_told_as_well(app, browse_as) -> None:
    browser = browse_as(app.test_client())
    cell = browser.next()
    browser.label(cell["id"], "platelet", version=cell["version"])
    answer = browser.post(
        f"/api/v1/cells/{cell['id']}/label",
        {"class": "eosinophil", "version": cell["version"]},
        409,
    )
    assert len(answer.json["labels"]) == 2
    again = browser.get(f"/api/v1/cells/{cell['id']}").json
    browser.label(cell["id"], "neutrophil", version=again["version"])
    # without a version there is nothing to compare: the log keeps every label all the same
    browser.label(cell["id"], "platelet")
    assert len(app.extensions["desk"].whole.history(cell["id"])) == 4


def test_at_the_same_moment_exactly_one_is_told(team, member) -> None:
    names = [f"reader {n}" for n in range(4)]
    people = [member(team, name) for name in names]
    cell = new_cells(team)[0]
    ready = threading.Barrier(len(people))
    status: list[int] = []

    def give(person) -> None:
        token = person.token()
        ready.wait()
        answer = person.client.post(
            f"/api/v1/cells/{cell}/label", json={"class": "platelet", "version": 0},
            headers={"X-CSRF-Token": token},
        )  # fmt: skip
        status.append(answer.status_code)

    threads = [threading.Thread(target=give, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status) == [201, 409, 409, 409]
    assert len(team.extensions["desk"].whole.history(cell)) == 4


def test_nobody_is_given_the_cell_that_another_holds(team, member) -> None:
    anna, otto = member(team, "anna"), member(team, "otto")
    first, second = anna.get("/next"), otto.get("/next")
    held = {cell["id"] for cell in (first["cell"], *first["ahead"])}
    theirs = {cell["id"] for cell in (second["cell"], *second["ahead"])}
    assert len(held) == len(theirs) == 4
    assert not held & theirs
    assert anna.get("/next")["cell"]["id"] == first["cell"]["id"]  # one's own lease is renewed
    anna.form("/account/sign-out")
    assert not held_by_others(team.extensions["desk"].whole, "otto")


def test_a_lease_ends_by_itself(team, monkeypatch) -> None:
    whole = team.extensions["desk"].whole
    cells = new_cells(team)[:3]
    assert lease(whole, "anna", cells, 300) == cells
    assert lease(whole, "otto", cells, 300) == []
    later = time.time() + 301
    monkeypatch.setattr("index.work.time.time", lambda: later)
    assert held_by_others(whole, "otto") == set()
    assert lease(whole, "otto", cells[:2], 300) == cells[:2]
    assert lease(whole, "anna", cells, 300) == cells[2:]
    release(whole, "otto", cells[:1])
    assert lease(whole, "anna", cells, 300) == [cells[0], cells[2]]


def test_a_team_reads_every_cell_of_the_pool_once(team, member) -> None:
    people = [member(team, f"reader {n}") for n in range(3)]
    read: dict[int, str] = {}
    for _ in range(30):
        for person in people:
            cell = person.get("/next")["cell"]
            if cell is None:
                continue
            assert cell["id"] not in read
            person.label(cell["id"], "platelet", version=cell["version"])
            read[cell["id"]] = person.name
    assert sorted(read) == new_cells(team)
    assert len(set(read.values())) == 3


def test_who_has_no_cell_left_is_told_what_others_hold_and_asks_again(
    make_app, drawn, member, monkeypatch
) -> None:
    team = make_app(drawn, accounts=True, planted=0.0, dataset="new")
    anna, otto = member(team, "anna"), member(team, "otto")
    held = otto.get("/next")
    theirs = {cell["id"] for cell in (held["cell"], *held["ahead"])}
    assert held["elsewhere"] is None
    answer = anna.get("/next")
    while answer["cell"] is not None:
        assert answer["cell"]["id"] not in theirs
        answer = anna.label(answer["cell"]["id"], "platelet")["next"]
    assert answer["elsewhere"]["cells"] == len(theirs) == answer["progress"]["left"]
    assert 290 < answer["elsewhere"]["seconds"] <= 300
    page = anna.client.get("/").text
    assert '"elsewhere": {"cells": 4' in page
    otto.label(held["cell"]["id"], "platelet")
    assert anna.get("/next")["elsewhere"]["cells"] == len(theirs) - 1
    later = time.time() + 301  # otto has gone: what was held then is for anna now
    monkeypatch.setattr("index.work.time.time", lambda: later)
    back = anna.get("/next")
    assert back["cell"]["id"] in theirs - {held["cell"]["id"]}
    assert back["elsewhere"] is None


def test_an_answer_is_written_whole_or_not_at_all(team, member, monkeypatch) -> None:
    """Label, facts, check, count and lease are one transaction."""
    anna = member(team, "anna")
    whole = team.extensions["desk"].whole
    cell = new_cells(team)[0]
    plant(whole, "anna", cell, "runner_up", "platelet", None)
    before = "\n".join(_dump(whole))

    def fail(*_: object) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr("index.giving.checks.count_action", fail)
    anna.label(cell, "eosinophil", 500)
    monkeypatch.undo()
    assert "\n".join(_dump(whole)) == before
    anna.label(cell, "eosinophil")
    assert len(whole.history(cell)) == len(facts_of(whole, all_facts(whole))) == 1


def _dump(atlas: Atlas) -> list[str]:
    connection = atlas.database.connect()
    lines = [line for line in connection.iterdump() if line.startswith("INSERT")]
    connection.close()
    # What reading alone may write is left out: calibrations, and leases of the cells shown.
    passing = ('INTO "documents"', 'INTO "people_leases"')
    return sorted(line for line in lines if not any(word in line for word in passing))


@pytest.mark.slow
def test_kill_9_loses_nothing_that_was_acknowledged(drawn: Path) -> None:
    """Readers label through a server that is killed at random moments and started again."""
    with Atlas.open(drawn) as atlas:
        atlas.put_user("anna", role="reader")
        secret = make_token(atlas, "anna", "script")
        cells = [int(cell) for cell in atlas.cell_ids(CellFilter(datasets=("new",)))]
    drawn_moments = random.Random(5)
    acknowledged: list[tuple[int, str]] = []
    codes = ("neutrophil", "lymphocyte", "eosinophil", "platelet")
    for _ in range(4):
        command = [sys.executable, "-m", "cellkin", "annotate", str(drawn), "--port", "0"]
        with subprocess.Popen([*command, "--accounts"], stdout=subprocess.PIPE, text=True) as run:
            address = run.stdout.readline().rpartition(" ")[2].strip()
            timer = threading.Timer(
                drawn_moments.uniform(0.3, 1.5), os.kill, (run.pid, signal.SIGKILL)
            )
            timer.start()
            try:
                while True:
                    cell, code = drawn_moments.choice(cells), drawn_moments.choice(codes)
                    request = urllib.request.Request(
                        f"{address}api/v1/cells/{cell}/label",
                        data=json.dumps({"class": code, "seconds": 1}).encode(),
                        headers={"Content-Type": "application/json",
                                 "Authorization": f"Bearer {secret}"},
                    )  # fmt: skip
                    with urllib.request.urlopen(request, timeout=30) as answer:
                        done = json.load(answer)["done"]
                    acknowledged.append((done["label"], code))
            except (OSError, http.client.HTTPException):  # killed before or amid an answer
                timer.join()
    assert acknowledged
    with Atlas.open(drawn) as atlas:
        kept = {label.id: label.class_code for label in atlas.log() if label.author == "anna"}
        assert dict(acknowledged).items() <= kept.items()
        assert set(facts_of(atlas, kept)) == set(kept)  # none is half-written
        connection = atlas.database.connect()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        count = connection.execute("SELECT count FROM people_actions").fetchone()[0]
        connection.close()
        assert count == len(kept)

"""The adaptation in the annotator as pages, API and readers meet it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from index.adaptations import adaptations_of
from index.facts import facts_of


def test_nothing_waits_for_it_and_it_is_swapped_in_whole(
    make_app: Callable[..., Any],
    browse_as: Any,
    abroad: Any,
    gate: Any,
) -> None:
    app = make_app(abroad.path, dataset="new", planted=0.0)
    desk = app.extensions["desk"]
    browser = browse_as(app.test_client())
    first = browser.next()
    assert first["proposal"]["rests"]["adaptation"] is None
    assert gate.begun.wait(20)
    told = browser.get("/api/v1/adapting?dataset=new").json
    assert told["state"] == "working"
    assert "Adapting to new, 0 labels" in told["words"]
    for _ in range(12):
        cell = browser.next()
        browser.label(
            cell["id"], abroad.truth(desk.whole, cell["id"]), proposal=cell["proposal"]["token"]
        )
    gate.open.set()
    desk.adapting.wait()
    desk.adapting.progress(desk.whole, "new").rests = 0.0
    browser.next()
    desk.adapting.wait()
    cell = browser.next()
    rests = cell["proposal"]["rests"]
    assert rests["labels"] == 12
    assert rests["words"] == "Adapted to 12 labels of new"
    assert cell["proposal"]["class"]["code"] == abroad.truth(desk.whole, cell["id"])
    told = browser.get("/api/v1/adapting").json["datasets"]
    assert [(t["dataset"], t["state"], t["rests"]["labels"]) for t in told] == [("new", "idle", 12)]


def test_a_label_keeps_by_which_adaptation_it_was_proposed(
    make_app: Callable[..., Any], browse_as: Any, abroad: Any
) -> None:
    app = make_app(abroad.path, dataset="new", planted=0.0)
    desk = app.extensions["desk"]
    browser = browse_as(app.test_client())
    kept: dict[int, int | None] = {}
    for _ in range(24):
        desk.adapting.progress(desk.whole, "new").rests = 0.0
        cell = browser.next()
        desk.adapting.wait()
        cell = browser.get(f"/api/v1/cells/{cell['id']}").json
        token = cell["proposal"]["token"]
        done = browser.label(cell["id"], abroad.truth(desk.whole, cell["id"]), proposal=token)
        kept[done["done"]["label"]] = cell["proposal"]["rests"]["adaptation"]
    numbers = {number for number in kept.values() if number is not None}
    assert len(numbers) >= 2
    facts = facts_of(desk.whole, kept)
    assert {label: facts[label].adaptation_id for label in kept} == kept
    log = {entry.id: entry for entry in adaptations_of(desk.whole, "new")}
    assert numbers <= set(log)  # the old ones stay, append-only
    history = browser.get(f"/api/v1/cells/{cell['id']}/history").json["history"]
    assert history[0]["adaptation"] == list(kept.values())[-1]


def test_switched_off_neighbours_vote(
    make_app: Callable[..., Any], browse_as: Any, abroad: Any
) -> None:
    app = make_app(abroad.path, dataset="new", adapt=False)
    browser = browse_as(app.test_client())
    abroad.teach(app.extensions["desk"].whole, abroad.cells(app.extensions["desk"].whole)[:12])
    rests = browser.next()["proposal"]["rests"]
    assert rests["adaptation"] is None
    assert "vote of the nearest" in rests["words"]
    assert browser.get("/api/v1/adapting?dataset=new").json["state"] == "off"
    browser.post("/api/v1/adapting/now", {"dataset": "new"}, 400)


def test_why_not_is_measured_as_the_proposal_is(
    make_app: Callable[..., Any], browse_as: Any, abroad: Any
) -> None:
    app = make_app(abroad.path, dataset="new", planted=0.0)
    desk = app.extensions["desk"]
    abroad.teach(desk.whole, abroad.cells(desk.whole)[:12])
    browser = browse_as(app.test_client())
    browser.next()
    desk.adapting.wait()
    cell = browser.get(f"/api/v1/cells/{abroad.cells(desk.whole)[-1]}").json
    mine = cell["proposal"]["class"]["code"]
    other = browser.get(f"/api/v1/focus/{cell['id']}/why-not?class={mine}").json["neighbours"]
    shown = [e for e in cell["proposal"]["evidence"] if e["class"]["code"] == mine]
    assert other[0]["cell"] == shown[0]["cell"]
    assert other[0]["distance"] == pytest.approx(shown[0]["distance"], abs=1e-5)


def test_what_a_reader_may_not_see_teaches_nothing_that_they_are_shown(
    make_app: Callable[..., Any], member: Any, abroad: Any
) -> None:
    app = make_app(abroad.path, accounts=True, planted=0.0, dataset="new")
    desk = app.extensions["desk"]
    ada, bob = member(app, "ada"), member(app, "bob")
    for cell in abroad.cells(desk.whole)[:12]:
        ada.label(cell, abroad.truth(desk.whole, cell))
    last = abroad.cells(desk.whole)[-1]
    found = {}
    for who, least in ((ada, 10), (bob, 0)):
        # on a busy machine an adaptation begun with the first labels is followed by another
        for _ in range(40):
            who.get(f"/cells/{last}")
            desk.adapting.wait()
            found[who.name] = who.get(f"/cells/{last}")["proposal"]["rests"]
            if found[who.name] and found[who.name]["labels"] >= least:
                break
            time.sleep(0.25)
    assert found["ada"]["labels"] >= 10
    assert found["bob"]["labels"] == 0
    taught = {(entry.sight, entry.count > 0) for entry in adaptations_of(desk.whole, "new")}
    assert ("ada", True) in taught
    assert ("bob", True) not in taught
    # What one reader sees is not kept in the place of what the atlas knows.
    assert not any(name.startswith("adaptation/") for name in desk.whole.document_names())


def test_owners_may_ask_for_it(make_app: Callable[..., Any], member: Any, abroad: Any) -> None:
    app = make_app(abroad.path, accounts=True, planted=0.0, dataset="new")
    desk = app.extensions["desk"]
    owner, reader = member(app, "olga", "owner"), member(app, "rita")
    reader.send("POST", "/adapting/now", {"dataset": "new"}, 403)
    owner.send("POST", "/adapting/now", {"dataset": "odd"}, 404)
    owner.send("POST", "/adapting/now", {}, 400)
    told = owner.send("POST", "/adapting/now", {"dataset": "new"}, 202)
    assert told["dataset"] == "new"
    desk.adapting.wait()
    assert owner.get("/adapting?dataset=new")["rests"]["adaptation"] is not None
    page = owner.client.get("/overview").text
    assert "Adapt now" in page
    assert "read as a whole" in page
    assert "Adapt now" not in reader.client.get("/overview").text

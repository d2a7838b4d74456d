"""The adaptation in the annotator as pages, API and readers meet it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from annotator.adapting.trusting import chosen
from index.adaptations import adaptations_of
from index.auditing import changes
from index.facts import facts_of
from retrieval.laboratory.trusting import trust_dataset


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


def test_the_overview_says_how_far_to_trust_the_answers_and_waits_for_nothing(
    make_app: Callable[..., Any], browse_as: Any, abroad: Any, gate: Any
) -> None:
    app = make_app(abroad.path, dataset="new", planted=0.0)
    desk = app.extensions["desk"]
    browser = browse_as(app.test_client())
    begun = time.monotonic()
    page = browser.get("/overview").text
    assert time.monotonic() - begun < 10  # the gate is shut: who waited for it would be here later
    assert "How far to trust the answers on new" in page
    assert gate.begun.wait(20)  # opening the page has begun it
    told = browser.get("/api/v1/adapting?dataset=new").json["trust"]
    assert (told["known"], told["words"]) == (False, "Being measured …")
    gate.open.set()
    desk.adapting.wait()
    told = browser.get("/api/v1/adapting?dataset=new").json["trust"]
    assert told["known"]
    judged = trust_dataset(desk.whole, desk.whole.active_model, {}, "new").answered.judgement
    assert told["unlike"] == judged.alarm.unlike
    expected = judged.expected
    assert told["expected"]["accuracy"] == pytest.approx(expected.accuracy, abs=0.03)
    assert told["expected"]["low"] < told["expected"]["accuracy"] < told["expected"]["high"]
    share = round(100 * told["expected"]["accuracy"])
    assert f"Expected accuracy about {share} %" in told["words"]
    assert told["words"] in browser.get("/overview").text

    abroad.teach(desk.whole, abroad.cells(desk.whole)[:40])
    browser.post("/api/v1/adapting/now", {"dataset": "new"}, 202)
    desk.adapting.wait()
    told = browser.get("/api/v1/adapting?dataset=new").json["trust"]
    assert told["expected"] is None  # labels tell it better
    assert told["right"] > 0.9
    assert "of its 40 labelled cells are answered rightly without their own label" in told["words"]


def test_what_cannot_be_told_says_why(
    make_app: Callable[..., Any], browse_as: Any, abroad: Any, drawn: Any
) -> None:
    few = browse_as(make_app(drawn, dataset="new").test_client())
    few.get("/overview")
    few.client.application.extensions["desk"].adapting.wait()
    assert "at least 50 embedded cells" in few.get("/overview").text
    off = browse_as(make_app(abroad.path, dataset="new", adapt=False).test_client())
    assert "adaptation is switched off" in off.get("/overview").text
    # Without a data set chosen the only one that is not all labelled is meant.
    every = browse_as(make_app(abroad.path).test_client())
    assert "How far to trust the answers on new" in every.get("/overview").text
    assert chosen(None, ["a", "b"]) is None
    assert chosen("b", ["a"]) == "b"


def test_classes_declared_are_the_only_answers_and_take_effect_at_once(
    make_app: Callable[..., Any], browse_as: Any, abroad: Any
) -> None:
    app = make_app(abroad.path, dataset="new", planted=0.0)
    desk = app.extensions["desk"]
    browser = browse_as(app.test_client())
    browser.get("/overview")
    desk.adapting.wait()
    before = desk.adapting.held(desk.whole, "new")
    path, two = "/api/v1/adapting/classes", ["neutrophil", "Lymphocyte"]
    told = browser.post(path, {"dataset": "new", "classes": two}, method="PUT").json["trust"]
    assert told["declared"] == ["neutrophil", "lymphocyte"]
    assert (
        told["declared_words"] == "Only these classes are answered there: Neutrophil, Lymphocyte."
    )
    desk.adapting.wait()
    held = desk.adapting.held(desk.whole, "new")
    assert held is not before
    assert held.ancestry.classes == ("neutrophil", "lymphocyte")
    proposed = desk.proposals.propose(abroad.cells(desk.whole)).values()
    assert {each.class_code for each in proposed} == {"neutrophil", "lymphocyte"}
    html = browser.get("/overview").text
    assert re.search(r'value="lymphocyte"\s+checked', html)
    assert not re.search(r'value="monocyte"\s+checked', html)
    told = browser.post(path, {"dataset": "new", "classes": []}, method="PUT").json["trust"]
    assert (told["declared"], told["declared_words"]) == ([], "Any class may be answered there.")
    said = [each for each in changes(desk.whole) if each.action == "declare classes"]
    assert [(each.author, each.detail["to"]["classes"]) for each in said] == [
        ("ann", ["neutrophil", "lymphocyte"]), ("ann", [])
    ]  # fmt: skip
    assert said[1].detail["from"] == said[0].detail["to"]
    for sent, status in (
        ({"dataset": "new", "classes": ["no such class"]}, 422),
        ({"dataset": "new", "classes": ["basophil"]}, 400),  # none of it is labelled
        ({"dataset": "new", "classes": "neutrophil"}, 400),
        ({"dataset": "odd", "classes": []}, 404),
        ({"classes": []}, 400),
    ):
        browser.post(path, sent, status, method="PUT")


def test_classes_declared_while_it_adapts_are_in_force_when_it_is_done(
    make_app: Callable[..., Any], browse_as: Any, abroad: Any, gate: Any
) -> None:
    app = make_app(abroad.path, dataset="new", planted=0.0)
    desk = app.extensions["desk"]
    browser = browse_as(app.test_client())
    browser.get("/overview")
    assert gate.begun.wait(20)
    time.sleep(0.1)
    sent = {"dataset": "new", "classes": ["neutrophil", "lymphocyte"]}
    browser.post("/api/v1/adapting/classes", sent, method="PUT")
    gate.open.set()
    desk.adapting.wait()
    assert desk.adapting.held(desk.whole, "new").ancestry.classes == ("neutrophil", "lymphocyte")
    assert gate.count == 2


def test_only_owners_declare_classes(
    make_app: Callable[..., Any], member: Any, abroad: Any
) -> None:
    app = make_app(abroad.path, accounts=True, planted=0.0, dataset="new")
    owner, reader = member(app, "olga", "owner"), member(app, "rita")
    sent = {"dataset": "new", "classes": ["neutrophil"]}
    reader.send("PUT", "/adapting/classes", sent, 403)
    assert 'id="declare"' not in reader.client.get("/overview").text
    assert 'id="declare"' in owner.client.get("/overview").text
    assert owner.send("PUT", "/adapting/classes", sent)["trust"]["declared"] == ["neutrophil"]
    assert "Only these classes" in reader.client.get("/overview").text

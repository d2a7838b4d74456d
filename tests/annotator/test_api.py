"""The JSON API: what is labelled is on disk and in the neighbours at the next question."""

from __future__ import annotations

import threading
from pathlib import Path

from index import Atlas


def test_the_next_cell_comes_with_proposal_evidence_and_what_follows(browser) -> None:
    answer = browser.get("/api/v1/next").json
    cell = answer["cell"]
    proposal = cell["proposal"]
    assert cell["dataset"] == "new"
    assert proposal["class"]["name"] in ("Neutrophil", "Lymphocyte", "Eosinophil", "Platelet")
    assert 0 <= proposal["probability"] <= 1
    assert 0 <= proposal["novelty"] <= 1
    assert set(proposal["words"]) == {"decision", "novelty", "prediction_set", "votes"}
    near = proposal["evidence"][0]
    assert near["thumbnail"].startswith(f"/images/{near['cell']}/")
    assert {"author", "dataset", "slide", "distance", "class"} <= set(near)
    assert sum(vote["count"] for vote in proposal["votes"]) == len(proposal["evidence"])
    assert len(answer["ahead"]) == 3
    assert answer["progress"]["left"] == 12


def test_a_label_is_on_disk_for_others_when_the_answer_comes(browser, drawn: Path) -> None:
    cell = browser.next()
    token = cell["proposal"]["token"]
    answer = browser.label(cell["id"], "monocyte", proposal=token, proposal_visible=True)
    assert answer["done"]["kind"] == "label"
    assert answer["next"]["cell"]["id"] != cell["id"]
    with Atlas.open(drawn) as another:
        (label,) = another.history(cell["id"])
    assert (label.class_code, label.author, label.how) == ("monocyte", "ann", "single")
    assert label.proposed_class == cell["proposal"]["class"]["code"]
    assert abs(label.proposed_probability - cell["proposal"]["probability"]) < 1e-5
    assert label.model_id == cell["proposal"]["model"]
    assert label.proposal_visible is True


def test_a_hidden_proposal_is_recorded_as_hidden(browser) -> None:
    cell = browser.next()
    browser.label(cell["id"], "monocyte", proposal=cell["proposal"]["token"],
                  proposal_visible=False)  # fmt: skip
    (entry,) = browser.get(f"/api/v1/cells/{cell['id']}/history").json["history"]
    assert entry["proposal_visible"] is False


def test_a_label_without_proposal_claims_none(browser) -> None:
    browser.label(36, "monocyte")
    (entry,) = browser.get("/api/v1/cells/36/history").json["history"]
    assert entry["proposed"] is None
    assert entry["proposal_visible"] is None


def test_a_proposal_of_another_cell_is_refused(browser) -> None:
    token = browser.get("/api/v1/cells/25").json["proposal"]["token"]
    sent = {"class": "monocyte", "proposal": token}
    answer = browser.post("/api/v1/cells/26/label", sent, 409)
    assert answer.json["error"]["type"] == "stale_proposal"
    assert browser.get("/api/v1/cells/26").json["history"] == []


def test_the_label_is_among_the_neighbours_at_the_next_question(browser) -> None:
    browser.label(29, "neutrophil")  # same cluster as cell 25
    near = browser.get("/api/v1/cells/25/neighbours").json
    assert 29 in [row["cell"] for row in near["neighbours"]]
    assert near["no_proposal"] is None
    browser.post("/api/v1/undo")
    near = browser.get("/api/v1/cells/25/neighbours").json
    assert 29 not in [row["cell"] for row in near["neighbours"]]


def test_classes_are_taken_by_any_of_their_names(browser) -> None:
    assert browser.label(25, "SNE")["done"]["class"]["code"] == "segmented_neutrophil"


def test_disagreeing_with_an_imported_label_is_said(browser) -> None:
    answer = browser.label(1, "monocyte")
    assert answer["now"] == {"present": None, "disputed": True}
    assert browser.get("/api/v1/cells/1").json["disputed"]
    found = browser.get("/api/v1/cells?state=disputed").json
    assert [cell["id"] for cell in found["cells"]] == [1]


def test_undo_shows_the_cell_again(browser) -> None:
    cell = browser.next()["id"]
    browser.label(cell, "monocyte")
    answer = browser.post("/api/v1/undo").json
    assert answer["cell"]["id"] == cell
    assert answer["cell"]["present"] is None
    assert answer["next"]["cell"]["id"] == cell
    assert [entry["how"] for entry in answer["cell"]["history"]] == ["undo", "single"]
    assert answer["cell"]["history"][1]["retracted"]
    again = browser.post("/api/v1/redo").json["cell"]["history"]
    assert [each["retracted"] for each in again] == [False, True, False]
    browser.post("/api/v1/undo")


def test_skip_and_flag(browser) -> None:
    cell = browser.next()["id"]
    answer = browser.post(f"/api/v1/cells/{cell}/flag", {"flagged": True}).json
    assert answer["flagged"]
    assert browser.get(f"/api/v1/cells/{cell}").json["flagged"]
    answer = browser.post(f"/api/v1/cells/{cell}/skip").json
    assert answer["next"]["cell"]["id"] != cell
    assert answer["next"]["progress"]["skipped"] == 1


def test_the_queue_can_be_ordered_and_limited_and_keeps_that(
    browser, make_app, drawn, browse_as
) -> None:
    free = browse_as(make_app(drawn).test_client())
    assert free.post("/api/v1/queue", {"order": "imported"}, method="PUT").json["cell"]["id"] == 25
    state = free.get("/api/v1/queue").json
    assert state["order"] == "imported"
    assert "worth" in [order["name"] for order in state["orders"]]
    later = browse_as(make_app(drawn).test_client())
    assert later.get("/api/v1/queue").json["order"] == "imported"
    limited = later.post("/api/v1/queue", {"dataset": "lab"}, method="PUT").json
    assert limited["cell"] is None
    assert limited["progress"]["total"] == 24


def test_an_added_class_can_be_used_at_once(browser) -> None:
    sent = {"name": "Sézary cell", "parent": "lymphocyte", "key": "9", "aliases": "SEZ, sezary"}
    made = browser.post("/api/v1/classes", {**sent, "code": "sezary_cell"}, 201).json
    assert (made["level"], made["direct_key"], made["parent"]) == ("subclass", "9", "lymphocyte")
    assert browser.label(25, "SEZ")["done"]["class"]["code"] == "sezary_cell"
    codes = [node["code"] for node in browser.get("/api/v1/classes").json["classes"]]
    assert "sezary_cell" in codes


def test_the_overview_adds_up(browser) -> None:
    browser.label(25, "band_neutrophil")
    found = browser.get("/api/v1/overview").json
    assert (found["total"], found["labelled"]) == (36, 25)
    rows = {row["code"]: row for row in found["classes"]}
    assert rows["neutrophil"]["labelled"] == 7
    assert rows["neutrophil"]["exactly"] == 6
    assert rows["band_neutrophil"]["by_dataset"] == {"lab": 0, "new": 1}
    assert rows["leukocyte"]["labelled"] == 19
    assert sum(author["labelled"] for author in found["authors"]) == 25


def test_browsing_by_filter_and_page(make_app, drawn, browse_as) -> None:
    browser = browse_as(make_app(drawn, page_size=5).test_client())
    found = browser.get("/api/v1/cells").json
    assert (found["total"], found["exact"], found["next"]) == (24, True, 20)
    assert [cell["id"] for cell in found["cells"]] == [24, 23, 22, 21, 20]
    last = browser.get("/api/v1/cells?before=5").json
    assert [cell["id"] for cell in last["cells"]] == [4, 3, 2, 1]
    assert last["next"] is None
    assert len(browser.get("/api/v1/cells?before=20&size=9").json["cells"]) == 9
    assert browser.get("/api/v1/cells?class=leukocyte").json["total"] == 18
    assert browser.get("/api/v1/cells?state=unlabelled").json["total"] == 12
    assert browser.get("/api/v1/cells?state=all&text=cell_00").json["total"] == 2
    assert browser.get("/api/v1/cells?state=all&text=LAB-S1").json["total"] == 8
    assert browser.get("/api/v1/cells?author=nobody").json["total"] == 0
    assert browser.get("/api/v1/cells?state=flagged").json["total"] == 0


def test_many_readers_at_once_lose_nothing(app, browse_as) -> None:
    failures: list[BaseException] = []

    def label(cells: list[int]) -> None:
        try:
            browser = browse_as(app.test_client())
            for cell in cells:
                browser.label(cell, "monocyte")
                browser.get("/api/v1/next")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=label, args=(list(range(25 + i, 37, 4)),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert app.extensions["desk"].atlas.present_of(range(25, 37)) == dict.fromkeys(
        range(25, 37), "monocyte"
    )

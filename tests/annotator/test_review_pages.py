"""The review: what is found, what a reviewer sees, what is decided and what is kept."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from annotator.review.finding import duplicates
from annotator.review.matters import Material
from annotator.review.pictures import ALIKE, CENTRED, aligned, detail, likeness
from annotator.review.queues import REVIEW_QUEUES
from annotator.review.shelf import Found, Shelf
from index import CellRecord, NewLabel
from index.reviewing import decisions_of
from retrieval.reading.decode import pixel_hash


@pytest.fixture
def in_dispute(drawn, make_app, browse_as):
    """An annotator of eve's on cells of which two are in dispute; ``.atlas`` is open."""
    from index import Atlas

    with Atlas.open(drawn) as atlas:
        said = [(25, "neutrophil", "ada"), (25, "monocyte", "bob"), (26, "basophil", "ada")]
        said += [(26, "blast", "bob"), (26, "eosinophil", "cyd")]
        atlas.add_labels([NewLabel(cell, code, author, "single") for cell, code, author in said])
    app = make_app(drawn, author="eve")
    browser = browse_as(app.test_client())
    browser.atlas = app.extensions["desk"].atlas
    return browser


def test_disagreements_most_classes_first_and_no_reader_is_named(in_dispute) -> None:
    found = in_dispute.get("/api/v1/review/disagreements").json
    assert [matter["name"] for matter in found["matters"]] == ["26", "25"]
    assert found["matters"][0]["why"] == "3 readers gave it 3 classes"
    told = in_dispute.get("/api/v1/review/disagreements/25").json
    (side,) = told["sides"]
    assert {each["class"]["code"] for each in side["said"]} == {"neutrophil", "monocyte"}
    assert {each["reader"] for each in side["said"]} == {"Reader A", "Reader B"}
    for text in (
        in_dispute.get("/api/v1/review/disagreements/25").text,
        in_dispute.get("/review/disagreements/25").text,
        in_dispute.get("/review?queue=disagreements").text,
    ):
        assert not re.search(r"\b(ada|bob|cyd)\b", text)


def test_a_second_thought_takes_the_place_of_the_first(in_dispute) -> None:
    """What a reader says no more is none of the classes at issue; the decision keeps it all."""
    second = [NewLabel(25, "monocyte", "ada", "single"), NewLabel(25, "blast", "bob", "single")]
    in_dispute.atlas.add_labels(second)
    matters = in_dispute.get("/api/v1/review/disagreements").json["matters"]
    why = {matter["name"]: matter["why"] for matter in matters}
    assert why["25"] == "2 readers gave it 2 classes"
    told = in_dispute.get("/api/v1/review/disagreements/25").json
    said = {each["reader"]: each["class"]["code"] for each in told["sides"][0]["said"]}
    assert len(told["sides"][0]["said"]) == 2
    assert set(said.values()) == {each["code"] for each in told["options"]} == {"monocyte", "blast"}
    done = in_dispute.post("/api/v1/review/disagreements/25", {"class": "monocyte"}, 201).json
    assert len(done["former"]) == 4


def test_a_decision_names_the_readers_and_keeps_their_labels(in_dispute) -> None:
    before = in_dispute.atlas.history(25)
    version = in_dispute.get("/api/v1/review/disagreements/25").json["version"]
    sent = {"class": "monocyte", "version": version, "note": "kidney-shaped", "seconds": 4.5}
    told = in_dispute.post("/api/v1/review/disagreements/25", sent, 201).json
    assert {each["author"] for each in told["former"]} == {"ada", "bob"}
    assert told["party"] is False
    history = in_dispute.atlas.history(25)
    assert history[: len(before)] == before
    assert (history[-1].how, history[-1].author, history[-1].note) == (
        "adjudicated", "eve", "kidney-shaped",
    )  # fmt: skip
    assert in_dispute.atlas.present_of([25]) == {25: "monocyte"}
    left = in_dispute.get("/api/v1/review/disagreements").json["matters"]
    assert [matter["name"] for matter in left] == ["26"]
    from index.facts import facts_of

    facts = facts_of(in_dispute.atlas, [history[-1].id])[history[-1].id]
    assert (facts.shown, facts.seconds, facts.peers_visible) == ("blind", 4.5, True)
    assert facts.independent is False


def test_a_decision_is_taken_back(in_dispute) -> None:
    number = in_dispute.post(
        "/api/v1/review/disagreements/25", {"class": "monocyte"}, 201
    ).json["id"]  # fmt: skip
    assert in_dispute.post(f"/api/v1/review/decisions/{number}/reopen").json["matter"] == "25"
    assert in_dispute.atlas.disputed() == [25, 26]
    told = in_dispute.post(f"/api/v1/review/decisions/{number}/reopen", status=400).json
    assert "not one that stands" in told["error"]["message"]


def test_the_last_write_never_wins_silently(in_dispute) -> None:
    version = in_dispute.get("/api/v1/review/disagreements/25").json["version"]
    in_dispute.atlas.add_labels([NewLabel(25, "blast", "cyd", "single")])
    told = in_dispute.post(
        "/api/v1/review/disagreements/25", {"class": "monocyte", "version": version}, 409
    ).json
    assert told["error"]["type"] == "changed_matter"
    assert decisions_of(in_dispute.atlas) == []


def test_left_as_it_is_until_something_new_is_said(in_dispute) -> None:
    in_dispute.post("/api/v1/review/disagreements/25", {"verdict": "kept"}, 201)
    names = [m["name"] for m in in_dispute.get("/api/v1/review/disagreements").json["matters"]]
    assert names == ["26"]
    in_dispute.atlas.add_labels([NewLabel(25, "blast", "cyd", "single")])
    names = [m["name"] for m in in_dispute.get("/api/v1/review/disagreements").json["matters"]]
    assert sorted(names) == ["25", "26"]


def test_a_reader_is_no_third_reader_where_there_is_another(drawn, make_app, browse_as) -> None:
    app = make_app(drawn, author="ada")
    atlas = app.extensions["desk"].atlas
    said = [NewLabel(25, "neutrophil", "ada", "single"), NewLabel(25, "blast", "bob", "single")]
    atlas.add_labels(said)
    browser = browse_as(app.test_client())
    atlas.put_user("zoe", role="reviewer")
    told = browser.post("/api/v1/review/disagreements/25", {"class": "blast"}, 409).json
    assert told["error"]["type"] == "no_third_reader"
    assert "disabled" in browser.get("/review/disagreements/25").text


def test_alone_a_reader_may_decide_and_it_is_recorded(drawn, make_app, browse_as) -> None:
    app = make_app(drawn, author="ada")
    atlas = app.extensions["desk"].atlas
    said = [NewLabel(25, "neutrophil", "ada", "single"), NewLabel(25, "blast", "bob", "single")]
    atlas.add_labels(said)
    browser = browse_as(app.test_client())
    assert "no third reader" in browser.get("/review/disagreements/25").text
    assert browser.post("/api/v1/review/disagreements/25", {"class": "blast"}, 201).json["party"]


def test_suspect_labels_are_those_the_neighbours_speak_against(in_dispute) -> None:
    wrong = 5  # drawn as a neutrophil: 5 % 4 is 0, cell ids begin at 1
    in_dispute.atlas.add_labels([NewLabel(wrong, "platelet", "import", "adjudicated")])
    found = in_dispute.get("/api/v1/review/suspects").json
    assert found["searched"] == 1.0
    (matter,) = found["matters"]
    assert matter["name"] == str(wrong)
    assert matter["why"] == "labelled platelet, its neighbours say neutrophil"
    in_dispute.post(f"/api/v1/review/suspects/{wrong}", {"class": "neutrophil"}, 201)
    assert in_dispute.get("/api/v1/review/suspects").json["matters"] == []


@pytest.fixture
def twins(drawn, make_app, browse_as):
    """Two data sets that share a picture under two classes, and a cell that is near another."""
    from index import Atlas

    folder = drawn.parent / "twin"
    folder.mkdir()
    with Atlas.open(drawn) as atlas:
        first = np.asarray(Image.open(drawn.parent / "lab" / "cell_00.png").convert("RGB"))
        near = np.clip(first[::-1].astype(int) + 9, 0, 255).astype(np.uint8)
        records = []
        for name, rgb in (("same.png", first), ("near.png", near)):
            Image.fromarray(rgb).save(folder / name)
            records.append(CellRecord(name, pixel_hash(rgb), 40, 40, class_code="monocyte"))
        atlas.add_dataset("twin", str(folder))
        atlas.add_cells("twin", records)
        _ids, vectors = atlas.embeddings_of("0123456789abcdef", [1])
        new = atlas.cell_ids()[-2:]
        atlas.add_embeddings("0123456789abcdef", new, np.repeat(vectors, 2, axis=0))
    return browse_as(make_app(drawn, author="eve").test_client())


def test_one_picture_under_two_classes(twins) -> None:
    found = twins.get("/api/v1/review/contradictions").json["matters"]
    assert [matter["name"] for matter in found] == ["1-37"]
    assert found[0]["why"] == "the same picture is neutrophil here and monocyte there"
    twins.post("/api/v1/review/contradictions/1-37", {"class": "neutrophil"}, 201)
    assert twins.get("/api/v1/review/contradictions").json["matters"] == []
    atlas = twins.client.application.extensions["desk"].atlas
    assert atlas.present_of([1, 37]) == {1: "neutrophil", 37: "neutrophil"}
    number = decisions_of(atlas)[-1].id
    twins.post(f"/api/v1/review/decisions/{number}/reopen")
    assert atlas.present_of([1, 37]) == {1: "neutrophil", 37: "monocyte"}


def test_near_duplicates_by_embedding_and_pixels(twins) -> None:
    found = twins.get("/api/v1/review/duplicates").json["matters"]
    names = [matter["name"] for matter in found]
    assert names[0] == "1-37"
    assert {"1-38", "37-38"} <= set(names)
    twins.post("/api/v1/review/duplicates/1-38", {"verdict": "same"}, 201)
    names = [m["name"] for m in twins.get("/api/v1/review/duplicates").json["matters"]]
    assert "1-38" not in names


def test_a_cell_cropped_otherwise_is_found_as_the_network_sees_it(twins) -> None:
    """Cells 1 and 38 are alike by embedding; only the view, here told, shows them as one cell."""
    desk = twins.client.application.extensions["desk"]
    texture = np.random.default_rng(5).integers(0, 255, (9, 9, 3), dtype=np.uint8)
    cell = np.kron(texture, np.ones((5, 5, 1), np.uint8))

    def view(shown) -> np.ndarray:
        if shown.file == "near.png":
            return np.roll(cell, 1, axis=0)  # its middle was found a little apart
        return cell if shown.file == "cell_00.png" else np.rot90(cell)

    def pairs(**more) -> dict:
        material = Material(desk.atlas, desk.proposals, desk.pictures, **more)
        return {each.name: each for each in duplicates(material, lambda share: None)}

    near = desk.atlas.cell(38)
    path = desk.atlas.path.parent / "twin" / "near.png"
    shifted = np.roll(np.asarray(Image.open(path).convert("RGB")), 12, axis=1)
    Image.fromarray(shifted).save(path)
    assert near.file == "near.png"
    gone = pairs()
    assert "1-38" not in gone
    found = pairs(view=view)
    assert found["1-38"].why.startswith("the same cell, cropped otherwise")
    assert found["1-38"].worth >= CENTRED
    assert "37-38" not in found  # another cell by its view: turned, it is not the same crop


def test_views_of_one_cell_match_where_its_middle_was_found_apart() -> None:
    rng = np.random.default_rng(2)

    def cell() -> np.ndarray:
        rgb = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(rgb).resize((32, 32), Image.Resampling.BICUBIC))

    one, other = cell(), cell()
    for apart in (np.roll(one, 1, axis=0), np.roll(one, (-1, 1), axis=(0, 1)), one // 2):
        assert aligned(detail(one), detail(apart)) > CENTRED
    assert aligned(detail(one), detail(other)) < CENTRED - 0.2
    assert aligned(detail(one), detail(np.roll(one, 6, axis=1))) < CENTRED
    flat = np.full((32, 32, 3), 7, np.uint8)
    assert abs(aligned(detail(one), detail(flat))) < 1e-6


def test_likeness_sees_through_turns_and_light_and_not_more() -> None:
    rng = np.random.default_rng(0)

    def cell() -> np.ndarray:
        blobs = np.kron(rng.integers(40, 240, (8, 8, 3)), np.ones((4, 4, 1)))
        return blobs.astype(np.uint8)

    one, other = cell(), cell()
    for same in (one, np.rot90(one), one[:, ::-1], (one * 0.8).astype(np.uint8)):
        assert likeness(detail(one), detail(same)) > 0.99
    assert likeness(detail(one), detail(other)) < ALIKE - 0.2
    flat = np.full((32, 32, 3), 7, np.uint8)
    assert abs(likeness(detail(one), detail(flat))) < 1e-6


@pytest.mark.parametrize("queue", REVIEW_QUEUES)
def test_every_queue_has_its_page(in_dispute, queue: str) -> None:
    html = in_dispute.get(f"/review?queue={queue}").text
    assert REVIEW_QUEUES[queue].title in html
    assert in_dispute.get("/api/v1/review").json["queues"]


def test_a_page_whose_search_goes_on_says_how_far_it_is(in_dispute, monkeypatch) -> None:
    browser = in_dispute[0] if isinstance(in_dispute, tuple) else in_dispute
    assert 'id="searching"' not in browser.get("/review?queue=suspects").text
    monkeypatch.setattr(Shelf, "matters", lambda *_, **__: Found([], 0.42))
    page = browser.get("/review?queue=suspects").text
    assert 'id="searching" data-queue="suspects"' in page
    assert 'id="search-bar" max="1" value="0.42"' in page
    assert "still searching: 42 %" in page


def test_pages_decide_without_a_script(in_dispute) -> None:
    html = in_dispute.get("/review/disagreements/26").text
    assert 'data-key="1"' in html
    answer = in_dispute.client.post(
        "/review/disagreements/26", data={"class": "blast", "csrf_token": in_dispute.token}
    )
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/review/disagreements/25?decided=")
    after = in_dispute.get(answer.headers["Location"]).text
    assert "Decided: cell 26 is blast." in after
    assert "cyd" in after  # named, now that it is decided
    assert "Decided lately" in in_dispute.get("/review").text


def test_evidence_is_given_when_asked_for_and_recorded_as_seen(in_dispute) -> None:
    told = in_dispute.get("/api/v1/review/disagreements/25/evidence").json
    assert told["proposal"]["evidence"]
    sent = {"class": "monocyte", "proposal": told["proposal"]["token"], "evidence_seen": True}
    in_dispute.post("/api/v1/review/disagreements/25", sent, 201)
    label = in_dispute.atlas.history(25)[-1]
    assert label.proposal_visible is True
    assert label.proposed_class == told["proposal"]["class"]["code"]


@pytest.mark.parametrize(
    ("path", "sent", "status", "words"),
    [
        ("disagreements/x", {"class": "blast"}, 400, "allowed is the number of a cell"),
        ("disagreements/25-²", {"class": "blast"}, 400, "allowed is the number of a cell"),
        ("contradictions/25-25", {"class": "blast"}, 400, "allowed is the number of a cell"),
        ("nothing/25", {"class": "blast"}, 400, "allowed is one of disagreements"),
        ("disagreements/999", {"class": "blast"}, 404, "cell 999"),
        ("disagreements/25", {}, 400, "a class or a verdict"),
        ("disagreements/25", {"class": "unicorn"}, 422, "unicorn"),
        ("disagreements/25", {"verdict": "maybe"}, 400, "verdict is 'maybe'"),
        ("disagreements/25", {"class": "blast", "seconds": "soon"}, 400, "seconds is 'soon'"),
        ("disagreements/25", {"class": "blast", "version": "new"}, 400, "version is 'new'"),
    ],
)
def test_wrong_requests_are_named_and_change_nothing(
    in_dispute, path: str, sent: dict, status: int, words: str
) -> None:
    told = in_dispute.post(f"/api/v1/review/{path}", sent, status).json
    assert words in told["error"]["message"]
    assert decisions_of(in_dispute.atlas) == []

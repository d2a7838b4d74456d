"""Proposals adapted to a data set while it is labelled."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import retrieval.laboratory
from annotator.adapting import Adapting
from annotator.adapting.due import Standing
from annotator.proposals import Proposals
from index import Atlas, CellRecord, NewLabel
from index.adaptations import adaptations_of
from index.errors import CellKinError
from index.facts import facts_of
from index.records import CellFilter

MODEL = "0123456789abcdef"
CLASSES = ("neutrophil", "lymphocyte", "eosinophil", "monocyte")
CELLS = 120  # of the new laboratory
EACH = 12  # references of a class


def fill(path: Path) -> None:
    """References of one laboratory, and cells of another in which the classes have changed places.

    Cells of class c lie where those of class c + 1 lie in the first: neighbours are wrong there.
    """
    generator = np.random.default_rng(3)
    centres = np.linalg.qr(generator.normal(size=(24, 24)))[0][: len(CLASSES)]
    with Atlas.open(path / "atlas", create=True) as atlas:
        model = path / "model.safetensors"
        model.write_bytes(b"no weights are read here")
        atlas.add_model(MODEL, model, {})
        vectors = []
        for name, count in (("lab", EACH * len(CLASSES)), ("new", CELLS)):
            atlas.add_dataset(name, str(path))
            kinds = np.arange(count) % len(CLASSES)
            atlas.add_cells(
                name,
                [
                    CellRecord(
                        f"{name}{i}.png", f"{i + 1000 * (name == 'new'):064x}", 40, 40,
                        class_code=CLASSES[kind] if name == "lab" else None,
                    )
                    for i, kind in enumerate(kinds.tolist())
                ],
            )  # fmt: skip
            place = kinds if name == "lab" else (kinds + 1) % len(CLASSES)
            noise = generator.normal(scale=0.1, size=(count, 24))
            vectors.append(centres[place] + noise)
        both = np.concatenate(vectors)
        both /= np.linalg.norm(both, axis=1, keepdims=True)
        atlas.add_embeddings(MODEL, np.asarray(atlas.cell_ids()), both.astype(np.float32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path)
    return tmp_path / "atlas"


@pytest.fixture
def atlas(folder: Path) -> Iterator[Atlas]:
    with Atlas.open(folder) as opened:
        yield opened


@pytest.fixture
def adapting() -> Iterator[Adapting]:
    made = Adapting(after=10, k=5)
    yield made
    made.close()


@pytest.fixture
def proposals(atlas: Atlas, adapting: Adapting) -> Proposals:
    return Proposals(atlas, k=5, adapting=adapting)


def new_cells(atlas: Atlas) -> list[int]:
    return [int(cell) for cell in atlas.cell_ids(CellFilter(datasets=("new",)))]


def truth(atlas: Atlas, cell: int) -> str:
    return CLASSES[new_cells(atlas).index(cell) % len(CLASSES)]


def teach(atlas: Atlas, cells: list[int], author: str = "ann") -> list[int]:
    """Label ``cells`` rightly."""
    return atlas.add_labels([NewLabel(c, truth(atlas, c), author, "single") for c in cells])


def right(atlas: Atlas, proposals: Proposals, cells: list[int]) -> float:
    found = proposals.propose(cells)
    return float(np.mean([found[cell].class_code == truth(atlas, cell) for cell in cells]))


def settled(proposals: Proposals, adapting: Adapting, cells: list[int]) -> None:
    """Ask, and wait until what the question began is swapped in."""
    proposals.propose(cells)
    adapting.wait()


def test_without_labels_the_data_set_is_read_as_a_whole(
    atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = new_cells(atlas)
    first = proposals.propose(cells[:3])
    assert all(each.adaptation is None for each in first.values())
    adapting.wait()
    second = proposals.propose(cells[:3])
    (entry,) = adaptations_of(atlas, "new")
    assert {each.adaptation for each in second.values()} == {entry.id}
    assert (entry.labels, entry.cells, entry.model_id) == ({}, CELLS, MODEL)
    assert all(len(each.evidence) == 5 for each in second.values())


def test_labels_adapt_and_put_right_what_neighbours_have_wrong(
    atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = new_cells(atlas)
    assert right(atlas, Proposals(atlas, k=5), cells) < 0.1
    teach(atlas, cells[:12])
    rest = cells[12:]
    settled(proposals, adapting, rest[:1])
    assert right(atlas, proposals, rest) > 0.95
    entry = adaptations_of(atlas, "new")[-1]
    assert (entry.count, entry.sight) == (12, None)
    assert set(entry.labels) == set(CLASSES)
    assert entry.accuracy is not None
    assert entry.accuracy > 0.9
    evidence = proposals.propose(rest[:1])[rest[0]].evidence
    distances = [each.distance for each in evidence]
    assert distances == sorted(distances)
    plain = Proposals(atlas, k=5).propose(rest[:1])[rest[0]].evidence
    assert distances != [each.distance for each in plain]  # measured in the adapted space


def test_few_labels_or_one_class_teach_nothing(
    atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = new_cells(atlas)
    settled(proposals, adapting, cells[:1])
    teach(atlas, cells[:48:4])  # twelve, all of one class
    adapting.progress(atlas, "new").rests = 0.0
    settled(proposals, adapting, cells[50:51])
    assert [entry.count for entry in adaptations_of(atlas)] == [0]


def test_it_is_due_again_after_so_many_fresh_labels(
    atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = new_cells(atlas)
    teach(atlas, cells[:12])
    for upto in (12, 21, 22):
        if upto > 12:
            teach(atlas, cells[21 if upto == 22 else 12 : upto])
        adapting.progress(atlas, "new").rests = 0.0
        settled(proposals, adapting, cells[-1:])
        counts = [entry.count for entry in adaptations_of(atlas, "new")]
        assert counts == ([12, 22] if upto == 22 else [12])


def test_after_one_it_rests_a_while(atlas: Atlas, proposals: Proposals, adapting: Adapting) -> None:
    cells = new_cells(atlas)
    teach(atlas, cells[:12])
    settled(proposals, adapting, cells[-1:])
    adapting.progress(atlas, "new").rests = float("inf")
    teach(atlas, cells[12:40])
    settled(proposals, adapting, cells[-1:])
    assert len(adaptations_of(atlas, "new")) == 1
    adapting.progress(atlas, "new").rests = 0.0
    settled(proposals, adapting, cells[-1:])
    assert [entry.count for entry in adaptations_of(atlas, "new")] == [12, 40]


def test_a_fresh_label_is_a_neighbour_at_once_and_its_own_cell_is_none(
    atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = new_cells(atlas)
    teach(atlas, cells[:12])
    settled(proposals, adapting, cells[-1:])
    asked, other = cells[12], cells[16]  # of one class
    wide = Proposals(atlas, k=60, adapting=adapting)
    assert other not in [e.cell_id for e in wide.propose([asked])[asked].evidence]
    (label,) = atlas.add_labels([NewLabel(other, "basophil", "ann", "single")])
    held = adapting.held(atlas, "new", consider=False)
    assert held is not None
    evidence = proposals.alike(asked, "basophil", 3)
    assert [(e.cell_id, e.class_code, e.author) for e in evidence] == [(other, "basophil", "ann")]
    assert other not in [e.cell_id for e in proposals.propose([other])[other].evidence]
    atlas.undo(label, "ann")
    assert proposals.alike(asked, "basophil", 3) == ()


def test_fresh_labels_have_the_share_of_the_answer_that_they_have_of_the_vote(
    atlas: Atlas,
) -> None:
    adapting = Adapting(after=10, k=40)
    proposals = Proposals(atlas, k=40, adapting=adapting)
    cells = new_cells(atlas)
    teach(atlas, cells[:12])
    settled(proposals, adapting, cells[-1:])
    before = proposals.propose(cells[12:13])[cells[12]]
    fresh = cells[16:60:4]  # all of its class; all called something else
    atlas.add_labels([NewLabel(cell, "monocyte", "ann", "single") for cell in fresh[:9]])
    after = proposals.propose(cells[12:13])[cells[12]]
    assert before.class_code == "neutrophil"
    assert after.probabilities["monocyte"] > before.probabilities["monocyte"]
    assert sum(after.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    if after.class_code != before.class_code:
        assert after.decision == "abstain"
        assert after.class_code in after.prediction_set
    adapting.close()


def test_a_cell_whose_label_taught_is_not_answered_by_it(
    atlas: Atlas, proposals: Proposals, adapting: Adapting
) -> None:
    cells = new_cells(atlas)
    labels = teach(atlas, cells[:12])
    settled(proposals, adapting, cells[-1:])
    assert proposals.propose(cells[:1])[cells[0]].adaptation is None
    atlas.undo(labels[0], "ann")  # and its own label, though taken back, does not speak either
    found = proposals.propose([cells[0], cells[-1]])
    assert found[cells[0]].adaptation is None
    assert cells[0] not in [e.cell_id for e in found[cells[-1]].evidence]


class Gate:
    """Lets an adaptation begin, and go on when it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.open = threading.Event(), threading.Event()
        self.most = self.now = 0
        true = retrieval.laboratory.hold

        def hold(*given: Any, **more: Any) -> Any:
            self.now += 1
            self.most = max(self.most, self.now)
            self.begun.set()
            assert self.open.wait(20)
            try:
                return true(*given, **more)
            finally:
                self.now -= 1

        monkeypatch.setattr(retrieval.laboratory, "hold", hold)


def test_nothing_waits_for_it_and_it_is_swapped_in_whole(
    make_app: Callable[..., Any],
    browse_as: Any,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(monkeypatch)
    app = make_app(folder, dataset="new", planted=0.0)
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
        browser.label(cell["id"], truth(desk.whole, cell["id"]), proposal=cell["proposal"]["token"])
    gate.open.set()
    desk.adapting.wait()
    desk.adapting.progress(desk.whole, "new").rests = 0.0
    browser.next()
    desk.adapting.wait()
    cell = browser.next()
    rests = cell["proposal"]["rests"]
    assert rests["labels"] == 12
    assert rests["words"] == "Adapted to 12 labels of new"
    assert cell["proposal"]["class"]["code"] == truth(desk.whole, cell["id"])
    told = browser.get("/api/v1/adapting").json["datasets"]
    assert [(t["dataset"], t["state"], t["rests"]["labels"]) for t in told] == [("new", "idle", 12)]


def test_a_label_keeps_by_which_adaptation_it_was_proposed(
    make_app: Callable[..., Any], browse_as: Any, folder: Path
) -> None:
    app = make_app(folder, dataset="new", planted=0.0)
    desk = app.extensions["desk"]
    browser = browse_as(app.test_client())
    kept: dict[int, int | None] = {}
    for _ in range(24):
        desk.adapting.progress(desk.whole, "new").rests = 0.0
        cell = browser.next()
        desk.adapting.wait()
        cell = browser.get(f"/api/v1/cells/{cell['id']}").json
        token = cell["proposal"]["token"]
        done = browser.label(cell["id"], truth(desk.whole, cell["id"]), proposal=token)
        kept[done["done"]["label"]] = cell["proposal"]["rests"]["adaptation"]
    numbers = {number for number in kept.values() if number is not None}
    assert len(numbers) >= 2
    facts = facts_of(desk.whole, kept)
    assert {label: facts[label].adaptation_id for label in kept} == kept
    log = {entry.id: entry for entry in adaptations_of(desk.whole, "new")}
    assert numbers <= set(log)  # the old ones stay, append-only
    history = browser.get(f"/api/v1/cells/{cell['id']}/history").json["history"]
    assert history[0]["adaptation"] == list(kept.values())[-1]


def test_one_at_a_time(atlas: Atlas, adapting: Adapting, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    gate.open.set()
    other = Proposals(atlas, k=5, adapting=adapting)
    teach(atlas, new_cells(atlas)[:12])
    other.propose(new_cells(atlas)[-2:])
    adapting.now(atlas, "lab")
    adapting.now(atlas, "new")
    adapting.wait()
    assert gate.most == 1
    assert {entry.dataset for entry in adaptations_of(atlas)} == {"lab", "new"}


def test_what_goes_wrong_is_said_and_neighbours_go_on_voting(
    atlas: Atlas, proposals: Proposals, adapting: Adapting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: Any, **more: Any) -> Any:
        raise CellKinError("it is too dark", "switch on the light")

    monkeypatch.setattr(retrieval.laboratory, "hold", fails)
    cells = new_cells(atlas)
    settled(proposals, adapting, cells[:1])
    found = adapting.progress(atlas, "new")
    assert (found.state, found.message) == ("failed", "it is too dark")
    assert proposals.propose(cells[:1])[cells[0]].adaptation is None


def test_closing_stops_it(atlas: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Adapting(after=10, k=5)
    gate = Gate(monkeypatch)
    Proposals(atlas, k=5, adapting=made).propose(new_cells(atlas)[:1])
    assert gate.begun.wait(20)
    closing = threading.Thread(target=made.close)
    closing.start()
    gate.open.set()
    closing.join(20)
    assert not closing.is_alive()
    assert not adaptations_of(atlas)
    made.now(atlas, "new")
    made.wait()
    assert not adaptations_of(atlas)


def test_killed_in_the_middle_nothing_is_half_written(folder: Path) -> None:
    program = f"""
import os
from index import Atlas
from retrieval.laboratory import hold
atlas = Atlas.open({str(folder)!r})
hold(atlas, {MODEL!r}, "new", report=lambda stage: stage == "saving" and os._exit(9))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 9, run.stderr
    with Atlas.open(folder) as atlas:
        assert not adaptations_of(atlas)
        adapting = Adapting(after=10, k=5)
        proposals = Proposals(atlas, k=5, adapting=adapting)
        settled(proposals, adapting, new_cells(atlas)[:1])
        assert len(adaptations_of(atlas)) == 1
        adapting.close()


def test_the_same_again_after_a_start_is_the_same_entry(atlas: Atlas) -> None:
    teach(atlas, new_cells(atlas)[:12])
    numbers = []
    for _ in range(2):
        adapting = Adapting(after=10, k=5)
        proposals = Proposals(atlas, k=5, adapting=adapting)
        settled(proposals, adapting, new_cells(atlas)[-1:])
        (found,) = proposals.propose(new_cells(atlas)[-1:]).values()
        numbers.append(found.adaptation)
        adapting.close()
    assert numbers[0] is not None
    assert numbers[0] == numbers[1]


def test_memory_is_bounded_by_letting_the_oldest_go(
    atlas: Atlas, adapting: Adapting, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapting.now(atlas, "lab")
    adapting.wait()
    assert adapting.held(atlas, "lab", consider=False) is not None
    monkeypatch.setattr("annotator.adapting.keeper.MOST_BYTES", 1)
    adapting.now(atlas, "new")
    adapting.wait()
    assert adapting.held(atlas, "lab", consider=False) is None
    assert adapting.held(atlas, "new", consider=False) is not None


def test_switched_off_neighbours_vote(
    make_app: Callable[..., Any], browse_as: Any, folder: Path
) -> None:
    app = make_app(folder, dataset="new", adapt=False)
    browser = browse_as(app.test_client())
    teach(app.extensions["desk"].whole, new_cells(app.extensions["desk"].whole)[:12])
    rests = browser.next()["proposal"]["rests"]
    assert rests["adaptation"] is None
    assert "vote of the nearest" in rests["words"]
    assert browser.get("/api/v1/adapting?dataset=new").json["state"] == "off"
    browser.post("/api/v1/adapting/now", {"dataset": "new"}, 400)


def test_why_not_is_measured_as_the_proposal_is(
    make_app: Callable[..., Any], browse_as: Any, folder: Path
) -> None:
    app = make_app(folder, dataset="new", planted=0.0)
    desk = app.extensions["desk"]
    teach(desk.whole, new_cells(desk.whole)[:12])
    browser = browse_as(app.test_client())
    browser.next()
    desk.adapting.wait()
    cell = browser.get(f"/api/v1/cells/{new_cells(desk.whole)[-1]}").json
    mine = cell["proposal"]["class"]["code"]
    other = browser.get(f"/api/v1/focus/{cell['id']}/why-not?class={mine}").json["neighbours"]
    shown = [e for e in cell["proposal"]["evidence"] if e["class"]["code"] == mine]
    assert other[0]["cell"] == shown[0]["cell"]
    assert other[0]["distance"] == pytest.approx(shown[0]["distance"], abs=1e-5)


def test_what_a_reader_may_not_see_teaches_nothing_that_they_are_shown(
    make_app: Callable[..., Any], member: Any, folder: Path
) -> None:
    app = make_app(folder, accounts=True, planted=0.0, dataset="new")
    desk = app.extensions["desk"]
    ada, bob = member(app, "ada"), member(app, "bob")
    for cell in new_cells(desk.whole)[:12]:
        ada.label(cell, truth(desk.whole, cell))
    last = new_cells(desk.whole)[-1]
    found = {}
    for who in (ada, bob):
        who.get(f"/cells/{last}")
        desk.adapting.wait()
        found[who.name] = who.get(f"/cells/{last}")["proposal"]["rests"]
    assert found["ada"]["labels"] >= 10
    assert found["bob"]["labels"] == 0
    taught = {(entry.sight, entry.count > 0) for entry in adaptations_of(desk.whole, "new")}
    assert ("ada", True) in taught
    assert ("bob", True) not in taught
    # What one reader sees is not kept in the place of what the atlas knows.
    assert not any(name.startswith("adaptation/") for name in desk.whole.document_names())


def test_owners_may_ask_for_it(make_app: Callable[..., Any], member: Any, folder: Path) -> None:
    app = make_app(folder, accounts=True, planted=0.0, dataset="new")
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


@pytest.mark.parametrize(
    ("labels", "fresh", "held", "unknown", "grown", "due"),
    [
        ({}, 0, None, False, False, False),
        ({"a": 10}, 10, None, False, False, False),  # one class
        ({"a": 9, "b": 1}, 10, None, False, False, False),  # one label shows nothing
        ({"a": 8, "b": 2}, 10, None, False, False, True),
        ({"a": 5, "b": 2}, 7, None, False, False, False),  # too few
        ({"a": 8, "b": 2}, 10, 0, False, False, True),  # read as a whole so far
        ({"a": 8, "b": 4}, 2, 10, False, False, False),
        ({"a": 8, "b": 4}, 2, 10, True, False, True),  # a class that it does not know
        ({"a": 8, "b": 4}, 2, 10, False, True, True),  # more cells
        ({"a": 9, "b": 9}, 10, 10, False, False, True),
    ],
)
def test_when_it_is_due(
    labels: dict[str, int], fresh: int, held: int | None, unknown: bool, grown: bool, due: bool
) -> None:
    assert Standing(labels, fresh, 10, held, unknown, grown).due is due

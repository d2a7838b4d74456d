"""Checks of attention: planted, hidden, judged, told; and proposals that a policy keeps back."""

from __future__ import annotations

import itertools

import pytest

from annotator.checks import Checks, has_stopped_reading, judge, vigilance
from annotator.policy import Policy, is_shown, write_policy
from annotator.team import choose_gold
from annotator.viewer import Person, seen_by
from index import CellFilter, NewLabel
from index.checks import (
    RUNNER_UP,
    count_action,
    gold_answers,
    note_outcome,
    outcomes,
    plant,
    set_gold,
)
from index.facts import all_facts, facts_of


@pytest.fixture
def app(make_app, drawn):
    """An annotator for one that plants at every second action or so."""
    return make_app(drawn, dataset="new", planted=0.5)


def desk_of(app):
    return app.extensions["desk"]


def truth(cell: dict) -> str:
    """The class of a drawn cell, by its file."""
    kinds = ("neutrophil", "lymphocyte", "eosinophil", "platelet")
    return kinds[int(cell["file"].removeprefix("cell_").removesuffix(".png")) % 4]


def answer_all(browser, choose, most: int = 40) -> list[dict]:
    """Label with ``choose`` until the queue is empty; the answers."""
    found = []
    for _ in range(most):
        cell = browser.next()
        if cell is None:
            break
        sent = {"class": choose(cell), "version": cell["version"]}
        if cell["proposal"]:
            sent["proposal"] = cell["proposal"]["token"]
        answer = browser.client.post(
            f"/api/v1/cells/{cell['id']}/label", json=sent,
            headers={"X-CSRF-Token": browser.token},
        )  # fmt: skip
        assert answer.status_code in (200, 201), answer.text
        found.append({**answer.json, "status": answer.status_code, "asked": cell})
    return found


def count_actions(atlas) -> None:
    with atlas.database.write() as connection:
        count_action(connection, "ann")


def accept(cell: dict) -> str:
    return cell["proposal"]["class"]["code"] if cell["proposal"] else "platelet"


def test_who_accepts_everything_is_noticed_and_no_planted_label_is_kept(app, browser) -> None:
    answers = answer_all(browser, accept)
    missed = [each for each in answers if each["done"]["kind"] == "check"]
    assert len(missed) >= 3
    for each in missed:
        assert each["status"] == 200
        assert each["check"] | {"words": ""} == {"caught": False, "kept": False, "words": ""}
        assert each["done"]["label"] is None
        # the cell comes again at once, now with what CellKin really says
        again = each["next"]["cell"]
        if again["id"] == each["asked"]["id"]:
            assert again["proposal"]["class"] != each["asked"]["proposal"]["class"]
    whole = desk_of(app).whole
    seen = vigilance(whole, "ann")
    assert seen.noticed
    assert (seen.rate, seen.caught) == (0.0, 0)
    for cell in whole.cells(CellFilter(datasets=("new",))):
        (label,) = whole.history(cell.id)
        assert label.class_code == truth({"file": cell.file}) or cell.file == "cell_11.png"
    assert browser.get("/api/v1/account").json["vigilance"]["noticed"] is True


def test_who_looks_catches_them_and_keeps_the_labels(app, browser) -> None:
    answers = answer_all(browser, truth)
    caught = [each for each in answers if "check" in each]
    assert caught
    for each in caught:
        assert each["check"]["caught"] is True
        assert each["done"]["kind"] == "label"
    whole = desk_of(app).whole
    for each in caught:
        (label,) = whole.history(each["done"]["cell"])
        assert (label.proposed_class, label.model_id) == (None, None)  # it was none of the model's
    seen = vigilance(whole, "ann")
    assert (seen.rate, seen.noticed) == (1.0, False)


def test_a_planted_proposal_looks_like_any_other(app, browser) -> None:
    """Figures, decision and evidence speak for the wrong class, on every route alike."""
    for _ in range(10):
        cell = browser.next()
        if cell["proposal"] and accept(cell) != truth(cell):
            break
        browser.label(cell["id"], truth(cell))
    proposal = cell["proposal"]
    plain = next(
        each["proposal"] for each in (browser.get(f"/api/v1/cells/{i}").json for i in range(1, 24))
    )
    assert set(proposal) == set(plain)
    assert proposal["probability"] == proposal["probabilities"][0]["probability"]
    assert proposal["class"]["code"] == proposal["probabilities"][0]["code"]
    assert proposal["probability"] > 0.5
    assert proposal["votes"][0]["code"] == accept(cell)
    assert proposal["evidence"][0]["cell"]
    distances = [near["distance"] for near in proposal["evidence"]]
    assert distances == sorted(distances)
    again = browser.get(f"/api/v1/cells/{cell['id']}").json
    assert again["proposal"]["class"] == proposal["class"]
    assert "check" not in str(again).lower()
    evidence = browser.get(f"/api/v1/cells/{cell['id']}/neighbours").json
    assert evidence["neighbours"] == proposal["evidence"]


def test_skipping_a_check_makes_it_void(app, browser) -> None:
    for _ in range(10):
        cell = browser.next()
        if accept(cell) != truth(cell):
            break
        browser.label(cell["id"], truth(cell))
    browser.post(f"/api/v1/cells/{cell['id']}/skip")
    assert vigilance(desk_of(app).whole, "ann").planted == 0
    assert accept(browser.get(f"/api/v1/cells/{cell['id']}").json) == truth(cell)


# known answers ---------------------------------------------------------------------------------


@pytest.fixture
def golden(app):
    """Eight cells of data set lab whose labels are known answers; their classes by id."""
    choose_gold(desk_of(app), {"count": "8", "dataset": "lab"}, "olga")
    return gold_answers(desk_of(app).whole)


def test_known_answers_are_drawn_evenly(app, golden) -> None:
    assert sorted(golden.values()) == sorted(
        ["neutrophil", "lymphocyte", "eosinophil", "platelet"] * 2
    )
    present = desk_of(app).whole.present_labels()
    assert all(present[cell] == code for cell, code in golden.items())
    choose_gold(desk_of(app), {"count": "0"}, "olga")
    assert gold_answers(desk_of(app).whole) == {}


def test_known_answers_are_nowhere_to_be_read(app, golden, browse_as) -> None:
    """They look like cells that nobody has labelled, in every list, count, log and evidence."""
    browser = browse_as(app.test_client())
    listed = browser.get("/api/v1/cells?state=labelled&dataset=lab").json
    assert not {cell["id"] for cell in listed["cells"]} & set(golden)
    unlabelled = browser.get("/api/v1/cells?state=unlabelled&dataset=lab").json
    assert {cell["id"] for cell in unlabelled["cells"]} == set(golden)
    for code in set(golden.values()):
        page = browser.get(f"/api/v1/cells?class={code}").json
        assert not {cell["id"] for cell in page["cells"]} & set(golden)
    for cell in golden:
        document = browser.get(f"/api/v1/cells/{cell}").json
        assert (document["present"], document["history"], document["version"]) == (None, [], 0)
        assert browser.get(f"/api/v1/cells/{cell}/history").json["history"] == []
    for cell in range(1, 37):
        near = browser.get(f"/api/v1/cells/{cell}/neighbours").json["neighbours"]
        assert not {each["cell"] for each in near} & set(golden)
    counts = {row["name"]: row["labelled"] for row in browser.get("/api/v1/overview").json[
        "datasets"]}  # fmt: skip
    assert counts["lab"] == 24 - len(golden)


def test_known_answers_come_mixed_in_and_never_become_labels(app, golden, browse_as) -> None:
    browser = browse_as(app.test_client())
    whole = desk_of(app).whole
    before = {cell: whole.history(cell) for cell in golden}
    answers = answer_all(browser, truth, 60)
    met = [each for each in answers if each["asked"]["id"] in golden]
    assert met
    for each in met:
        assert each["asked"]["proposal"]["class"]["code"] != golden[each["asked"]["id"]]
        assert each["check"]["caught"] is True
        assert each["done"]["kind"] == "check"
    assert {cell: whole.history(cell) for cell in golden} == before
    assert len({each["asked"]["id"] for each in met}) == len(met)


def test_known_answers_are_first_of_the_data_set_that_is_read(app, browse_as) -> None:
    desk = desk_of(app)
    home = desk.whole.cell_ids(CellFilter(datasets=("new",)))[:4].tolist()
    desk.whole.add_labels([NewLabel(cell, "basophil", "old", "imported") for cell in home])
    golden = dict.fromkeys([*home, 1, 2, 3, 4], "basophil")
    set_gold(desk.whole, golden, "olga")
    asked = [each["asked"]["id"] for each in answer_all(browse_as(app.test_client()), truth, 60)]
    met = [cell for cell in asked if cell in golden]
    assert len(met) > 2
    assert set(met[:4]) <= set(home)


def test_nothing_is_planted_behind_the_last_cell(app, golden, browse_as) -> None:
    browser = browse_as(app.test_client())
    write_policy(desk_of(app).whole, Policy(planted=0.0), "olga")
    answer_all(browser, truth)
    write_policy(desk_of(app).whole, Policy(planted=0.5), "olga")
    for _ in range(9):
        assert browser.next() is None
        count_actions(desk_of(app).whole)


def test_a_planted_class_that_is_proposed_by_now_is_no_check(calm, browse_as) -> None:
    browser = browse_as(calm.test_client())
    whole, cell = desk_of(calm).whole, browser.next()
    proposed = cell["proposal"]["class"]["code"]
    plant(whole, "ann", cell["id"], RUNNER_UP, proposed, None)
    assert browser.next()["id"] == cell["id"]
    sent = {"class": proposed, "proposal": cell["proposal"]["token"]}
    answer = browser.post(f"/api/v1/cells/{cell['id']}/label", sent, 201).json
    assert "check" not in answer
    assert whole.history(cell["id"])[-1].class_code == proposed
    assert vigilance(whole, "ann").planted == 0


def test_a_label_on_a_known_answer_by_another_way_is_no_label(app, golden, browse_as) -> None:
    browser = browse_as(app.test_client())
    cell = min(golden)
    answer = browser.post(f"/api/v1/cells/{cell}/label", {"class": "basophil"})
    assert answer.json["done"]["kind"] == "check"
    assert answer.json["now"] == {"present": None, "disputed": False}
    assert len(desk_of(app).whole.history(cell)) == 1
    assert vigilance(desk_of(app).whole, "ann").planted == 0


# judging ---------------------------------------------------------------------------------------


def test_the_sum_notices_who_stops_and_forgets_again() -> None:
    assert not has_stopped_reading([])
    assert not has_stopped_reading([False, False])
    assert has_stopped_reading([False] * 3)
    assert has_stopped_reading([True] * 50 + [False] * 3)  # a good past excuses nothing
    assert not has_stopped_reading([False] * 20 + [True] * 3)
    for caught in itertools.product([True, False], repeat=6):
        naive, total = [], 0.0
        for each in caught:
            total = min(max(0.0, total + (-1.0986122886681098 if each else 1.9459101490553132)),
                        4.5 + 1.9459101490553132)  # fmt: skip
            naive.append(total >= 4.5)
        assert has_stopped_reading(caught) == naive[-1]


def test_vigilance_counts_the_last_checks() -> None:
    assert judge([]).rate == 1.0
    assert judge([]).interval == (0.0, 1.0)
    seen = judge([False] * 40 + [True] * 29 + [False])
    assert (seen.planted, seen.caught) == (30, 29)
    assert seen.rate == pytest.approx(29 / 30)
    low, high = seen.interval
    assert low == pytest.approx(0.8333, abs=0.01)
    assert low < seen.rate < high < 1


def test_another_page_may_count_checks_of_its_own(app) -> None:
    desk = desk_of(app)
    for _ in range(5):
        note_outcome(desk.whole, "ann", 1, "platelet", False)
    assert desk.checks.vigilance("ann").noticed
    assert [each.kind for each in outcomes(desk.whole, "ann")] == ["sheet"] * 5


def test_checks_come_about_as_often_as_asked(opened) -> None:
    """The distance is drawn anew for each reader and check, between half and one and a half."""
    checks = Checks(opened, seed=3)
    gaps = [-checks.since_due(f"reader {n}", 0.02) for n in range(300)]
    assert 25 <= min(gaps) < 30
    assert 70 < max(gaps) <= 75
    assert 48 < sum(gaps) / len(gaps) < 52


# what a policy keeps back ----------------------------------------------------------------------


@pytest.fixture
def calm(make_app, drawn):
    """An annotator for one without planted checks."""
    return make_app(drawn, dataset="new", planted=0.0)


@pytest.mark.parametrize("show", ["never", "after_own"])
def test_a_hidden_proposal_is_nowhere_but_in_the_record(calm, browse_as, show) -> None:
    desk = desk_of(calm)
    write_policy(desk.whole, Policy(show=show), "olga")
    browser = browse_as(calm.test_client())
    cell = browser.next()
    assert cell["proposal"] is None
    assert cell["no_proposal"]["type"] == "hidden"
    assert browser.get(f"/api/v1/cells/{cell['id']}/neighbours").json["neighbours"] == []
    done = browser.label(cell["id"], truth(cell), seconds=1.5, version=cell["version"])
    (label,) = desk.whole.history(cell["id"])
    assert label.proposed_class == truth(cell)
    assert label.proposal_visible is False
    facts = facts_of(desk.whole, [label.id])[label.id]
    assert facts.shown == ("blind" if show == "never" else "after_own")
    assert (facts.policy, facts.seconds, facts.cell_version) == (show, 1.5, 0)
    assert facts.independent
    after = browser.get(f"/api/v1/cells/{cell['id']}").json
    assert (after["proposal"] is not None) == (show == "after_own")
    assert done["done"]["label"] == label.id


def test_with_the_proposal_in_sight_a_label_is_no_independent_evidence(calm, browse_as) -> None:
    browser = browse_as(calm.test_client())
    first = browser.next()
    browser.label(first["id"], truth(first), proposal=first["proposal"]["token"])
    second = browser.next()
    browser.label(
        second["id"], truth(second), proposal=second["proposal"]["token"], proposal_visible=False
    )
    facts = list(all_facts(desk_of(calm).whole).values())
    assert [each.shown for each in facts] == ["with_proposal", "blind"]
    assert [each.independent for each in facts] == [False, True]


def test_a_random_share_is_drawn_once_for_reader_and_cell() -> None:
    policy = Policy(show="random", random_share=0.3)
    drawn = [is_shown(policy, "ann", cell, False) for cell in range(4000)]
    assert 0.27 < sum(drawn) / len(drawn) < 0.33
    assert drawn == [is_shown(policy, "ann", cell, True) for cell in range(4000)]
    assert drawn != [is_shown(policy, "bob", cell, False) for cell in range(4000)]


def test_a_hidden_proposal_plants_nothing_but_known_answers(app, golden, browse_as) -> None:
    write_policy(desk_of(app).whole, Policy(show="never"), "olga")
    browser = browse_as(app.test_client())
    answers = answer_all(browser, truth, 60)
    met = [each for each in answers if "check" in each]
    assert met
    assert {each["asked"]["id"] for each in met} <= set(golden)
    assert vigilance(desk_of(app).whole, "ann").rate == 1.0


@pytest.mark.parametrize(
    "sent",
    [
        {"show": "sometimes"},
        {"planted": 0.9},
        {"random_share": -1},
        {"planted": "x"},
        {"strict": "true"},
        {"strict": None},
    ],
)
def test_a_policy_outside_what_is_allowed_is_refused(calm, browse_as, sent) -> None:
    browser = browse_as(calm.test_client())
    browser.post("/api/v1/people/policy", sent, 400, method="PUT")
    assert desk_of(calm).policy == Policy()


def test_the_view_of_one_person_is_the_whole_where_nothing_is_hidden(calm) -> None:
    desk = desk_of(calm)
    with seen_by(Person("ann")):
        assert desk.atlas is desk.whole

"""Two readers of one cell: neither sees the other's label before their own, wherever they look."""

from __future__ import annotations

import random

import pytest

from annotator.policy import Policy, write_policy
from annotator.review.queues import REVIEW_QUEUES
from annotator.viewer import Person, seen_by
from annotator.work import assign_work, share_out
from index import CellFilter, NewLabel
from index.errors import AssignmentError
from index.facts import facts_of

MARKED = "basophil"  # no drawn cell is one: wherever it shows, it came from the other reader


def desk_of(app):
    return app.extensions["desk"]


def new_cells(app) -> list[int]:
    return [int(cell) for cell in desk_of(app).whole.cell_ids(CellFilter(datasets=("new",)))]


def share(app, overlap: float = 1.0, readers=("anna", "otto")) -> None:
    assign_work(
        desk_of(app).whole, {"dataset": "new"}, list(readers), overlap=overlap, author="olga"
    )


def everything_of(person) -> str:
    """All that a person can read: every page and route without an argument but the cell's."""
    found = []
    rules = sorted(person.client.application.url_map.iter_rules(), key=str)
    cells = new_cells(person.client.application)
    for rule in rules:
        if "GET" not in rule.methods or str(rule).startswith(("/static", "/language")):
            continue
        names = rule.arguments
        if names - {"cell_id", "filename"}:
            continue
        for cell in cells[:1] if "cell_id" in names else [0]:
            path = str(rule).replace("<int:cell_id>", str(cell))
            for query in ("",) if "cell_id" in names else ("", "?state=all"):
                found.append(person.client.get(path + query).text)
    return "\n".join(found)


def mentions(text: str) -> int:
    """How often the marked class is said of a cell: a label names its author beside it."""
    return text.count('"author":"otto"') + text.count(">otto<") + text.count("by otto")


@pytest.mark.parametrize("shared", [True, False], ids=["assigned", "pool"])
def test_nothing_that_a_reader_can_open_tells_of_the_others_label(team, member, shared) -> None:
    anna, otto = member(team, "anna"), member(team, "otto")
    if shared:
        share(team)
    before = {path: _class_counts(anna, path) for path in ("/overview", "/cells?state=all")}
    cells = new_cells(team)[:6]
    for cell in cells:
        otto.label(cell, MARKED)
    assert mentions(everything_of(anna)) == 0
    for path, counts in before.items():
        assert _class_counts(anna, path) == counts
    for cell in cells:
        document = anna.get(f"/cells/{cell}")
        assert document["present"] is None
        assert document["history"] == []
        assert document["version"] == 0
    evidence = [near for cell in new_cells(team) for near in anna.get(f"/cells/{cell}/neighbours")[
        "neighbours"]]  # fmt: skip
    assert evidence
    assert not {near["cell"] for near in evidence} & set(cells)
    # her own label opens the cell, and that cell alone
    anna.label(cells[0], "platelet")
    log = anna.get(f"/cells/{cells[0]}")["history"]
    assert {entry["author"] for entry in log} == {"anna", "otto"}
    assert anna.get(f"/cells/{cells[1]}")["history"] == []


def _class_counts(person, path: str) -> object:
    found = person.get(path)
    if "cells" in found:
        return [cell["present"] for cell in found["cells"]]
    return found["labelled"], found["classes"]


def test_the_author_filter_and_the_search_do_not_tell_either(team, member) -> None:
    anna, otto = member(team, "anna"), member(team, "otto")
    share(team)
    otto.label(new_cells(team)[0], MARKED)
    for query in ("author=otto", f"class={MARKED}", "state=labelled&dataset=new"):
        assert anna.get(f"/cells?{query}")["cells"] == []
    assert len(anna.get("/cells?state=unlabelled&dataset=new")["cells"]) == len(new_cells(team))
    assert [c["id"] for c in otto.get("/cells?author=otto")["cells"]] == new_cells(team)[:1]


@pytest.mark.parametrize("shared", [True, False], ids=["assigned", "pool"])
def test_what_the_other_takes_a_cluster_for_is_not_to_be_seen(team, member, shared) -> None:
    anna, otto, vera = member(team, "anna"), member(team, "otto"), member(team, "vera", "reviewer")
    if shared:
        share(team)
    path, made = "/explore/clusters", {"dataset": "new", "method": "centres", "size": 3}

    def make(one) -> dict:
        one.send("POST", path, made, 202)
        team.extensions["exploring"].jobs.wait()
        return one.get(path)

    theirs = make(otto)
    cluster = theirs["clusters"][0]["id"]
    otto.send("PUT", f"{path}/{cluster}", {"name": "sure ones", "class": MARKED})
    assert anna.get(path)["runs"] == []
    for told in (f"{path}/{cluster}", f"{path}/{cluster}/candidates"):
        assert anna.get(told, 404)["error"]["type"] == "unknown_cluster"
    anna.send("PUT", f"{path}/{cluster}", {"name": "mine"}, 404)
    anna.send("POST", f"/explore/clusterings/{theirs['run']['id']}/undo", {}, 404)
    assert [run["author"] for run in make(anna)["runs"]] == ["anna"]
    assert "sure ones" not in everything_of(anna)
    assert otto.get(f"{path}/{cluster}")["name"] == "sure ones"
    assert vera.get(f"{path}/{cluster}")["class"]["code"] == MARKED
    write_policy(desk_of(team).whole, Policy(strict=False), "olga")
    status = 404 if shared else 200
    anna.get(f"{path}/{cluster}", status)


@pytest.mark.parametrize("shared", [True, False], ids=["assigned", "pool"])
def test_a_flag_on_a_hidden_cell_is_seen_by_who_set_it(team, member, shared) -> None:
    anna, otto, vera = member(team, "anna"), member(team, "otto"), member(team, "vera", "reviewer")
    if shared:
        share(team)
    cell, other = new_cells(team)[:2]
    for one, flagged in ((otto, cell), (anna, other)):
        one.send("POST", f"/cells/{flagged}/flag", {"flagged": True, "note": "odd"})
    for each in (cell, other):
        otto.label(each, MARKED)

    def flags(one) -> tuple[list[int], list[int], int, list[int]]:
        """The flagged cells by list, by document and by search, and their number."""
        return (
            [each["id"] for each in one.get("/cells?state=flagged")["cells"]],
            [each for each in (other, cell) if one.get(f"/cells/{each}")["flagged"]],
            one.get("/overview")["flagged"],
            [each["id"] for each in one.get("/explore/search?state=flagged")["cells"]],
        )

    assert flags(anna) == ([other], [other], 1, [other])
    for one in (otto, vera):
        assert flags(one) == ([other, cell], [other, cell], 2, [other, cell])
    anna.label(cell, "platelet")
    assert flags(anna) == flags(otto)


@pytest.mark.parametrize("shared", [True, False], ids=["assigned", "pool"])
def test_the_figures_of_progress_do_not_move_by_the_others_labels(team, member, shared) -> None:
    anna, otto, vera = member(team, "anna"), member(team, "otto"), member(team, "vera", "reviewer")
    if shared:
        share(team)
    before, page = anna.get("/progress?dataset=new"), anna.client.get("/progress?dataset=new").text
    otto.send("PUT", "/queue", {"order": "random", "dataset": "new"})
    for _ in range(5):
        otto.label(otto.get("/next")["cell"]["id"], MARKED, seconds=3.0)
    assert anna.get("/progress?dataset=new") == before
    assert anna.client.get("/progress?dataset=new").text == page
    assert before["figures"]["sureness"]["left"] == len(new_cells(team))
    seen = vera.get("/progress?dataset=new")["figures"]
    assert seen["sureness"]["left"] == len(new_cells(team)) - 5
    assert seen["random"]["cells"] == 5
    otto_sees = otto.get("/progress?dataset=new")["figures"]
    assert otto_sees["random"]["cells"] == 5


def test_a_program_with_a_token_sees_no_more_than_its_reader(team, member) -> None:
    from index.accounts import make_token

    member(team, "anna")
    otto = member(team, "otto")
    share(team)
    cell = new_cells(team)[0]
    otto.label(cell, MARKED)
    secret = make_token(desk_of(team).whole, "anna", "script")
    answer = team.test_client().get(
        f"/api/v1/cells/{cell}", headers={"Authorization": f"Bearer {secret}"}
    )
    assert answer.json["history"] == []


def test_reviewers_see_all_but_what_they_are_to_read_themselves(team, member) -> None:
    otto, vera = member(team, "otto"), member(team, "vera", "reviewer")
    first, second = new_cells(team)[:2]
    share(team, readers=("otto", "vera"), overlap=1.0)
    otto.label(first, MARKED)
    assert vera.get(f"/cells/{first}")["history"] == []
    vera.label(first, "platelet")
    assert len(vera.get(f"/cells/{first}")["history"]) == 2
    otto.label(second, MARKED)
    olga = member(team, "olga", "owner")
    assert olga.get(f"/cells/{second}")["present"]["code"] == MARKED


def test_what_one_reviewer_had_searched_is_not_told_to_who_is_to_read_it(team, member) -> None:
    otto, vera = member(team, "otto"), member(team, "vera", "reviewer")
    olga = member(team, "olga", "owner")
    share(team, readers=("otto", "vera"), overlap=1.0)
    first = new_cells(team)[0]
    otto.label(first, MARKED)  # against its neighbours
    for _ in range(2):
        assert str(first) in [m["name"] for m in olga.get("/review/suspects")["matters"]]
        assert vera.get("/review/suspects")["matters"] == []
    vera.label(first, MARKED)
    team.extensions["review"].again(REVIEW_QUEUES["suspects"])
    assert [m["name"] for m in vera.get("/review/suspects")["matters"]] == [str(first)]


def test_two_independent_readings_are_no_conflict_and_are_kept_as_such(team, member) -> None:
    anna, otto = member(team, "anna"), member(team, "otto")
    share(team)
    cell = new_cells(team)[0]
    seen = {one.name: one.get(f"/cells/{cell}")["version"] for one in (anna, otto)}
    otto.label(cell, "platelet", version=seen["otto"])
    done = anna.label(cell, "neutrophil", version=seen["anna"])
    assert done["now"] == {"present": None, "disputed": True}
    whole = desk_of(team).whole
    assert [label.author for label in whole.history(cell)] == ["otto", "anna"]
    facts = facts_of(whole, [label.id for label in whole.history(cell)])
    assert [each.peers_visible for each in facts.values()] == [False, False]
    anna.label(cell, "platelet")
    third = whole.history(cell)[-1].id
    assert facts_of(whole, [third])[third].peers_visible is True


def test_what_is_not_assigned_is_not_to_be_labelled(team, member) -> None:
    anna, otto = member(team, "anna"), member(team, "otto")
    share(team, overlap=0)
    with seen_by(Person("anna", "reader", account=True)):
        hers = set(map(int, desk_of(team).reader("anna").queue.upcoming(99)))
    others = set(new_cells(team)) - hers
    assert len(hers) == len(others) == 6
    error = anna.label(min(others), "platelet", 403)["error"]
    assert error["type"] == "not_assigned"
    otto.label(min(others), "platelet")
    # and is in sight, and gives evidence
    assert anna.get(f"/cells/{min(others)}")["present"]["code"] == "platelet"
    assert anna.get("/queue")["total"] == 6
    carl = member(team, "carl")
    assert carl.label(min(hers), "platelet", 403)["error"]["type"] == "not_assigned"


def test_sharing_out_is_even_and_overlaps_as_asked() -> None:
    drawn = random.Random(1)
    for readers in (["a"], ["a", "b"], ["a", "b", "c", "d"]):
        for overlap in (0, 0.1, 0.5, 1):
            units = [[n] for n in range(400)]
            shares = share_out(units, readers, overlap, drawn.randrange(99))
            cells = sorted(cell for mine in shares.values() for cell in mine)
            shared = len(cells) - 400
            assert set(cells) == set(range(400))
            assert shared == (round(400 * overlap) if len(readers) > 1 else 0)
            assert all(len(set(mine)) == len(mine) for mine in shares.values())
            sizes = [len(mine) for mine in shares.values()]
            assert max(sizes) - min(sizes) <= 0.1 * len(cells) / len(readers) + 1


def test_slides_stay_together() -> None:
    units = [list(range(10 * n, 10 * n + 10)) for n in range(9)]
    shares = share_out(units, ["a", "b", "c"], 0.0)
    for mine in shares.values():
        assert len({cell // 10 for cell in mine}) == 3
        assert len(mine) == 30


def test_nothing_left_to_assign_is_said(team, member) -> None:
    member(team, "anna")
    member(team, "otto")
    share(team)
    with pytest.raises(AssignmentError, match="no cell is left"):
        share(team)
    assert len(desk_of(team).whole.events()) == 3  # two sign-ins and one assignment: none of it


@pytest.mark.parametrize("overlap", [130, -1, "nan", "x", [7]])
def test_an_overlap_is_refused_as_it_was_given(team, member, overlap) -> None:
    olga = member(team, "olga", "owner")
    member(team, "anna")
    sent = {"dataset": "new", "readers": ["anna", "olga"], "overlap": overlap}
    error = olga.send("POST", "/people/assignments", sent, 400)["error"]
    assert error["message"] == (
        f"overlap is {str(overlap)!r}, allowed is a percentage from 0 to 100"
    )


def test_an_owner_sees_how_far_the_work_has_come(team, member) -> None:
    anna, otto, olga = member(team, "anna"), member(team, "otto"), member(team, "olga", "owner")
    share(team, overlap=0.5)
    for one in (anna, otto):
        for _ in range(3):
            one.label(one.get("/next")["cell"]["id"], "platelet")
    (told,) = olga.get("/people/assignments")["assignments"]
    assert (told["cells"], told["shared"], told["readings"], told["done"]) == (12, 6, 18, 6)
    page = olga.client.get("/people").text
    assert "6 / 18" in page
    assert "data set <bdi>new</bdi>" in page


def test_an_assignment_that_ends_gives_back_what_is_not_read(team, member) -> None:
    anna, olga = member(team, "anna"), member(team, "olga", "owner")
    share(team, overlap=0, readers=("anna",))
    anna.label(new_cells(team)[0], "platelet")
    assert olga.form("/people/assignments/1/end").status_code == 303
    told = olga.get("/people/assignments")["assignments"][0]
    assert (told["cells"], told["done"], told["ended"] is not None) == (1, 1, True)


def test_a_policy_lets_a_team_see_at_once(team, member) -> None:
    anna, otto = member(team, "anna"), member(team, "otto")
    cell = new_cells(team)[0]
    otto.label(cell, MARKED)
    assert anna.get(f"/cells/{cell}")["present"] is None
    write_policy(desk_of(team).whole, Policy(strict=False), "olga")
    assert anna.get(f"/cells/{cell}")["present"]["code"] == MARKED


def test_labels_through_a_view_reach_the_whole(team, member) -> None:
    """Rooms that write through what they read from do not write into the view."""
    anna, otto = member(team, "anna"), member(team, "otto")
    share(team)
    cell = new_cells(team)[0]
    otto.label(cell, MARKED)
    desk = desk_of(team)
    with seen_by(Person("anna", "reader", account=True)):
        assert desk.atlas is not desk.whole
        desk.atlas.add_labels([NewLabel(cell, "platelet", "anna", "single")])
        assert len(desk.atlas.history(cell)) == 2
    assert desk.whole.disputed() == [cell]
    assert anna.get(f"/cells/{cell}")["disputed"] is True

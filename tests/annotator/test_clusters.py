"""Clusters and spreading: named, grown, split, merged, undone; nothing is ever labelled."""

from __future__ import annotations

import pytest

from annotator.policy import Policy, is_shown, write_policy
from index.cluster_steps import Change, Move, take_step, undo_step
from index.clustering import (
    ClusterError,
    StaleClusterError,
    cluster_of,
    list_clusters,
    member_ids,
    refused_cells,
)

API = "/api/v1/explore"


@pytest.fixture
def clustered(browser, app):
    """A browser on an annotator with clusters of the unlabelled cells of data set new."""
    sent = {"dataset": "new", "method": "centres", "size": 3}
    browser.post(f"{API}/clusters", sent, 202)
    app.extensions["exploring"].jobs.wait()
    return browser


def listed(browser) -> dict:
    return browser.get(f"{API}/clusters").json


def state(atlas) -> tuple:
    """All that a step can change."""
    homes = cluster_of(atlas, 1)
    clusters = list_clusters(atlas, 1)
    return homes, clusters, {each.id: refused_cells(atlas, each.id) for each in clusters}


def test_clusters_hold_unlabelled_cells_only(clustered, opened) -> None:
    found = listed(clustered)
    assert found["job"]["state"] == "done"
    assert found["run"]["method"] == "centres"
    homes = cluster_of(opened, 1)
    assert len(homes) == 11  # the twelfth has no embedding
    assert not set(homes) & set(opened.present_labels())
    assert sum(each["size"] for each in found["clusters"]) == 11
    one = clustered.get(f"{API}/clusters/{found['clusters'][0]['id']}").json
    strengths = [cell["strength"] for cell in one["cells"]]
    assert strengths == sorted(strengths, reverse=True)
    assert "Clusters" in clustered.get("/clusters").text


def test_candidates_come_nearest_first_and_never_twice(clustered, opened) -> None:
    first = listed(clustered)["clusters"][0]["id"]
    mine = set(member_ids(opened, first)[0].tolist())
    found = clustered.get(f"{API}/clusters/{first}/candidates").json["cells"]
    near = [cell["similarity"] for cell in found]
    assert near == sorted(near, reverse=True)
    assert not {cell["id"] for cell in found} & mine
    assert {cell["within"] for cell in found} <= {True, False}
    assert not all(cell["within"] for cell in found)  # other classes are among them
    taken, refused = found[0], found[1]
    sent = {
        "accepted": [taken["id"]],
        "refused": [refused["id"]],
        "from": {str(taken["id"]): taken["cluster"]},
    }
    size = clustered.post(f"{API}/clusters/{first}/grow", sent).json["size"]
    assert size == len(mine) + 1
    left = clustered.get(f"{API}/clusters/{first}/candidates").json["cells"]
    assert not {cell["id"] for cell in left} & {taken["id"], refused["id"]}
    assert len(opened.present_labels()) == 24


def test_cells_of_a_named_cluster_are_no_candidates(clustered, opened) -> None:
    first, second = (each["id"] for each in listed(clustered)["clusters"][:2])
    sent = {"name": "pink ones", "class": "EO"}
    named = clustered.post(f"{API}/clusters/{second}", sent, method="PUT").json
    assert named["name"] == "pink ones"
    assert named["class"]["code"] == "eosinophil"
    shut = set(member_ids(opened, second)[0].tolist())
    found = clustered.get(f"{API}/clusters/{first}/candidates?count=400").json["cells"]
    assert not {cell["id"] for cell in found} & shut
    kept = clustered.post(f"{API}/clusters/{second}/sheet", {}, 201).json
    assert kept["class"]["code"] == "eosinophil"
    assert kept["total"] == len(shut)


def test_every_step_can_be_taken_back(clustered, opened) -> None:
    ids = [each["id"] for each in listed(clustered)["clusters"]]
    cells = member_ids(opened, ids[0])[0].tolist()
    candidate = clustered.get(f"{API}/clusters/{ids[0]}/candidates").json["cells"][0]
    steps = [
        ("PUT", f"/clusters/{ids[0]}", {"name": "A", "class": "neutrophil"}),
        ("POST", f"/clusters/{ids[0]}/grow",
         {"accepted": [candidate["id"]], "refused": [],
          "from": {str(candidate["id"]): candidate["cluster"]}}),
        ("POST", f"/clusters/{ids[0]}/take_out", {"cells": cells[:1]}),
        ("POST", f"/clusters/{ids[0]}/split", {"parts": 2}),
        ("POST", "/clusters/merge", {"clusters": [ids[1], ids[0]]}),
    ]  # fmt: skip
    states = []
    for method, path, sent in steps:
        states.append(state(opened))
        clustered.post(API + path, sent, method=method)
        assert state(opened) != states[-1]
    for before in reversed(states):
        clustered.post(f"{API}/clusterings/1/undo")
        assert state(opened) == before
    error = clustered.post(f"{API}/clusterings/1/undo", {}, 400).json["error"]
    assert "nothing was done" in error["message"]


def test_a_split_leaves_every_cell_in_one_part(clustered, opened) -> None:
    merged = [each["id"] for each in listed(clustered)["clusters"]]
    clustered.post(f"{API}/clusters/merge", {"clusters": merged})
    assert len(listed(clustered)["clusters"]) == 1
    parts = clustered.post(f"{API}/clusters/{merged[0]}/split", {"parts": 3}).json["parts"]
    assert len(parts) == 3
    assert parts[0]["id"] == merged[0]
    assert sum(part["size"] for part in parts) == 11
    assert parts[0]["size"] == max(part["size"] for part in parts)


def test_of_two_readers_at_one_cell_the_later_is_told(clustered, opened) -> None:
    first, second = (each["id"] for each in listed(clustered)["clusters"][:2])
    cell = int(member_ids(opened, second)[0][0])
    take_step(opened, 1, "bea", "grow", Change(moves=(Move(cell, second, first),)))
    with pytest.raises(StaleClusterError, match="somebody has moved it"):
        take_step(opened, 1, "ann", "grow", Change(moves=(Move(cell, second, first),)))
    with pytest.raises(ClusterError, match="the last step was done by bea"):
        undo_step(opened, 1, "ann")
    sent = {"accepted": [cell], "refused": [], "from": {str(cell): second}}
    error = clustered.post(f"{API}/clusters/{first}/grow", sent, 409).json["error"]
    assert error["type"] == "stale_cluster"
    assert undo_step(opened, 1, "bea") == "grow"


@pytest.mark.parametrize(
    ("path", "sent", "status", "kind"),
    [
        ("/clusters", {"dataset": "lab"}, 400, "cluster"),
        ("/clusters", {"dataset": "none"}, 404, "unknown_dataset"),
        ("/clusters", {"method": "odd"}, 400, "bad_request"),
        ("/clusters", {"size": 1}, 400, "bad_request"),
        ("/clusters/999/split", {"parts": 2}, 404, "unknown_cluster"),
        ("/clusters/1/split", {"parts": 1}, 400, "cluster"),
        ("/clusters/1/split", {"parts": "2"}, 400, "bad_request"),
        ("/clusters/1/take_out", {"cells": []}, 400, "bad_request"),
        ("/clusters/1/grow", {"accepted": [30], "from": []}, 400, "bad_request"),
        ("/clusters/merge", {"clusters": [1]}, 400, "bad_request"),
        ("/clusters/merge", {"clusters": [1, 1]}, 400, "cluster"),
        ("/spread/neutrophil/sheet", {"least": "x"}, 400, "bad_request"),
    ],
)
def test_what_clusters_cannot_do_is_said(clustered, path, sent, status, kind) -> None:
    error = clustered.post(API + path, sent, status).json["error"]
    assert error["type"] == kind
    assert error["remedy"]


def test_spread_labels_are_candidates_and_open_as_a_sheet(browser, app, opened) -> None:
    error = browser.get(f"{API}/spread/neutrophil", 400).json["error"]
    assert "not been spread" in error["message"]
    browser.post(f"{API}/spread", {"dataset": "new"}, 202)
    app.extensions["exploring"].jobs.wait()
    found = browser.get(f"{API}/spread").json["found"]
    assert found["cells"] == 11
    assert found["labelled"] == 24
    assert not found["stale"]
    page = browser.get(f"{API}/spread/neutrophil?least=0.3").json
    sure = [cell["confidence"] for cell in page["cells"]]
    assert sure == sorted(sure, reverse=True)
    # The cells were drawn as neutrophils in every fourth place.
    assert {cell["id"] for cell in page["cells"]} == {25, 29, 33}
    without = [page["cells"][-1]["id"]]
    sent = {"least": 0.3, "without": without}
    kept = browser.post(f"{API}/spread/neutrophil/sheet", sent, 201).json
    assert kept["total"] == 2
    assert kept["class"]["code"] == "neutrophil"
    assert len(opened.present_labels()) == 24
    browser.label(page["cells"][0]["id"], "neutrophil")
    assert browser.get(f"{API}/spread").json["found"]["stale"]
    assert browser.get(f"{API}/spread/neutrophil?least=0.3").json["total"] == 2


def test_what_spreading_says_is_a_proposal_that_a_policy_keeps_back(browser, app) -> None:
    whole = app.extensions["desk"].whole
    browser.post(f"{API}/spread", {"dataset": "new"}, 202)
    app.extensions["exploring"].jobs.wait()
    path = f"{API}/spread/neutrophil"
    for show in ("never", "after_own"):
        write_policy(whole, Policy(show=show), "olga")
        for error in (browser.get(path, 400), browser.post(f"{path}/sheet", {"least": 0}, 400)):
            assert "is not shown" in error.json["error"]["message"]
    policy = Policy(show="random", random_share=0.5)
    write_policy(whole, policy, "olga")
    seen = {cell["id"] for cell in browser.get(path).json["cells"]}
    write_policy(whole, Policy(), "olga")
    every = {cell["id"] for cell in browser.get(path).json["cells"]}
    assert seen == {cell for cell in every if is_shown(policy, "ann", cell, False)} < every

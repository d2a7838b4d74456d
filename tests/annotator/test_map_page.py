"""The map: made in the background, sent as numbers, and a selection that opens as a sheet."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from annotator.explore.jobs import Jobs
from annotator.explore.maps import UNKNOWN_NOVELTY
from index import Atlas
from index.errors import CellKinError
from index.exploring import SelectionError, add_selection, selection
from retrieval.maps import KeptMap, map_file
from retrieval.maps.sight import Sight, load_sight

API = "/api/v1/explore"


@pytest.fixture
def mapped(drawn):
    """The drawn atlas with a kept map, so that no test waits for UMAP."""
    with Atlas.open(drawn) as atlas:
        ids, vectors = atlas.embeddings()
        grid = np.column_stack([np.arange(len(ids)) % 7, np.arange(len(ids)) // 7])
        kept = KeptMap(atlas.active_model, 0, ids, vectors, grid.astype(np.float32))
        kept.save(map_file(atlas, atlas.active_model))
    return drawn


@pytest.fixture
def at_map(make_app, browse_as, mapped):
    """A browser on an annotator whose map has been made."""
    app = make_app(mapped)
    browser = browse_as(app.test_client())
    assert browser.get(f"{API}/map").json["ready"] is False
    assert "Make the map" in browser.get("/map").text
    browser.post(f"{API}/map", {}, 202)
    app.extensions["exploring"].jobs.wait()
    return browser


def read(data: bytes) -> dict[str, np.ndarray]:
    """The block as docs/map.md tells it."""
    magic, version, n = struct.unpack_from("<4sII", data)
    assert (magic, version) == (b"CKMP", 1)
    at, found = 12, {}
    for name, kind, count in (
        ("ids", "<u4", n),
        ("places", "<f4", 2 * n),
        ("class", "u1", n),
        ("dataset", "u1", n),
        ("novelty", "u1", n),
    ):
        found[name] = np.frombuffer(data, kind, count, at)
        at += found[name].nbytes
    assert at == len(data)
    return found


def test_the_block_holds_every_embedded_cell_once(at_map, opened) -> None:
    state = at_map.get(f"{API}/map").json
    assert state["ready"]
    assert state["job"]["state"] == "done"
    found = read(at_map.get(f"{API}/map/points").data)
    ids, _ = opened.embeddings()
    assert sorted(found["ids"].tolist()) == ids.tolist()
    assert state["cells"] == len(ids)
    assert found["ids"].tolist() != ids.tolist()  # in random order: any beginning is a sample
    assert 0 <= found["places"].min() <= found["places"].max() <= 1
    assert found["novelty"].max() < UNKNOWN_NOVELTY
    groups = at_map.get(f"{API}/map/groups").json
    known = opened.present_labels()
    for cell, number in zip(found["ids"].tolist(), found["class"].tolist(), strict=True):
        assert groups["class"][number]["code"] == known.get(cell)
    for name in ("class", "dataset"):
        counted = np.bincount(found[name], minlength=len(groups[name]))
        assert counted.tolist() == [group["count"] for group in groups[name]]
    assert {group["name"] for group in groups["dataset"]} == {"lab", "new"}


def test_the_legend_is_in_the_language_of_the_page(at_map) -> None:
    names = [group["name"] for group in at_map.get(f"{API}/map/groups").json["class"]]
    assert "Neutrophil" in names
    sent = {"language": "es", "back": "/map", "csrf_token": at_map.token}
    at_map.client.post("/language/", data=sent)
    names = [group["name"] for group in at_map.get(f"{API}/map/groups").json["class"]]
    assert "Neutrófilo" in names
    assert "Neutrophil" not in names


def test_the_map_shows_a_label_at_once_and_counts_what_came_later(at_map, opened) -> None:
    cell = opened.cell_ids()[-3]
    at_map.label(int(cell), "eosinophil")
    found = read(at_map.get(f"{API}/map/points").data)
    groups = at_map.get(f"{API}/map/groups").json["class"]
    [number] = found["class"][found["ids"] == cell]
    assert groups[number]["code"] == "eosinophil"
    last = opened.cell_ids()[-1]
    vector = np.zeros((1, 16), np.float32)
    vector[0, 0] = 1
    opened.add_embeddings(opened.active_model, np.array([last]), vector)
    assert at_map.get(f"{API}/map").json["newer"] == 1


def test_without_a_map_its_points_are_refused(make_app, browse_as, drawn) -> None:
    browser = browse_as(make_app(drawn).test_client())
    error = browser.get(f"{API}/map/points", 404).json["error"]
    assert "no map" in error["message"]


def test_a_lasso_opens_as_a_sheet_and_labels_nothing(at_map, opened) -> None:
    before = len(opened.present_labels())
    cells = [int(cell) for cell in opened.cell_ids()[-4:]][::-1]
    kept = at_map.post(f"{API}/selections", {"cells": cells, "origin": "map", "title": "T"}, 201)
    assert kept.json["sheet"] == f"/sheets?selection={kept.json['id']}"
    assert kept.json["total"] == 4
    again = at_map.get(f"{API}/selections/{kept.json['id']}").json
    assert again["cells"] == cells
    assert len(opened.present_labels()) == before


@pytest.mark.parametrize(
    ("sent", "status", "kind"),
    [
        ({"cells": []}, 400, "bad_request"),
        ({"cells": "1"}, 400, "bad_request"),
        ({"cells": [True]}, 400, "bad_request"),
        ({"cells": [1.5]}, 400, "bad_request"),
        ({"cells": [999]}, 404, "unknown_cell"),
        ({"cells": [1], "origin": "odd"}, 400, "bad_request"),
        ({"cells": [1], "class": "unicorn"}, 422, "unknown_class"),
    ],
)
def test_what_cannot_be_selected_is_said(browser, sent, status, kind) -> None:
    assert browser.post(f"{API}/selections", sent, status).json["error"]["type"] == kind


def test_selections_keep_order_and_drop_repeats(opened) -> None:
    kept = add_selection(opened, [5, 2, 5, 9], "ann", origin="cluster", class_code="SNE")
    found = selection(opened, kept.id)
    assert found.cell_ids == (5, 2, 9)
    assert found.class_code == opened.taxonomy.resolve("SNE").code
    assert found == kept
    with pytest.raises(SelectionError, match="0 cells"):
        add_selection(opened, [], "ann")
    with pytest.raises(SelectionError, match="no selection"):
        selection(opened, "' OR 1=1 --")


def test_a_damaged_sight_is_drawn_anew(tmp_path) -> None:
    file = tmp_path / "x.npz"
    assert load_sight(file) is None
    places = np.array([[0, 0], [2, 1]], np.float32)
    sight = Sight("m", np.array([3, 4]), places, np.array([False, True]), np.array([0.1, np.nan]))
    sight.save(file)
    found = load_sight(file)
    assert found is not None
    assert found.cell_ids.tolist() == [3, 4]
    assert found.unit_square().tolist() == [[0, 0.25], [1, 0.75]]
    file.write_bytes(file.read_bytes()[:200])
    assert load_sight(file) is None


def test_cells_in_brief(browser) -> None:
    assert [cell["id"] for cell in browser.get(f"{API}/cells?ids=3,1").json["cells"]] == [3, 1]
    browser.get(f"{API}/cells?ids=x", 400)
    browser.get(f"{API}/cells?ids=999", 404)


def test_a_job_runs_once_at_a_time_and_says_why_it_failed() -> None:
    import threading

    jobs, gate = Jobs(), threading.Event()
    first = jobs.start("a", lambda report: gate.wait(10))
    assert jobs.start("a", lambda report: None) is first
    gate.set()
    jobs.wait()
    assert first.state == "done"

    def fails(report):
        report("layout", 1, 4)
        raise CellKinError("it is so", "do that")

    job = jobs.start("a", fails)
    jobs.wait()
    assert job.document() == {
        "name": "a", "state": "failed", "stage": "layout", "words": "laying out the map",
        "done": 1, "total": 4, "message": "it is so", "remedy": "do that",
    }  # fmt: skip

    def breaks(report):
        raise ZeroDivisionError

    job = jobs.start("b", breaks)
    jobs.wait()
    assert job.message == "internal error: ZeroDivisionError"

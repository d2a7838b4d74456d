"""Search: by words, by what was said, by likeness; saved; pictures proved by decoding them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from annotator.explore.search import Query, read_query
from index import CellRecord
from index.exploring import add_example
from retrieval.maps.sight import Sight, sight_file

API = "/api/v1/explore"


def found(browser, query: str) -> list[int]:
    return [cell["id"] for cell in browser.get(f"{API}/search?{query}").json["cells"]]


def kinds(cells: list[int]) -> list[int]:
    """The class that a cell of the drawn atlas was drawn as, by number."""
    return [(cell - 1) % 4 if cell <= 24 else (cell - 25) % 4 for cell in cells]


def test_words_classes_authors_and_states(browser, opened) -> None:
    assert found(browser, "text=cell_03") == [28, 4]
    assert found(browser, "text=LAB-S1") == found(browser, "slide=lab-s1")
    assert found(browser, "class=platelet") == [24, 20, 16, 12, 8, 4]
    assert found(browser, "class=platelet&dataset=new") == []
    assert len(found(browser, "state=unlabelled")) == 12
    browser.label(30, "neutrophil")
    assert found(browser, "author=ann") == [30]
    opened.set_flag(7, True, "ann")
    assert found(browser, "state=flagged") == [7]
    assert found(browser, "text=%22x%22%20OR%20file") == []


def test_words_of_cells_that_come_later_are_found(browser, opened) -> None:
    record = CellRecord("deep/ÄRZTIN_7.png", "f" * 64, 9, 9, patient="Müller", stain="Giemsa")
    opened.add_cells("new", [record])
    new = int(opened.cell_ids()[-1])
    for text in ("rztin_7", "Müller", "giemsa", "deep/"):
        assert found(browser, f"text={text}") == [new], text


def test_disagreement_is_found(browser, opened) -> None:
    from index import NewLabel

    opened.add_labels(
        [
            NewLabel(26, "neutrophil", "ann", "single"),
            NewLabel(26, "eosinophil", "bea", "single"),
        ]
    )
    assert found(browser, "state=disputed") == [26]
    assert found(browser, "state=disputed&more=25") == [26]


def test_more_like_this_and_not_like_that(browser) -> None:
    alike = browser.get(f"{API}/search?more=25").json
    assert alike["score"] == "likeness"
    near = [cell["score"] for cell in alike["cells"]]
    assert near == sorted(near, reverse=True)
    cells = [cell["id"] for cell in alike["cells"]]
    assert 25 not in cells
    assert kinds(cells[:8]) == [0] * 8
    both = found(browser, "more=25&more=26&less=1")
    assert not {25, 26, 1} & set(both)
    assert set(kinds(both[:4])) <= {0, 1}
    assert kinds(found(browser, "more=25&state=unlabelled")[:2]) == [0, 0]
    assert found(browser, "more=25&text=new")[:2] == found(browser, "more=25&dataset=new")[:2]


def test_by_novelty_once_it_is_known(browser, opened) -> None:
    error = browser.get(f"{API}/search?order=novel", 400).json["error"]
    assert "make the map" in error["remedy"]
    ids, _ = opened.embeddings()
    novelty = np.linspace(0, 1, len(ids))
    Sight(
        opened.active_model, ids, np.zeros((len(ids), 2)), np.zeros(len(ids), bool), novelty
    ).save(sight_file(opened, opened.active_model))
    assert found(browser, "order=novel")[:3] == ids[::-1][:3].tolist()
    assert found(browser, "order=novel&dataset=lab")[:2] == [24, 23]


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("more=x", 400, "bad_request"),
        ("more=999", 404, "unknown_cell"),
        ("more=36", 400, "vector"),
        ("less=3", 400, "bad_request"),
        ("picture=zz", 404, "unknown_selection"),
        ("state=odd", 400, "bad_request"),
        ("order=odd", 400, "bad_request"),
        ("class=unicorn", 422, "unknown_class"),
        ("dataset=none", 404, "unknown_dataset"),
        ("&".join(f"more={n}" for n in range(1, 60)), 400, "bad_request"),
    ],
)
def test_what_cannot_be_searched_is_said(browser, query, status, kind) -> None:
    assert browser.get(f"{API}/search?{query}", status).json["error"]["type"] == kind


def test_a_query_is_its_arguments() -> None:
    query = Query(text="a", class_code="platelet", more=(3, 4), picture=("x",), order="novel")
    given: dict[str, list[str]] = {}
    for name, value in query.arguments():
        given.setdefault(name, []).append(value)
    assert read_query(given) == query
    assert Query().arguments() == []
    assert read_query({}).is_empty


def test_the_page_says_everything_and_runs_nothing(browser, opened) -> None:
    assert "no example yet" in browser.get("/search").text
    page = browser.get("/search?more=25&less=2&text=cell").text
    assert "Open these as a sheet" in page
    assert "less=2" in page
    bad = browser.get("/search?text=%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "<script>alert" not in bad


def test_pages_of_results(make_app, browse_as, drawn) -> None:
    browser = browse_as(make_app(drawn, page_size=5).test_client())
    first = browser.get(f"{API}/search?dataset=lab").json
    assert [cell["id"] for cell in first["cells"]] == [24, 23, 22, 21, 20]
    assert (first["total"], first["more_pages"]) == (24, True)
    last = browser.get(f"{API}/search?dataset=lab&page=5").json
    assert [cell["id"] for cell in last["cells"]] == [4, 3, 2, 1]
    assert not last["more_pages"]


def test_saved_searches_are_the_readers_own(browser, make_app, browse_as, drawn) -> None:
    kept = browser.post(f"{API}/searches?class=platelet&more=25", {"name": "mine"}, 201).json
    assert kept["arguments"] == [["class", "platelet"], ["more", "25"]]
    assert "mine" in browser.get("/search").text
    browser.post(f"{API}/searches?class=basophil", {"name": "mine"}, 201)
    [only] = browser.get(f"{API}/searches").json["searches"]
    assert only["arguments"] == [["class", "basophil"]]
    other = browse_as(make_app(drawn, author="bea").test_client())
    assert other.get(f"{API}/searches").json["searches"] == []
    other.post(f"{API}/searches/{only['id']}", {}, 404, method="DELETE")
    browser.post(f"{API}/searches/{only['id']}", {}, method="DELETE")
    assert browser.get(f"{API}/searches").json["searches"] == []
    browser.post(f"{API}/searches", {"name": "nothing"}, 400)
    browser.post(f"{API}/searches?text=abc", {"name": " "}, 400)


def test_a_search_opens_as_a_sheet(browser) -> None:
    kept = browser.post(f"{API}/search/sheet?class=platelet&count=3", {"without": [20]}, 201).json
    assert kept["total"] == 2
    assert kept["class"]["code"] == "platelet"
    assert browser.get(f"{API}/selections/{kept['id']}").json["cells"] == [24, 16]


def upload(browser, data: bytes, status: int, name: str = "x.png"):
    answer = browser.client.post(
        f"{API}/examples",
        data={"picture": (io.BytesIO(data), name)},
        headers={"X-CSRF-Token": browser.token},
    )
    assert answer.status_code == status, answer.text
    return answer.json


def png(kind: str = "PNG") -> bytes:
    held = io.BytesIO()
    Image.fromarray(np.full((30, 30, 3), 120, np.uint8)).save(held, kind)
    return held.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
     b"GIF89a" + b"\0" * 20, png()[:60], b"%PDF-1.7"],
    ids=["empty", "svg", "broken-gif", "cut", "pdf"],
)  # fmt: skip
def test_what_is_no_picture_is_refused_whatever_its_name(browser, data) -> None:
    error = upload(browser, data, 422)["error"]
    assert error["type"] == "example"
    assert "/tmp" not in error["message"]


def test_an_upload_without_a_file_or_token_is_refused(browser) -> None:
    browser.post(f"{API}/examples", {}, 422)
    sent = {"picture": (io.BytesIO(png()), "x.png")}
    assert browser.client.post(f"{API}/examples", data=sent).status_code == 403


def test_a_picture_is_embedded_and_searched_by(browser, app, opened, monkeypatch) -> None:
    ids, vectors = opened.embeddings()

    class Network:
        id = opened.active_model

    monkeypatch.setattr(
        "retrieval.embedding.embed_images",
        lambda model, items, read, **more: [(item, vectors[ids == 25][0]) for item in items],
    )  # first: a module imported now must not keep the false model below
    monkeypatch.setattr("retrieval.model.atlas_model", lambda atlas: Network())
    kept = upload(browser, png("JPEG"), 201, "../<b>cell</b>.jpg")
    assert kept["title"] == "b>.jpg"
    assert browser.get(kept["picture"]).mimetype == "image/webp"
    assert found(browser, f"picture={kept['id']}")[0] == 25
    page = browser.get(f"/search?picture={kept['id']}").text
    assert kept["picture"] in page
    assert "b&gt;.jpg" in page


def test_a_picture_of_another_model_is_not_compared(browser, opened, tmp_path) -> None:
    file = tmp_path / "m.safetensors"
    file.write_bytes(b"x")
    opened.add_model("other", file, {})
    vector = np.eye(1, 16, dtype=np.float32)
    kept = add_example(opened, "other", vector, b"", "ann", "t")
    error = browser.get(f"{API}/search?picture={kept.id}", 400).json["error"]
    assert "was read by model other" in error["message"]

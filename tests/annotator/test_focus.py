"""Looking closely: why not another class, what the network saw, the scale of pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from annotator.keys import COMMANDS, RESERVED
from index import Atlas
from index.reviewing import pixel_sizes_of
from retrieval.view import View

MODEL = "0123456789abcdef"


def test_why_not_gives_the_cells_of_the_runner_up_nearest_first(browser) -> None:
    proposal = browser.get("/api/v1/cells/25").json["proposal"]
    told = browser.get("/api/v1/focus/25/why-not").json
    assert told["class"]["code"] == proposal["runner_up"]["code"]
    near = told["neighbours"]
    assert {each["class"]["code"] for each in near} == {told["class"]["code"]}
    assert [each["distance"] for each in near] == sorted(each["distance"] for each in near)
    assert near[0]["distance"] > proposal["evidence"][0]["distance"]
    assert near[0]["author"] == "import"
    named = browser.get("/api/v1/focus/25/why-not?class=PLT").json
    assert {each["class"]["code"] for each in named["neighbours"]} == {"platelet"}


def test_why_not_tells_the_proposal_it_belongs_to(browser) -> None:
    told = browser.get("/api/v1/focus/25/why-not").json
    proposal = browser.get("/api/v1/cells/25").json["proposal"]
    assert told["proposal"] == proposal
    assert told["class"] == proposal["runner_up"]
    chances = {each["code"]: each["probability"] for each in proposal["probabilities"]}
    assert told["probability"] == chances[told["class"]["code"]]


def test_why_not_never_shows_the_cell_itself_and_says_why_there_is_nothing(browser) -> None:
    told = browser.get("/api/v1/focus/1/why-not?class=neutrophil").json
    assert 1 not in {each["cell"] for each in told["neighbours"]}
    assert len(told["neighbours"]) == 5
    nothing = browser.get("/api/v1/focus/36/why-not").json  # has no embedding
    assert nothing["no_proposal"]["type"] == "no_embedding"
    assert nothing["neighbours"] == []
    browser.get("/api/v1/focus/999/why-not", 404)
    browser.get("/api/v1/focus/25/why-not?class=unicorn", 422)


def test_why_not_is_kept_back_with_the_proposal(make_app, drawn, browse_as) -> None:
    from annotator.policy import Policy, write_policy

    app = make_app(drawn, dataset="new")
    write_policy(app.extensions["desk"].whole, Policy(show="never"), "ann")
    browser = browse_as(app.test_client())
    told = browser.get("/api/v1/focus/25/why-not").json
    assert told["neighbours"] == []
    assert told["no_proposal"]["type"] == "hidden"


@pytest.fixture
def seeing(drawn, make_app, browse_as):
    """A browser of an atlas whose model says how it looks at a picture."""
    with Atlas.open(drawn) as atlas:
        file = drawn.parent / "seeing.safetensors"
        file.write_bytes(b"no weights are read here")
        atlas.add_model("seeing", file, {"view": View(input_size=32).as_dict()})
        atlas.set_active_model("seeing")
    return browse_as(make_app(drawn, dataset="new").test_client())


def test_what_the_network_saw(seeing, drawn) -> None:
    hash_ = seeing.get("/api/v1/cells/25").json["picture"].split("/")[3]
    answer = seeing.get(f"/focus/seen/25/{hash_}/seeing.png")
    assert answer.mimetype == "image/png"
    assert "immutable" in answer.headers["Cache-Control"]
    shown = np.asarray(Image.open(io.BytesIO(answer.data)))
    stored = np.asarray(Image.open(drawn.parent / "new" / "cell_00.png").convert("RGB"))
    assert np.array_equal(shown, View(input_size=32).picture(stored))
    seeing.get(f"/focus/seen/25/{hash_}/another.png", 404)
    seeing.get("/focus/seen/25/0000000000000000/seeing.png", 404)
    assert f"/focus/seen/25/{hash_}/seeing.png" in seeing.get("/cells/25").text


def test_a_model_that_does_not_say_how_it_looks(browser) -> None:
    hash_ = browser.get("/api/v1/cells/25").json["picture"].split("/")[3]
    answer = browser.get(f"/focus/seen/25/{hash_}/{MODEL}.png", 400)
    assert "says how it looks" in answer.text
    assert "What the network saw" not in browser.get("/cells/25").text


def test_the_pixel_size_is_set_on_a_cells_page_and_gives_a_scale(app, browser) -> None:
    html = browser.get("/cells/25").text
    assert "size unknown" in html
    sent = {"csrf_token": browser.token, "dataset": "new", "cell": "25", "micrometres": "0,12"}
    answer = browser.client.post("/focus/pixel-size", data=sent)
    assert answer.headers["Location"] == "/cells/25"
    assert pixel_sizes_of(app.extensions["desk"].whole) == {"new": 0.12}
    html = browser.get("/cells/25").text
    assert 'data-micrometres="0.12"' in html
    assert '"pixel_sizes": {"new": 0.12}' in browser.get("/").text
    for wrong, words in (("wide", "micrometres is"), ("0", "0 µm was given")):
        refused = browser.client.post("/focus/pixel-size", data={**sent, "micrometres": wrong})
        assert refused.status_code == 400
        assert words in refused.text.lower()
    assert pixel_sizes_of(app.extensions["desk"].whole) == {"new": 0.12}


def test_no_two_commands_share_a_key_and_looking_closely_has_its_own() -> None:
    assert len(RESERVED) == len(COMMANDS)
    assert {"why_not", "compare", "seen", "adjust"} <= {command.name for command in COMMANDS}


def test_the_page_sharpens_nothing_by_itself(browser) -> None:
    html = browser.get("/").text
    assert '<input type="checkbox" id="sharper">' in html
    assert 'id="brightness" min="50" max="150" step="5" value="100"' in html


def test_a_cell_leads_to_cells_like_it_unless_it_has_no_embedding(browser) -> None:
    html = browser.get("/cells/25").text
    link = html.split('id="more-like"')[1].split("</a>")[0]
    assert 'href="/search?more=25"' in link
    assert "cell 25" in link.split("visually-hidden")[1]
    assert 'class="found-cell"' in browser.get("/search?more=25").text
    assert 'id="more-like"' not in browser.get("/cells/36").text

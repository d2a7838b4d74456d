"""Rows of docs/errors.md about reviewing and looking closely, as the annotator says them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from index import NewLabel
from index.errors import CellKinError
from index.reviewing import decisions_of, set_pixel_size
from retrieval.seen import NetworkEyes


@pytest.fixture
def matches(rows) -> Callable[[str, str], None]:
    """``matches(row, words)``: what was said is what docs/errors.md says."""

    def check(row: str, words: str) -> None:
        parts = f"{rows[row].says}; {rows[row].remedy}".split("…")
        assert re.fullmatch(".*?".join(re.escape(part) for part in parts), words), words

    return check


@pytest.fixture
def told(painted_atlas: Path, matches) -> Callable[..., None]:
    """``told(row, status, path, sent)``: the API answers rita so, and nothing is decided."""
    from annotator import AnnotatorConfig, create_app

    app = create_app(AnnotatorConfig(atlas=painted_atlas, author="rita"))
    whole = app.extensions["desk"].whole
    said = [NewLabel(1, "monocyte", "rita", "single"), NewLabel(1, "blast", "ben", "single")]
    whole.add_labels(said)
    whole.put_user("zoe", role="reviewer")
    client = app.test_client()
    token = client.get("/api/v1/session").json["csrf_token"]

    def check(row: str, status: int, path: str, sent: dict) -> None:
        answer = client.post(f"/api/v1/{path}", json=sent, headers={"X-CSRF-Token": token})
        assert answer.status_code == status, answer.text
        error = answer.json["error"]
        matches(row, f"{error['message']}; {error['remedy']}")
        assert decisions_of(whole) == []

    yield check
    app.extensions["desk"].close()


def test_decisions_that_are_refused(told) -> None:
    blast = {"class": "blast"}
    told("review-changed", 409, "review/disagreements/1", {**blast, "version": 1})
    told("review-not-third", 409, "review/disagreements/1", blast)
    told("review-queue", 400, "review/odd/1", blast)
    told("review-matter", 400, "review/disagreements/x", blast)
    told("review-nothing-said", 400, "review/disagreements/1", {})


def test_looking_closely(painted_atlas: Path, matches) -> None:
    from index import Atlas

    with Atlas.open(painted_atlas) as atlas:
        name = str(atlas.datasets()["name"][0])
        with pytest.raises(CellKinError) as wide:
            set_pixel_size(atlas, name, 0.0, "rita")
        model = atlas.path.parent / "blind.safetensors"
        model.write_bytes(b"no weights are read here")
        atlas.add_model("blind", model, {})
        atlas.set_active_model("blind")
        with pytest.raises(CellKinError) as unseen:
            NetworkEyes(atlas).picture(atlas.cell(1))
    matches("pixel-size", str(wide.value))
    matches("seen-nothing", str(unseen.value))

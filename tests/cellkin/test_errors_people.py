"""Rows of docs/errors.md about accounts, shared work and labels that meet."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from index.accounts import make_token
from index.errors import CellKinError


@pytest.fixture
def people(painted_atlas: Path):
    """An annotator with accounts, and a token each for an owner and two readers."""
    from annotator import AnnotatorConfig, create_app

    app = create_app(AnnotatorConfig(atlas=painted_atlas, accounts=True, planted=0.0))
    whole = app.extensions["desk"].whole
    tokens = {}
    for name, role in (("olga", "owner"), ("anna", "reader"), ("otto", "reader")):
        whole.put_user(name, role=role)
        tokens[name] = make_token(whole, name, "test")
    yield app.test_client(), tokens
    app.extensions["desk"].close()


@pytest.fixture
def told(people, rows) -> Callable[..., None]:
    """``told(row, status, who, method, path, sent)``: the API answers as docs/errors.md says."""
    client, tokens = people

    def check(row: str, status: int, who: str | None, method: str, path: str, sent=None) -> None:
        headers = {"Authorization": f"Bearer {tokens.get(who, who)}"} if who else {}
        answer = client.open(f"/api/v1{path}", method=method, json=sent or {}, headers=headers)
        assert answer.status_code == status, answer.text
        error = answer.json["error"]
        words = f"{error['message']}; {error['remedy']}"
        if row not in rows:
            pytest.fail(f"docs/errors.md lacks {row}: {words}", pytrace=False)
        parts = f"{rows[row].says}; {rows[row].remedy}".split("…")
        assert re.fullmatch(".*?".join(re.escape(part) for part in parts), words), words

    return check


def share(told_client, tokens, **more) -> None:
    sent = {"readers": ["anna"], **more}
    answer = told_client.post(
        "/api/v1/people/assignments", json=sent,
        headers={"Authorization": f"Bearer {tokens['olga']}"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text


def test_nobody_signed_in(told) -> None:
    told("not-signed-in", 401, None, "GET", "/next")


def test_unknown_token(told) -> None:
    told("token-unknown", 401, "ck_none", "GET", "/next")


def test_role_does_not_reach(told) -> None:
    told("role-too-small", 403, "anna", "GET", "/people")


def test_cell_of_another(told, people) -> None:
    share(*people)
    told("not-assigned", 403, "otto", "POST", "/cells/1/label", {"class": "platelet"})


def test_two_labels_meet(told, people) -> None:
    client, tokens = people
    path, bearer = "/api/v1/cells/1/label", {"Authorization": f"Bearer {tokens['otto']}"}
    assert client.post(path, json={"class": "basophil"}, headers=bearer).status_code == 201
    sent = {"class": "platelet", "version": 0}
    told("label-conflict", 409, "anna", "POST", "/cells/1/label", sent)


def test_work_that_cannot_be_shared(told, people) -> None:
    work = "/people/assignments"
    told("assign-nobody", 400, "olga", "POST", work, {"readers": []})
    told("assign-stranger", 400, "olga", "POST", work, {"readers": ["carl"]})
    told("assign-one-overlap", 400, "olga", "POST", work, {"readers": ["anna"], "overlap": 10})
    told("assign-overlap", 400, "olga", "POST", work, {"readers": ["anna"], "overlap": 120})
    told("assign-unit", 400, "olga", "POST", work, {"readers": ["anna"], "unit": "row"})
    share(*people)
    told("assign-nothing-left", 409, "olga", "POST", work, {"readers": ["otto"]})
    told("assignment-unknown", 409, "olga", "DELETE", f"{work}/7")


def test_roles_and_names(told) -> None:
    told("role-unknown", 400, "olga", "PUT", "/people/anna/role", {"role": "boss"})
    told("user-unknown", 404, "olga", "PUT", "/people/carl/role", {"role": "reader"})
    told("last-owner", 409, "olga", "PUT", "/people/olga/role", {"role": "closed"})


def test_rules_outside_what_is_allowed(told) -> None:
    told("policy-show", 400, "olga", "PUT", "/people/policy", {"show": "sometimes"})
    told("policy-share", 400, "olga", "PUT", "/people/policy", {"planted": 0.9})


def test_no_known_answer_to_draw(told, people) -> None:
    sent = {"count": 5, "dataset": "painted"}
    whole = people[0].application.extensions["desk"].whole
    for cell in whole.cell_ids():
        for label in whole.history(int(cell)):
            whole.undo(label.id, "olga")
    told("gold-none", 400, "olga", "PUT", "/people/gold", sent)


def refuse(rows, row: str, doing: Callable[[], object]) -> None:
    """``doing`` raises what docs/errors.md says."""
    with pytest.raises(CellKinError) as caught:
        doing()
    parts = f"{rows[row].says}; {rows[row].remedy}".split("…")
    assert re.fullmatch(".*?".join(re.escape(part) for part in parts), str(caught.value))


def test_the_door(people, rows) -> None:
    from annotator.accounts import MOST_NAME, invite, join, sign_in

    whole = people[0].application.extensions["desk"].whole
    secret = invite(whole, "reader", "olga").removeprefix("/join/")
    good = "a sentence of some words"
    refuse(rows, "door-name", lambda: join(whole, secret, "\u202e", "", good))
    refuse(rows, "door-password", lambda: join(whole, secret, "carl", "", "short"))
    refuse(rows, "door-taken", lambda: join(whole, secret, "anna", "", good))
    join(whole, secret, "carl", "", good)
    refuse(rows, "door-used", lambda: join(whole, secret, "carl", "", good))
    for _ in range(MOST_NAME):
        refuse(rows, "door-wrong", lambda: sign_in(whole, "anna", "wrong", "::1", 1))
    refuse(rows, "door-shut", lambda: sign_in(whole, "anna", "wrong", "::1", 1))

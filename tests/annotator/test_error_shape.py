"""Every failure of every API route has one shape, and pages say the same in HTML.

The shape: {"error": {"type": text, "message": text, "remedy": text}} and nothing else.
"""

from __future__ import annotations

import re

import pytest

from annotator.errors import error_type
from index.errors import UnknownCellError


def check(answer, status: int, kind: str) -> str:
    """Assert the shape; returns message and remedy."""
    assert answer.status_code == status, answer.text[:300]
    assert answer.mimetype == "application/json"
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) == {"type", "message", "remedy"}
    assert error["type"] == kind
    assert error["message"]
    assert error["remedy"]
    assert not error["message"].endswith(".")
    return f"{error['message']}; {error['remedy']}"


API = [
    # method, path, body, status, type
    ("GET", "/api/v1/next?without=x", None, 400, "bad_request"),
    ("GET", "/api/v1/cells?state=odd", None, 400, "bad_request"),
    ("GET", "/api/v1/cells?before=-1", None, 400, "bad_request"),
    ("GET", "/api/v1/cells?size=0", None, 400, "bad_request"),
    ("GET", "/api/v1/cells?dataset=none", None, 404, "unknown_dataset"),
    ("GET", "/api/v1/cells?class=none", None, 422, "unknown_class"),
    ("GET", "/api/v1/cells/999", None, 404, "unknown_cell"),
    ("GET", "/api/v1/cells/x", None, 404, "not_found"),
    # Numbers that no atlas, and no column of one, can hold.
    ("GET", f"/api/v1/cells/{10**20}", None, 404, "not_found"),
    ("GET", f"/api/v1/cells/{'9' * 5000}", None, 404, "not_found"),
    ("GET", f"/api/v1/cells?before={'0' * 5000}", None, 400, "bad_request"),
    ("GET", f"/api/v1/explore/cells?ids={10**20}", None, 400, "bad_request"),
    ("POST", "/api/v1/sheets/1/accept", {"out": {"9" * 5000: None}}, 400, "bad_request"),
    ("POST", f"/api/v1/sheets/{10**20}/accept", {}, 404, "not_found"),
    ("GET", "/api/v1/cells/999/neighbours", None, 404, "unknown_cell"),
    ("GET", "/api/v1/cells/999/history", None, 404, "unknown_cell"),
    ("POST", "/api/v1/cells/999/label", {"class": "neutrophil"}, 404, "unknown_cell"),
    ("POST", "/api/v1/cells/1/label", {}, 400, "bad_request"),
    ("POST", "/api/v1/cells/1/label", {"class": 7}, 400, "bad_request"),
    ("POST", "/api/v1/cells/1/label", ["neutrophil"], 400, "bad_request"),
    ("POST", "/api/v1/cells/1/label", {"class": "unicorn"}, 422, "unknown_class"),
    ("POST", "/api/v1/cells/1/label", {"class": "neutrophil", "proposal": "x"}, 409,
     "stale_proposal"),
    ("POST", "/api/v1/cells/1/label", {"class": "neutrophil", "proposal_visible": "yes"}, 400,
     "bad_request"),
    ("POST", "/api/v1/cells/1/label", {"class": "neutrophil", "note": "n" * 3000}, 400,
     "bad_request"),
    ("POST", "/api/v1/cells/999/skip", {}, 404, "unknown_cell"),
    ("POST", "/api/v1/cells/999/flag", {"flagged": True}, 404, "unknown_cell"),
    ("POST", "/api/v1/cells/1/flag", {}, 400, "bad_request"),
    ("POST", "/api/v1/cells/1/flag", {"flagged": 1}, 400, "bad_request"),
    ("POST", "/api/v1/undo", {}, 409, "nothing_to_undo"),
    ("POST", "/api/v1/redo", {}, 409, "nothing_to_redo"),
    ("PUT", "/api/v1/queue", {"order": "odd"}, 400, "bad_request"),
    ("PUT", "/api/v1/queue", {"dataset": "none"}, 404, "unknown_dataset"),
    ("POST", "/api/v1/classes", {}, 400, "bad_request"),
    ("POST", "/api/v1/classes", {"name": "A", "parent": "unicorn"}, 422, "unknown_class"),
    ("POST", "/api/v1/classes", {"name": "Neutrophil", "parent": "leukocyte"}, 400, "taxonomy"),
    ("POST", "/api/v1/classes", {"name": "New", "parent": "leukocyte", "key": "s"}, 400,
     "bad_request"),
    ("POST", "/api/v1/import/labels", {}, 400, "bad_request"),
    ("GET", "/api/v1/export/labels.csv?dataset=none", None, 404, "unknown_dataset"),
    ("GET", "/api/v1/export/history.csv?dataset=none", None, 404, "unknown_dataset"),
    ("POST", "/api/v1/account", {}, 405, "method_not_allowed"),
    ("DELETE", "/api/v1/people", {}, 405, "method_not_allowed"),
    ("POST", "/api/v1/people/invitations", {"role": "boss"}, 400, "bad_request"),
    ("POST", "/api/v1/people/invitations", {"name": "carl"}, 404, "unknown_user"),
    ("PUT", "/api/v1/people/x/role", {"role": "boss"}, 400, "bad_request"),
    ("PUT", "/api/v1/people/x/role", {"role": "reader"}, 404, "unknown_user"),
    ("POST", "/api/v1/people/assignments", {}, 400, "bad_request"),
    ("DELETE", "/api/v1/people/assignments/1", {}, 409, "assignment"),
    ("PUT", "/api/v1/people/policy", {"show": "odd"}, 400, "bad_request"),
    ("PUT", "/api/v1/people/gold", {"count": -1}, 400, "bad_request"),
    ("POST", "/api/v1/people/audit.csv", {}, 405, "method_not_allowed"),
    ("POST", "/api/v1/people/audit.jsonl", {}, 405, "method_not_allowed"),
    ("GET", "/api/v1/nowhere", None, 404, "not_found"),
    ("GET", "/api/nowhere", None, 404, "not_found"),
    ("DELETE", "/api/v1/cells/1", {}, 405, "method_not_allowed"),
    ("POST", "/api/v1/next", {}, 405, "method_not_allowed"),
    ("GET", "/api/v1/undo", None, 405, "method_not_allowed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "kind"),
    API,
    ids=[f"{row[0]} {row[1][:60]}" for row in API],
)
def test_a_failing_route_answers_in_the_one_shape(
    browser, method, path, sent, status, kind
) -> None:
    answer = browser.client.open(
        path, method=method, json=sent, headers={"X-CSRF-Token": browser.token}
    )
    check(answer, status, kind)


def routes(app) -> dict[str, str]:
    """Every API rule, and a path that it answers."""
    rules = [str(rule) for rule in app.url_map.iter_rules() if str(rule).startswith("/api/")]
    return {
        rule: re.sub(r"<(int:)?[a-z_]+>", lambda m: "1" if m[1] else "x", rule) for rule in rules
    }


def test_every_api_route_fails_in_the_one_shape(app, browser) -> None:
    """Also the routes of other rooms, whose own failures are tried with them."""
    for path in routes(app).values():
        answer = browser.client.open(path, method="PATCH", headers={"X-CSRF-Token": browser.token})
        check(answer, 405, "method_not_allowed")


def test_the_routes_tried_above_are_there(app) -> None:
    known = {re.sub(r"<(int:)?[a-z_]+>", "*", rule) for rule in routes(app)}
    odd = {"/api/v1/nowhere", "/api/nowhere", "/api/v1/cells/x"}
    for _, path, *_ in API:
        plain = path.partition("?")[0]
        parts = plain.split("/")
        spelt = {plain, *("/".join([*parts[:n], "*", *parts[n + 1 :]]) for n in range(len(parts)))}
        assert spelt & known or plain in odd, path


def test_405_names_what_is_possible(browser) -> None:
    answer = browser.client.get("/api/v1/undo")
    assert "POST" in check(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_a_body_that_is_no_json(browser) -> None:
    headers = {"X-CSRF-Token": browser.token}
    path = "/api/v1/cells/1/label"
    check(
        browser.client.post(path, data="class=neutrophil", headers=headers),
        415,
        "unsupported_media_type",
    )
    check(
        browser.client.post(path, data="{", content_type="application/json", headers=headers),
        400,
        "bad_request",
    )


def test_too_much_is_413_and_names_the_limit(make_app, drawn, browse_as) -> None:
    browser = browse_as(make_app(drawn, largest_upload=1024 * 1024).test_client())
    answer = browser.client.post(
        "/api/v1/cells/1/label",
        data=b"x" * 1_100_000,
        content_type="application/json",
        headers={"X-CSRF-Token": browser.token},
    )
    assert "1 MiB" in check(answer, 413, "request_entity_too_large")


def test_what_nobody_foresaw_is_500_in_the_same_shape(app, browser, monkeypatch) -> None:
    def burst(*_: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr(app.extensions["desk"].atlas, "cell", burst)
    answer = browser.client.get("/api/v1/cells/1")
    assert "secret" not in check(answer, 500, "internal")


def test_pages_say_the_same_in_html(browser) -> None:
    for path, status, words in (
        ("/cells/999", 404, "cell 999 is not in the atlas"),
        ("/nowhere", 404, "nothing at /nowhere"),
        ("/cells?state=odd", 400, "allowed is one of"),
    ):
        answer = browser.get(path, status)
        assert answer.mimetype == "text/html"
        assert words.lower() in answer.text.lower()
        assert "Back to labelling" in answer.text


def test_type_is_the_name_of_the_error() -> None:
    assert error_type(UnknownCellError("x")) == "unknown_cell"

"""Nothing but the annotator's own pages, on this machine, may change an atlas."""

from __future__ import annotations

import re

import pytest

from annotator.config import AnnotatorConfig
from annotator.security import host_name
from annotator.serve import warning_for

PAGES = ("/", "/overview", "/cells", "/cells/1", "/classes", "/exchange", "/nowhere")


def test_every_answer_carries_the_security_headers(browser) -> None:
    for path in (*PAGES, "/api/v1/next", "/api/v1/nowhere", "/static/css/base.css", "/classes.css"):
        with browser.client.get(path) as answer:
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy, path
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_no_inline_style_script_or_foreign_address(browser, path) -> None:
    html = browser.client.get(path).text
    assert not re.search(r"\sstyle\s*=", html)
    assert not re.search(r"\son\w+\s*=", html)
    assert not re.search(r"<style", html)
    for attributes in re.findall(r"<script([^>]*)>", html):
        assert "src=" in attributes or 'type="application/json"' in attributes
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', html)


def test_a_change_without_token_is_refused_and_does_nothing(browser) -> None:
    cell = browser.next()["id"]
    path = f"/api/v1/cells/{cell}/label"
    for headers in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": "ü"}):
        answer = browser.client.post(path, json={"class": "neutrophil"}, headers=headers)
        assert answer.status_code == 403
        assert answer.json["error"]["type"] == "cross_site"
    assert browser.next()["history"] == []


def test_a_token_of_another_session_is_refused(app, browser) -> None:
    stranger = app.test_client()
    stranger.get("/api/v1/session")
    answer = stranger.post("/api/v1/undo", json={}, headers={"X-CSRF-Token": browser.token})
    assert answer.status_code == 403


def test_a_form_without_token_gets_a_page_that_says_so(browser) -> None:
    answer = browser.client.post("/classes", data={"name": "Odd cell", "parent": "leukocyte"})
    assert answer.status_code == 403
    assert "no valid token" in answer.text
    assert answer.mimetype == "text/html"


def test_a_change_from_another_site_is_refused_even_with_the_token(browser) -> None:
    answer = browser.client.post(
        "/api/v1/undo",
        json={},
        headers={"X-CSRF-Token": browser.token, "Origin": "http://evil.example"},
    )
    assert answer.status_code == 403
    assert "evil.example" in answer.json["error"]["message"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8642", "localhost.evil.example"])
def test_a_foreign_name_for_this_machine_is_refused(browser, host) -> None:
    answer = browser.client.get("/api/v1/next", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json["error"]["type"] == "foreign_host"
    assert "localhost" in answer.json["error"]["message"]


@pytest.mark.parametrize("host", ["localhost", "localhost:8642", "127.0.0.1:9", "[::1]:8642"])
def test_its_own_names_are_answered(browser, host) -> None:
    assert browser.client.get("/api/v1/session", headers={"Host": host}).status_code == 200


def test_an_annotator_open_to_others_answers_to_any_name(make_app, drawn) -> None:
    client = make_app(drawn, host="0.0.0.0").test_client()
    assert client.get("/overview", headers={"Host": "lab-machine:80"}).status_code == 200


def test_only_a_local_annotator_starts_without_a_warning(drawn) -> None:
    assert warning_for(AnnotatorConfig(atlas=drawn, host="127.0.0.1")) is None
    warning = warning_for(AnnotatorConfig(atlas=drawn, host="0.0.0.0", author="ann"))
    assert warning is not None
    assert "no login" in warning


def test_host_names_are_read_with_care() -> None:
    assert host_name("LOCALHOST:80") == "localhost"
    assert host_name("[::1]:80") == "::1"
    assert host_name("[broken") == ""
    assert host_name("") == ""


def test_names_never_become_markup(make_app, drawn, browse_as) -> None:
    browser = browse_as(make_app(drawn, author="<script>alert(1)</script>").test_client())
    evil = '"><img src=x onerror=alert(1)>'
    browser.post("/api/v1/classes", {"name": evil, "parent": "leukocyte", "code": "evil"}, 201)
    for path in PAGES:
        html = browser.client.get(path).text
        assert "<script>alert" not in html
        assert "<img src=x" not in html


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app) -> None:
    cookie = app.test_client().get("/api/v1/session").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie

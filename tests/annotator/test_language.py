"""The pages speak the reader's language, and every word of them stands in the catalogues."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from flask import Flask
from flask.testing import FlaskClient

from annotator.catalogues import PACKAGE, extracted, lacking, written
from annotator.language import (
    COUNTED,
    LANGUAGES,
    catalogue_file,
    gettext,
    ngettext,
    read_catalogue,
    script_catalogue,
    translations,
)

TEMPLATES = sorted((PACKAGE / "templates").rglob("*.html"))
SCRIPTS = sorted(
    file for file in (PACKAGE / "static" / "js").rglob("*.js") if "vendor" not in file.parts
)
# Words that are the same in every language: names, units, keys.
NAMES = {"CellKin", "Enter", "Esc", "Shift", "Ctrl", "px", "en", "es"}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def everything() -> Catalog:
    return extracted()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_string_is_in_the_catalogue(language: str, everything: Catalog) -> None:
    """After a change of words: python -m annotator.catalogues."""
    kept = {message.id for message in read_catalogue(language)}
    assert {message.id for message in everything} == kept


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_complete(language: str) -> None:
    assert [message.id for message in lacking(read_catalogue(language))] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_fills_in_the_same_values(language: str) -> None:
    wrong = []
    for message in read_catalogue(language):
        english = {message.id} if isinstance(message.id, str) else set(message.id)
        given = message.string if isinstance(message.string, tuple | list) else (message.string,)
        wanted = set().union(*(values(each) for each in english))
        wrong += [(message.id, each) for each in given if not values(each or "") <= wanted]
    assert wrong == []


def values(words: str) -> set[str]:
    """The places of ``words`` where values are filled in."""
    return set(re.findall(r"%\(\w+\)s|\{\w+\}", words))


def test_catalogues_are_written_the_same_each_time() -> None:
    for language in LANGUAGES:
        assert catalogue_file(language).read_bytes() == written(read_catalogue(language))


def test_outside_a_request_words_are_english() -> None:
    assert gettext("Undo") == "Undo"
    assert gettext("%(n)s left", n=3) == "3 left"
    assert ngettext("%(num)s cell", "%(num)s cells", 1) == "1 cell"
    assert ngettext("%(num)s cell", "%(num)s cells", 2) == "2 cells"


def test_scripts_are_told_the_plural_of_numbers() -> None:
    told = script_catalogue("es")
    assert len(told["plural"]) == COUNTED
    assert told["plural"][:3] == [1, 0, 1]
    assert told["plural"][101] == translations("es").plural(101) == 1


def test_the_browser_says_which_language(client: FlaskClient) -> None:
    assert '<html lang="en">' in client.get("/overview").text
    spanish = client.get("/overview", headers={"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}).text
    assert '<html lang="es">' in spanish
    other = client.get("/overview", headers={"Accept-Language": "tlh"}).text
    assert '<html lang="en">' in other


def test_a_reader_chooses_a_language_and_keeps_it(client: FlaskClient) -> None:
    token = client.get("/api/v1/session").json["csrf_token"]
    sent = {"language": "es", "back": "/cells?state=all", "csrf_token": token}
    answer = client.post("/language/", data=sent)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/cells?state=all"
    assert '<html lang="es">' in client.get("/overview").text


@pytest.mark.parametrize("back", ["https://else.example/x", "//else.example/x", "/\\else.example"])
def test_a_choice_of_language_leads_to_no_other_host(client: FlaskClient, back: str) -> None:
    token = client.get("/api/v1/session").json["csrf_token"]
    answer = client.post("/language/", data={"language": "es", "back": back, "csrf_token": token})
    assert re.match(r"/[^/\\]*", answer.headers["Location"])
    assert not answer.headers["Location"].startswith(("//", "/\\"))


def test_an_unknown_language_is_refused(client: FlaskClient) -> None:
    token = client.get("/api/v1/session").json["csrf_token"]
    sent = {"language": "tlh", "csrf_token": token}
    assert client.post("/language/", data=sent).status_code == 400
    assert client.get("/language/tlh.json").status_code == 404


def test_the_words_of_scripts_are_kept_by_the_browser(client: FlaskClient) -> None:
    first = client.get("/language/es.json")
    again = client.get("/language/es.json", headers={"If-None-Match": first.headers["ETag"]})
    assert first.json["language"] == "es"
    assert again.status_code == 304


# Words that are not wrapped -------------------------------------------------------------------


class _Words(HTMLParser):
    """Collects what a reader would see or hear of a page once Jinja is taken out."""

    SEEN = ("title", "alt", "placeholder", "aria-label", "aria-description", "label")
    SILENT = ("code", "kbd", "script", "style")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in self.SILENT
        self.found += [value for name, value in attrs if name in self.SEEN and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self.SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def bare(words: str) -> bool:
    return any(word not in NAMES for word in re.findall(r"[^\W\d_]{2,}", words))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.name)
def test_no_word_of_a_template_is_left_out(template: Path) -> None:
    page = template.read_text(encoding="utf-8")
    classes = r"\{% block body_class %\}.*?\{% endblock %\}"
    for jinja in (classes, r"\{#.*?#\}", r"\{%.*?%\}", r"\{\{.*?\}\}"):
        page = re.sub(jinja, " ", page, flags=re.DOTALL)
    parser = _Words()
    parser.feed(page)
    assert [" ".join(each.split()) for each in parser.found if bare(each)] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_no_sentence_of_a_script_is_left_out(script: Path) -> None:
    """Finds texts of a capital letter and a further word, outside text(), plural() and comments."""
    source = re.sub(r"^\s*(//|/?\*).*$", "", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    source = re.sub(r"\s//\s.*$", "", source, flags=re.MULTILINE)
    literal = r"(?:\"(?:[^\"\\\n]|\\.)*\"|`(?:[^`\\]|\\.)*`)"
    joined = rf"{literal}(?:\s*\+\s*{literal})*"
    source = re.sub(rf"\btext\(\s*{joined}", "", source)
    source = re.sub(rf"\bplural\(\s*{joined},\s*{joined}", "", source)
    said = re.findall(r"[\"`]([A-Z][a-z]*(?: [^\"`\n]+)?)[\"`]", source)
    assert [each for each in said if " " in each and bare(each)] == []

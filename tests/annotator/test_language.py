"""The pages speak the reader's language, and every word of them stands in the catalogues."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from annotator.catalogues import PACKAGE, extracted, lacking, written
from annotator.class_names import SHIPPED, class_name
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
from annotator.rewording import REMEDIES, WORDS
from index.taxonomy import shipped_taxonomy

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


SPANISH = {"Accept-Language": "es"}


def test_classes_are_named_in_the_language_and_codes_are_not(client: FlaskClient) -> None:
    for document in client.get("/api/v1/classes", headers=SPANISH).json["classes"]:
        if document["code"] == "neutrophil":
            assert document["name"] == "Neutrófilo"
            assert "Neutrophil" in document["aliases"]
    cell = client.get("/api/v1/next", headers=SPANISH).json["cell"]
    english = client.get(f"/api/v1/cells/{cell['id']}").json
    assert cell["proposal"]["class"]["code"] == english["proposal"]["class"]["code"]
    name = cell["proposal"]["class"]["name"]
    assert name != english["proposal"]["class"]["name"]
    assert name.lower() in cell["proposal"]["words"]["prediction_set"]
    assert client.get("/api/v1/export/labels.csv", headers=SPANISH).text.count("Neutrophil") > 0


def test_every_class_that_comes_with_it_has_a_name_in_every_catalogue() -> None:
    taxonomy = shipped_taxonomy()
    assert {node.name for node in taxonomy.nodes.values()} == SHIPPED
    assert class_name(replace(taxonomy.node("blast"), name="Undo")) == "Undo"


def test_a_page_names_classes_that_were_worked_out_for_nobody(app: Flask) -> None:
    """Figures are made on a thread, which speaks English."""
    template = "{{ 'Neutrophil'|class_name }}, {{ 'Undo'|class_name }}"
    with app.test_request_context(headers=SPANISH):
        assert render_template_string(template) == "Neutrófilo, Undo"


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("POST", "/api/v1/undo", "a ann no le queda nada que deshacer"),
        ("POST", "/api/v1/redo", "ann no ha deshecho nada desde la última acción"),
        ("GET", "/api/v1/cells/99999", "la célula 99999 no está en el atlas"),
        ("GET", "/api/v1/nothing", "no hay nada en /api/v1/nothing"),
        ("PUT", "/api/v1/undo", "PUT no es posible en /api/v1/undo"),
    ],
)
def test_common_errors_are_said_in_the_language(
    client: FlaskClient, method: str, path: str, words: str
) -> None:
    token = client.get("/api/v1/session").json["csrf_token"]
    answer = client.open(
        path, method=method, json={}, headers={**SPANISH, "X-CSRF-Token": token}
    ).json["error"]
    assert answer["message"].startswith(words)
    english = client.open(path, method=method, json={}, headers={"X-CSRF-Token": token}).json
    assert answer["remedy"] != english["error"]["remedy"]


def test_what_is_said_again_is_what_is_raised() -> None:
    """Every pattern stands for an error that is raised somewhere, by its first words."""
    raised = "\n".join(
        file.read_text(encoding="utf-8")
        for folder in (PACKAGE, PACKAGE.parent / "index")
        for file in folder.rglob("*.py")
        if file.name != "rewording.py"
    )
    for _pattern, words in WORDS:
        longest = max(re.split(r"%\(\w+\)s|;", words), key=len).strip()
        assert longest in raised, words
    for remedy in REMEDIES:
        assert remedy in raised or remedy.split(", ")[0] in raised, remedy


def test_every_name_that_the_annotator_shows_is_known_to_tables() -> None:
    tree = shipped_taxonomy()
    shown = read_catalogue("es")
    for node in tree.nodes.values():
        told = shown.get(node.name)
        assert told is not None
        assert tree.resolve(str(told.string)).code == node.code

"""The language of a request: chosen by the reader, else what the browser asks for, else English."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from babel.support import NullTranslations
from flask import Blueprint, Flask, Response, jsonify, redirect, request
from flask_babel import Babel, Domain, get_locale, get_translations
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from annotator.fields import choice
from annotator.language import DEFAULT, LANGUAGES, script_catalogue, speak, translations

COOKIE = "cellkin_language"  # of the host, not of one atlas: a reader keeps the language
YEAR = 365 * 24 * 3600

language = Blueprint("language", __name__, url_prefix="/language")


class _Catalogues(Domain):
    """Flask-Babel's domain, fed from the catalogues as they stand: nothing is compiled ahead."""

    def get_translations(self) -> NullTranslations:
        return translations(chosen())


def chosen() -> str:
    """The language of this request, a key of LANGUAGES; English outside a request."""
    locale = get_locale()
    return locale.language if locale is not None else DEFAULT


def _select() -> str:
    kept = request.cookies.get(COOKIE, "")
    if kept in LANGUAGES:
        return kept
    return request.accept_languages.best_match(LANGUAGES, DEFAULT) or DEFAULT


def translate(app: Flask) -> None:
    """Give ``app`` its languages: ``_`` and ``ngettext`` in templates, the routes below."""
    babel = Babel(app, default_locale=DEFAULT, locale_selector=_select)
    babel.domain_instance = _Catalogues()
    speak(get_translations)
    app.register_blueprint(language)


@language.app_context_processor
def everywhere() -> dict[str, Any]:
    """What every page needs to say its language and offer the others."""
    return {"language": chosen(), "languages": LANGUAGES}


@language.get("/<code>.json")
def words(code: str) -> Response:
    """The words of the scripts in one language."""
    if code not in LANGUAGES:
        raise NotFound
    response = jsonify(script_catalogue(code))
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


@language.post("/")
def choose() -> BaseResponse:
    """Keep the language chosen, and go back to the page it was chosen on."""
    code = choice(request.form, "language", LANGUAGES, DEFAULT)
    back = urlsplit(request.form.get("back", "/"))
    path = "/" + back.path.lstrip("/\\")  # never to another host
    response = redirect(f"{path}?{back.query}" if back.query else path, 303)
    response.set_cookie(COOKIE, code, max_age=YEAR, samesite="Strict", httponly=True)
    return response

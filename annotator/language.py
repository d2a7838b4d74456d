"""The words of the pages in the reader's language: one catalogue a language, English as the key.

Wrap what a reader sees: ``_("Undo")``, ``_("%(n)s cells", n=3)``; in a table made when the module
is loaded ``mark("Undo")``, and ``_(entry)`` where it is shown. Imports no Flask: which language a
request speaks is told by ``annotator.translating``; outside a request it is English.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

# Code to name, each in its own language. A new one: a line here, a folder in ``translations``.
LANGUAGES = {"en": "English", "es": "Español"}
DEFAULT = "en"
FOLDER = Path(__file__).parent / "translations"
COUNTED = 200  # numbers of which the plural form is told to scripts; beyond, it repeats by hundreds


def catalogue_file(language: str) -> Path:
    """Where the catalogue of ``language`` lies."""
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


def read_catalogue(language: str) -> Catalog:
    """The catalogue of ``language`` (a key of LANGUAGES) as it stands in its file."""
    with catalogue_file(language).open("rb") as file:
        return read_po(file, locale=language)


@cache
def translations(language: str) -> Translations:
    """The catalogue of ``language``, compiled in memory: no build step, no second file."""
    compiled = io.BytesIO()
    write_mo(compiled, read_catalogue(language))
    compiled.seek(0)
    return Translations(compiled)


@cache
def script_catalogue(language: str) -> dict[str, Any]:
    """What ``static/js/language.js`` needs: the words of scripts, and which plural a number takes.

    ``words`` maps the English text to the translation, or to the list of plural forms;
    ``plural`` holds the form (0, 1, …) of the numbers 0 to COUNTED - 1.
    """
    words: dict[str, Any] = {}
    for message in read_catalogue(language):
        if not any(file.endswith(".js") for file, _line in message.locations):
            continue
        if message.string:
            key = message.id if isinstance(message.id, str) else message.id[0]
            words[key] = message.string
    form = translations(language).plural
    return {"language": language, "words": words, "plural": [form(n) for n in range(COUNTED)]}


def _english() -> NullTranslations:
    return NullTranslations()


_spoken: Callable[[], NullTranslations] = _english


def speak(source: Callable[[], NullTranslations]) -> None:
    """From now on ask ``source`` for the translations of the work under way."""
    global _spoken
    _spoken = source


def gettext(text: str, **values: Any) -> str:
    """``text`` in the reader's language, with ``%(name)s`` filled in where values are given."""
    said = _spoken().ugettext(text)
    return said % values if values else said


def ngettext(one: str, many: str, num: int, **values: Any) -> str:
    """``one`` or ``many`` by ``num`` in the reader's language; ``%(num)s`` is the number."""
    return _spoken().ungettext(one, many, num) % {"num": num, **values}


def mark(text: str) -> str:
    """``text`` itself, noted for the catalogue: it is translated where it is shown."""
    return text

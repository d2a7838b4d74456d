"""Brings the catalogues of ``annotator/translations`` up to what templates, scripts and code say.

    python -m annotator.catalogues

English is filled in by itself; what another language lacks stands there with an empty ``msgstr``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from annotator.language import DEFAULT, LANGUAGES, catalogue_file, read_catalogue

PACKAGE = Path(__file__).parent
_PAIR = (1, 2)
# Pattern of files, how Babel reads them, the calls that hold words of the reader.
SOURCES = (
    ("**.py", "python", {"_": None, "gettext": None, "ngettext": _PAIR, "mark": None}),
    ("templates/**.html", "jinja2.ext:babel_extract", {"_": None, "ngettext": _PAIR}),
    ("static/js/**.js", "javascript", {"text": None, "plural": _PAIR}),
)
_OPTIONS = {"templates/**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
_NOISE = tuple(
    f'"{name}'.encode()
    for name in (
        "Project-Id",
        "Report-Msgid",
        "POT-Creation",
        "PO-Revision",
        "Last-Trans",
        "Language-Team",
        "Generated",
    )
)
_HEADER = "# The words of the annotator. Made by 'python -m annotator.catalogues'."


def extracted() -> Catalog:
    """Every string that code, templates and scripts mark, with the files it stands in."""
    found = Catalog(charset="utf-8")
    for pattern, method, calls in SOURCES:
        for file, _line, words, comments, context in extract_from_dir(
            PACKAGE, [(pattern, method)], _OPTIONS, calls, directory_filter=_ours
        ):
            found.add(words, None, [(file, 0)], auto_comments=comments, context=context)
    return found


def _ours(folder: str | Path) -> bool:
    return Path(folder).name not in ("vendor", "__pycache__")


def updated(language: str) -> Catalog:
    """The catalogue of ``language`` with every string there is now and none that is gone."""
    if catalogue_file(language).is_file():
        catalogue = read_catalogue(language)
    else:
        catalogue = Catalog(locale=language, charset="utf-8")
    catalogue.update(extracted(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.header_comment = _HEADER
    catalogue.fuzzy = False
    catalogue.project = "CellKin"
    if language == DEFAULT:
        for message in catalogue:
            if message.id:
                message.string = message.id
    return catalogue


def lacking(catalogue: Catalog) -> Iterator[Message]:
    """The messages of which a form is not translated yet."""
    for message in catalogue:
        forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
        if message.id and not all(forms):
            yield message


def written(catalogue: Catalog) -> bytes:
    """The catalogue as a file: sorted, and without dates, so that only words make a difference."""
    out = io.BytesIO()
    write_po(out, catalogue, width=100, sort_output=True, include_lineno=False)
    return b"".join(line for line in out.getvalue().splitlines(True) if not line.startswith(_NOISE))


def main() -> None:
    """Write every catalogue anew, and say what is still to be translated."""
    for language in LANGUAGES:
        catalogue = updated(language)
        file = catalogue_file(language)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(written(catalogue))
        print(f"{language}: {len(catalogue)} texts, {len(list(lacking(catalogue)))} to translate")


if __name__ == "__main__":
    main()

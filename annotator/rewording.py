"""The commonest errors in the reader's language.

Errors of the layers below, which know no reader, speak English; what a reader meets most of them is
said again here. Whatever is not listed stays as it was raised.
"""

from __future__ import annotations

import re

from annotator.language import gettext as _
from annotator.language import mark
from index.errors import CellKinError

# What was raised, with its values as named groups, and the same for the catalogue.
WORDS = (
    (r"(?P<name>.+) has nothing left to undo", mark("%(name)s has nothing left to undo")),
    (
        r"(?P<name>.+) has undone nothing since the last action",
        mark("%(name)s has undone nothing since the last action"),
    ),
    (r"cell (?P<cell>-?\d+) is not in the atlas", mark("cell %(cell)s is not in the atlas")),
    (
        r"(?P<name>.+) has the role (?P<role>\w+), which does not reach (?P<path>\S+)",
        mark("%(name)s has the role %(role)s, which does not reach %(path)s"),
    ),
    (
        r"cell (?P<cell>\d+) is not among the cells assigned to (?P<name>.+)",
        mark("cell %(cell)s is not among the cells assigned to %(name)s"),
    ),
    (
        r"cell (?P<cell>\d+) was labelled by (?P<names>.+) since this page was loaded; "
        r"both labels are kept",
        mark(
            "cell %(cell)s was labelled by %(names)s since this page was loaded; "
            "both labels are kept"
        ),
    ),
    (
        r"the proposal named is not one this run of the annotator made for cell (?P<cell>\d+)",
        mark("the proposal named is not one this run of the annotator made for cell %(cell)s"),
    ),
    (r"nobody is signed in", mark("nobody is signed in")),
    (r"name and password do not belong together", mark("name and password do not belong together")),
    (r"the present password is another", mark("the present password is another")),
    (r"the password is the name", mark("the password is the name")),
    (
        r"the password has (?P<n>\d+) letters, allowed are (?P<least>\d+) to (?P<most>\d+)",
        mark("the password has %(n)s letters, allowed are %(least)s to %(most)s"),
    ),
    (r"the two passwords differ", mark("the two passwords differ")),
    (
        r"the name is (?P<name>.+), allowed are 1 to (?P<most>\d+) printable letters",
        mark("the name is %(name)s, allowed are 1 to %(most)s printable letters"),
    ),
    (r"the name (?P<name>.+) is taken", mark("the name %(name)s is taken")),
    (
        r"this invitation is unknown, used up or out of date",
        mark("this invitation is unknown, used up or out of date"),
    ),
    (
        r"there were too many attempts to sign in",
        mark("there were too many attempts to sign in"),
    ),
    (r"wait (?P<n>\d+) minutes", mark("wait %(n)s minutes")),
    (r"no file was sent", mark("no file was sent")),
)

# Remedies that go with them.
REMEDIES = (
    mark("label a cell, then undo can take it back"),
    mark("undo something first"),
    mark("list the cells with 'cellkin info ATLAS'"),
    mark("ask an owner of this atlas"),
    mark("go on with the cells of your queue, or ask an owner to assign it to you"),
    mark("compare them; if they differ, a reviewer decides"),
    mark("read the cell again and look at what is proposed now"),
    mark("sign in at /login, or send a token as 'Bearer TOKEN'"),
    mark("sign in at /login"),
    mark("try again, or ask an owner for a new invitation"),
    mark("try again"),
    mark("choose another password"),
    mark("write the same password in both fields"),
    mark("choose the name that your labels shall carry"),
    mark("choose another name"),
    mark("ask an owner of the atlas for a new one"),
    mark("a sentence of some words makes a good one"),
    mark("send the labels as the form field 'file'"),
)

_PATTERNS = tuple((re.compile(pattern, re.DOTALL), words) for pattern, words in WORDS)


def said(words: str) -> str:
    """``words`` of an error in the reader's language, or as they are."""
    for pattern, text in _PATTERNS:
        found = pattern.fullmatch(words)
        if found is not None:
            values = found.groupdict()
            return _(text, **values) if values else _(text)
    return _(words) if words in REMEDIES else words


def reworded(error: CellKinError) -> tuple[str, str]:
    """Message and remedy of ``error`` as a reader sees them."""
    return said(error.message), said(error.remedy)

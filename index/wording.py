"""Words for a person: counts with their noun, and names that do no harm to a terminal."""

from __future__ import annotations

import json
import re
import unicodedata

# control and format characters, halves of pairs (bytes of a name that are no UTF-8), line ends
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # part of how some languages are written


def counted(number: int, one: str, many: str | None = None) -> str:
    """``number`` with its noun: "1 cell", "2 cells"; ``many`` where it is not ``one`` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def printable(text: str) -> str:
    """``text`` with what a terminal would act on written out: an escape as ``\\x1b``.

    The names of files may hold any character. Everything that is shown of them to a person goes
    through here; what is for a program keeps them as they are.
    """
    if text.isprintable():
        return text
    return "".join(each.encode("unicode_escape").decode() if _acts(each) else each for each in text)


def printable_json(text: str) -> str:
    """The JSON ``text`` with the same characters written as JSON writes them: no value changes."""
    if text.replace("\n", "").isprintable():
        return text
    return re.sub(
        r"[^\x20-\x7e\n]",
        lambda found: json.dumps(found[0])[1:-1] if _acts(found[0]) else found[0],
        text,
    )


def _acts(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN and character not in _JOINERS

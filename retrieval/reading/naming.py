"""From a source's words for a cell to a class of the taxonomy."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass, field

from index.errors import UnknownClassError
from index.taxonomy import Taxonomy


@dataclass(frozen=True)
class UnknownName:
    """A word the taxonomy lacks: how many cells bear it, and the classes it may mean."""

    text: str
    cells: int
    close: tuple[str, ...]


@dataclass
class Namer:
    """Looks up class and subclass together and counts what it does not know.

    The rules, in order: a subclass within its class gives the subclass (``IG`` and ``NEUTROPHIL``
    as subclass are the class itself); "band" in class neutrophil is tried as "band neutrophil";
    with an unknown class a known subclass stands alone (``other / plasma``); with an unknown
    subclass, or one outside its class, the class counts and the subclass is reported.
    """

    taxonomy: Taxonomy
    unknown: Counter[str] = field(default_factory=Counter)
    unknown_subclasses: Counter[str] = field(default_factory=Counter)
    _known: dict[tuple[str | None, str | None], tuple[str | None, str | None, str | None]] = field(
        default_factory=dict
    )

    def code(self, class_text: str | None, subclass_text: str | None) -> str | None:
        """The code of the deepest class meant, or None; counts what is unknown."""
        key = (class_text, subclass_text)
        if key not in self._known:
            self._known[key] = self._find(class_text, subclass_text)
        code, unknown, unknown_subclass = self._known[key]
        if unknown:
            self.unknown[unknown] += 1
        if unknown_subclass:
            self.unknown_subclasses[unknown_subclass] += 1
        return code

    def _find(
        self, class_text: str | None, subclass_text: str | None
    ) -> tuple[str | None, str | None, str | None]:
        """(code, unknown class, unknown subclass)."""
        if not class_text and not subclass_text:
            return None, None, None
        outer = self._resolve(class_text)
        if not subclass_text:
            return outer, None if outer else class_text, None
        together = f"{class_text} / {subclass_text}" if class_text else subclass_text
        for text in (f"{subclass_text} {class_text}", subclass_text):
            inner = self._resolve(text)
            if inner is None:
                continue
            if outer is None or self.taxonomy.is_within(inner, outer):
                return inner, None, None
            if self.taxonomy.is_within(outer, inner):
                return outer, None, None
        if outer is None:
            return None, together, None
        return outer, None, together

    def _resolve(self, text: str | None) -> str | None:
        try:
            return self.taxonomy.resolve(text).code if text else None
        except UnknownClassError:
            return None

    def report(self, counts: Counter[str]) -> list[UnknownName]:
        """The unknown words of ``counts``, the most frequent first."""
        return [UnknownName(text, n, self._close(text)) for text, n in counts.most_common()]

    def _close(self, text: str) -> tuple[str, ...]:
        names = {
            name.casefold(): node.code
            for node in self.taxonomy.nodes.values()
            for name in (node.code, node.name, node.short, *node.aliases)
        }
        word = text.split(" / ")[-1].casefold()
        matches = difflib.get_close_matches(word, names, n=6, cutoff=0.6)
        return tuple(dict.fromkeys(names[name] for name in matches))[:3]

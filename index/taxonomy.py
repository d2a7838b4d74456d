"""The tree of classes: what a label may say, and by which names others say it."""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from index.errors import TaxonomyError, UnknownClassError

LEVELS = ("group", "class", "subclass")
TABLE = Path(__file__).with_name("taxonomy.toml")

_CODE = re.compile(r"[a-z][a-z0-9_]{0,62}")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_ONTOLOGY = re.compile(r"CL:\d{7}")
_IGNORED = re.compile(r"[\s\-_./,()\[\]]+")


@dataclass(frozen=True)
class Node:
    """One class. ``colour`` is ``#rrggbb``, ``key`` one keyboard key, ``ontology`` a CL id."""

    code: str
    name: str
    parent: str | None
    level: str
    short: str
    ontology: str | None = None
    aliases: tuple[str, ...] = ()
    colour: str = "#8a8a8a"
    key: str | None = None


def plain(text: str) -> str:
    """``text`` without what does not matter in a class name.

    That is accents, case, spaces and ``-_./,()[]``.
    """
    parts = unicodedata.normalize("NFKD", text.casefold())
    return _IGNORED.sub("", "".join(each for each in parts if not unicodedata.combining(each)))


def without_taken(node: Node, own: Sequence[Node]) -> Node:
    """``node`` without the names and the key that classes ``own`` of a user's have taken."""
    taken = {plain(name) for each in own for name in (each.code, each.name, each.short)}
    taken |= {plain(alias) for each in own for alias in each.aliases}
    return replace(
        node,
        name=f"{node.name} (shipped)" if plain(node.name) in taken else node.name,
        short=node.code.upper() if plain(node.short) in taken else node.short,
        aliases=tuple(alias for alias in node.aliases if plain(alias) not in taken),
        key=None if node.key in {each.key for each in own} else node.key,
    )


class Taxonomy:
    """A tree of Nodes. ``nodes`` keeps the order in which they are shown, parents first.

    ``reload``, where given, is called once when a class is missing and may bring classes that
    another process has added since.
    """

    def __init__(
        self, nodes: Iterable[Node] = (), reload: Callable[[], Iterable[Node]] | None = None
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self._names: dict[str, str] = {}
        self._reload = reload
        self.extend(nodes)

    def extend(self, nodes: Iterable[Node]) -> None:
        """Take in nodes of which the parents come first; a known code is left as it is."""
        for node in nodes:
            if node.code not in self.nodes:
                self._take(node)

    def _take(self, node: Node) -> None:
        self._check(node)
        self.nodes[node.code] = node
        for name in (node.code, node.name, node.short, *node.aliases):
            self._names.setdefault(plain(name), node.code)

    def _check(self, node: Node) -> None:
        """Raise TaxonomyError unless ``node`` can hang in this tree."""
        if not _CODE.fullmatch(node.code):
            raise TaxonomyError(
                f"class code is {node.code!r}, allowed are a-z, 0-9 and _ after a first letter",
                "write it in snake_case, such as hairy_cell",
            )
        if node.level not in LEVELS:
            raise TaxonomyError(
                f"level of {node.code} is {node.level!r}, allowed is one of {', '.join(LEVELS)}",
                "give one of these levels",
            )
        if node.parent is not None and node.parent not in self.nodes:
            raise self._unknown(node.parent)
        if node.parent is not None:
            above = self.nodes[node.parent].level
            if LEVELS.index(above) > LEVELS.index(node.level):
                raise TaxonomyError(
                    f"{node.code} of level {node.level} cannot stand below {node.parent} "
                    f"of level {above}",
                    "give it the level of its parent or a deeper one",
                )
        if not _COLOUR.fullmatch(node.colour):
            raise TaxonomyError(
                f"colour of {node.code} is {node.colour!r}, allowed is #rrggbb in lower case",
                "give a colour such as #56b4e9",
            )
        if node.ontology is not None and not _ONTOLOGY.fullmatch(node.ontology):
            raise TaxonomyError(
                f"ontology id of {node.code} is {node.ontology!r}, allowed is CL:0000000",
                "give the seven-digit id of the Cell Ontology, or none",
            )
        self._check_names(node)

    def _check_names(self, node: Node) -> None:
        taken = {other.key: other for other in self.nodes.values() if other.key}
        if node.key is not None and (len(node.key) != 1 or not node.key.isprintable()):
            raise TaxonomyError(
                f"key of {node.code} is {node.key!r}, allowed is one character",
                "give a single letter or digit",
            )
        if node.key in taken:
            raise TaxonomyError(
                f"key {node.key!r} is that of {taken[node.key].code}",
                "give a key that is free, or none",
            )
        for name in (node.code, node.name, node.short, *node.aliases):
            owner = self._names.get(plain(name))
            if not plain(name):
                raise TaxonomyError(
                    f"{node.code} has the empty name {name!r}", "give every name a letter or digit"
                )
            if owner is not None:
                raise TaxonomyError(
                    f"the name {name!r} is that of {owner}", "give a name or alias that is free"
                )

    def _unknown(self, text: str) -> UnknownClassError:
        close = difflib.get_close_matches(plain(text), self._names, n=8, cutoff=0.6)
        codes = list(dict.fromkeys(self._names[name] for name in close))[:3]
        remedy = f"did you mean {' or '.join(codes)}" if codes else "see the classes"
        return UnknownClassError(
            f"class {text!r} is not in the taxonomy",
            f"{remedy}; list or add classes with 'cellkin taxonomy'",
        )

    def node(self, code: str) -> Node:
        """The node of ``code``. Raises UnknownClassError with the closest codes."""
        if code not in self.nodes and self._reload is not None:
            self.extend(self._reload())
        if code not in self.nodes:
            raise self._unknown(code)
        return self.nodes[code]

    def resolve(self, text: str) -> Node:
        """The node that ``text`` names by code, name, short or alias.

        Accents, case, spaces and ``-_./,()[]`` do not matter, nor does a final s. Raises
        UnknownClassError.
        """
        name = plain(text)
        for form in (name, name.removesuffix("s")):
            if form in self._names:
                return self.nodes[self._names[form]]
        if self._reload is not None:
            self.extend(self._reload())
            if name in self._names:
                return self.nodes[self._names[name]]
        raise self._unknown(text)

    def children(self, code: str) -> list[Node]:
        """The nodes right below ``code``, in display order."""
        self.node(code)
        return [node for node in self.nodes.values() if node.parent == code]

    def ancestors(self, code: str) -> list[Node]:
        """The nodes above ``code``, nearest first."""
        above: list[Node] = []
        parent = self.node(code).parent
        while parent is not None:
            above.append(self.nodes[parent])
            parent = self.nodes[parent].parent
        return above

    def descendants(self, code: str) -> set[str]:
        """``code`` and every code below it."""
        below = {self.node(code).code}
        for node in self.nodes.values():  # parents come first, so one pass is enough
            if node.parent in below:
                below.add(node.code)
        return below

    def at_level(self, code: str, level: str) -> str | None:
        """What ``code`` is called at ``level``.

        "class": the class-level node that is ``code`` or above it; "subclass": ``code`` itself
        when it is a class or subclass. None where ``code`` lies above the level.
        """
        if level not in ("class", "subclass"):
            raise TaxonomyError(
                f"level is {level!r}, allowed is class or subclass", "give one of these levels"
            )
        node = self.node(code)
        if level == "subclass":
            return None if node.level == "group" else code
        # The class nearest to the root, so that a class added below a class counts with it.
        found = [each.code for each in (node, *self.ancestors(code)) if each.level == "class"]
        return found[-1] if found else None

    def is_within(self, code: str, ancestor: str) -> bool:
        """Whether ``code`` is ``ancestor`` or below it."""
        self.node(ancestor)
        return code == ancestor or any(node.code == ancestor for node in self.ancestors(code))

    def classes(self, level: str = "class") -> list[Node]:
        """The nodes of one level, in display order."""
        return [node for node in self.nodes.values() if node.level == level]

    def agreed(self, codes: Iterable[str]) -> str | None:
        """The deepest of ``codes`` when all others are it or lie above it, else None."""
        given = set(codes)
        deepest = max(given, key=lambda code: len(self.ancestors(code)), default=None)
        if deepest is None:
            return None
        chain = {deepest, *(node.code for node in self.ancestors(deepest))}
        return deepest if given <= chain else None

    def add(
        self,
        code: str,
        name: str,
        parent: str,
        *,
        level: str | None = None,
        short: str | None = None,
        ontology: str | None = None,
        aliases: Iterable[str] = (),
        colour: str | None = None,
        key: str | None = None,
    ) -> Node:
        """Hang a new class below ``parent`` (a code) in memory; ``Atlas.add_class`` keeps it.

        Level defaults to the one below a group or class, short to the first letters of the code
        that are free, colour to the parent's. Raises TaxonomyError, UnknownClassError.
        """
        above = self.node(parent)
        if code in self.nodes:
            raise TaxonomyError(f"class {code!r} exists", "give another code")
        node = Node(
            code=code,
            name=name,
            parent=above.code,
            level=level or LEVELS[min(LEVELS.index(above.level) + 1, 2)],
            short=short or self._free_short(code),
            ontology=ontology,
            aliases=tuple(aliases),
            colour=(colour or above.colour).lower(),
            key=key,
        )
        self._take(node)
        return node

    def _free_short(self, code: str) -> str:
        letters = plain(code).upper()
        for length in range(3, len(letters)):
            if plain(letters[:length]) not in self._names:
                return letters[:length]
        return code.upper()


def shipped_version() -> int:
    """The version of the shipped table."""
    return int(_table()["version"])


def shipped_taxonomy() -> Taxonomy:
    """A new Taxonomy of the shipped table. Raises TaxonomyError when the table is wrong."""
    return Taxonomy(
        Node(
            code=code,
            name=row["name"],
            parent=row.get("parent"),
            level=row["level"],
            short=row["short"],
            ontology=row.get("ontology"),
            aliases=tuple(row.get("aliases", ())),
            colour=row["colour"],
            key=row.get("key"),
        )
        for code, row in _table()["class"].items()
    )


def complete_classes() -> frozenset[str]:
    """The shipped classes whose subclasses are all there is of them, such as neutrophil.

    A label of such a class alone leaves its subclass open; of another (monocyte beside promonocyte)
    it means the typical cell, which is no subclass.
    """
    return frozenset(code for code, row in _table()["class"].items() if row.get("complete"))


@cache
def _table() -> dict:
    with TABLE.open("rb") as file:
        return tomllib.load(file)

"""Which key does what. Commands come first: a class never takes a key that a command has.

A class whose own key belongs to a command is still reached by search, and a subclass by its key
once the chooser of its class is open, where the commands rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.language import mark

if TYPE_CHECKING:
    from index.taxonomy import Node


@dataclass(frozen=True)
class Command:
    """A key of the labelling page: its ``key`` as the browser names it, how it is written, what
    it does."""

    name: str
    key: str
    written: str
    help: str


COMMANDS = (
    Command("accept", "Enter", "Enter", mark("accept the proposal")),
    Command("search", "/", "/", mark("search a class by typing")),
    Command("skip", "s", "S", mark("skip: look at this cell after all others")),
    Command("flag", "f", "F", mark("flag for a second look, or take the flag away")),
    Command(
        "undo",
        "u",
        "U",
        mark("undo the last thing done, without limit (also Ctrl-Z; Ctrl-Y: again)"),
    ),
    Command("previous", "ArrowLeft", "\u2190", mark("the cell before")),
    Command("forward", "ArrowRight", "\u2192", mark("the cell after, once you have gone back")),
    Command("hide", ".", ".", mark("hide or show the proposal and its evidence")),
    Command("why_not", ";", ";", mark("why not the class that comes second, and back")),
    Command("compare", ",", ",", mark("compare with a neighbour, side by side at one scale")),
    Command("seen", "*", "*", mark("what the network saw of the cell, and back")),
    Command("adjust", "_", "_", mark("brightness, contrast, sharpening of what is shown")),
    Command("zoom_in", "+", "+", mark("zoom in")),
    Command("zoom_out", "-", "\u2212", mark("zoom out")),
    Command("fit", "=", "=", mark("fit the picture to its frame")),
    Command("help", "?", "?", mark("show or close this help")),
)
RESERVED = frozenset(command.key for command in COMMANDS)


def direct_key(node: Node) -> str | None:
    """The key that labels a cell ``node`` at once, or None where a command has that key."""
    if node.key is None or node.key.lower() in RESERVED:
        return None
    return node.key.lower()

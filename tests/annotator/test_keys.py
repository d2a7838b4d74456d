"""Keys: no class takes a key that a command has, and script and table agree on the commands."""

from __future__ import annotations

import re
from pathlib import Path

import annotator
from annotator.keys import COMMANDS, RESERVED, direct_key
from index.taxonomy import Node, shipped_taxonomy

LABEL_JS = Path(annotator.__file__).parent / "static" / "js" / "label.js"


def test_every_shipped_class_has_a_key_of_its_own() -> None:
    keys = [direct_key(node) for node in shipped_taxonomy().classes()]
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_a_command_keeps_its_key() -> None:
    node = Node("x", "X", None, "class", "X", key="S")
    assert direct_key(node) is None
    assert direct_key(Node("x", "X", None, "class", "X", key="Q")) == "q"
    assert direct_key(Node("x", "X", None, "class", "X")) is None


def test_the_script_knows_the_same_commands() -> None:
    table = re.search(r"const COMMANDS = \{(.*?)\n\};", LABEL_JS.read_text(), re.DOTALL)
    assert table is not None
    keys = re.findall(r'^  "(.+?)":', table[1], re.MULTILINE)
    assert set(keys) == RESERVED
    assert len(keys) == len(COMMANDS)

"""Counts with their noun, and names of files that would repaint a terminal."""

from __future__ import annotations

import json

import pytest

from index.wording import counted, printable, printable_json


def test_one_is_no_plural() -> None:
    assert [counted(n, "cell") for n in (0, 1, 2, 1200)] == [
        "0 cells",
        "1 cell",
        "2 cells",
        "1,200 cells",
    ]
    assert [counted(n, "class", "classes") for n in (1, 3)] == ["1 class", "3 classes"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cells/Zelle ä 細胞\u3000😀.png", "cells/Zelle ä 細胞\u3000😀.png"),
        ("a\nb.png", r"a\nb.png"),
        ("\x1b[2Jgone.png", r"\x1b[2Jgone.png"),
        ("\x9b2J\x7f\r.png", r"\x9b2J\x7f\r.png"),
        ("\u202egnp.exe\u2028", r"\u202egnp.exe\u2028"),
        ("no utf \udcff.png", r"no utf \udcff.png"),
        ("می\u200cخواهم.png", "می\u200cخواهم.png"),
    ],
)
def test_what_a_terminal_acts_on_is_written_out(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_json_keeps_every_name() -> None:
    value = {"file": "é\x1b\x9b2J\n\u202e\udcff\U000e0041.png", "same": ["細胞"]}
    text = printable_json(json.dumps(value, indent=2, ensure_ascii=False))
    assert json.loads(text) == value
    assert printable(text.replace("\n", "")) == text.replace("\n", "")
    assert "細胞" in text

"""The Python of docs/evaluation.md and docs/map.md runs, and their tables name what is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from retrieval.evaluation.run import FILES

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("name", ["evaluation.md", "map.md"])
def test_the_python_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / name).read_text(), re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, name, "exec"), {})


def test_every_written_file_is_documented():
    page = (DOCS / "evaluation.md").read_text()
    assert all(f"`{name}`" in page for name in FILES)

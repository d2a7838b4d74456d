"""The examples of docs/evidence.md run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "evidence.md"


def test_examples_run(painted_atlas: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(painted_atlas.parent)
    painted_atlas.rename("atlas")
    rng = np.random.default_rng(0)
    space: dict[str, object] = {
        "classes": ["basophil", "monocyte"] * 10,
        "patients": [f"p{i // 4}" for i in range(20)],
        "more_vectors": rng.normal(size=(3, 8)),
    }
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == 2
    exec(blocks[0], space)
    assert len(capsys.readouterr().out.splitlines()) == 16
    space["vectors"] = rng.normal(size=(20, 8))
    exec(blocks[1], space)

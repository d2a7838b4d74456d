"""Writes a benchmark's section of RESULTS.md: figures beside command, seed, data and versions."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "torchvision", "pytorch-metric-learning", "faiss-cpu", "scikit-learn", "numpy")


def data_folder() -> Path:
    """The real images: CELLKIN_DATA, or ../shared/data beside the project."""
    return Path(os.environ.get("CELLKIN_DATA") or ROOT.parent / "shared" / "data")


def imagenet_weights() -> Path:
    """ImageNet's MobileNetV2: in CELLKIN_WEIGHTS, or ../shared/weights beside the project."""
    folder = Path(os.environ.get("CELLKIN_WEIGHTS") or ROOT.parent / "shared" / "weights")
    return folder / "mobilenet_v2_imagenet.pth"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _commit() -> str:
    run = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return run.stdout.strip() or "unknown"


def write_section(
    name: str, title: str, command: str, body: str, *, seed: int | str, data_hash: str
) -> None:
    """Replace section ``name`` of RESULTS.md, or append it."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    facts = (
        f"Command: `{command}` · seed {seed} · data {data_hash[:16]} · commit {_commit()} · "
        f"{datetime.now(UTC):%Y-%m-%d} · Python {platform.python_version()}, {versions} · "
        f"{os.cpu_count()} cores"
    )
    section = f"<!-- {name} -->\n## {title}\n\n{body}\n\n<sub>{facts}</sub>\n<!-- /{name} -->\n"
    text = RESULTS.read_text() if RESULTS.exists() else "# Results\n\n"
    pattern = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->\n", re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}"
    RESULTS.write_text(text)

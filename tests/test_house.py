"""What a fresh clone relies on: make's targets, the script of the checks, versions that agree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from cellkin import __version__

ROOT = Path(__file__).resolve().parent.parent


def make(*arguments: str) -> str:
    """What make would do, without doing it."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    run = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "MAKEFLAGS": ""},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_make_alone_says_what_it_can_do() -> None:
    told = make()
    for target in ("install", "demo", "test", "lint", "bench", "docs"):
        assert f"make {target}" in told


def test_make_test_lints_types_and_tests() -> None:
    told = make("test")
    order = [told.index(tool) for tool in ("ruff check", "ruff format --check", "mypy", "pytest")]
    assert order == sorted(order)


def test_make_demo_downloads_only_when_asked() -> None:
    assert "cellkin demo" in make("demo")
    assert "--real" not in make("demo")
    assert "--real" in make("demo", "REAL=1")


def test_options_that_make_passes_exist(run_cellkin) -> None:
    assert "--real" in run_cellkin("demo", "--help").stdout


def test_the_script_of_the_checks_is_executable_and_sound() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script]).returncode == 0


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changes = (ROOT / "CHANGES.md").read_text(encoding="utf-8")
    assert project["version"] == __version__
    assert re.findall(r"^## (\S+)", changes, flags=re.MULTILINE)[0] == __version__


def test_every_requirement_has_a_lower_bound() -> None:
    """The oldest version that is meant to work is said; nothing is pinned to one version."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    assert lines == sorted(lines)
    assert all(">=" in line and "==" not in line for line in lines)


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_an_installed_cellkin_has_all_its_files() -> None:
    """Templates, scripts, tables and the model are named as package data, or would be left out."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    data = tool["setuptools"]["package-data"]
    packaged = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in (ROOT / package).glob(pattern)
    }
    missing = [
        str(path.relative_to(ROOT))
        for package in ("cellkin", "annotator", "retrieval", "index")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and path not in packaged
    ]
    assert not missing

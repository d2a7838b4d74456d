"""The shape of the project: who may import whom, how long a module may be, what may be tracked."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("cellkin", "annotator", "retrieval", "index")  # each may import those after it
HEAVY = {
    "index": {"torch", "torchvision", "flask", "pytorch_metric_learning", "umap", "click"},
    "retrieval": {"flask", "click"},
    "annotator": {"torch", "torchvision", "faiss", "click"},
    "cellkin": {"torch", "torchvision", "faiss"},
}
LONGEST_MODULE = 400
LARGEST_FILE = 2 * 1024 * 1024
SHIPPED = "retrieval/shipped/"


def modules(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of every module imported, also inside functions and by name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield node.lineno, name.value


def in_type_checking(source: str) -> set[int]:
    """Lines that only a type checker sees; they bind no layer at run time but still must point
    down, so only the rule on heavy packages overlooks them."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_down(layer: str) -> None:
    allowed = set(LAYERS[LAYERS.index(layer) :])
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(layer)
        for line, name in imported(path.read_text(encoding="utf-8"))
        if name.partition(".")[0] in {*LAYERS, "tests", "benchmarks"} - allowed
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_leaves_heavy_packages_to_those_that_own_them(layer: str) -> None:
    wrong = []
    for path in modules(layer):
        source = path.read_text(encoding="utf-8")
        unseen = in_type_checking(source)
        wrong += [
            f"{path.relative_to(ROOT)}:{line} imports {name}"
            for line, name in imported(source)
            if name.partition(".")[0] in HEAVY[layer] and line not in unseen
        ]
    assert not wrong, "\n".join(wrong)


def test_the_import_rule_sees_what_it_should() -> None:
    source = "import a\ndef f():\n    from b.c import d\n    importlib.import_module('e.f')\n"
    assert [name for _, name in imported(source)] == ["a", "b.c", "e.f"]


def without(blocked: tuple[str, ...], statement: str) -> subprocess.CompletedProcess[str]:
    """Run ``statement`` in a fresh Python in which ``blocked`` packages cannot be imported.

    As if they were not installed: None in ``sys.modules`` would make scipy, which looks there for
    torch before it knows an array, stumble over it.
    """
    block = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {blocked!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", block + statement], cwd=ROOT, capture_output=True, text=True
    )


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def test_index_starts_without_torch_or_flask() -> None:
    names = [dotted(path) for path in modules("index")]
    run = without(
        ("torch", "torchvision", "flask", "click"), "\n".join(f"import {name}" for name in names)
    )
    assert run.returncode == 0, run.stderr


def test_annotator_logic_starts_without_flask() -> None:
    """Modules of the annotator that do not name Flask must not reach it through others either."""
    names = [
        dotted(path)
        for path in modules("annotator")
        if not any(
            name.partition(".")[0] in ("flask", "werkzeug", "waitress")
            for _, name in imported(path.read_text(encoding="utf-8"))
        )
    ]
    names = [name for name in names if name not in FLASK_THROUGH_OTHERS]
    # in one process: what failed is forgotten, and whoever needs it fails as well
    attempts = """
import importlib
for name in NAMES:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: {error}")
"""
    run = without(("flask", "torch", "torchvision"), f"NAMES = {names!r}\n{attempts}")
    assert run.returncode == 0, run.stderr
    assert not run.stdout, run.stdout


# Modules of the annotator that start the web application and so need Flask through others.
FLASK_THROUGH_OTHERS = {"annotator.serve"}


def test_help_needs_no_heavy_package() -> None:
    run = without(
        ("torch", "torchvision", "faiss", "flask", "pandas", "sqlalchemy", "sklearn"),
        "from cellkin.main import main\nmain(['--help'])",
    )
    assert run.returncode == 0, run.stderr
    assert "Verbs:" in run.stdout


@pytest.mark.parametrize("layer", [*LAYERS, "tests", "benchmarks"])
def test_modules_stay_short(layer: str) -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules(layer)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) >= LONGEST_MODULE
    }
    assert not long, f"split these modules, {LONGEST_MODULE} lines is the most: {long}"


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_photograph_is_tracked() -> None:
    """Pictures in the repository are painted or drawn, and those are PNG or SVG."""
    photographs = {".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".npz"}
    assert not [path for path in tracked() if path.suffix.lower() in photographs]


def test_nothing_large_is_tracked_but_the_shipped_model() -> None:
    large = {
        str(path.relative_to(ROOT)): path.stat().st_size
        for path in tracked()
        if path.stat().st_size > LARGEST_FILE
    }
    models = [name for name in large if name.startswith(SHIPPED)]
    assert set(large) == set(models), large
    assert len(models) <= 1
    assert all(large[name] < 12_000_000 for name in models)


def test_nothing_tells_of_a_certain_machine() -> None:
    """Paths and hosts of one machine do not belong in what everyone gets."""
    text = {".py", ".md", ".toml", ".txt", ".html", ".js", ".css", ".json", ".csv", ""}
    words = ("/" + "work/", "py" + "pi.org", "/root" + "/")
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked()
        if path.suffix in text and path.name != ".gitignore" and path.stat().st_size < LARGEST_FILE
        for word in words
        if word in path.read_text(encoding="utf-8")
    ]
    assert not found, "\n".join(found)

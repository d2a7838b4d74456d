"""What the readers of all formats share: finding the file, reading JSON, naming a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotator.exchange.tables import line
from annotator.problems import BadTableError, MissingPackageError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})
PROVENANCE_FILE = "provenance.csv"


def the_file(path: Path, name: str) -> Path:
    """``path`` itself if it is a file, else the file ``name`` in that folder."""
    file = path / name if path.is_dir() else path
    if not file.is_file():
        raise BadTableError(f"{file} does not exist", f"give {name} or the folder it is in")
    return file


def read_json(file: Path, kind: type) -> Any:
    """The JSON of ``file``, which must be of ``kind`` (dict or list)."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadTableError(
            f"{file.name} is no JSON: {error}", "export it again from where it was made"
        ) from error
    if not isinstance(found, kind):
        raise BadTableError(
            f"{file.name} holds a {type(found).__name__}, expected is a {kind.__name__}",
            "name the format that it is in",
        )
    return found


def as_dict(value: object) -> dict[str, Any]:
    """``value`` if it is a mapping, else an empty one: foreign files hold anything."""
    return dict(value) if isinstance(value, dict) else {}


def row_of(told: Mapping[str, Any], code: object, picture: Path | None) -> dict[str, Any]:
    """A row of ``taking``: what an export told of a cell, its class, and where its picture is."""
    found = {name: told.get(name) for name in ("sha256", "author", "dataset", "note")}
    return {**found, "class": code, "picture": None if picture is None else str(picture)}


def beside(folder: Path, name: object) -> Path | None:
    """The file ``name`` in ``folder`` or below; None where there is none, or it lies elsewhere."""
    if not isinstance(name, str) or not name:
        return None
    file = (folder / name).resolve()
    return file if file.is_relative_to(folder.resolve()) and file.is_file() else None


def write_provenance(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Tell of each picture what its format has no room for."""
    if rows:
        lines = [line(rows[0]), *(line(row.values()) for row in rows)]
        (folder / PROVENANCE_FILE).write_text("".join(lines), encoding="utf-8", newline="")


def read_provenance(folder: Path) -> dict[str, dict[str, str]]:
    """What PROVENANCE_FILE tells, by path of the picture; empty without one."""
    file = folder / PROVENANCE_FILE
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        return {row.get("file_name", ""): row for row in csv.DictReader(lines)}


def pictures_in(folder: Path) -> list[Path]:
    """Every picture below ``folder``, in order of its path."""
    return sorted(each for each in folder.rglob("*") if each.suffix.lower() in SUFFIXES)


def missing(package: str, what: str) -> MissingPackageError:
    """The error for a package that a format needs."""
    return MissingPackageError(
        f"{what} needs the package {package}, which is not installed",
        f"install it with 'pip install {package}', or choose another format",
    )

"""A laboratory abroad: a flat folder of painted cells, a few labelled, beside others."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from index import Atlas
from retrieval.embedding import embed_atlas
from retrieval.laboratory import kept_adaptation
from retrieval.model import register_model
from retrieval.reading.importing import import_source

EACH = 9
TOLD = 3  # cells of each class that come with a label


@pytest.fixture(scope="session")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flat folder of painted cells; labels.csv names the class of a few, truth.csv of all."""
    from retrieval.painter import paint_dataset

    drawn = tmp_path_factory.mktemp("drawn") / "cells"
    paint_dataset(drawn, per_class=EACH, seed=7, size=64)
    flat = tmp_path_factory.mktemp("abroad") / "flat"
    flat.mkdir()
    rows = []
    for number, file in enumerate(sorted(drawn.rglob("*.png"))):
        shutil.copy(file, flat / f"cell{number:03d}.png")
        rows.append((f"cell{number:03d}.png", file.parent.name))
    for name, kept in (("truth", rows), ("labels", rows)):
        with (flat.parent / f"{name}.csv").open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(["file", "class"])
            seen: dict[str, int] = {}
            for row in kept:
                seen[row[1]] = seen.get(row[1], 0) + 1
                if name == "truth" or seen[row[1]] <= TOLD:
                    writer.writerow(row)
    return flat


def _build(folder: Path, home: Path, abroad: Path, model: Path) -> Path:
    with Atlas.open(folder, create=True) as atlas:
        import_source(atlas, home, labels=home / "labels.csv", dataset="home")
        import_source(atlas, abroad, labels=abroad.parent / "labels.csv", dataset="abroad")
        register_model(atlas, model)
        embed_atlas(atlas)
    return folder


@pytest.fixture(scope="session")
def build() -> Callable[[Path, Path, Path, Path], Path]:
    """Makes an atlas of two data sets, home and abroad, embedded by a model."""
    return _build


@pytest.fixture(scope="session")
def original(
    tmp_path_factory: pytest.TempPathFactory, painted: Path, abroad: Path, tiny_joint_model: Path
) -> Path:
    """An atlas with the data sets home, all labelled, and abroad, of which a few are."""
    return _build(tmp_path_factory.mktemp("adapt") / "atlas", painted, abroad, tiny_joint_model)


@pytest.fixture
def made(original: Path, tmp_path: Path) -> Path:
    """A copy of ``original`` to change."""
    return Path(shutil.copytree(original, tmp_path / "atlas"))


@pytest.fixture
def table() -> Callable[[Path], list[dict[str, str]]]:
    """Reads a table of answers."""

    def read(path: Path) -> list[dict[str, str]]:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture
def record() -> Callable[[Path], dict[str, object] | None]:
    """Reads what an atlas keeps of its adaptation to the data set abroad."""

    def read(folder: Path) -> dict[str, object] | None:
        with Atlas.open(folder) as atlas:
            return kept_adaptation(atlas, str(atlas.active_model), "abroad")

    return read

"""Fixtures shared by all tests: painted cells, atlases, the command line, real data where present.

Nothing here imports torch, faiss or Flask at the top, so that tests which must do without them can.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from index.atlas import Atlas

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("OMP_NUM_THREADS", "2")


@dataclass(frozen=True)
class Result:
    """What a run of ``cellkin`` left behind: exit status and what it printed."""

    status: int
    stdout: str
    stderr: str


def run_main(*arguments: object) -> Result:
    """Run ``cellkin`` in this process, with standard output and error caught."""
    from cellkin.main import main

    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    kept = sys.stdout, sys.stderr
    status = 0
    try:
        sys.stdout, sys.stderr = streams
        main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    finally:
        sys.stdout, sys.stderr = kept
    texts = []
    for stream in streams:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]
    return Result(status, *texts)


@pytest.fixture(scope="session")
def run_cellkin() -> Callable[..., Result]:
    """``run_cellkin("info", atlas)`` runs the command line in this process and returns a Result."""
    return run_main


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the person running the tests must not change their outcome."""
    for name in list(os.environ):
        if name.startswith("CELLKIN_") and name not in ("CELLKIN_DATA", "CELLKIN_WEIGHTS"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of painted cells: class sub-folders of PNG and labels.csv. Read only."""
    from retrieval.painter import paint_dataset

    folder = tmp_path_factory.mktemp("painted") / "cells"
    paint_dataset(folder, per_class=4, seed=1, size=96)
    return folder


@pytest.fixture
def atlas(tmp_path: Path) -> Iterator[Atlas]:
    """An empty atlas."""
    from index.atlas import Atlas

    with Atlas.open(tmp_path / "atlas", create=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with seeded random weights and a small input: quick, and the same every run."""
    import torch

    from retrieval.model import save_model
    from retrieval.network import EmbeddingNetwork

    file = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    torch.manual_seed(0)
    save_model(EmbeddingNetwork("mobilenet_v2", dim=32), file, {"input_size": 64})
    return file


@pytest.fixture(scope="session")
def _painted_atlas_original(
    tmp_path_factory: pytest.TempPathFactory, painted: Path, tiny_model: Path
) -> Path:
    from index.atlas import Atlas
    from retrieval.embedding import embed_atlas
    from retrieval.model import load_model
    from retrieval.reading.importing import import_source

    path = tmp_path_factory.mktemp("atlas") / "atlas"
    with Atlas.open(path, create=True) as made:
        import_source(made, painted, labels=painted / "labels.csv", dataset="painted")
        model = load_model(tiny_model)
        made.add_model(model.id, tiny_model, model.metadata)
        made.set_active_model(model.id)
        embed_atlas(made)
    return path


@pytest.fixture
def painted_atlas(_painted_atlas_original: Path, tmp_path: Path) -> Path:
    """Path of an atlas of the painted cells, labelled and embedded; a fresh copy for each test."""
    copy = tmp_path / "painted_atlas"
    shutil.copytree(_painted_atlas_original, copy)
    return copy


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real cell images, or a skip."""
    return _outside("CELLKIN_DATA", "data", "the real cell images")


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """The folder of ImageNet weights, or a skip."""
    return _outside("CELLKIN_WEIGHTS", "weights", "the ImageNet weights")


def _outside(variable: str, name: str, what: str) -> Path:
    """The folder named by environment ``variable``, by default ../shared/``name``; else skip."""
    folder = Path(os.environ.get(variable) or ROOT.parent / "shared" / name)
    if not folder.is_dir():
        pytest.skip(f"{what} are not at {folder}; set {variable} to where they are")
    return folder

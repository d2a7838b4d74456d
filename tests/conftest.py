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
def tiny_model(tmp_path_factory: pytest.TempPathFactory, painted: Path) -> Path:
    """A model file with seeded random weights and a small input: quick, and the same every run."""
    import numpy as np
    import torch
    from PIL import Image

    from retrieval.model import save_model
    from retrieval.network import EmbeddingNetwork
    from retrieval.view import View

    view = View(input_size=64)
    torch.manual_seed(0)
    network = EmbeddingNetwork("mobilenet_v2", 32, view.input_size, dropout=0.0)
    files = sorted(painted.rglob("*.png"))[::2]
    pictures = np.stack([view.picture(np.asarray(Image.open(file))) for file in files])
    batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        # Random weights alone map every picture to nearly one point: let batch norm see cells, and
        # centre the head's output, so that distances mean something.
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = 1.0
        network.train()(batch)
        network.eval()
        network.head.bias -= network.head(network.trunk(batch)).mean(0)
    file = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(file, network, view, {"purpose": "tests"})
    return file


@pytest.fixture(scope="session")
def _painted_atlas_original(
    tmp_path_factory: pytest.TempPathFactory, painted: Path, tiny_model: Path
) -> Path:
    from index.atlas import Atlas
    from retrieval.embedding import embed_atlas
    from retrieval.model import register_model
    from retrieval.reading.importing import import_source

    path = tmp_path_factory.mktemp("atlas") / "atlas"
    with Atlas.open(path, create=True) as made:
        import_source(made, painted, labels=painted / "labels.csv", dataset="painted")
        register_model(made, tiny_model)
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

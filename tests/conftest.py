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
    import numpy as np
    import torch

    from index.atlas import Atlas
    from retrieval.cellview import CellUNet

ROOT = Path(__file__).resolve().parent.parent

# Where tests run beside each other, threads of one would only take from the other.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")


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


def _pictures(painted: Path) -> list[np.ndarray]:
    """Every other painted cell, RGB uint8 [H, W, 3]."""
    import numpy as np
    from PIL import Image

    return [np.asarray(Image.open(file)) for file in sorted(painted.rglob("*.png"))[::2]]


def _batch(pictures: list[np.ndarray]) -> torch.Tensor:
    """Pictures of one size as a network takes them, -1..1."""
    import numpy as np
    import torch

    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _let_see(network: torch.nn.Module, batch: torch.Tensor) -> None:
    """Let the batch norms of ``network`` see cells, in evaluation mode afterwards.

    Random weights alone map every picture to nearly one point: so distances come to mean
    something, once the head's output is centred too.
    """
    import torch

    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    network.train()
    network.trunk(batch)
    network.eval()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, painted: Path) -> Path:
    """A model file with seeded random weights and a small input: quick, and the same every run."""
    import torch

    from retrieval.model import save_model
    from retrieval.network import EmbeddingNetwork
    from retrieval.view import View

    view = View(input_size=64)
    torch.manual_seed(0)
    network = EmbeddingNetwork("mobilenet_v2", 32, view.input_size, dropout=0.0)
    batch = _batch([view.picture(image) for image in _pictures(painted)])
    with torch.no_grad():
        _let_see(network, batch)
        network.head.bias -= network.head(network.trunk(batch)).mean(0)
    file = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(file, network, view, {"purpose": "tests"})
    return file


def dark_finder(below: float) -> CellUNet:
    """A network that finds cells without training: where green is below ``below`` (0..1) is cell.

    Where it is below half of that is nucleus. Made by hand, so that what it finds is exact.
    """
    import torch

    from retrieval.cellview import CellUNet

    network = CellUNet((2, 2)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        first, second = network.down[0]
        first[0].weight[0, 1, 1, 1] = -1.0  # the input is (green - 0.5) / 0.25
        first[1].bias[0] = 2.0  # so that it stays above 0: (1 - green) / 0.25
        for layer, source in ((second[0], 0), (network.up[0][0], 2)):
            layer.weight[0, source, 1, 1] = 1.0
        for block in (first, second, network.up[0]):
            block[1].weight.fill_(1.0)
        for row, green in enumerate((below, below / 2)):
            network.head.weight[row, 0] = 50.0
            network.head.bias[row] = -50.0 * (1 - green) / 0.25
    return network


@pytest.fixture(scope="session")
def finder_below() -> Callable[[float], CellUNet]:
    """``finder_below(0.6)`` is a network that finds what is darker than 0.6 in green."""
    return dark_finder


@pytest.fixture(scope="session")
def tiny_joint_model(tmp_path_factory: pytest.TempPathFactory, painted: Path) -> Path:
    """A model file of format 2: a finder, two taught trunks, a frozen one, projections.

    Seeded random weights, so that it knows nothing; its finder finds painted white cells.
    """
    import torch

    from retrieval.cellview import CellFinder, CellView
    from retrieval.joint import Projection, Trunk
    from retrieval.packing import Parts, pack_model

    torch.manual_seed(0)
    finder, view = dark_finder(0.62), CellView(64)
    images = _pictures(painted)
    looks = CellFinder(finder).find(images)
    pictures = [view.picture(image, look) for image, look in zip(images, looks, strict=True)]
    batch = _batch(pictures)
    trunks = [Trunk("mobilenet_v2", 64, 16, 3, 2) for _ in range(2)]
    trunks.append(Trunk("mobilenet_v2", 48))
    pooled = []
    with torch.no_grad():
        for trunk in trunks:
            _let_see(trunk, batch)
            pooled.append(trunk.pooled(batch))
        for trunk, features in zip(trunks[:2], pooled, strict=False):
            trunk.head.bias -= trunk.head(features).mean(0)
    projections = [
        Projection(name, (number,), pooled[number].mean(0), torch.randn(8, 1280) / 1280**0.5)
        for number, name in enumerate(("taught", "taught", "frozen"))
    ]
    file = tmp_path_factory.mktemp("model") / "joint.safetensors"
    classes, leaves = ("neutrophil", "eosinophil", "lymphocyte"), ("band_neutrophil", "basophil")
    about = {"purpose": "tests"}
    pack_model(file, Parts(trunks, view, finder, projections, classes, leaves, about=about))
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

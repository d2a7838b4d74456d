"""Pack trained networks into one model file, and say what storing them small costs.

    python -m benchmarks.pack_model OUT --finder seg.pt \\
        --taught a.pt:128 --taught b.pt:96 --taught c.pt:128 --frozen imagenet.pth:96 \\
        --part taught:0:128=a.npz --part taught:1:128=b.npz --part taught:2:128=c.npz \\
        --part frozen:3:256=frozen.npz --about card.json --check pictures.npy

Trunks are numbered in the order taught, then frozen. A part is NAME:TRUNKS:WIDTH=FILES: a linear
projection to WIDTH values of the joined pooled features of trunks (such as 0+1+2). Its .npz files
hold either ``matrix`` [WIDTH, W] and ``mean`` [W], or pooled features ``h`` [N, W] of which the
principal components are taken; with classes ``y`` [N] beside them, of at most PER_CLASS a class
and file. Several parts of one name, one after another, lie side by side.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from index.taxonomy import shipped_taxonomy
from retrieval.cellview import CellUNet, CellView
from retrieval.cellview.finder import FILLED
from retrieval.described import Described
from retrieval.joint import Projection, Trunk
from retrieval.model import load_model
from retrieval.modelfile import ModelError
from retrieval.packing import Parts, components, pack_model
from retrieval.precision import STORED

CLASSES = (
    "neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte", "erythroblast",
    "immature_granulocyte", "platelet",
)  # fmt: skip
LEAVES = (
    "band_neutrophil", "segmented_neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte",
    "erythroblast", "promyelocyte", "myelocyte", "metamyelocyte", "platelet",
)  # fmt: skip
LARGEST = 12_000_000  # bytes
PER_CLASS = 150
BACKBONE = "mobilenet_v2"
_NAMES = {"trunk.": "trunk.features.", "cls.": "classes.", "leaf.": "leaves."}


def state_of(file: Path) -> dict[str, torch.Tensor]:
    """A state dict; tensors alone are read."""
    state: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def taught_trunk(file: Path, size: int, classes: int, leaves: int) -> Trunk:
    """A trunk with heads, of a state dict with ``trunk.*``, ``head``, ``cls`` and ``leaf``."""
    state = {}
    for name, tensor in state_of(file).items():
        old = next((old for old in _NAMES if name.startswith(old)), "")
        state[_NAMES.get(old, "") + name.removeprefix(old)] = tensor
    trunk = Trunk(BACKBONE, size, len(state["head.weight"]), classes, leaves)
    trunk.load_state_dict(state)
    return trunk


def frozen_trunk(file: Path, size: int, early: bool) -> Trunk:
    """A trunk without heads, of torchvision's state dict; ``early``, with its first layers."""
    trunk = Trunk(BACKBONE, size, early=early)
    state = {name: tensor for name, tensor in state_of(file).items() if "classifier" not in name}
    trunk.trunk.load_state_dict(state)
    return trunk


def projection(text: str) -> Projection:
    """A projection of NAME:TRUNKS:WIDTH=FILES."""
    told, _, files = text.partition("=")
    name, trunks, width = told.split(":")
    numbers = tuple(int(number) for number in trunks.split("+"))
    loaded = [dict(np.load(file)) for file in files.split(",")]
    if "matrix" in loaded[0]:
        mean, matrix = loaded[0]["mean"], loaded[0]["matrix"]
    else:
        mean, matrix = components(np.concatenate([sampled(each) for each in loaded]), int(width))
    if len(matrix) != int(width):
        raise ModelError(f"{text} gives {len(matrix)} rows", "give the width of the matrix")
    as_tensor = (torch.from_numpy(np.asarray(each, np.float32)) for each in (mean, matrix))
    return Projection(name, numbers, *as_tensor)


def sampled(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Pooled features [N, W], of at most PER_CLASS a class where classes are known."""
    if "y" not in arrays:
        return arrays["h"].astype(np.float64)
    rng = np.random.default_rng(0)
    rows = [
        rng.permutation(np.flatnonzero(arrays["y"] == label))[:PER_CLASS]
        for label in np.unique(arrays["y"])
    ]
    return arrays["h"][np.concatenate(rows)].astype(np.float64)


def compared(full: Described, small: Described) -> str:
    """How far two precisions agree."""
    cosines = (full.vectors * small.vectors).sum(1)
    same = float((full.scores.argmax(1) == small.scores.argmax(1)).mean())
    wide = [each.features.astype(np.float64) for each in (full, small)]
    lengths = np.linalg.norm(wide[0], axis=1) * np.linalg.norm(wide[1], axis=1)
    alike = (wide[0] * wide[1]).sum(1) / np.maximum(lengths, 1e-9)
    return (
        f"cosine of vectors min {cosines.min():.5f}, mean {cosines.mean():.5f}; of features min "
        f"{alike.min():.5f}, mean {alike.mean():.5f}; same class {same:.4f} of {len(cosines)}"
    )


def described(file: Path, pictures: np.ndarray) -> Described:
    """What the model in ``file`` says of pictures in its view."""
    model = load_model(file)
    batches = range(0, len(pictures), 8)
    return Described.joined([model.describe_pictures(pictures[at : at + 8]) for at in batches])


def parts_of(given: argparse.Namespace) -> Parts:
    """Everything that goes into the file."""
    taxonomy = shipped_taxonomy()
    classes, leaves = (
        tuple(taxonomy.resolve(name).code for name in names.split(","))
        for names in (given.classes, given.leaves)
    )

    def sized(text: str) -> tuple[Path, int]:
        file, _, size = text.rpartition(":")
        return Path(file), int(size)

    trunks = [taught_trunk(*sized(text), len(classes), len(leaves)) for text in given.taught]
    if given.frozen:
        trunks.append(frozen_trunk(*sized(given.frozen), given.early))
    finder = CellUNet()
    finder.load_state_dict(state_of(given.finder))
    about: dict[str, Any] = json.loads(given.about.read_text()) if given.about else {}
    return Parts(
        trunks,
        CellView(given.view, given.filled),
        finder,
        [projection(text) for text in given.part],
        classes,
        leaves,
        about=about,
    )


def main() -> None:
    """Pack, and say the size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--finder", type=Path, required=True, help="state dict of a CellUNet")
    parser.add_argument("--taught", action="append", required=True, help="FILE:INPUT_SIZE")
    parser.add_argument("--frozen", help="FILE:INPUT_SIZE of torchvision's weights")
    parser.add_argument("--early", action="store_true", help="the frozen trunk's first layers too")
    parser.add_argument("--part", action="append", default=[], help="NAME:TRUNKS:WIDTH=FILES")
    parser.add_argument("--classes", default=",".join(CLASSES))
    parser.add_argument("--leaves", default=",".join(LEAVES))
    parser.add_argument("--view", type=int, default=128, help="side of the view in pixels")
    parser.add_argument("--filled", type=float, default=FILLED)
    parser.add_argument("--stored", choices=STORED, default="int8")
    parser.add_argument("--about", type=Path, help="JSON: data, licence, command, figures")
    parser.add_argument("--check", type=Path, help=".npy of pictures in the view, uint8 NHWC")
    given = parser.parse_args()
    parts = parts_of(given)
    identity = pack_model(given.out, parts, stored=given.stored)
    size = given.out.stat().st_size
    print(f"{given.out}: {size:,} bytes, id {identity}")
    if size >= LARGEST:
        raise ModelError(f"the file has {size:,} bytes", f"stay below {LARGEST:,}")
    if given.check:
        pictures = np.load(given.check, mmap_mode="r")
        pictures = np.ascontiguousarray(pictures[:: max(1, len(pictures) // 200)])
        with tempfile.TemporaryDirectory() as folder:
            full = Path(folder) / "full.safetensors"
            pack_model(full, parts, stored="float32")
            print(compared(described(full, pictures), described(given.out, pictures)))


if __name__ == "__main__":
    main()

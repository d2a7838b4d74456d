"""Networks and pictures that the shipped model's trunks are taught with: see ``teach_trunks``."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional

from retrieval.training.augment import LEVELS, vary

SOURCES = ("pbc", "bccd", "raabin")
TRIED = ("pbc_val", "tecom", "rvpbs", "pbites", "jhu")
VIEW, DIM, CLASSES, LEAVES = 128, 128, 8, 11
SHARPNESS = 8.0
BACKGROUND = 0.5  # share of pictures whose background is replaced
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NEIGHBOURS, TEMPERATURE, PER_GROUP = 15, 0.07, 500  # as in retrieval.folder.readout


class Net(nn.Module):
    """MobileNetV2 with an embedding and heads of classes and leaves on it."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.trunk = torchvision.models.mobilenet_v2(weights=None).features
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(1280, DIM)
        self.cls = nn.Linear(DIM, CLASSES)
        self.leaf = nn.Linear(DIM, LEAVES)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Pooled [N, 1280], unit vectors [N, DIM], logits of classes and of leaves."""
        pooled = self.trunk(pictures).mean((2, 3))
        vectors = functional.normalize(self.head(self.dropout(pooled)).float(), dim=1)
        sharp = vectors * SHARPNESS
        return pooled, vectors, self.cls(sharp).float(), self.leaf(sharp).float()


class Cells:
    """Pictures uint8 [N, 3, F, F] and masks uint8 [N, f, f] on a device, with what is known."""

    def __init__(
        self, files: Sequence[Path], device: torch.device, sources: Sequence[str] = SOURCES
    ) -> None:
        pictures, facts, self.hashes = [], [], []
        for file in files:
            with zipfile.ZipFile(file) as packed, ThreadPoolExecutor() as pool:
                with np.load(io.BytesIO(packed.read("facts.npz"))) as held:
                    facts.append({name: held[name] for name in held.files})
                raw = [packed.read(f"{row:05}.jpg") for row in facts[-1]["rows"]]
                pictures += list(pool.map(lambda b: np.asarray(Image.open(io.BytesIO(b))), raw))
                self.hashes.append(json.loads(packed.read("about.json"))["sha256"])
        joined = {name: np.concatenate([each[name] for each in facts]) for name in facts[0]}
        self.device = device
        self.pictures = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(device)
        self.masks = torch.from_numpy(joined["masks"]).to(device)
        self.own, self.datasets = joined["own"], joined["datasets"]
        self.classes, self.leaves = joined["classes"], joined["leaves"]
        self.limit(sources)
        self.unnamed = np.flatnonzero(np.char.startswith(self.datasets, "txl"))
        self.mean, self.std = (
            torch.tensor(each, device=device).view(1, 3, 1, 1) for each in (MEAN, STD)
        )

    def limit(self, sources: Sequence[str]) -> None:
        """Let the cells of these data sets alone teach."""
        self.sources = tuple(sources)
        self.taught = np.flatnonzero(np.isin(self.datasets, sources))

    def varied(
        self, rows: np.ndarray, size: int, level: str, rng: np.random.Generator
    ) -> torch.Tensor:
        """Pictures of ``rows`` as they teach, [B, 3, size, size] in 0..1."""
        at = torch.from_numpy(rows).to(self.device)
        batch = self.pictures[at].float().div_(255)
        masks = self.masks[at][:, None].float().div_(15)
        masks = functional.interpolate(masks, size=batch.shape[-2:], mode="bilinear")
        crop = VIEW / batch.shape[-1]
        return vary(batch, masks, self.own[rows], BACKGROUND, size, crop, LEVELS[level], rng)

    def normal(self, pictures: torch.Tensor, size: int) -> torch.Tensor:
        """Normalised, of the size a network takes."""
        if pictures.shape[-1] != size:
            pictures = functional.interpolate(
                pictures, size=(size, size), mode="bilinear", antialias=True, align_corners=False
            )
        moved = (pictures - self.mean) / self.std
        return moved.contiguous(memory_format=torch.channels_last)

    def plain(self, rows: np.ndarray) -> torch.Tensor:
        """Pictures of ``rows`` in the view of inference, [B, 3, VIEW, VIEW] in 0..1."""
        at = torch.from_numpy(rows).to(self.device)
        edge = (self.pictures.shape[-1] - VIEW) // 2
        return self.pictures[at][..., edge : edge + VIEW, edge : edge + VIEW].float().div(255)


def begun(weights: Path) -> Net:
    """A network with torchvision's ImageNet weights below random heads."""
    net = Net(dropout=0.2)
    state = torch.load(weights, map_location="cpu", weights_only=True)
    features = {
        name.removeprefix("features."): value
        for name, value in state.items()
        if name.startswith("features.")
    }
    net.trunk.load_state_dict(features)
    return net


def saved(net: nn.Module) -> dict[str, torch.Tensor]:
    """The state in half precision, variances apart."""
    return {
        name: value.cpu().float() if "running_var" in name else value.cpu().half()
        for name, value in net.state_dict().items()
        if value.is_floating_point()
    }


def loaded(file: Path) -> Net:
    """A network that ``saved`` wrote."""
    net = Net()
    net.load_state_dict(
        {name: value.float() for name, value in torch.load(file, weights_only=True).items()},
        strict=False,
    )
    return net


@torch.no_grad()
def describe(net: Net, size: int, cells: Cells) -> tuple[torch.Tensor, ...]:
    """Unit pooled features, vectors, class and leaf probabilities of every cell, as they are."""
    net = net.to(cells.device).to(memory_format=torch.channels_last).eval()
    parts: list[tuple[torch.Tensor, ...]] = []
    for rows in np.array_split(np.arange(len(cells.own)), max(1, len(cells.own) // 256)):
        with torch.autocast(cells.device.type, torch.bfloat16):
            pooled, vectors, classes, leaves = net(cells.normal(cells.plain(rows), size))
        pooled = functional.normalize(pooled.float(), dim=1)
        parts.append((pooled, vectors, classes.softmax(1), leaves.softmax(1)))
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))


def vote(queries: torch.Tensor, voters: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """[N, CLASSES] shares of the nearest, as ``retrieval.folder.readout.neighbour_shares``."""
    near = (queries @ voters.T).topk(NEIGHBOURS)
    weight = ((near.values - near.values[:, :1]) / TEMPERATURE).exp()
    votes = queries.new_zeros(len(queries), CLASSES)
    votes.scatter_add_(1, classes[near.indices], weight)
    return votes / votes.sum(1, keepdim=True)


def tried(every: Sequence[tuple[torch.Tensor, ...]], cells: Cells) -> dict[str, float]:
    """Balanced accuracy of networks together, cell by cell, in every set that did not teach."""
    pooled, vectors = (
        torch.cat([each[kind] for each in every], 1) / len(every) ** 0.5 for kind in (0, 1)
    )
    scores, leaves = (torch.stack([each[kind] for each in every]).mean(0) for kind in (2, 3))
    rng = np.random.default_rng(0)
    voters = np.concatenate(
        [
            rng.permutation(rows)[:PER_GROUP]
            for name in cells.sources
            for one in range(CLASSES)
            for rows in [np.flatnonzero((cells.datasets == name) & (cells.classes == one))]
        ]
    )
    column = torch.from_numpy(cells.classes[voters]).to(cells.device)
    found = {}
    for name in TRIED:
        rows = np.flatnonzero(cells.datasets == name)
        if not len(rows):
            continue
        alone = scores[rows] + vote(vectors[rows], vectors[voters], column)
        alone = (alone + vote(pooled[rows], pooled[voters], column)).argmax(1).cpu().numpy()
        truth = cells.classes[rows]
        counts = np.bincount(truth, minlength=CLASSES)
        found[name] = float(
            np.mean([(alone[truth == one] == one).mean() for one in np.flatnonzero(counts >= 5)])
        )
        if name == "pbc_val":
            found["pbc_micro"] = float((alone == truth).mean())
            one_leaf = cells.leaves[rows].sum(1) == 1
            right = cells.leaves[rows][one_leaf].argmax(1)
            said = leaves[rows][torch.from_numpy(one_leaf).to(cells.device)].argmax(1)
            found["pbc_leaf"] = float((said.cpu().numpy() == right).mean())
    return found


def report(name: str, found: dict[str, float]) -> None:
    """One line."""
    away = [found[each] for each in TRIED[1:] if each in found]
    line = " ".join(f"{key} {value:.4f}" for key, value in found.items())
    print(f"tried {name}: {line} mean away {np.mean(away):.4f}", flush=True)

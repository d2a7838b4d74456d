"""The training loop: class-balanced batches, early stop on val MAP@R, a checkpoint every epoch.

Every epoch draws its randomness from (seed, epoch) alone, so a run that was stopped and resumed
is the same run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_metric_learning.samplers import MPerClassSampler
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from index.progress import progress_bar
from retrieval.evaluation.metrics import retrieval_metrics
from retrieval.losses import HierarchicalSoftmax, MemoryObjective, build_loss
from retrieval.model import read_model_file, save_model
from retrieval.network import EmbeddingNetwork
from retrieval.training.augment import Surroundings, augment, level
from retrieval.training.checkpoint import load_checkpoint, save_checkpoint
from retrieval.training.data import TrainingSet
from retrieval.training.options import TrainingOptions, parse_sources
from retrieval.training.sources import SourceSampler
from retrieval.view import View

BEST = "best.safetensors"
BEST_HEADS = "best-heads.safetensors"


@dataclass
class Outcome:
    """The network that was kept (running mean of the weights at the best epoch) and its history.

    heads: weight and bias of the plain classifier (``classes.``) and of the leaves (``leaves.``)
    at that epoch, where they were taught.
    """

    network: EmbeddingNetwork
    history: list[dict[str, Any]]
    best_epoch: int
    precision: str
    heads: dict[str, torch.Tensor] = field(default_factory=dict)


class Objectives(nn.Module):
    """The loss on classes, with the plain classifier and the hierarchical term beside it."""

    def __init__(self, data: TrainingSet, options: TrainingOptions) -> None:
        super().__init__()
        classes = len(data.classes)
        self.main = build_loss(options.loss, classes, options.dim, options.memory)
        self.classifier = (
            build_loss("softmax", classes, options.dim)
            if options.classifier and options.loss != "softmax"
            else None
        )
        self.hierarchy = (
            HierarchicalSoftmax(data.leaves_of, options.dim) if options.hierarchy else None
        )
        self.weights = (options.classifier, options.hierarchy)

    def heads(self) -> dict[str, torch.Tensor]:
        """Weight and bias of the linear layers on eight times the embedding, by what they score."""
        layers: dict[str, nn.Module] = {}
        if self.classifier is not None:
            layers["classes"] = self.classifier.get_submodule("loss.linear")
        if self.hierarchy is not None:
            layers["leaves"] = self.hierarchy.linear
        return {
            f"{what}.{name}": value.detach().cpu().clone().contiguous()
            for what, layer in layers.items()
            for name, value in layer.state_dict().items()
        }

    def forward(
        self, vectors: torch.Tensor, classes: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        total: torch.Tensor = self.main(vectors, classes)
        if self.classifier is not None:
            total = total + self.weights[0] * self.classifier(vectors, classes)
        if self.hierarchy is not None:
            total = total + self.weights[1] * self.hierarchy(vectors, labels)
        return total


def balanced_batches(
    labels: np.ndarray, batch_size: int, steps: int, seed: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Rows of ``labels`` [N] in ``steps`` batches that hold each class equally often.

    Class imbalance is met here: every class fills the same share of a batch, so that rare
    classes are drawn more often than their number (at most ``batch_size`` cells; at least two of
    a class, so that every cell has a positive).
    """
    classes = len(np.unique(labels))
    per_class = max(2, batch_size // classes)
    size = per_class * min(classes, max(1, batch_size // per_class))
    # the sampler draws from NumPy's global generator
    np.random.seed(np.random.SeedSequence(seed).generate_state(1))
    rows = iter(MPerClassSampler(labels, per_class, size, size * steps))
    for _ in range(steps):
        yield np.fromiter(rows, np.int64, size)


def _autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return torch.autocast(device.type, dtype=kind, enabled=precision == "bfloat16")


def choose_precision(network: EmbeddingNetwork, batch: torch.Tensor, asked: str) -> str:
    """``asked``, or for ``auto`` the faster of float32 and bfloat16, measured on ``batch``."""
    if asked != "auto":
        return asked
    seconds = {}
    for precision in ("float32", "bfloat16"):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            with _autocast(batch.device, precision):
                network(batch).sum().backward()
            times.append(time.perf_counter() - start)
        seconds[precision] = min(times)
        network.zero_grad()
    return min(seconds, key=seconds.__getitem__)


class Trainer:
    """One run over ``data`` in ``folder``; ``fit`` begins or resumes it."""

    def __init__(
        self,
        network: EmbeddingNetwork,
        data: TrainingSet,
        options: TrainingOptions,
        folder: Path,
        precision: str | None = None,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.data, self.options, self.folder = data, options, folder
        self.view = options.model_view
        self.train_rows = np.flatnonzero(~data.is_val)
        self.steps = options.steps_per_epoch or max(1, len(self.train_rows) // options.batch_size)
        self.mean = torch.tensor(self.view.mean, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(self.view.std, device=self.device).view(1, 3, 1, 1)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        torch.manual_seed(options.seed)
        self.objectives = Objectives(data, options).to(self.device)
        self.averaged = AveragedModel(
            self.network,
            multi_avg_fn=get_ema_multi_avg_fn(options.averaging),
            use_buffers=True,
        )
        self.optimizer = torch.optim.AdamW(
            [
                {"params": list(self.network.trunk.parameters()), "lr": options.trunk_rate},
                {
                    "params": [*self.network.head.parameters(), *self.objectives.parameters()],
                    "lr": options.learning_rate,
                },
            ],
            weight_decay=options.weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            [options.trunk_rate, options.learning_rate],
            total_steps=self.steps * options.epochs,
            pct_start=0.2,
        )
        self.precision = precision or self._measured_precision()

    @property
    def _modules(self) -> dict[str, nn.Module]:
        return {
            "network": self.network,
            "averaged": self.averaged,
            "objectives": self.objectives,
        }

    def _measured_precision(self) -> str:
        if self.device.type == "cuda" and self.options.precision == "auto":
            return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
        size = self.options.input_size
        batch = torch.zeros(min(16, self.options.batch_size), 3, size, size, device=self.device)
        self.network.train()
        kept = {name: value.clone() for name, value in self.network.state_dict().items()}
        chosen = choose_precision(
            self.network,
            batch.contiguous(memory_format=torch.channels_last),
            self.options.precision,
        )
        self.network.load_state_dict(kept)
        return chosen

    def _input(self, pictures: torch.Tensor) -> torch.Tensor:
        moved = (pictures.to(self.device) - self.mean) / self.std
        return moved.contiguous(memory_format=torch.channels_last)

    def _surroundings(self, rows: np.ndarray) -> Surroundings | None:
        if self.data.masks is None or self.data.own is None:
            return None
        return Surroundings(self.data.masks[rows], self.data.own[rows], self.options.background)

    def _batches(self, epoch: int) -> Iterator[np.ndarray]:
        """Positions among ``train_rows``, batch by batch."""
        options, data = self.options, self.data
        seed = (options.seed, epoch)
        sources = parse_sources(options.sources)
        if not sources or data.laboratory_of is None:
            yield from balanced_batches(
                data.class_of[self.train_rows], options.batch_size, self.steps, seed
            )
            return
        sampler = SourceSampler(
            data.class_of[self.train_rows],
            data.laboratory_of[self.train_rows],
            np.array([sources[name] for name in data.laboratories]),
            data.label_of[self.train_rows],
        )
        yield from sampler.batches(options.batch_size, self.steps, seed)

    def _epoch(self, epoch: int) -> float:
        """Train one epoch and return its mean loss."""
        options, data = self.options, self.data
        torch.manual_seed(int(np.random.SeedSequence((options.seed, epoch)).generate_state(1)[0]))
        rng = np.random.default_rng((options.seed, epoch))
        how = level(options.augment)
        total = 0.0
        self.network.train()
        if isinstance(self.objectives.main, MemoryObjective):
            self.objectives.main.reset()
        batches = self._batches(epoch)
        with progress_bar(self.steps, f"epoch {epoch}/{options.epochs}", "step") as bar:
            for picked in batches:
                rows = self.train_rows[picked]
                pictures = augment(
                    data.pictures[rows],
                    self.view.input_size,
                    data.crop,
                    how,
                    rng,
                    self._surroundings(rows),
                    self.device,
                )
                classes = torch.from_numpy(data.class_of[rows]).to(self.device)
                labels = torch.from_numpy(data.label_of[rows]).to(self.device)
                with _autocast(self.device, self.precision):
                    vectors = self.network(self._input(pictures))
                loss = self.objectives(vectors.float(), classes, labels)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.schedule.step()
                self.averaged.update_parameters(self.network)
                total += float(loss.detach())
                bar.update(1)
                bar.set_postfix(loss=f"{total / bar.n:.3f}" if bar.n else "", refresh=False)
        return total / self.steps

    def embed(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors of the averaged network for ``rows`` of the data, float32 [n, D]."""
        self.averaged.eval()
        none = level("none")
        rng = np.random.default_rng(0)
        vectors = []
        with torch.inference_mode():
            for start in range(0, len(rows), 128):
                whole = self.data.pictures[rows[start : start + 128]]
                pictures = augment(whole, self.view.input_size, self.data.crop, none, rng)
                with _autocast(self.device, self.precision):
                    vectors.append(self.averaged(self._input(pictures)).float().cpu().numpy())
        return np.concatenate(vectors)

    def validate(self) -> float:
        """MAP@R of the val cells among themselves, by class; a cell's own picture is left out.

        Where no class has two val cells they are sought among the training cells instead.
        """
        rows = np.flatnonzero(self.data.is_val)
        vectors, classes = self.embed(rows), self.data.class_of[rows]
        if np.bincount(classes).max() > 1:
            found = retrieval_metrics(vectors, classes, vectors, classes, same_source=True)
        else:
            references, taught = self.embed(self.train_rows), self.data.class_of[self.train_rows]
            found = retrieval_metrics(vectors, classes, references, taught, same_source=False)
        return found.map_at_r

    def fit(self, *, resume: bool = False) -> Outcome:
        """Train to the last epoch or to early stop; the checkpoint holds every finished epoch."""
        history: list[dict[str, Any]] = []
        best: dict[str, Any] = {"epoch": 0, "map_at_r": -1.0}
        first = 1
        if resume:
            facts = load_checkpoint(self.folder, self._modules, self.optimizer, self.schedule)
            history, best, first = facts["history"], facts["best"], facts["epoch"] + 1
        for epoch in range(first, self.options.epochs + 1):
            if history and epoch - 1 - best["epoch"] >= self.options.patience:
                break
            start = time.perf_counter()
            loss = self._epoch(epoch)
            score = self.validate()
            history.append(
                {
                    "epoch": epoch,
                    "loss": loss,
                    "map_at_r": score,
                    "seconds": round(time.perf_counter() - start, 1),
                }
            )
            if score > best["map_at_r"]:
                best = {"epoch": epoch, "map_at_r": score}
                self._keep_best()
            self._save(epoch, history, best)
        return Outcome(
            self._best_network(),
            history,
            best["epoch"],
            self.precision,
            load_file(self.folder / BEST_HEADS),
        )

    def _save(self, epoch: int, history: list[dict[str, Any]], best: dict[str, Any]) -> None:
        facts = {
            "epoch": epoch,
            "history": history,
            "best": best,
            "precision": self.precision,
            "options": self.options.as_dict(),
            "data_hash": self.data.data_hash,
        }
        save_checkpoint(self.folder, self._modules, self.optimizer, self.schedule, facts)

    def _keep_best(self) -> None:
        network = self.averaged.get_submodule("module")
        if isinstance(network, EmbeddingNetwork):
            # the weights alone matter here, and are read back as such
            save_model(self.folder / BEST, network, View(self.view.input_size, self.data.crop))
            save_file(self.objectives.heads(), self.folder / BEST_HEADS)

    def _best_network(self) -> EmbeddingNetwork:
        state, _ = read_model_file(self.folder / BEST)
        network = EmbeddingNetwork(self.options.backbone, self.options.dim, self.options.input_size)
        network.load_state_dict(state)
        return network

"""Teach the trunks of the shipped model: several teachers, then students of them all.

    python -m benchmarks.teach_data build/teach.zip
    python -m benchmarks.teach_trunks build/teach.zip --out build/trunks \\
        --weights mobilenet_v2_imagenet.pth --seconds 540

Teachers differ in seed, input size, variation of the pictures and weights of the laboratories.
Each student begins as one of them and is taught what all of them say together of the same varied
picture: their mean probabilities, and how alike they find each two cells of a batch (relational
distillation: Park et al., CVPR 2019; same view and patience: Beyer et al., CVPR 2022). Students
also see cells that nobody named. For a GPU; ``--steps`` in place of ``--seconds`` gives the same
run again on the same machine. What comes out is tried on PBC's val cells and on four laboratories,
cell by cell, in the view of inference.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pytorch_metric_learning.losses import MultiSimilarityLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.teach_network import (
    LEAVES,
    Cells,
    Net,
    begun,
    describe,
    loaded,
    report,
    saved,
    tried,
)
from retrieval.training.sources import SourceSampler

UNNAMED = 0.12  # share of a student's batch that nobody named


@dataclass(frozen=True)
class Plan:
    """One network. begins: the teacher whose weights a student starts with."""

    name: str
    size: int
    level: str
    weights: tuple[float, float, float] = (2, 1, 1)
    seed: int = 0
    begins: str = ""


TEACHERS = (
    Plan("teacher0", 128, "laboratory", seed=0),
    Plan("teacher1", 128, "dyes", seed=1),
    Plan("teacher2", 160, "filters", seed=2),
    Plan("teacher3", 128, "filters", (1, 1, 1), seed=3),
)
STUDENTS = (
    Plan("student0", 128, "dyes", seed=10, begins="teacher1"),
    Plan("student1", 96, "dyes", seed=11, begins="teacher0"),
    Plan("student2", 128, "dyes", seed=12, begins="teacher2"),
)


class Course:
    """One or more networks taught together for a number of steps, or of seconds."""

    def __init__(
        self,
        nets: Sequence[Net],
        device: torch.device,
        rates: tuple[float, float],
        averaging: float = 0.998,
    ) -> None:
        self.nets = [net.to(device).to(memory_format=torch.channels_last) for net in nets]
        self.means = [
            AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(averaging), use_buffers=True)
            for net in self.nets
        ]
        trunk = [p for net in self.nets for p in net.trunk.parameters()]
        heads = [
            p for net in self.nets for name, p in net.named_parameters() if name[:5] != "trunk"
        ]
        self.rates, self.device = rates, device
        self.optimizer = torch.optim.AdamW(
            [{"params": trunk}, {"params": heads}], weight_decay=0.03, foreach=True
        )

    def run(
        self, step: Callable[[int], torch.Tensor], steps: int, seconds: float, name: str
    ) -> int:
        """Steps along a one-cycle schedule; how many were made."""
        start = time.perf_counter()
        done, total, measured = 0, steps or 10**9, 0.0
        for net in self.nets:
            net.train()
        while done < total:
            if not steps and done == 20:
                measured = time.perf_counter()
            if not steps and done == 60:
                each = (time.perf_counter() - measured) / 40
                total = 60 + max(1, int((seconds - (time.perf_counter() - start)) / each))
            share = done / total if total < 10**9 else done / 3000
            warm = min(1.0, (done + 1) / (0.12 * min(total, 3000)))
            rate = warm * (0.5 + 0.5 * math.cos(math.pi * share)) + 1e-3
            for group, peak in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = peak * rate
            loss = step(done)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            for net, mean in zip(self.nets, self.means, strict=True):
                mean.update_parameters(net)
            done += 1
            if done % 100 == 0 or done == total:
                spent = time.perf_counter() - start
                print(
                    f"{name}: step {done}/{total}, {spent:.0f} s, loss {loss.item():.3f}",
                    flush=True,
                )
                if not steps and spent > seconds * 1.06:
                    break
        return done


def batches(cells: Cells, weights: Sequence[float], size: int, seed: int) -> Iterator[np.ndarray]:
    """Rows of taught cells, balanced over classes, laboratories and leaves."""
    laboratory = np.array([cells.sources.index(name) for name in cells.datasets[cells.taught]])
    kinds = cells.leaves[cells.taught] @ (1 << np.arange(LEAVES))
    sampler = SourceSampler(cells.classes[cells.taught], laboratory, np.array(weights), kinds)
    for picked in sampler.batches(size, 10**9, (seed, 0)):
        yield cells.taught[picked]


def leaf_loss(logits: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Marginal cross-entropy of the leaves that each cell may be; of no cell if none may be any."""
    some = allowed.any(1)
    if not some.any():
        return logits.sum() * 0
    found = logits[some].log_softmax(1).masked_fill(~allowed[some], -torch.inf)
    return -found.logsumexp(1).mean()


class Lessons:
    """What labels teach: pairs, classes and leaves."""

    def __init__(self, cells: Cells) -> None:
        self.pairs, self.miner = MultiSimilarityLoss(2, 50, 0.5), MultiSimilarityMiner(0.1)
        self.classes = torch.from_numpy(cells.classes).to(cells.device)
        self.leaves = torch.from_numpy(cells.leaves).to(cells.device)

    def loss(
        self, rows: np.ndarray, vectors: torch.Tensor, classes: torch.Tensor, leaves: torch.Tensor
    ) -> torch.Tensor:
        """Of one network's outputs for named ``rows``."""
        at = torch.from_numpy(rows).to(vectors.device)
        truth = self.classes[at]
        value = self.pairs(vectors, truth, self.miner(vectors, truth))
        value = value + 0.5 * functional.cross_entropy(classes, truth, label_smoothing=0.05)
        return value + 0.25 * leaf_loss(leaves, self.leaves[at])


def teach(plan: Plan, given: argparse.Namespace) -> None:
    """One teacher, in a process of its own."""
    device = torch.device(given.device)
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(plan.seed)
    cells = Cells(given.data, device)
    lessons = Lessons(cells)
    course = Course([begun(given.weights)], device, (6e-4, 1.5e-3))
    rng = np.random.default_rng((plan.seed, 1))
    drawn = batches(cells, plan.weights, given.batch, plan.seed)

    def step(_: int) -> torch.Tensor:
        rows = next(drawn)
        pictures = cells.normal(cells.varied(rows, plan.size, plan.level, rng), plan.size)
        with torch.autocast(device.type, torch.bfloat16):
            _, vectors, classes, leaves = course.nets[0](pictures)
        return lessons.loss(rows, vectors, classes, leaves)

    share = given.seconds * given.teaching
    done = course.run(step, given.steps, share, plan.name)
    torch.save(saved(course.means[0].module), given.out / f"{plan.name}.pt")
    print(f"{plan.name}: {done} steps of {given.batch}", flush=True)


@dataclass(frozen=True)
class Said:
    """What teachers say together: probabilities of classes and leaves, likeness of cells."""

    classes: torch.Tensor
    leaves: torch.Tensor
    likeness: torch.Tensor


def together(nets: Sequence[Net], sizes: Sequence[int], cells: Cells, seen: torch.Tensor) -> Said:
    """Of pictures [B, 3, S, S] in 0..1."""
    with torch.no_grad(), torch.autocast(seen.device.type, torch.bfloat16):
        every = [net(cells.normal(seen, size)) for net, size in zip(nets, sizes, strict=True)]
    return Said(
        torch.stack([classes.softmax(1) for *_, classes, _ in every]).mean(0),
        torch.stack([leaves.softmax(1) for *_, leaves in every]).mean(0),
        torch.stack([vectors @ vectors.T for _, vectors, *_ in every]).mean(0),
    )


def learn(given: argparse.Namespace, device: torch.device, cells: Cells) -> int:
    """The students, side by side: every batch is varied and judged by the teachers once."""
    torch.manual_seed(100)
    teachers = [loaded(given.out / f"{plan.name}.pt").to(device).eval() for plan in TEACHERS]
    teachers = [net.to(memory_format=torch.channels_last) for net in teachers]
    sizes = [plan.size for plan in TEACHERS]
    course = Course(
        [loaded(given.out / f"{plan.begins}.pt") for plan in STUDENTS], device, (5e-4, 1e-3)
    )
    lessons = Lessons(cells)
    rng = np.random.default_rng((100, 1))
    named = round(given.batch * (1 - UNNAMED)) if len(cells.unnamed) else given.batch
    drawn = batches(cells, (2, 1, 1), named, 100)
    largest = max(sizes)

    def step(number: int) -> torch.Tensor:
        rows = next(drawn)
        more = given.batch - named
        every = np.concatenate([rows, rng.choice(cells.unnamed, more)]) if more else rows
        level = "filters" if number % 4 == 0 else "dyes"
        seen = cells.varied(every, largest, level, rng)
        said = together(teachers, sizes, cells, seen)
        total = seen.new_zeros(())
        for net, plan in zip(course.nets, STUDENTS, strict=True):
            with torch.autocast(device.type, torch.bfloat16):
                _, vectors, classes, leaves = net(cells.normal(seen, plan.size))
            kl = functional.kl_div(classes.log_softmax(1), said.classes, reduction="batchmean")
            fine = functional.kl_div(leaves.log_softmax(1), said.leaves, reduction="batchmean")
            alike = functional.mse_loss(vectors @ vectors.T, said.likeness)
            n = len(rows)
            total = total + kl + 0.5 * fine + 20 * alike
            total = total + 0.2 * lessons.loss(rows, vectors[:n], classes[:n], leaves[:n])
        return total

    done = course.run(step, given.steps, given.seconds * (1 - given.teaching), "students")
    for mean, plan in zip(course.means, STUDENTS, strict=True):
        torch.save(saved(mean.module), given.out / f"{plan.name}.pt")
    return done


def main() -> None:
    """Teach, learn, try."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2 of ImageNet")
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--teaching", type=float, default=0.5, help="share of it for the teachers")
    parser.add_argument("--steps", type=int, default=0, help="of every network, instead")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    begun_at = time.perf_counter()
    context = torch.multiprocessing.get_context("spawn")
    running = [context.Process(target=teach, args=(plan, given)) for plan in TEACHERS]
    for process in running:
        process.start()
    for process in running:
        process.join()
    if any(process.exitcode for process in running):
        raise SystemExit("a teacher did not finish")
    device = torch.device(given.device)
    torch.backends.cudnn.benchmark = True
    cells = Cells(given.data, device)
    print("data", *cells.hashes, flush=True)
    said = [describe(loaded(given.out / f"{p.name}.pt"), p.size, cells) for p in TEACHERS]
    for plan, each in zip(TEACHERS, said, strict=True):
        report(plan.name, tried([each], cells))
    report("teachers together", tried(said, cells))
    print(f"teachers: {time.perf_counter() - begun_at:.0f} s", flush=True)
    done = learn(given, device, cells)
    said = [describe(loaded(given.out / f"{p.name}.pt"), p.size, cells) for p in STUDENTS]
    for plan, each in zip(STUDENTS, said, strict=True):
        report(plan.name, tried([each], cells))
    report("students together", tried(said, cells))
    print(f"students: {done} steps, {time.perf_counter() - begun_at:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()

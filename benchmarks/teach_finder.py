"""Teach the network that finds cells, and measure it on TECOM's masks, which it never saw.

    python -m benchmarks.teach_finder OUT.pt [--steps 1300] [--seed 0] [--threads 2]
    python -m benchmarks.teach_finder OUT.pt --measure

About four minutes on two cores. Binary cross-entropy and Dice on the maps of cell and nucleus, over
random colour, scale, rotation and place.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch.nn import functional

from benchmarks.finder_data import FinderData, finder_data
from benchmarks.report import data_folder, table, write_section
from retrieval.cellview import CellFinder, CellUNet
from retrieval.cellview.finder import CENTRAL, SIDE, WORKING, working

BATCH, OF_FIELDS = 32, 9
RATE = 4e-3


def centres_and_sizes(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre [N, 2] (x, y) and diameter [N] of the central cell of each mask, in its pixels."""
    centres, diameters = np.zeros((len(masks), 2)), np.zeros(len(masks))
    for row, mask in enumerate(masks[..., 0]):
        parts, count = ndimage.label(mask)
        if not count:
            centres[row], diameters[row] = WORKING / 2, WORKING / 2
            continue
        areas = np.bincount(parts.ravel())[1:]
        middles = np.array(ndimage.center_of_mass(mask, parts, range(1, count + 1)))
        away = np.hypot(*(middles - WORKING / 2).T) / WORKING
        best = int((np.sqrt(areas) * np.exp(-((away / CENTRAL) ** 2))).argmax())
        centres[row] = middles[best][::-1] + 0.5
        diameters[row] = 2 * np.sqrt(areas[best] / np.pi)
    return centres, diameters


def frames(rng: np.random.Generator, centres: np.ndarray, diameters: np.ndarray) -> torch.Tensor:
    """Grids [B, 96, 96, 2] about cells: filling .22 to 1 of the side, turned, mirrored, moved."""
    count = len(centres)
    side = np.minimum(diameters / rng.uniform(0.22, 1.0, count), 260)
    turn = rng.uniform(0, 2 * np.pi, count)
    mirror = rng.choice([-1, 1], count)
    stretch = np.exp(rng.uniform(-0.1, 0.1, count))
    moved = centres + rng.uniform(-0.14, 0.14, (count, 2)) * side[:, None]
    matrix = np.zeros((count, 2, 3), np.float32)
    scale = side / WORKING
    matrix[:, 0, 0] = scale * np.cos(turn) * mirror * stretch
    matrix[:, 0, 1] = -scale * np.sin(turn) / stretch
    matrix[:, 1, 0] = scale * np.sin(turn) * mirror * stretch
    matrix[:, 1, 1] = scale * np.cos(turn) / stretch
    matrix[:, :, 2] = moved / (WORKING / 2) - 1
    size = [count, 3, SIDE, SIDE]
    return functional.affine_grid(torch.from_numpy(matrix), size, align_corners=False)


def coloured(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures [B, 3, S, S] in 0..1 of random stain, camera, blur and noise."""
    count = len(pictures)
    gain = torch.exp((torch.rand(count, 3, 1, 1) - 0.5) * 1.6)
    pictures = pictures.clamp(1e-3, 1) ** gain
    mixed = torch.eye(3)[None] + (torch.rand(count, 3, 3) - 0.5) * 0.5
    mixed = mixed / mixed.sum(2, keepdim=True).clamp(min=0.4)
    pictures = torch.einsum("bij,bjhw->bihw", mixed, pictures)
    pictures = pictures * (1 - torch.rand(count, 3, 1, 1) * 0.45)
    pictures = (pictures + torch.rand(count, 1, 1, 1) * 0.25 * (1 - pictures)).clamp(0, 1)
    if torch.rand(()) < 0.5:
        pictures = functional.avg_pool2d(pictures, 3, 1, 1)
    return pictures + torch.randn_like(pictures) * 0.02 * torch.rand(())


def loss_of(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy and one minus the Dice coefficient, over [B, 2, S, S]."""
    crossed = functional.binary_cross_entropy_with_logits(logits, masks)
    shares = logits.sigmoid()
    both = (shares * masks).sum((2, 3))
    dice = (2 * both + 1) / ((shares + masks).sum((2, 3)) + 1)
    return crossed + (1 - dice).mean()


def teach(data: FinderData, steps: int, seed: int) -> CellUNet:
    """A network taught for ``steps`` batches of 32, nine of them cut out of fields."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = CellUNet().to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(network.parameters(), RATE / 2, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    centres, diameters = centres_and_sizes(data.masks)
    started = time.time()
    for step in range(steps):
        rows = np.concatenate(
            [
                rng.integers(0, data.cells, BATCH - OF_FIELDS),
                rng.integers(data.cells, len(data.pictures), OF_FIELDS),
            ]
        )
        grid = frames(rng, centres[rows], diameters[rows])
        pictures, masks = (
            torch.from_numpy(each[rows]).permute(0, 3, 1, 2).float()
            for each in (data.pictures, data.masks)
        )
        pictures = functional.grid_sample(
            pictures / 255, grid, padding_mode="reflection", align_corners=False
        )
        masks = functional.grid_sample(masks, grid, padding_mode="zeros", align_corners=False)
        seen = ((coloured(pictures) - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(seen)
        loss = loss_of(logits.float(), masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            print(f"{step + 1} {loss.item():.3f} {time.time() - started:.0f} s", flush=True)
    return network.eval()


def measure(finder: CellFinder, folder: Path) -> dict[str, float]:
    """On every cell of TECOM: overlap with its mask at one look, and where the finding lies."""
    overlap, away, ratio = [], [], []
    middle = np.full(1, WORKING / 2, np.float32)
    for file in sorted((folder / "masks").glob("*.png")):
        [image] = (folder / "images").glob(f"{file.stem}.*")
        with Image.open(image) as opened:
            rgb = np.asarray(opened.convert("RGB"))
        with Image.open(file) as opened:
            true = working(np.asarray(opened.convert("RGB")))[..., 0] > 40
        small = working(rgb)[None]
        maps = finder.masks(small, middle, middle, 2 * middle)[0, ..., 0] > 0.5
        known = true[::2, ::2]
        overlap.append((maps & known).sum() / max(1, (maps | known).sum()))
        [found] = finder.find_working(small, [(WORKING, WORKING)])
        rows, columns = np.nonzero(true)
        diameter = 2 * np.sqrt(true.sum() / np.pi)
        away.append(
            np.hypot(found.x - columns.mean() - 0.5, found.y - rows.mean() - 0.5) / diameter
        )
        ratio.append(found.diameter / diameter)
    return {
        "cells": len(overlap),
        "overlap (IoU) of one look, mean": float(np.mean(overlap)),
        "the same, median": float(np.median(overlap)),
        "centre off by, in diameters, 99 of 100 within": float(np.percentile(away, 99)),
        "diameter over the mask's, median": float(np.median(ratio)),
        "the same, 95 of 100 within ±": float(np.percentile(np.abs(np.array(ratio) - 1), 95)),
    }


def main() -> None:
    """Teach, or measure what was taught and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=1300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", action="store_true", help="measure OUT as it is")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if not given.measure:
        data = finder_data(data_folder())
        print(f"{len(data.pictures)} pictures, {data.cells} of PBC, data {data.sha256}")
        torch.save(teach(data, given.steps, given.seed).state_dict(), given.out)
    network = CellUNet()
    network.load_state_dict(torch.load(given.out, map_location="cpu", weights_only=True))
    figures = measure(CellFinder(network), data_folder() / "tecom")
    masks = sorted((data_folder() / "tecom" / "masks").glob("*.png"))
    write_section(
        "finder",
        "Finding cells",
        f"python -m benchmarks.teach_finder {given.out.name}" + " --measure" * given.measure,
        table(
            ["on TECOM, never seen", "measured"],
            [[name, f"{value:.3g}"] for name, value in figures.items()],
        ),
        seed=given.seed,
        data_hash=_hash(masks),
    )


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()

"""How much the whole costs over its bare parts: embed, import and query, in one run.

python -m benchmarks.speed [--images 4000]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import torch
from PIL import Image

from benchmarks.report import data_folder, table, write_section
from index import Atlas, CellRecord, NewLabel
from index.settings import setting
from retrieval.cellview.network import SIDE
from retrieval.embedding import embed_atlas
from retrieval.joint import finder_network, trunks_of
from retrieval.model import Model, load_model, read_model_file, shipped_model_path
from retrieval.precision import restored
from retrieval.reading.importing import import_source

BATCH = int(setting("batch_size"))


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def sample(work: Path, count: int) -> Path:
    """A folder of ``count`` real JPEG files in class folders, by hard copy."""
    folder = data_folder() / "pbc"
    rows = pd.read_csv(folder / "labels.csv").sample(count, random_state=0)
    for path in rows["path"]:
        target = work / "cells" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "images" / path, target)
    return work / "cells"


def bare_reading(files: list[Path]) -> None:
    """Read, decode and hash, one file after another, as a script of ten lines would."""
    for file in files:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            hashlib.sha256(np.asarray(image.convert("RGB")).tobytes()).hexdigest()


def bare_decoding(files: list[Path], threads: int) -> None:
    """Decode in as many threads as the library uses."""

    def decode(file: Path) -> int:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB")).size

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(decode, files))


def bare_forward(batches: int, model: Path, *, folded: Model | None = None) -> float:
    """Seconds of the networks' forward alone at the same batch, eager float32 channels-last.

    One look of the finder and every trunk, as they were taught; with ``folded``, the library's own
    with their batch norms folded away.
    """
    small, metadata = read_model_file(model)
    size = metadata["view"]["input_size"]
    if folded is None:
        networks = [
            trunk.eval().to(memory_format=torch.channels_last)
            for trunk in trunks_of(restored(small), metadata)
        ]
        finder = finder_network(small, metadata)
    else:
        networks, finder = folded._trunks, folded.finder._network
    batch = torch.rand(BATCH, 3, size, size).contiguous(memory_format=torch.channels_last)
    look = torch.rand(BATCH, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    finder = finder.eval().to(memory_format=torch.channels_last)

    def forward() -> None:
        finder(look)
        for network in networks:
            network.pooled(batch)

    with torch.inference_mode():
        forward()
        return seconds(lambda: [forward() for _ in range(batches)])


def embed_and_import(work: Path, count: int, repeats: int) -> list[list[object]]:
    """Import and embed against their bare parts; each pair alternates, the median counts."""
    folder = sample(work, count)
    files = sorted(folder.rglob("*.jpg"))
    bare_reading(files)  # warms the file cache for everyone
    times: dict[str, list[float]] = {name: [] for name in (
        "read", "import", "decode", "forward", "folded", "embed")}  # fmt: skip
    model = load_model(shipped_model_path())
    for turn in range(repeats):
        times["read"].append(seconds(lambda: bare_reading(files)))
        with Atlas.open(work / f"atlas{turn}", create=True) as atlas:
            times["import"].append(seconds(lambda: import_source(atlas, folder, dataset="pbc")))
            cells = atlas.count()
            times["decode"].append(seconds(lambda: bare_decoding(files, 2)))
            batches = -(-cells // BATCH)
            times["forward"].append(bare_forward(batches, shipped_model_path()))
            times["folded"].append(bare_forward(batches, shipped_model_path(), folded=model))
            times["embed"].append(seconds(lambda: embed_atlas(atlas, batch_size=BATCH)))
    rate = {name: count / statistics.median(values) for name, values in times.items()}
    slower = min(rate["forward"], rate["decode"])
    return [
        ["import, cells/s", f"{rate['import']:.0f}", f"{rate['read']:.0f} (bare loop)",
         f"{rate['import'] / rate['read']:.2f}", "≥ 0.80"],
        ["embed, cells/s", f"{rate['embed']:.0f}",
         f"{slower:.0f} (smaller of forward {rate['forward']:.0f}, decoding "
         f"{rate['decode']:.0f})", f"{rate['embed'] / slower:.2f}", "≥ 0.90"],
        ["the same, forward with batch norms folded", f"{rate['embed']:.0f}",
         f"{min(rate['folded'], rate['decode']):.0f} (forward {rate['folded']:.0f})",
         f"{rate['embed'] / min(rate['folded'], rate['decode']):.2f}", "reported"],
    ]  # fmt: skip


def query_latency(work: Path, cells: int = 100_000, width: int = 128) -> list[list[object]]:
    """Search through the atlas against raw FAISS, 100k vectors, k 10, single and 64 at once."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((cells, width)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    raw = faiss.IndexFlatIP(width)
    raw.add(vectors)
    rows: list[list[object]] = []
    with Atlas.open(work / "large", create=True) as atlas:
        atlas.add_dataset("synthetic", str(work))
        atlas.add_cells(
            "synthetic",
            (CellRecord(f"{n}.png", f"{n:064x}", 1, 1) for n in range(cells)),
        )
        ids = atlas.cell_ids()
        atlas.add_labels([NewLabel(int(each), "neutrophil", "benchmark", "bulk") for each in ids])
        model = shipped_model_path()
        identity = read_model_file(model)[1]["id"]
        atlas.add_model(identity, model, {"dim": width})
        atlas.set_active_model(identity)
        atlas.add_embeddings(identity, ids, vectors)
        atlas.sync_index()
        for batch in (1, 64):
            queries = [vectors[n * batch : (n + 1) * batch] + 0 for n in range(200 // batch + 8)]
            ours, bare = [], []
            for query in queries:
                bare.append(seconds(lambda: raw.search(query, 10)))  # noqa: B023
                ours.append(seconds(lambda: atlas.search(query, 10)))  # noqa: B023
            mine, theirs = statistics.median(ours[4:]), statistics.median(bare[4:])
            rows.append(
                [f"query, {cells:,} × {width}, k 10, {batch} at once, ms", f"{mine * 1e3:.2f}",
                 f"{theirs * 1e3:.2f} (raw FAISS)", f"{mine / theirs:.2f}", "≤ 1.20"]
            )  # fmt: skip
    return rows


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        rows = embed_and_import(work / "a", given.images, given.repeats)
        rows += query_latency(work / "b")
    body = table(["what", "CellKin", "peer in the same run", "ratio", "target"], rows)
    write_section(
        "speed",
        "Speed",
        f"python -m benchmarks.speed --images {given.images} --repeats {given.repeats}",
        body,
        seed=0,
        data_hash=hashlib.sha256((data_folder() / "pbc" / "labels.csv").read_bytes()).hexdigest(),
    )


if __name__ == "__main__":
    main()

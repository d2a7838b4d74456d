"""The synthetic atlas on which simulated readers are watched."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from index import Atlas, CellRecord

SEED = 20
CLASSES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "platelet")
MODEL = "synthetic"
DIMENSION = 32
REFERENCES, NEW, SPREAD = 50, 360, 0.17  # cells a class, cells in the queue, width of a class


def make_atlas(path: Path, new: int = NEW) -> dict[int, str]:
    """An atlas of clustered vectors, labelled references and ``new`` cells to read; the truth."""
    drawn = np.random.default_rng(SEED)
    centres = np.linalg.qr(drawn.normal(size=(DIMENSION, DIMENSION)))[0][: len(CLASSES)]
    truth: dict[int, str] = {}
    with Atlas.open(path, create=True) as atlas:
        model = path / "none.safetensors"
        model.write_bytes(b"")
        atlas.add_model(MODEL, model, {})
        for dataset, count in (("reference", REFERENCES * len(CLASSES)), ("new", new)):
            atlas.add_dataset(dataset, str(path))
            kinds = drawn.integers(len(CLASSES), size=count)
            atlas.add_cells(
                dataset,
                [
                    CellRecord(
                        file=f"{dataset}/{n}.png",
                        sha256=hashlib.sha256(f"{dataset}{n}".encode()).hexdigest(),
                        width=64,
                        height=64,
                        class_code=CLASSES[kind] if dataset == "reference" else None,
                    )
                    for n, kind in enumerate(kinds)
                ],
            )
            ids = atlas.cell_ids()[-count:]
            vectors = centres[kinds] + drawn.normal(scale=SPREAD, size=(count, DIMENSION))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            atlas.add_embeddings(MODEL, ids, vectors.astype(np.float32))
            truth |= {int(cell): CLASSES[kind] for cell, kind in zip(ids, kinds, strict=True)}
    return truth

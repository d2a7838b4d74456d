"""The model that ships: size, card, and that it names real cells where these are at hand."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from retrieval.answers.knn import NeighbourClassifier
from retrieval.model import load_model, shipped_model_path
from retrieval.painter import paint_cell
from retrieval.reading.decode import decode

CARD = shipped_model_path().parent / "MODEL_CARD.md"


def test_it_loads_is_small_and_its_card_names_it() -> None:
    path = shipped_model_path()
    assert path.stat().st_size < 12_000_000
    model = load_model(path)
    card = CARD.read_text(encoding="utf-8")
    assert model.id in card
    for heading in ("Data", "Licence", "Command", "Figures", "Limits"):
        assert f"## {heading}" in card
    assert model.metadata["about"]["data_hash"][:16] in card


def test_painted_cells_of_a_class_lie_closer_than_those_of_another() -> None:
    model = load_model(shipped_model_path())
    codes = ["eosinophil", "lymphocyte", "platelet"]
    pictures = [paint_cell(code, seed) for code in codes for seed in range(6)]
    similarity = model.embed_batch(pictures) @ model.embed_batch(pictures).T
    same = np.kron(np.eye(3), np.ones((6, 6))).astype(bool)
    alike = similarity[same & ~np.eye(18, dtype=bool)].mean()
    assert alike > similarity[~same].mean() + 0.3


@pytest.mark.realdata
@pytest.mark.slow
def test_it_names_real_cells_it_never_saw(real_data: Path) -> None:
    """A floor well below the published figure: 40 references a class, 20 val cells a class."""
    chosen: dict[tuple[str, str], list[str]] = defaultdict(list)
    with (real_data / "pbc" / "labels.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            chosen[row["split"], row["class"]].append(row["path"])
    rng = np.random.default_rng(0)
    model = load_model(shipped_model_path())
    vectors: dict[str, list[np.ndarray]] = {"train": [], "val": []}
    classes: dict[str, list[str]] = {"train": [], "val": []}
    for (split, code), files in sorted(chosen.items()):
        picked = rng.permutation(files)[: 40 if split == "train" else 20]
        images = [decode(real_data / "pbc" / "images" / file) for file in picked]
        vectors[split].append(model.embed_batch(images))
        classes[split] += [code] * len(images)
    classifier = NeighbourClassifier(15).fit(
        np.concatenate(vectors["train"]), np.array(classes["train"])
    )
    answers = classifier.predict(np.concatenate(vectors["val"]))
    assert (answers == np.array(classes["val"])).mean() > 0.95

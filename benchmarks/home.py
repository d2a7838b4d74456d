"""At home: PBC cells never seen, named and retrieved against the development share.

References are the train split alone; the queries are the val split, which no reference and no
weight has seen (its MAP@R among itself chose the epoch). The floor measured in the same run is
frozen ImageNet MobileNetV2 with the same vote.

    python -m benchmarks.home [--work FOLDER] [--model FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.report import data_folder, imagenet_weights, table, write_section
from retrieval.answers.knn import NeighbourClassifier
from retrieval.embedding import embed_images
from retrieval.evaluation import classification_metrics, retrieval_metrics, wilson_interval
from retrieval.evaluation.report import number
from retrieval.model import Model, load_model, shipped_model_path
from retrieval.network import EmbeddingNetwork
from retrieval.reading.decode import decode
from retrieval.training.start import load_start
from retrieval.view import View

LEUKOPY = {
    "band_neutrophil": 0.82,
    "segmented_neutrophil": 0.85,
    "promyelocyte": 0.73,
    "myelocyte": 0.73,
    "metamyelocyte": 0.72,
}


def cellkin(*arguments: object) -> None:
    """Run the command line as a user would."""
    subprocess.run([sys.executable, "-m", "cellkin", *map(str, arguments)], check=True)


def shares(work: Path) -> tuple[Path, Path]:
    """Tables of the train and the val cells. Pictures that stand in both splits, or twice, go."""
    folder = data_folder() / "pbc"
    labels = pd.read_csv(folder / "labels.csv", dtype=str)
    labels = labels[labels["dup_group"].isna() | ~labels["dup_group"].duplicated(keep=False)]
    labels["path"] = [str(folder / "images" / path) for path in labels["path"]]
    for split in ("train", "val"):
        chosen = labels[labels["split"] == split][["path", "class", "subclass"]]
        chosen.to_csv(work / f"{split}.csv", index=False)
    return work / "train.csv", work / "val.csv"


def floor(train: Path, val: Path, size: int) -> dict[str, Any]:
    """Frozen ImageNet features, the same view, neighbours and vote."""
    network = EmbeddingNetwork("mobilenet_v2", 1280, size)
    load_start(network, str(imagenet_weights()))
    with torch.no_grad():  # the head passes the pooled features on as they are
        network.head.weight.copy_(torch.eye(1280))
        network.head.bias.zero_()
    model = Model(network, View(size, 0.75), {}, "imagenet")
    vectors, classes = {}, {}
    for name, file in (("train", train), ("val", val)):
        rows = pd.read_csv(file)
        results = embed_images(model, [Path(path) for path in rows["path"]], decode)
        vectors[name] = np.stack([found for _, found in results if isinstance(found, np.ndarray)])
        classes[name] = rows["class"].to_numpy(dtype=str)
    classifier = NeighbourClassifier(15).fit(vectors["train"], classes["train"])
    answers = classification_metrics(classes["val"], classifier.predict(vectors["val"]))
    found = retrieval_metrics(
        vectors["val"], classes["val"], vectors["train"], classes["train"], same_source=False
    )
    return {
        "accuracy": answers.accuracy,
        "macro_f1": answers.macro_f1,
        "map_at_r": found.map_at_r,
        "p1": found.precision_at_1,
        "map5": found.map_at_5_lenient,
    }


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="folder to keep; default a temporary one")
    parser.add_argument("--model", type=Path, default=shipped_model_path())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        measure(work, options.model)


def measure(work: Path, model: Path) -> None:
    """The whole path through the command line, then the floor."""
    train, val = shares(work)
    atlas = work / "atlas"
    cellkin("import", atlas, train, "--dataset", "pbc")
    cellkin("embed", atlas, "--model", model)
    cellkin("classify", atlas, val, "--out", work / "predictions.csv")
    documents = {}
    for level in ("class", "subclass"):
        out = work / level
        cellkin("evaluate", atlas, val, "--level", level, "--out", out)
        documents[level] = json.loads((out / "metrics.json").read_text())
    predictions = pd.read_csv(work / "predictions.csv").set_index("file")
    truth = pd.read_csv(val)
    named = {"ig": "immature_granulocyte"}
    true = np.array([named.get(name, name) for name in truth["class"]])
    answers = predictions.loc[[Path(path).as_posix() for path in truth["path"]], "class"]
    classified = classification_metrics(true, answers.to_numpy(dtype=str))
    correct = round(classified.accuracy * len(true))
    interval = wilson_interval(correct, len(true))
    document = documents["class"]
    peers = floor(train, val, load_model(model).view.input_size)
    body = [
        f"{len(true):,} val cells against {document['data']['references']:,} references of train.",
        "",
        f"`cellkin classify`: **accuracy {classified.accuracy:.4f}** ({interval.low:.4f}–"
        f"{interval.high:.4f}), macro-F1 {classified.macro_f1:.4f}; "
        f"{correct} of {len(true)} right.",
        "",
        table(
            ["figure (`cellkin evaluate`)", "shipped model", "frozen ImageNet MobileNetV2"],
            [
                ["accuracy", number(document["classification"]["accuracy"]),
                 f"{peers['accuracy']:.4f}"],
                ["macro-F1", number(document["classification"]["macro_f1"]),
                 f"{peers['macro_f1']:.4f}"],
                ["P@1", number(document["retrieval"]["precision_at_1"]), f"{peers['p1']:.4f}"],
                ["MAP@R", number(document["retrieval"]["map_at_r"]), f"{peers['map_at_r']:.4f}"],
                ["mAP@5, lenient (AP over the hits among 5)",
                 number(document["retrieval"]["map_at_5_lenient"]), f"{peers['map5']:.4f}"],
                ["ECE, equal mass", number(document["calibration"]["ece_equal_mass"]), ""],
                ["accepted", number(document["decisions"]["accept"]["share"]), ""],
                ["wrong among the accepted", number(document["decisions"]["accept"]["risk"]), ""],
                ["prediction sets with the truth",
                 number(document["prediction_sets"]["coverage"]), ""],
            ],
        ),
        "",
        "Published: best end-to-end network on BloodMNIST-224 99.02 ± 0.14 accuracy; frozen DINO "
        "ViT-B k-NN 96.81; UNI, frozen: mAP@5 97.05, ACC@1 96.78. (Other splits of the same data.)",
        "",
        "Subclasses, F1 against VGG16+SVM of the Leukopy project:",
        "",
        subclasses(documents["subclass"]),
    ]  # fmt: skip
    write_section(
        "home",
        "At home: Barcelona PBC, cells never seen",
        "python -m benchmarks.home",
        "\n".join(body),
        seed=0,
        data_hash=document["data"]["sha256"],
    )


def subclasses(document: dict[str, Any]) -> str:
    """The table of subclass F1."""
    per_class = document["classification"]["per_class"]
    return table(
        ["subclass", "cells", "F1", "Leukopy"],
        [
            [code, per_class[code]["cells"], number(per_class[code]["f1"]), published]
            for code, published in LEUKOPY.items()
        ],
    )


if __name__ == "__main__":
    main()

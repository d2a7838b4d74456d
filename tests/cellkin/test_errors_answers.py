"""Rows of docs/errors.md about query, classify, evaluate, map and train."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from index import Atlas
from retrieval.laboratory import declared_classes
from retrieval.reading.importing import import_source

HEADING = "file,class,probability,prediction_set,novelty,decision,neighbours,backed_off_to,remark"


@pytest.fixture
def picture(painted: Path) -> Path:
    """One painted cell."""
    return sorted(painted.glob("monocyte/*.png"))[0]


@pytest.fixture
def unlabelled(tmp_path: Path, painted: Path, tiny_model: Path) -> Path:
    """An atlas of cells that have embeddings and no labels."""
    from retrieval.embedding import embed_atlas
    from retrieval.model import register_model

    folder = tmp_path / "cells"
    folder.mkdir()
    for path in sorted(painted.rglob("*.png"))[:3]:
        shutil.copy(path, folder)
    with Atlas.open(tmp_path / "unlabelled", create=True) as atlas:
        import_source(atlas, folder, reader="flat")
        register_model(atlas, tiny_model)
        embed_atlas(atlas)
    return tmp_path / "unlabelled"


@pytest.fixture
def unembedded(tmp_path: Path, painted: Path, tiny_model: Path) -> Path:
    """An atlas of labelled cells that have no embeddings."""
    from retrieval.model import register_model

    with Atlas.open(tmp_path / "unembedded", create=True) as atlas:
        import_source(atlas, painted, labels=painted / "labels.csv")
        register_model(atlas, tiny_model)
    return tmp_path / "unembedded"


@pytest.fixture
def empty(tmp_path: Path, tiny_model: Path) -> Path:
    """An atlas of no cells."""
    from retrieval.model import register_model

    with Atlas.open(tmp_path / "empty", create=True) as atlas:
        register_model(atlas, tiny_model)
    return tmp_path / "empty"


# how many, how deep --------------------------------------------------------------------------


def test_k_zero(refused, painted_atlas: Path, picture: Path) -> None:
    refused("k-zero", "query", painted_atlas, picture, "-k", "0")


def test_k_no_number(refused, painted_atlas: Path, picture: Path) -> None:
    refused("k-no-number", "query", painted_atlas, picture, "-k", "few")


def test_k_too_large(refused, painted_atlas: Path, picture: Path) -> None:
    refused("k-too-large", "query", painted_atlas, picture, "-k", "5000")


def test_k_above_the_cells(reported, painted_atlas: Path, picture: Path) -> None:
    reported("k-above-n", "query", painted_atlas, picture, "-k", "1000")


def test_level_unknown(refused, painted_atlas: Path, painted: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    refused("level-unknown", "classify", painted_atlas, painted, "--out", out, "--level", "species")


# query ---------------------------------------------------------------------------------------


def test_query_without_picture(refused, painted_atlas: Path) -> None:
    refused("query-no-picture", "query", painted_atlas, status=2)


def test_query_picture_missing(refused, painted_atlas: Path, tmp_path: Path) -> None:
    refused("query-picture-missing", "query", painted_atlas, tmp_path / "gone.png", notes=1)


def test_query_picture_bad(refused, painted_atlas: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("text")
    refused("query-picture-bad", "query", painted_atlas, tmp_path / "bad.jpg", notes=1)


def test_query_empty_atlas(refused, empty: Path, picture: Path) -> None:
    refused("query-empty-atlas", "query", empty, picture)


def test_query_without_embeddings(refused, unembedded: Path, picture: Path) -> None:
    refused("query-no-embeddings", "query", unembedded, picture)


def test_montage_in_no_folder(refused, painted_atlas: Path, picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "montage.png"
    refused("montage-no-folder", "query", painted_atlas, picture, "--montage", target)


# classify ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "arguments"),
    [
        ("classify-class-unknown", ["--classes", "neutrophil,martian"]),
        ("classify-class-unreferenced", ["--classes", "plasma_cell"]),
        ("classify-dataset-unknown", ["--dataset", "paintd"]),
    ],
)
def test_classify_limits(
    refused, painted_atlas: Path, painted: Path, tmp_path: Path, row: str, arguments: list[str]
) -> None:
    out = tmp_path / "out.csv"
    refused(row, "classify", painted_atlas, painted, "--out", out, *arguments)


def test_classify_without_references(
    refused, unlabelled: Path, painted: Path, tmp_path: Path
) -> None:
    refused("classify-no-labels", "classify", unlabelled, painted, "--out", tmp_path / "out.csv")


def test_classify_without_embeddings(
    refused, unembedded: Path, painted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    refused("classify-no-embeddings", "classify", unembedded, painted, "--out", out)


def test_classify_when_no_reference_is_left(
    refused, painted: Path, tiny_joint_model: Path, tmp_path: Path
) -> None:
    from retrieval.embedding import embed_atlas
    from retrieval.model import register_model

    with Atlas.open(tmp_path / "joint", create=True) as atlas:
        import_source(atlas, painted, labels=painted / "labels.csv")
        register_model(atlas, tiny_joint_model)
        embed_atlas(atlas)
    out = tmp_path / "out.csv"
    refused(
        "classify-nothing-left", "classify", tmp_path / "joint", painted, "--out", out, "--not-same"
    )


def test_adapt_to_a_data_set_that_is_not_there(refused, painted_atlas: Path) -> None:
    refused("adapt-dataset-unknown", "adapt", painted_atlas, "--dataset", "paintd")


def test_adapt_to_classes_that_cannot_be_declared(refused, painted_atlas: Path) -> None:
    declare = ("adapt", painted_atlas, "--dataset", "painted", "--classes")
    refused("adapt-class-unknown", *declare, "neutrophil,martian")
    refused("adapt-class-unreferenced", *declare, "plasma_cell")
    refused("adapt-classes-empty", *declare, " ,", status=2)
    with Atlas.open(painted_atlas) as atlas:
        assert declared_classes(atlas, "painted") == ()


def test_adapt_with_a_table_of_nothing(refused, painted_atlas: Path, tmp_path: Path) -> None:
    out = tmp_path / "next.csv"
    refused("adapt-out-alone", "adapt", painted_atlas, "--dataset", "paint", "--out", out, status=2)


@pytest.mark.parametrize("embedded", [True, False])
def test_adapt_without_labels_or_embeddings(
    refused, painted_atlas: Path, painted: Path, tmp_path: Path, embedded: bool
) -> None:
    from retrieval.embedding import embed_atlas

    (tmp_path / "bare").mkdir()
    for path in sorted(painted.rglob("*.png"))[:3]:
        Image.open(path).rotate(90).save(tmp_path / "bare" / path.name)
    with Atlas.open(painted_atlas) as atlas:
        import_source(atlas, tmp_path / "bare", reader="flat", dataset="bare")
        if embedded:
            embed_atlas(atlas)
    row = "adapt-no-labels" if embedded else "adapt-not-embedded"
    refused(row, "adapt", painted_atlas, "--dataset", "bare")


def test_trust_of_a_data_set_that_is_not_there(refused, painted_atlas: Path) -> None:
    refused("trust-dataset-unknown", "trust", painted_atlas, "--dataset", "paintd")


def test_trust_without_embeddings(
    refused, painted_atlas: Path, painted: Path, tmp_path: Path
) -> None:
    (tmp_path / "bare").mkdir()
    shutil.copy(sorted(painted.rglob("*.png"))[0], tmp_path / "bare" / "one.png")
    with Image.open(tmp_path / "bare" / "one.png") as picture:
        turned = picture.rotate(90)
    turned.save(tmp_path / "bare" / "one.png")
    with Atlas.open(painted_atlas) as atlas:
        import_source(atlas, tmp_path / "bare", reader="flat", dataset="bare")
    refused("trust-not-embedded", "trust", painted_atlas, "--dataset", "bare")


def test_classify_source_missing(refused, painted_atlas: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    refused("classify-source-missing", "classify", painted_atlas, tmp_path / "gone", "--out", out)


def test_classify_nothing_readable(refused, painted_atlas: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "bad.jpg").write_text("text")
    out = tmp_path / "out.csv"
    refused("classify-nothing-readable", "classify", painted_atlas, tmp_path / "bad", "--out", out)


def test_classify_into_no_folder(
    refused, painted_atlas: Path, painted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "nowhere" / "out.csv"
    refused("out-no-folder", "classify", painted_atlas, painted, "--out", out)


def test_classify_onto_a_folder(
    refused, painted_atlas: Path, painted: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    refused("out-is-folder", "classify", painted_atlas, painted, "--out", tmp_path / "out")


def test_classify_onto_its_source(
    refused, painted_atlas: Path, picture: Path, tmp_path: Path
) -> None:
    table = tmp_path / "cells.csv"
    table.write_text(f"file\n{picture}\n", encoding="utf-8")
    refused("out-is-source", "classify", painted_atlas, table, "--out", table)


def test_classify_disk_full(
    refused, painted_atlas: Path, painted: Path, tmp_path: Path, monkeypatch
) -> None:
    """The old answers stay as they are until the new ones are whole."""
    out = tmp_path / "out.csv"
    out.write_text(HEADING + "\n", encoding="utf-8")
    original = os.fsync

    def full(descriptor: int) -> None:
        if "out.csv" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, "No space left on device")
        original(descriptor)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to see which file is written")
    monkeypatch.setattr(os, "fsync", full)
    refused("out-disk-full", "classify", painted_atlas, painted, "--out", out, unchanged=False)
    assert out.read_text(encoding="utf-8") == HEADING + "\n"


def test_classify_passes_over_what_is_bad(
    reported, painted_atlas: Path, picture: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    shutil.copy(picture, folder / "good.png")
    (folder / "bad.jpg").write_text("text")
    out = tmp_path / "out.csv"
    reported("classify-bad-picture", "classify", painted_atlas, folder, "--out", out)
    rows = out.read_text(encoding="utf-8").splitlines()
    assert rows[0] == HEADING
    assert [row.split(",")[0] for row in rows[1:]] == ["good.png"]


# evaluate and map ----------------------------------------------------------------------------


def test_evaluate_labels_missing(refused, painted_atlas: Path, painted: Path, tmp_path) -> None:
    refused(
        "evaluate-labels-missing",
        *("evaluate", painted_atlas, painted, "--labels", tmp_path / "gone.csv"),
        *("--out", tmp_path / "report"),
    )


def test_evaluate_without_classes(refused, painted_atlas: Path, picture: Path, tmp_path) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    shutil.copy(picture, folder)
    refused("evaluate-no-classes", "evaluate", painted_atlas, folder, "--out", tmp_path / "report")


def test_evaluate_split_without_cells(refused, painted_atlas: Path, tmp_path: Path) -> None:
    refused(
        "evaluate-split-empty",
        *("evaluate", painted_atlas, "--split", "holdout", "--out", tmp_path / "report"),
    )


def test_evaluate_labels_without_source(refused, painted_atlas: Path, painted, tmp_path) -> None:
    refused(
        "evaluate-labels-alone",
        *("evaluate", painted_atlas, "--labels", painted / "labels.csv"),
        *("--out", tmp_path / "report"),
        status=2,
    )


def test_evaluate_onto_a_file(refused, painted_atlas: Path, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    refused("evaluate-out-is-file", "evaluate", painted_atlas, "--out", tmp_path / "report")


def test_map_of_nothing(refused, empty: Path, tmp_path: Path) -> None:
    refused("map-empty", "map", empty, "--out", tmp_path / "map.png")


# train ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "arguments"),
    [
        ("train-loss-unknown", ["--loss", "tripelt"]),
        ("train-backbone-unknown", ["--backbone", "resnet19"]),
        ("train-augment-unknown", ["--augment", "wild"]),
        ("train-weights-missing", ["--weights", "gone.pth"]),
        ("train-name", ["--name", ".."]),
        ("train-epochs-zero", ["--epochs", "0"]),
        ("train-memory-without-pairs", ["--loss", "softmax", "--memory", "100"]),
        ("train-dataset-unknown", ["--dataset", "paintd"]),
        ("train-view-unknown", ["--view", "cells"]),
        ("train-source-weight", ["--sources", "painted:0"]),
        ("train-source-twice", ["--sources", "painted,painted:2"]),
        ("train-source-unknown", ["--sources", "paintd"]),
        ("train-nothing-to-resume", ["--resume"]),
    ],
)
def test_train_refused(
    refused, painted_atlas: Path, tiny_model: Path, row: str, arguments: list[str]
) -> None:
    weights = () if "--weights" in arguments else ("--weights", tiny_model)
    refused(row, "train", painted_atlas, *weights, *arguments)


def test_train_weights_of_another_backbone(refused, painted_atlas: Path, tiny_model: Path) -> None:
    refused(
        "train-weights-other",
        *("train", painted_atlas, "--backbone", "resnet18", "--weights", tiny_model),
    )


def test_train_weights_that_run_code(refused, painted_atlas: Path, tmp_path: Path) -> None:
    """A .pth file can carry code; only tensors are read."""
    import torch

    torch.save({"weight": Trap()}, tmp_path / "trap.pth")
    refused("train-weights-code", "train", painted_atlas, "--weights", tmp_path / "trap.pth")
    assert not Path("sprung").exists()


class Trap:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return open, ("sprung",)


def test_train_without_labels(refused, unlabelled: Path, tiny_model: Path) -> None:
    """A run that cannot start leaves the earlier run of its name alone."""
    (unlabelled / "training" / "run").mkdir(parents=True)
    (unlabelled / "training" / "run" / "history.csv").write_text("of an earlier run")
    refused("train-no-labels", "train", unlabelled, "--weights", tiny_model)


@pytest.mark.slow
def test_train_resume_with_other_settings(
    refused, run_cellkin, painted_atlas: Path, tiny_model: Path
) -> None:
    small = (
        *("--weights", tiny_model, "--dim", "32", "--input-size", "64", "--batch-size", "8"),
        *("--precision", "float32", "--steps-per-epoch", "2", "--keep-active"),
    )
    first = run_cellkin("train", painted_atlas, *small, "--epochs", "1")
    assert first.status == 0, first.stderr
    refused(
        "train-resume-other",
        *("train", painted_atlas, *small, "--epochs", "1", "--loss", "triplet", "--resume"),
    )

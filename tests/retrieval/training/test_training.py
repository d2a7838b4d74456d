"""Training on painted cells: it learns, resumes as the same run, keeps splits apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from index import Atlas, Cell, CellRecord
from retrieval.model import load_model
from retrieval.network import EmbeddingNetwork
from retrieval.training import TrainingError, TrainingOptions, train_atlas
from retrieval.training.data import TrainingSet, split_of, training_cells
from retrieval.training.loop import Objectives, Trainer, balanced_batches

SMALL = {
    "weights": "random",
    "input_size": 32,
    "crop": 0.8,
    "dim": 16,
    "batch_size": 8,
    "steps_per_epoch": 3,
    "precision": "float32",
    "augment": "medium",
    "averaging": 0.5,
}


@pytest.fixture
def labelled_atlas(painted_atlas: Path, tmp_path: Path) -> Path:
    target = tmp_path / "labelled"
    shutil.copytree(painted_atlas, target)
    return target


def toy_data(folder: Path, count: int = 24) -> TrainingSet:
    """Pictures of three plain colours with noise, eight of each; the last of each class val."""
    rng = np.random.default_rng(7)
    colours = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]])
    class_of = np.arange(count) % 3
    pictures = colours[class_of][:, None, None, :] + rng.integers(-40, 40, (count, 40, 40, 3))
    return TrainingSet(
        pictures=pictures.astype(np.uint8),
        cell_ids=np.arange(count),
        class_of=class_of,
        classes=["a", "b", "c"],
        label_of=class_of,
        labels=["a", "b", "c"],
        leaves_of=torch.eye(3, dtype=torch.bool),
        is_val=np.arange(count) >= count - 6,
        passed_over=[],
    )


def trainer(folder: Path, **changes: object) -> Trainer:
    options = TrainingOptions(**{**SMALL, **changes})  # type: ignore[arg-type]
    torch.manual_seed(options.seed)
    network = EmbeddingNetwork(options.backbone, options.dim, options.input_size)
    folder.mkdir(exist_ok=True)
    return Trainer(network, toy_data(folder), options, folder)


@pytest.mark.slow
def test_a_resumed_run_is_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"epochs": 3, "memory": 16, "hierarchy": 0.5, "patience": 9}
    whole = trainer(tmp_path / "whole", **changes).fit()

    stopped = trainer(tmp_path / "stopped", **changes)
    original = stopped._epoch

    def interrupted(epoch: int) -> float:
        if epoch == 3:
            raise KeyboardInterrupt
        return original(epoch)

    monkeypatch.setattr(stopped, "_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit()
    resumed = trainer(tmp_path / "stopped", **changes).fit(resume=True)

    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in whole.history]
    assert [row["map_at_r"] for row in resumed.history] == [
        row["map_at_r"] for row in whole.history
    ]
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["contrastive", "triplet", "multi_similarity"])
def test_colours_are_learned(tmp_path: Path, loss: str) -> None:
    run = trainer(
        tmp_path / "run",
        backbone="resnet18",
        epochs=3,
        steps_per_epoch=10,
        loss=loss,
        augment="none",
        classifier=0.0,
    )
    outcome = run.fit()
    assert outcome.history[-1]["loss"] < outcome.history[0]["loss"]
    assert max(row["map_at_r"] for row in outcome.history) > 0.8


@pytest.mark.slow
def test_early_stop_keeps_the_best_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer(tmp_path / "run", epochs=9, patience=2, steps_per_epoch=1)
    scores = iter([0.2, 0.5, 0.4, 0.3, 0.9])
    monkeypatch.setattr(run, "validate", lambda: next(scores))
    outcome = run.fit()
    assert outcome.best_epoch == 2
    assert len(outcome.history) == 4


def test_batches_hold_each_class_equally_often_and_follow_the_seed() -> None:
    labels = np.array([0] * 90 + [1] * 8 + [2] * 2)
    batches = list(balanced_batches(labels, 12, 5, (0, 1)))
    assert len(batches) == 5
    for batch in batches:
        assert np.bincount(labels[batch]).tolist() == [4, 4, 4]
    again = list(balanced_batches(labels, 12, 5, (0, 1)))
    other = list(balanced_batches(labels, 12, 5, (0, 2)))
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(batches, other, strict=True))


def test_more_classes_than_a_batch_holds_still_gives_pairs() -> None:
    labels = np.repeat(np.arange(30), 4)
    for batch in balanced_batches(labels, 8, 4, (0, 1)):
        assert sorted(np.unique(labels[batch], return_counts=True)[1].tolist()) == [2, 2, 2, 2]


def cell(number: int, **facts: object) -> Cell:
    values = {"dataset": "d", "root": "/", "width": 1, "height": 1, **facts}
    return Cell(id=number, file=f"{number}.png", sha256=str(number), **values)  # type: ignore[arg-type]


def test_known_splits_decide_who_is_val() -> None:
    cells = [cell(1, split="train"), cell(2, split="val"), cell(3)]
    assert split_of(cells).tolist() == [False, True, False]


def test_unknown_splits_keep_patients_whole_and_never_move_a_cell() -> None:
    cells = [cell(number, patient=f"p{number % 40}") for number in range(400)]
    val = split_of(cells)
    assert 0.02 < val.mean() < 0.25
    for patient in range(40):
        assert len(set(val[patient::40].tolist())) == 1
    assert split_of(cells[:100]).tolist() == val[:100].tolist()


def test_few_cells_still_give_some_to_choose_by() -> None:
    for count in range(2, 30):
        held_out = split_of([cell(number) for number in range(count)])
        assert 1 <= held_out.sum() < count


def test_val_cells_without_a_pair_are_sought_among_the_training_cells(tmp_path: Path) -> None:
    run = trainer(tmp_path / "run", epochs=1, steps_per_epoch=1)
    run.data.is_val[:] = np.arange(24) >= 21
    run.train_rows = np.flatnonzero(~run.data.is_val)
    assert 0 <= run.validate() <= 1


def test_objectives_weigh_their_parts(tmp_path: Path) -> None:
    data = toy_data(tmp_path)
    options = TrainingOptions(**{**SMALL, "classifier": 2.0, "hierarchy": 3.0})  # type: ignore[arg-type]
    torch.manual_seed(0)
    objectives = Objectives(data, options)
    vectors = torch.nn.functional.normalize(torch.randn(9, 16), dim=1)
    labels = torch.arange(9) % 3
    parts = (
        objectives.main(vectors, labels)
        + 2 * objectives.classifier(vectors, labels)
        + 3 * objectives.hierarchy(vectors, labels)
    )
    torch.testing.assert_close(objectives(vectors, labels, labels), parts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "tripelt"}, "unknown loss 'tripelt'"),
        ({"backbone": "alexnet"}, "unknown backbone 'alexnet'"),
        ({"augment": "wild"}, "unknown augmentation 'wild'"),
        ({"epochs": 0}, "epochs is 0, allowed is 1 to 10000"),
        ({"crop": 1.5}, r"crop is 1\.5, allowed is 0\.2 to 1"),
        ({"precision": "float8"}, "precision is 'float8'"),
    ],
)
def test_options_outside_what_is_allowed_are_refused(
    changes: dict[str, object], message: str
) -> None:
    from index.errors import CellKinError

    with pytest.raises(CellKinError, match=message):
        TrainingOptions(**changes)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_run_in_an_atlas_adds_a_model_and_keeps_the_old(labelled_atlas: Path) -> None:
    with Atlas.open(labelled_atlas) as atlas:
        before = atlas.active_model
        options = TrainingOptions(**{**SMALL, "epochs": 1})  # type: ignore[arg-type]
        report = train_atlas(atlas, options, name="first")
        assert atlas.active_model == report.model_id != before
        assert {row.id for row in atlas.models()} >= {before, report.model_id}
        assert load_model(atlas.model_file(report.model_id)).id == report.model_id
        assert (report.folder / "curves.png").stat().st_size > 5000
        assert not (report.folder / "pictures.npy").exists()
        assert report.train_cells + report.val_cells == atlas.count()
        with pytest.raises(TrainingError, match="the stopped run had seed 0, this call has 5"):
            train_atlas(
                atlas,
                TrainingOptions(**{**SMALL, "epochs": 1, "seed": 5}),  # type: ignore[arg-type]
                name="first",
                resume=True,
            )
        with pytest.raises(TrainingError, match="nothing to resume"):
            train_atlas(atlas, options, name="never", resume=True)


def test_an_atlas_without_labels_is_refused(atlas: Atlas) -> None:
    with pytest.raises(TrainingError, match="training needs two classes"):
        train_atlas(atlas, TrainingOptions(**SMALL))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"split": "val"}, "0 labelled cells are there to teach and 4"),
        ({"patient": "p1"}, "import cells of another patient"),
    ],
    ids=["all choose", "one patient"],
)
def test_some_teach_and_some_choose(tmp_path: Path, values: dict, words: str) -> None:
    with Atlas.open(tmp_path / "atlas", create=True) as atlas:
        atlas.add_dataset("d", str(tmp_path))
        records = [
            CellRecord(f"{n}.png", f"{n:064}", 9, 9, class_code=code, **values)
            for n, code in enumerate(["neutrophil", "lymphocyte"] * 2)
        ]
        atlas.add_cells("d", records)
        with pytest.raises(TrainingError, match=words):
            training_cells(atlas)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../run", "/no/such/place", "a/b", ".hidden", "a\\b", "a\n"]
)
def test_a_run_has_a_folder_of_its_own(painted_atlas: Path, name: str) -> None:
    """What lies in the folder of a run is removed when it begins: it must not be another's."""
    other = painted_atlas / "training" / "other"
    other.mkdir(parents=True)
    with Atlas.open(painted_atlas) as atlas, pytest.raises(TrainingError, match="name is"):
        train_atlas(atlas, TrainingOptions(**SMALL), name=name)  # type: ignore[arg-type]
    assert other.is_dir()
    assert (painted_atlas / "atlas.sqlite").is_file()

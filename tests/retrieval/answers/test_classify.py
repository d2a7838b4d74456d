"""Classify: streaming, resuming, the table; with pictures that carry their own vector."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from index.errors import CellKinError, UnknownClassError, UnknownDatasetError
from retrieval.answers import classify as module
from retrieval.answers.classify import classify, reference_limits
from retrieval.answers.errors import AnswerError, NothingToClassifyError
from retrieval.answers.proposer import Proposer
from retrieval.answers.table import COLUMNS
from retrieval.described import Described
from retrieval.writing import WriteError

SIDE = 4


class Reader:
    """Stands in for a model: the red channel of a 4 x 4 picture is the vector."""

    id = "blobs"
    dim = SIDE * SIDE
    finder = None
    finder_id = None
    feature_parts = ()
    metadata: ClassVar = {}

    def picture(self, rgb: np.ndarray, finding: None = None, typical: None = None) -> np.ndarray:
        return rgb

    def describe_pictures(self, pictures: np.ndarray) -> Described:
        return Described.plain(self.embed_pictures(pictures))

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        vectors = pictures[:, :, :, 0].reshape(len(pictures), -1).astype(np.float32) - 127.5
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def picture(vector: np.ndarray) -> Image.Image:
    pixels = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    pixels[:, :, 0] = np.clip(np.round(vector.reshape(SIDE, SIDE) * 120 + 127.5), 0, 255)
    return Image.fromarray(pixels)


@pytest.fixture
def source(tmp_path: Path, blob_atlas: Callable):
    """An atlas, a folder of 40 pictures, and their class codes by file."""
    made = blob_atlas(400)
    folder = tmp_path / "source"
    folder.mkdir()
    vectors, columns = made.fresh(40)
    truth = {}
    for i, (vector, column) in enumerate(zip(vectors, columns, strict=True)):
        picture(vector).save(folder / f"q{i:02}.png")
        truth[f"q{i:02}.png"] = made.codes[column]
    return made, folder, truth


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_the_table(source, tmp_path):
    made, folder, truth = source
    out = tmp_path / "predictions.csv"
    report = classify(made.atlas, folder, out, model=Reader(), k=5)
    assert out.read_text().splitlines()[0] == ",".join(COLUMNS)
    rows = read(out)
    assert [row["file"] for row in rows] == sorted(truth)
    assert np.mean([row["class"] == truth[row["file"]] for row in rows]) >= 0.95
    expected = Proposer(made.atlas, k=5).propose(
        np.concatenate(
            [
                Reader().embed_pictures(np.asarray(Image.open(folder / f))[None])
                for f in sorted(truth)
            ]
        )
    )
    for row, proposal in zip(rows, expected, strict=True):
        assert row["class"] == proposal.class_code
        assert float(row["probability"]) == pytest.approx(proposal.probability, abs=1e-6)
        assert tuple(row["prediction_set"].split(";")) == proposal.prediction_set
        assert float(row["novelty"]) == pytest.approx(proposal.novelty, abs=1e-6)
        assert row["decision"] == proposal.decision
        assert row["neighbours"].split(";") == [each.file for each in proposal.evidence]
    assert report.counts.cells == 40
    assert sum(report.counts.classes.values()) == sum(report.counts.decisions.values()) == 40
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_unreadable_pictures_are_counted_and_get_no_row(source, tmp_path):
    made, folder, _truth = source
    (folder / "q05.png").write_bytes((folder / "q05.png").read_bytes()[:40])
    (folder / "a_note.txt").write_text("no picture")
    (folder / "z_note.txt").write_text("no picture")
    report = classify(made.atlas, folder, tmp_path / "p.csv", model=Reader())
    assert len(read(tmp_path / "p.csv")) == 39
    assert report.counts.passed_over == 3
    assert {file for file, _ in report.counts.first} == {"q05.png", "a_note.txt", "z_note.txt"}


def stop_after(monkeypatch, saves: int) -> None:
    """Ctrl-C arrives right after the given number of saves."""
    original, done = module.PartialTable.save, []

    def save(self, counts):
        original(self, counts)
        done.append(1)
        if len(done) == saves:
            raise KeyboardInterrupt

    monkeypatch.setattr(module.PartialTable, "save", save)


@pytest.mark.parametrize("inside", [False, True])
def test_a_stopped_run_goes_on(source, tmp_path, monkeypatch, inside):
    made, folder, _ = source
    (folder / "q17.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture")
    whole = tmp_path / "whole.csv"
    complete = classify(made.atlas, folder, whole, model=Reader())
    out = (folder if inside else tmp_path) / "out.csv"
    monkeypatch.setattr(module, "CHUNK", 8)
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            classify(made.atlas, folder, out, model=Reader(), batch_size=4)
    assert not out.exists()
    partial = out.with_name("out.csv.partial")
    with partial.open("a") as file:  # what came after the last save is not trusted
        file.write("q99.png,half a ro")
    report = classify(made.atlas, folder, out, model=Reader())
    assert report.resumed == 23
    assert out.read_bytes() == whole.read_bytes()
    assert report.counts.passed_over == complete.counts.passed_over
    assert report.counts.decisions == complete.counts.decisions
    assert report.counts.classes == complete.counts.classes
    assert not partial.exists()


@pytest.mark.parametrize("change", ["k", "file", "damage"])
def test_a_stopped_run_of_something_else_is_not_gone_on_with(source, tmp_path, monkeypatch, change):
    made, folder, _ = source
    out = tmp_path / "out.csv"
    monkeypatch.setattr(module, "CHUNK", 8)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            classify(made.atlas, folder, out, model=Reader())
    if change == "file":
        (folder / "q00.png").unlink()
    if change == "damage":
        out.with_name("out.csv.partial.json").write_text("{")
    report = classify(made.atlas, folder, out, model=Reader(), k=3 if change == "k" else None)
    assert report.resumed == 0
    assert len(read(out)) == (39 if change == "file" else 40)


def test_classes_limit_the_answers(source, tmp_path):
    made, folder, _ = source
    limits = reference_limits(made.atlas, classes=["Lymphocytes", "EOS"])
    classify(made.atlas, folder, tmp_path / "p.csv", model=Reader(), limits=limits)
    assert {row["class"] for row in read(tmp_path / "p.csv")} <= {"lymphocyte", "eosinophil"}
    assert reference_limits(made.atlas) is None
    with pytest.raises(UnknownClassError, match="'lymfocite' is not in the taxonomy"):
        reference_limits(made.atlas, classes=["lymfocite"])
    with pytest.raises(AnswerError, match="the atlas has no labelled cell of class blast"):
        reference_limits(made.atlas, classes=["blast"])


@pytest.mark.parametrize("voter", ["cell", "slide"])
def test_a_data_set_that_is_not_there(source, tmp_path, voter):
    made, folder, _ = source
    out = tmp_path / "p.csv"
    with pytest.raises(UnknownDatasetError, match="'blob' is not in the atlas"):
        classify(made.atlas, folder, out, model=Reader(), voter=voter, dataset="blob")
    assert list(tmp_path.glob("p.csv*")) == []


def test_a_vote_by_slide_is_not_adapted_and_says_so(source, tmp_path):
    made, folder, _ = source
    report = classify(
        made.atlas, folder, tmp_path / "p.csv", model=Reader(), voter="slide", dataset="blobs"
    )
    assert report.way == "vote"
    assert any("adapt classes" in note for note in report.notes)


def test_one_picture_and_a_table_as_source(source, tmp_path):
    made, folder, _truth = source
    one = classify(made.atlas, folder / "q03.png", tmp_path / "one.csv", model=Reader())
    assert one.counts.cells == 1
    assert read(tmp_path / "one.csv")[0]["file"] == "q03.png"
    table = folder / "some.csv"
    table.write_text("file\n./q04.png\nq02.png\nmissing.png\n")
    report = classify(made.atlas, table, tmp_path / "some.csv", model=Reader())
    assert [row["file"] for row in read(tmp_path / "some.csv")] == ["./q04.png", "q02.png"]
    assert report.counts.passed_over == 1


def test_pictures_of_the_atlas_are_noted_or_left_out(tmp_path, blob_atlas):
    codes = ("basophil", "monocyte")
    vectors = np.zeros((40, SIDE * SIDE), np.float32)
    vectors[:20, 0] = vectors[20:, 1] = 1
    vectors[:, 2] = np.linspace(0, 1.0, 40)
    saved, hashes, model = [], [], Reader()
    for i, vector in enumerate(vectors):
        image = picture(vector / np.linalg.norm(vector))
        saved.append(tmp_path / f"c{i:02}.png")
        image.save(saved[-1])
        hashes.append(module.pixel_hash(np.asarray(image)))
        vectors[i] = model.embed_pictures(np.asarray(image)[None])[0]
    columns = np.repeat([0, 1], 20)
    columns[5] = 1  # a wrong label, which only its own picture would repeat
    made = blob_atlas(40, codes=codes, vectors=vectors, columns=columns, sha256=lambda i: hashes[i])
    known = classify(made.atlas, saved[5], tmp_path / "a.csv", model=model, k=1)
    assert known.counts.identical == 1
    assert read_classes(tmp_path / "a.csv") == ["monocyte"]
    fresh = classify(
        made.atlas, saved[5], tmp_path / "b.csv", model=model, k=1, leave_out_same=True
    )
    assert fresh.counts.identical == 0
    assert read_classes(tmp_path / "b.csv") == ["basophil"]


def read_classes(file: Path) -> list[str]:
    return [row["class"] for row in read(file)]


def test_errors_come_before_the_work_and_leave_nothing(source, tmp_path):
    made, folder, _ = source

    def fails(match: str, given: Path, out: Path, kind: type[CellKinError] = AnswerError) -> None:
        with pytest.raises(kind, match=match):
            classify(made.atlas, given, out, model=Reader())

    fails("there is no folder", folder, tmp_path / "no" / "p.csv", WriteError)
    fails("is a folder; give --out the name", folder, tmp_path, WriteError)
    table = tmp_path / "list.csv"
    table.write_text("file\nsource/q00.png\n")
    fails("is the source itself", table, table)
    assert table.read_text() == "file\nsource/q00.png\n"
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "a.jpg").write_text("text")
    fails("no picture in .*bad could be read", bad, tmp_path / "p.csv", NothingToClassifyError)
    fails("no file or folder", tmp_path / "nowhere", tmp_path / "p.csv", CellKinError)
    assert not list(tmp_path.glob("p.csv*"))


def test_memory_does_not_grow_with_the_source(source, tmp_path, monkeypatch):
    """Twenty times the pictures, the same memory: the queries are counted, not kept."""
    made, folder, _ = source
    monkeypatch.setattr(module, "CHUNK", 64)
    found = next(iter(module.iter_source(folder / "q00.png")))
    peaks = []
    for n in (200, 4000):
        monkeypatch.setattr(module, "iter_source", lambda *_, n=n, **__: iter([found] * n))
        tracemalloc.start()
        report = classify(made.atlas, folder, tmp_path / f"p{n}.csv", model=Reader())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.counts.cells == n
    assert peaks[1] - peaks[0] < 2_000_000

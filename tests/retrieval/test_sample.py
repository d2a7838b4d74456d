"""Sample cells: balanced, laid out at once, the batch without a trace of its classes."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from index.errors import CellKinError
from retrieval.painter import PBC_CLASSES, paint_dataset
from retrieval.reading.fetch import FetchReport
from retrieval.sample import Sample, SampleError, lay_out, read_truth, real_cells


@pytest.fixture
def no_real_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELLKIN_DATA", raising=False)


def small(folder: Path, seed: int = 0) -> Sample:
    return lay_out(folder, seed=seed, references_a_class=4, batch_a_class=2)


@pytest.mark.usefixtures("no_real_cells")
def test_painted_cells_are_balanced_and_the_batch_is_unnamed(tmp_path: Path) -> None:
    sample = small(tmp_path / "demo")
    assert sample.kind == "painted"
    with (sample.references / "labels.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert Counter(row["class"] for row in rows) == dict.fromkeys(PBC_CLASSES, 4)
    assert all((sample.references / row["file"]).is_file() for row in rows)
    truth = read_truth(sample)
    assert Counter(truth.values()) == dict.fromkeys(PBC_CLASSES, 2)
    assert sorted(path.name for path in sample.batch.iterdir()) == sorted(truth)
    assert all(name.startswith("cell_") for name in truth)


@pytest.mark.usefixtures("no_real_cells")
def test_references_and_batch_share_no_patient(tmp_path: Path) -> None:
    sample = small(tmp_path)
    patients = []
    for table in (sample.references / "labels.csv", sample.truth):
        with table.open(encoding="utf-8") as handle:
            patients.append({row["patient"] for row in csv.DictReader(handle)})
    assert patients[0]
    assert not patients[0] & patients[1]


@pytest.mark.usefixtures("no_real_cells")
def test_a_second_run_keeps_the_cells(tmp_path: Path) -> None:
    first = small(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert small(tmp_path, seed=5) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_real_cells_are_taken_where_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint_dataset(tmp_path / "data" / "pbc", 10, 2, size=32)
    monkeypatch.setenv("CELLKIN_DATA", str(tmp_path / "data"))
    assert real_cells() == tmp_path / "data" / "pbc"
    sample = small(tmp_path / "demo")
    assert sample.kind == "real"
    assert len(read_truth(sample)) == 2 * len(PBC_CLASSES)


def test_an_empty_data_folder_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLKIN_DATA", str(tmp_path / "absent"))
    assert real_cells() is None


@pytest.mark.usefixtures("no_real_cells")
def test_what_is_no_sample_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SampleError, match=r"holds no sample cells of the demo; give another"):
        small(tmp_path)
    assert (tmp_path / "cells" / "mine.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.usefixtures("no_real_cells")
def test_painted_cells_do_not_pass_for_real_ones(tmp_path: Path) -> None:
    small(tmp_path)
    with pytest.raises(SampleError, match="holds painted cells of an earlier demo, now real ones"):
        lay_out(tmp_path, real=True)


@pytest.mark.usefixtures("no_real_cells")
def test_real_cells_are_fetched_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The set as published has no split: references and batch then share no cell."""

    def fetched(name: str, to: Path, *, before: object) -> FetchReport:
        source = paint_dataset(to / name, 7, 3, size=32)
        (source / "labels.csv").unlink()
        return FetchReport(name, str(source), str(source), "folders")

    monkeypatch.setattr("retrieval.sample.fetch", fetched)
    sample = lay_out(tmp_path, real=True, references_a_class=4, batch_a_class=2)
    assert sample.kind == "real"
    assert Counter(read_truth(sample).values()) == dict.fromkeys(PBC_CLASSES, 2)
    pictures = [path.read_bytes() for path in (tmp_path / "cells").rglob("*.png")]
    assert len(set(pictures)) == len(pictures) == 6 * len(PBC_CLASSES)


@pytest.mark.usefixtures("no_real_cells")
def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("", encoding="utf-8")
    with pytest.raises(SampleError, match=r"cannot be laid out in .*demo"):
        small(tmp_path / "demo")


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "data" / "pbc" / "labels.csv"
    table.parent.mkdir(parents=True)
    table.write_text("file,class\n", encoding="utf-8")
    monkeypatch.setenv("CELLKIN_DATA", str(tmp_path / "data"))
    with pytest.raises(CellKinError):
        small(tmp_path / "demo")
    assert not list((tmp_path / "demo").iterdir())


@pytest.mark.realdata
def test_the_real_development_share(
    tmp_path: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLKIN_DATA", str(real_data))
    sample = small(tmp_path)
    assert sample.kind == "real"
    assert len(read_truth(sample)) == 16

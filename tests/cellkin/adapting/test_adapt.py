"""The path into a new laboratory: a few labels, adapt, classify; and a folder read as a whole."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index import Atlas, CellFilter
from index.records import NewLabel
from retrieval.embedding import embed_atlas
from retrieval.reading.importing import import_source

TOLD = 3  # cells of each class that come with a label, as in conftest


def test_adapt_says_what_it_did_and_keeps_it(
    run_cellkin: Callable, made: Path, record: Callable
) -> None:
    result = run_cellkin("adapt", made, "--dataset", "abroad")
    assert result.status == 0, result.stderr
    lines = result.stdout.splitlines()
    assert f"{TOLD:>8,} labels" in lines[0]
    assert "right, balanced over classes, on labels left out" in result.stdout
    assert lines[-1].startswith("adapted to data set abroad: ")
    kept = record(made)
    assert kept is not None
    labels = kept["labels"]
    assert isinstance(labels, dict)
    assert set(labels.values()) == {TOLD}
    assert {"model", "fingerprint", "seconds", "made", "adaptation", "cells"} <= set(kept)


def test_the_cells_to_label_next_come_as_a_table_to_fill_in(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path, table: Callable
) -> None:
    out = tmp_path / "next.csv"
    result = run_cellkin("adapt", made, "--dataset", "abroad", "--next", "12", "--out", out)
    assert result.status == 0, result.stderr
    assert "12 cells to label next" in result.stdout
    rows = table(out)
    assert list(rows[0]) == ["file", "class", "proposed", "probability"]
    files = [row["file"] for row in rows]
    told = {row["file"] for row in table(abroad.parent / "labels.csv")}
    assert len(set(files)) == 12
    assert not told & set(files)
    assert all(row["class"] == "" and 0 < float(row["probability"]) <= 1 for row in rows)
    truth = {row["file"]: row["class"] for row in table(abroad.parent / "truth.csv")}
    # an empty table changes nothing, one that is filled in labels these cells
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "class": truth[row["file"]]} for row in rows[:5])
        writer.writerows(rows[5:])
    again = run_cellkin("import", made, abroad, "--labels", out, "--dataset", "abroad")
    assert again.status == 0, again.stderr
    with Atlas.open(made) as atlas:
        labelled = atlas.present_labels(CellFilter(datasets=("abroad",)))
        assert len(labelled) == len(told) + 5


def test_cells_to_label_are_named_before_the_first_label(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
) -> None:
    from PIL import Image

    folder = tmp_path / "bare"
    folder.mkdir()
    for file in sorted(abroad.glob("*.png"))[::4]:
        Image.open(file).rotate(90).save(folder / file.name)
    with Atlas.open(made) as atlas:
        import_source(atlas, folder, dataset="bare")
        embed_atlas(atlas)
    result = run_cellkin("adapt", made, "--dataset", "bare", "--next", "5")
    assert result.status == 0, result.stderr
    assert "no label of data set bare yet" in result.stderr
    assert len(result.stdout.splitlines()) == 6
    again = run_cellkin("adapt", made, "--dataset", "bare", "--next", "5", "--json")
    named = json.loads(again.stdout)["next"]
    assert [each["file"] for each in named] == [
        line.split(",")[0] for line in result.stdout.splitlines()[1:]
    ]
    refused = run_cellkin("adapt", made, "--dataset", "bare", "--out", tmp_path / "n.csv")
    assert refused.status == 2
    assert "say how many with --next N" in refused.stderr


def test_adapt_as_json(run_cellkin: Callable, made: Path) -> None:
    result = run_cellkin("adapt", made, "--dataset", "abroad", "--json")
    report = json.loads(result.stdout)
    assert report["dataset"] == "abroad"
    assert sum(report["labels"].values()) == TOLD * len(report["labels"])
    assert 0 <= report["accuracy"] <= 1
    assert report["accuracy"] >= report["neighbour_accuracy"] - 0.25
    assert set(report["way"]) == {"penalty", "before", "diffused"}


def test_classify_uses_the_adaptation(
    run_cellkin: Callable,
    made: Path,
    abroad: Path,
    tmp_path: Path,
    table: Callable,
    record: Callable,
) -> None:
    out = tmp_path / "p.csv"
    assert record(made) is None
    result = run_cellkin("classify", made, abroad, "--dataset", "abroad", "--out", out, "-k", "5")
    assert result.status == 0, result.stderr
    way = next(line for line in result.stdout.splitlines() if line.startswith("way"))
    assert "adapted to the labels of the laboratory" in way
    assert "named otherwise one by one" in way
    kept = record(made)
    assert kept is not None  # made by itself
    rows = table(out)
    assert [row["file"] for row in rows] == sorted(path.name for path in abroad.glob("*.png"))
    told = {row["file"]: row["class"] for row in table(abroad.parent / "labels.csv")}
    with Atlas.open(made) as atlas:
        resolve = atlas.taxonomy.resolve
        said = {row["file"]: row["class"] for row in rows}
        right = [
            said[file] in (atlas.taxonomy.at_level(resolve(name).code, "class"),)
            for file, name in told.items()
        ]
    assert np.mean(right) > 0.8  # a labelled cell is answered by its label
    assert any(set(row["neighbours"].split(";")) & set(told) for row in rows)
    assert all(len(row["neighbours"].split(";")) == 5 for row in rows)


def test_labels_that_come_later_are_used(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path, record: Callable
) -> None:
    run_cellkin("adapt", made, "--dataset", "abroad")
    before = record(made)
    with Atlas.open(made) as atlas:
        unlabelled = atlas.cell_ids(CellFilter(datasets=("abroad",), labelled=False))
        atlas.add_labels([NewLabel(int(unlabelled[0]), "basophil", "ann", "single")])
    out = tmp_path / "p.csv"
    result = run_cellkin("classify", made, abroad, "--dataset", "abroad", "--out", out, "--json")
    assert result.status == 0, result.stderr
    after = record(made)
    assert before is not None
    assert after is not None
    assert after["fingerprint"] != before["fingerprint"]


def test_the_folder_informs_each_answer_the_same_every_time(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    reports = [
        json.loads(run_cellkin("classify", made, abroad, "--out", out, "--json").stdout)
        for out in (first, second)
    ]
    assert first.read_text() == second.read_text()
    assert reports[0]["way"] == "folder"
    said = reports[0]["laboratory"]
    assert 0 <= said["disagreement"] <= 1
    assert {"way", "disagreement", "belief", "adaptation", "trust"} == set(said)


def test_the_order_of_the_files_does_not_matter(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path, table: Callable
) -> None:
    turned = tmp_path / "turned"
    turned.mkdir()
    files = sorted(abroad.glob("*.png"))
    for number, file in enumerate(reversed(files)):
        shutil.copy(file, turned / f"turned{number:03d}.png")
    answers = []
    for source in (abroad, turned):
        run_cellkin("classify", made, source, "--out", tmp_path / "p.csv")
        answers.append(
            [(row["class"], float(row["probability"])) for row in table(tmp_path / "p.csv")]
        )
    same = [a[0] == b[0] for a, b in zip(answers[0], reversed(answers[1]), strict=True)]
    assert np.mean(same) >= 0.99


def test_alone_judges_each_picture_by_itself(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.csv"
    result = run_cellkin("classify", made, abroad, "--alone", "--out", out)
    assert "every picture judged by itself" in result.stdout
    part = tmp_path / "part"
    part.mkdir()
    for file in sorted(abroad.glob("*.png"))[:3]:
        shutil.copy(file, part)
    few = run_cellkin("classify", made, part, "--out", tmp_path / "few.csv")
    assert "way       alone" in few.stdout


def test_a_cell_is_not_answered_by_its_own_label(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path, table: Callable
) -> None:
    told = sorted(row["file"] for row in table(abroad.parent / "labels.csv"))
    out = tmp_path / "p.csv"
    result = run_cellkin(
        "classify", made, abroad, "--dataset", "abroad", "--not-same", "--out", out
    )
    assert result.status == 0, result.stderr
    # every labelled cell is among the pictures, so none of their labels speaks
    assert "no label yet" in result.stderr
    assert not any(set(row["neighbours"].split(";")) & set(told) for row in table(out))


def test_a_stopped_run_goes_on(
    run_cellkin: Callable,
    made: Path,
    abroad: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: Callable,
) -> None:
    from retrieval.laboratory import classifying
    from retrieval.laboratory.spool import Spool

    monkeypatch.setattr(classifying, "CHUNK", 16)
    whole = tmp_path / "whole.csv"
    run_cellkin("classify", made, abroad, "--out", whole)
    add, calls = Spool.add, []

    def stop_later(self: Spool, *given: object) -> None:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        add(self, *given)  # type: ignore[arg-type]

    out = tmp_path / "p.csv"
    monkeypatch.setattr(Spool, "add", stop_later)
    stopped = run_cellkin("classify", made, abroad, "--out", out)
    assert stopped.status == 130
    assert not out.exists()
    monkeypatch.setattr(Spool, "add", add)
    again = run_cellkin("classify", made, abroad, "--out", out, "--json")
    assert json.loads(again.stdout)["resumed"] == 32
    said = [(row["file"], row["class"]) for row in table(out)]
    assert said == [(row["file"], row["class"]) for row in table(whole)]
    assert [path.name for path in tmp_path.glob("p.csv*")] == ["p.csv"]


def test_a_model_of_vectors_alone_can_be_adapted(
    run_cellkin: Callable,
    painted: Path,
    abroad: Path,
    tiny_model: Path,
    tmp_path: Path,
    build: Callable,
) -> None:
    atlas = build(tmp_path / "old", painted, abroad, tiny_model)
    assert run_cellkin("adapt", atlas, "--dataset", "abroad").status == 0
    out = tmp_path / "p.csv"
    result = run_cellkin("classify", atlas, abroad, "--dataset", "abroad", "--out", out)
    assert result.status == 0, result.stderr
    assert "way       adapted" in result.stdout
    plain = run_cellkin("classify", atlas, abroad, "--out", out, "--json")
    assert json.loads(plain.stdout)["way"] == "vote"


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("nowhere", "data set 'nowhere' is not in the atlas"),
        ("bare", "none of the 3 cells of data set bare has a label"),
        ("late", "no cell of data set late is embedded under the atlas's model"),
    ],
)
def test_what_cannot_be_adapted_to(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path, dataset: str, message: str
) -> None:
    for name in ("bare", "late"):
        folder = tmp_path / name
        folder.mkdir()
        files = sorted(abroad.glob("*.png"))[:3]
        for file in files:
            from PIL import Image

            Image.open(file).rotate(90 if name == "bare" else 180).save(folder / file.name)
        with Atlas.open(made) as atlas:
            import_source(atlas, folder, dataset=name)
            if name == "bare":
                embed_atlas(atlas)
    result = run_cellkin("adapt", made, "--dataset", dataset)
    assert result.status == 1
    assert message in result.stderr

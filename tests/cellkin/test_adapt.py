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
from index.adaptations import adaptations_of
from retrieval.described import Described
from retrieval.embedding import embed_atlas
from retrieval.laboratory import kept_adaptation
from retrieval.model import register_model
from retrieval.reading.importing import import_source

EACH = 9
TOLD = 3  # cells of each class that come with a label


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flat folder of painted cells; labels.csv names the class of a few, truth.csv of all."""
    from retrieval.painter import paint_dataset

    drawn = tmp_path_factory.mktemp("drawn") / "cells"
    paint_dataset(drawn, per_class=EACH, seed=7, size=64)
    flat = tmp_path_factory.mktemp("abroad") / "flat"
    flat.mkdir()
    rows = []
    for number, file in enumerate(sorted(drawn.rglob("*.png"))):
        shutil.copy(file, flat / f"cell{number:03d}.png")
        rows.append((f"cell{number:03d}.png", file.parent.name))
    for name, kept in (("truth", rows), ("labels", rows)):
        with (flat.parent / f"{name}.csv").open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(["file", "class"])
            seen: dict[str, int] = {}
            for row in kept:
                seen[row[1]] = seen.get(row[1], 0) + 1
                if name == "truth" or seen[row[1]] <= TOLD:
                    writer.writerow(row)
    return flat


def build(folder: Path, home: Path, abroad: Path, model: Path) -> Path:
    with Atlas.open(folder, create=True) as atlas:
        import_source(atlas, home, labels=home / "labels.csv", dataset="home")
        import_source(atlas, abroad, labels=abroad.parent / "labels.csv", dataset="abroad")
        register_model(atlas, model)
        embed_atlas(atlas)
    return folder


@pytest.fixture(scope="module")
def original(
    tmp_path_factory: pytest.TempPathFactory, painted: Path, abroad: Path, tiny_joint_model: Path
) -> Path:
    return build(tmp_path_factory.mktemp("adapt") / "atlas", painted, abroad, tiny_joint_model)


@pytest.fixture
def made(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "atlas"))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def record(folder: Path) -> dict[str, object] | None:
    with Atlas.open(folder) as atlas:
        return kept_adaptation(atlas, str(atlas.active_model), "abroad")


def test_adapt_says_what_it_did_and_keeps_it(run_cellkin: Callable, made: Path) -> None:
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
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
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
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
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
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
) -> None:
    run_cellkin("adapt", made, "--dataset", "abroad")
    before = record(made)
    with Atlas.open(made) as atlas:
        from index.records import NewLabel

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
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
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


def test_classes_declared_are_the_only_answers(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
) -> None:
    for extra in ((), ("--dataset", "abroad")):
        out = tmp_path / "p.csv"
        result = run_cellkin(
            "classify", made, abroad, "--classes", "LYT,eosinophil", "--out", out, *extra
        )
        assert result.status == 0, result.stderr
        assert {row["class"] for row in table(out)} <= {"lymphocyte", "eosinophil"}


def test_what_is_declared_for_one_question_is_not_kept(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
) -> None:
    run_cellkin("adapt", made, "--dataset", "abroad")
    before = record(made)
    for extra in (("--classes", "LYT,eosinophil"), ("--not-same",)):
        out = tmp_path / "p.csv"
        result = run_cellkin("classify", made, abroad, "--dataset", "abroad", "--out", out, *extra)
        assert result.status == 0, result.stderr
        assert record(made) == before


def test_an_adaptation_that_classify_makes_is_logged(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        run_cellkin("classify", made, abroad, "--dataset", "abroad", "--out", tmp_path / "p.csv")
    kept = record(made)
    assert kept is not None
    with Atlas.open(made) as atlas:
        logged = adaptations_of(atlas, "abroad")
    assert [each.labels for each in logged] == [kept["labels"]]


def test_pictures_without_a_cell_and_with_several_are_remarked(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retrieval.laboratory import classifying

    describe = classifying.describe_images

    def seen(*given: object, **how: object) -> object:
        for number, (item, said) in enumerate(describe(*given, **how)):  # type: ignore[arg-type]
            assert isinstance(said, Described)
            yield item, said.with_found([number != 0], [2 if number == 1 else 0])

    monkeypatch.setattr(classifying, "describe_images", seen)
    out = tmp_path / "p.csv"
    result = run_cellkin("classify", made, abroad, "--out", out, "--json")
    assert result.status == 0, result.stderr
    rows = table(out)
    assert [row["remark"] for row in rows[:3]] == [
        "no cell found",
        "3 cells, the middle one is named",
        "",
    ]
    said = json.loads(result.stdout)
    assert said["counts"]["remarks"] == {row["remark"]: 1 for row in rows[:2]}
    assert said["laboratory"]["trust"]["no_cell"] == 1
    assert any("1 of" in note and "show no cell" in note for note in said["notes"])


def test_a_cell_is_not_answered_by_its_own_label(
    run_cellkin: Callable, made: Path, abroad: Path, tmp_path: Path
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
    run_cellkin: Callable, painted: Path, abroad: Path, tiny_model: Path, tmp_path: Path
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

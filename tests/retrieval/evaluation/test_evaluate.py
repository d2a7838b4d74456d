from __future__ import annotations

import contextlib
import csv
import json
import shutil
import sqlite3

import numpy as np
import pytest
from PIL import Image

from index import Atlas, CellFilter, NewLabel
from retrieval.evaluation import EvaluationError, retrieval_metrics
from retrieval.evaluation.collect import Recipe, evaluate_cells, evaluate_source, open_classes
from retrieval.evaluation.errors_page import surest_errors
from retrieval.evaluation.judged import data_hash
from retrieval.evaluation.run import FILES, SCHEMA, write_evaluation

RECIPE = Recipe(level="class", k=5)


@pytest.fixture
def opened(painted_atlas):
    """The painted atlas with the cells of every fourth patient as val."""
    with contextlib.closing(sqlite3.connect(painted_atlas / "atlas.sqlite")) as database:
        database.execute("UPDATE cells SET split = iif(id % 4 = 0, 'val', 'train')")
        database.commit()
    with Atlas.open(painted_atlas) as atlas:
        yield atlas


def number_of(atlas, **wanted):
    return atlas.count(CellFilter(labelled=True, **wanted))


def test_a_split_is_answered_by_all_others_only(opened):
    found = evaluate_cells(opened, RECIPE, split="val")
    mine = set(opened.cell_ids(CellFilter(splits=("val",))).tolist())
    assert len(found.cells) == number_of(opened, splits=("val",)) > 0
    assert found.references == number_of(opened) - len(found.cells)
    assert not mine & {e.cell_id for cell in found.cells for e in cell.proposal.evidence}


def test_retrieval_equals_the_plain_function_on_the_embeddings(opened):
    found = evaluate_cells(opened, Recipe(level="class", k=5, leave_out="cell"), split="val")
    ids, vectors = opened.embeddings(None, CellFilter(splits=("val",), labelled=True))
    other_ids, other_vectors = opened.embeddings(None, CellFilter(splits=("train",), labelled=True))
    labels = {
        cell: opened.taxonomy.at_level(code, "class")
        for cell, code in opened.present_labels().items()
    }
    plain = retrieval_metrics(
        vectors,
        [labels[i] for i in ids.tolist()],
        other_vectors,
        [labels[i] for i in other_ids.tolist()],
        same_source=False,
        ks=(5, 10),
    )
    assert found.retrieval.map_at_r == pytest.approx(plain.map_at_r)
    assert found.retrieval.precision_at_k == pytest.approx(plain.precision_at_k)


def test_no_cell_is_answered_by_its_own_patient(opened):
    found = evaluate_cells(opened, RECIPE)
    assert len(found.cells) == number_of(opened)
    assert any(cell.patient for cell in found.cells)
    for cell in found.cells:
        for evidence in cell.proposal.evidence:
            assert (evidence.dataset, evidence.patient) != (cell.dataset, cell.patient)
    kept = evaluate_cells(opened, Recipe(level="class", k=5, leave_out="cell"))
    own = [
        evidence
        for cell in kept.cells
        for evidence in cell.proposal.evidence
        if evidence.patient == cell.patient
    ]
    assert own
    assert all(e.file != cell.name for cell in kept.cells for e in cell.proposal.evidence)


def test_pictures_outside_are_judged_by_their_table(opened, tmp_path, painted):
    folder = tmp_path / "new"
    folder.mkdir()
    rows = [["file", "class", "patient"]]
    for number, file in enumerate(sorted(painted.rglob("*.png"))[::4]):
        picture = np.asarray(Image.open(file)).copy()
        picture[0, 0] ^= 1  # no longer the same pixels
        Image.fromarray(picture).save(folder / f"{number}.png")
        rows.append([f"{number}.png", file.parent.name, f"p{number % 3}"])
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    rows += [["broken.png", "monocyte", "p0"], ["1.png", "no such cell", "p0"]]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    found = evaluate_source(opened, folder, RECIPE, labels=tmp_path / "labels.csv")
    assert found.mode == "source"
    assert 0 < len(found.cells) <= len(rows) - 3
    assert found.references == number_of(opened)
    assert "broken.png" in dict(found.left_out)
    assert found.same_patient_left_out == 0
    assert any("--dataset" in note for note in found.notes)
    # nearly the same pixels as a reference of the same class: found, and rightly named
    assert found.retrieval.precision_at_1 == 1.0


def test_a_picture_that_the_atlas_holds_does_not_answer_itself(opened, painted):
    found = evaluate_source(opened, painted, RECIPE, labels=painted / "labels.csv")
    assert found.duplicates_left_out == len(found.cells) == number_of(opened)
    hashes = {cell.id: cell.sha256 for cell in opened.cells()}
    for cell in found.cells:
        assert all(hashes[e.cell_id] != cell.sha256 for e in cell.proposal.evidence)


def test_the_table_chooses_a_split_and_the_data_set_its_patients(opened, painted, tmp_path):
    rows = list(csv.reader((painted / "labels.csv").read_text().splitlines()))
    for number, row in enumerate(rows[1:]):
        row[rows[0].index("split")] = "val" if number % 3 == 0 else "train"
    table = tmp_path / "labels.csv"
    table.write_text("".join(",".join(row) + "\n" for row in rows))
    found = evaluate_source(opened, painted, RECIPE, labels=table, dataset="painted", split="val")
    assert len(found.cells) == len(rows[1::3])
    for cell in found.cells:
        assert all(e.patient != cell.patient for e in cell.proposal.evidence)


def test_a_label_that_leaves_the_subclass_open_is_not_judged(opened):
    assert open_classes(opened, ["neutrophil", "band_neutrophil", "monocyte"]) == {"neutrophil"}
    assert open_classes(opened, ["neutrophil", "monocyte"]) == set()
    cell = int(opened.cell_ids(CellFilter(classes=("basophil",)))[0])
    before = evaluate_cells(opened, Recipe(level="subclass", k=5))
    for label in opened.history(cell):
        opened.undo(label.id, "tester")
    opened.add_labels([NewLabel(cell, "neutrophil", "tester", "single")])
    after = evaluate_cells(opened, Recipe(level="subclass", k=5))
    assert len(after.cells) == len(before.cells) - 1
    assert any("leaves open" in reason for _, reason in after.left_out)


def test_everything_is_written_and_the_document_is_plain_json(opened, tmp_path):
    evaluated = evaluate_cells(opened, RECIPE)
    out = tmp_path / "deep" / "out"
    document = write_evaluation(
        opened, evaluated, out, command="cellkin evaluate", draws=100, seed=4
    )
    assert sorted(file.name for file in out.iterdir()) == sorted(FILES)
    kept = json.loads((out / "metrics.json").read_text())
    assert kept == json.loads(json.dumps(document))
    assert kept["schema"] == SCHEMA
    assert kept["made"]["seed"] == 4
    assert kept["made"]["versions"]["numpy"] == np.__version__
    assert kept["data"]["sha256"] == data_hash((c.sha256, c.true) for c in evaluated.cells)
    accuracy = kept["classification"]["accuracy"]
    assert accuracy["value"] == pytest.approx(np.mean([c.correct for c in evaluated.cells]))
    assert accuracy["interval"]["low"] <= accuracy["value"] <= accuracy["interval"]["high"]
    assert sum(map(sum, kept["classification"]["confusion"])) == len(evaluated.cells)
    assert sum(each["cells"] for each in kept["decisions"].values()) == len(evaluated.cells)
    for name in FILES:
        if name.endswith(".png"):
            with Image.open(out / name) as picture:
                picture.load()
                assert min(picture.size) > 200
    rows = list(csv.DictReader((out / "answers.csv").read_text().splitlines()))
    assert len(rows) == len(evaluated.cells)
    report = (out / "report.md").read_text()
    assert "not a diagnostic device" in report
    assert "divided by the hits found" in report
    assert f"{accuracy['value']:.4f}" in report


def test_the_same_seed_gives_the_same_figures(opened, tmp_path):
    documents = []
    for name in ("one", "two"):
        found = write_evaluation(
            opened, evaluate_cells(opened, RECIPE), tmp_path / name, command="x", draws=100, seed=1
        )
        found["made"].pop("time")
        documents.append(found)
    assert documents[0] == documents[1]
    for file in ("confusion.png", "errors.png", "answers.csv"):
        first, second = (tmp_path / name / file for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()


def test_a_reference_whose_file_is_gone_is_an_empty_tile(opened, painted, tmp_path):
    evaluated = evaluate_cells(opened, RECIPE)
    moved = tmp_path / "elsewhere"
    shutil.copytree(painted, moved)
    opened.add_dataset("painted", str(tmp_path / "nowhere"))
    write_evaluation(opened, evaluated, tmp_path / "out", command="x", draws=100)
    assert (tmp_path / "out" / "errors.png").stat().st_size > 0


def test_the_surest_errors_come_first(opened):
    cells = evaluate_cells(opened, RECIPE).cells
    wrong = surest_errors(cells, 5)
    probabilities = [cell.proposal.probability for cell in wrong]
    assert not any(cell.correct for cell in wrong)
    assert probabilities == sorted(probabilities, reverse=True)


def test_refuses_what_cannot_be_measured(opened, painted, tmp_path):
    with pytest.raises(EvaluationError, match="no labelled, embedded cell of split 'nosuch'"):
        evaluate_cells(opened, RECIPE, split="nosuch")
    with pytest.raises(EvaluationError, match="leave_out is 'slide'"):
        Recipe(level="class", k=5, leave_out="slide")
    single = tmp_path / "flat"
    single.mkdir()
    shutil.copy(next(painted.rglob("*.png")), single / "a.png")
    with pytest.raises(EvaluationError, match=r"none of the cells.*no class is given.*--labels"):
        evaluate_source(opened, single, RECIPE)


def test_the_data_hash_does_not_depend_on_the_order():
    cells = [("aa", "monocyte"), ("bb", "basophil")]
    assert data_hash(cells) == data_hash(cells[::-1]) != data_hash([("aa", "basophil")])

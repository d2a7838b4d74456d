"""From the log of labels to who read what how: what counts as a reading, and the consensus."""

from __future__ import annotations

import json

import numpy as np
import pytest

from index import Atlas, CellRecord, NewLabel
from index.facts import LabelFacts, add_labels
from index.reviewing import adjudicate
from retrieval.evaluation.agreement import NONE
from retrieval.evaluation.errors import EvaluationError
from retrieval.evaluation.readings import as_document, confusions, figures, read

LINE = ("myeloblast", "promyelocyte", "myelocyte", "metamyelocyte", "band_neutrophil",
        "segmented_neutrophil")  # fmt: skip


@pytest.fixture
def atlas_of_readers(atlas: Atlas) -> Atlas:
    """Twelve cells of three patients, each read by ann and bob; cat read the first six."""
    atlas.add_dataset("lab", "/nowhere")
    atlas.add_cells(
        "lab", [CellRecord(f"{i}.png", f"{i:064}", 9, 9, patient=f"p{i % 3}") for i in range(12)]
    )
    said = []
    for i in range(12):
        said.append((i + 1, LINE[i % 6], "ann"))
        said.append((i + 1, LINE[min(i % 6 + (i >= 9), 5)], "bob"))
        if i < 6:
            said.append((i + 1, "monocyte" if i == 0 else LINE[i % 6], "cat"))
    atlas.add_labels([NewLabel(cell, code, author, "single") for cell, code, author in said])
    return atlas


def test_each_reader_has_the_last_label_that_stands(atlas_of_readers: Atlas) -> None:
    atlas = atlas_of_readers
    atlas.add_labels([NewLabel(2, "basophil", "ann", "single")])
    taken = atlas.add_labels([NewLabel(3, "basophil", "ann", "single")])
    atlas.undo(taken[0], "ann")
    found = read(atlas, level="subclass")
    assert found.readers == ("ann", "bob", "cat")
    assert found.codes[1].tolist() == ["basophil", "promyelocyte", "promyelocyte"]
    assert found.codes[2, 0] == "myelocyte"
    assert found.codes[7, 2] is None
    assert found.stages[0].tolist() == [0, 0, NONE]
    assert found.patients[4] == "lab/p1"


def test_a_label_after_the_adjudication_is_no_reading(atlas_of_readers: Atlas) -> None:
    atlas = atlas_of_readers
    adjudicate(atlas, "disagreements", NewLabel(1, "monocyte", "eve", "adjudicated"))
    atlas.add_labels([NewLabel(1, "monocyte", "ann", "single")])
    found = read(atlas, level="subclass")
    assert found.codes[0, 0] == "myeloblast"
    assert found.consensus[0] == "monocyte"  # though most readers said otherwise
    assert found.consensus[1] == "promyelocyte"
    assert found.consensus[9] is None  # one against one


def test_levels(atlas_of_readers: Atlas) -> None:
    found = read(atlas_of_readers)
    assert found.codes[:6, 0].tolist() == [
        "blast", "immature_granulocyte", "immature_granulocyte", "immature_granulocyte",
        "neutrophil", "neutrophil",
    ]  # fmt: skip
    assert found.stages[3, 0] == 3  # the line keeps the stage whatever the level


def test_only_independent_labels_where_asked(atlas_of_readers: Atlas) -> None:
    atlas = atlas_of_readers
    seen = NewLabel(1, "monocyte", "dan", "single", "monocyte", 0.9, "m", True)
    hidden = NewLabel(2, "monocyte", "dan", "single", "monocyte", 0.9, "m", False)
    facts = [LabelFacts(shown="with_proposal"), LabelFacts(shown="blind")]
    add_labels(atlas, [seen, hidden], facts)
    atlas.add_labels([NewLabel(3, "monocyte", "dan", "single", "monocyte", 0.9, "m", True)])
    assert read(atlas).codes[:3, 3].tolist() == ["monocyte"] * 3
    assert read(atlas, independent=True).codes[:3, 3].tolist() == [None, "monocyte", None]


def test_figures_of_all_and_of_each_two(atlas_of_readers: Atlas) -> None:
    found = figures(read(atlas_of_readers), draws=50)
    kinds = {(each.measure, each.scope, each.weights) for each in found}
    assert ("fleiss", "classes", "nominal") in kinds
    assert ("krippendorff", "maturation", "quadratic") in kinds
    assert {each.readers for each in found if each.measure == "cohen"} == {
        ("ann", "bob"), ("ann", "cat"), ("bob", "cat"),
    }  # fmt: skip
    one = {
        each.weights: each.agreement
        for each in found
        if each.readers == ("ann", "bob") and each.scope == "maturation"
    }
    assert one["nominal"].value < one["linear"].value < one["quadratic"].value < 1
    assert one["linear"].cells == 12
    assert one["linear"].interval.low <= one["linear"].value <= one["linear"].interval.high


def test_patients_are_drawn_whole_where_asked(atlas_of_readers: Atlas) -> None:
    (fleiss, *_) = figures(read(atlas_of_readers), unit="patient", draws=50)
    assert fleiss.agreement.interval is None or fleiss.agreement.interval.groups == 3
    with pytest.raises(EvaluationError, match="'slide'"):
        figures(read(atlas_of_readers), unit="slide")


def test_confusion_with_the_consensus(atlas_of_readers: Atlas) -> None:
    found = read(atlas_of_readers, level="subclass")
    ann, bob, cat = confusions(found, list(atlas_of_readers.taxonomy.nodes))
    assert (ann.share, bob.share) == (1.0, 1.0)  # a tie has no consensus
    assert cat.share == pytest.approx(5 / 6)
    row = cat.counts[cat.classes.index("myeloblast")]
    assert row[cat.classes.index("monocyte")] == 1
    document = as_document(found, figures(found, draws=0), list(atlas_of_readers.taxonomy.nodes))
    assert json.loads(json.dumps(document)) == document
    assert document["readers"][2] == {"name": "cat", "cells": 6}


def test_nothing_read_twice(atlas: Atlas) -> None:
    found = read(atlas)
    assert (found.codes.shape, figures(found), confusions(found)) == ((0, 0), [], [])
    with pytest.raises(EvaluationError, match="'ann' has read no cell"):
        read(atlas, readers=("ann",))


def test_named_readers_and_data_sets_alone(atlas_of_readers: Atlas) -> None:
    found = read(atlas_of_readers, readers=("ann", "cat"))
    assert (found.readers, len(found.cells)) == (("ann", "cat"), 6)
    atlas_of_readers.add_dataset("other", "/nowhere")
    assert len(read(atlas_of_readers, datasets=("other",)).cells) == 0


def test_the_verb_prints_a_table_and_json(atlas_of_readers: Atlas, run_cellkin) -> None:
    path = atlas_of_readers.path
    shown = run_cellkin("agreement", path, "--draws", 20)
    assert shown.status == 0, shown.stderr
    assert "Fleiss' kappa" in shown.stdout
    assert "ann and bob" in shown.stdout
    told = json.loads(run_cellkin("agreement", path, "--draws", 20, "--json").stdout)
    assert told["cells"] == 12
    assert {"measure", "scope", "weights", "value", "interval"} <= set(told["figures"][0])
    assert np.isfinite(told["figures"][0]["value"])

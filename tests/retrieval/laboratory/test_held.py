"""Answers on a whole data set that are held, and what is read for them at most."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from annotator.adapting.due import standing
from index import Atlas, CellFilter, CellRecord, NewLabel
from index.adaptations import adaptations_of, keep_adaptation, label_counts, newly_said
from retrieval.folder import Space
from retrieval.laboratory import Fresh, Room, hold
from retrieval.laboratory.evidence import Witnesses
from retrieval.laboratory.known import KnownCells, described_cells, described_of, evenly
from retrieval.laboratory.room import OwnCells
from retrieval.laboratory.trusting import trust_dataset

MODEL = "fedcba9876543210"
CLASSES = ("neutrophil", "lymphocyte", "monocyte")
SPACE = Space((("taught", 12), ("frozen", 8)), CLASSES)
ABOUT = {"feature_parts": SPACE.parts, "classes": CLASSES, "dim": 12}
LAB, NEW = 60, 90


@pytest.fixture
def filled(atlas: Atlas, tmp_path) -> Atlas:
    """References of one laboratory and cells of another, nine of them labelled."""
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"no weights are read here")
    atlas.add_model(MODEL, model, ABOUT)
    rng = np.random.default_rng(5)
    kinds = np.arange(LAB + NEW) % len(CLASSES)
    hidden = np.eye(len(CLASSES))[kinds] * 3 + rng.normal(size=(LAB + NEW, len(CLASSES)))
    hidden[LAB:] += [0.0, 1.0, 0.5]  # another stain
    seen = [hidden @ rng.normal(size=(len(CLASSES), width)) for width in (12, 12, 8)]
    for name, rows in (("lab", range(LAB)), ("new", range(LAB, LAB + NEW))):
        atlas.add_dataset(name, str(tmp_path))
        atlas.add_cells(
            name,
            [
                CellRecord(
                    f"{i}.png",
                    f"{i:064x}",
                    40,
                    40,
                    class_code=CLASSES[kinds[i]] if name == "lab" else None,
                )
                for i in rows
            ],
        )
    ids = np.asarray(atlas.cell_ids())
    vectors = seen[0] / np.linalg.norm(seen[0], axis=1, keepdims=True)
    scores = np.exp(hidden) / np.exp(hidden).sum(axis=1, keepdims=True)
    atlas.add_embeddings(MODEL, ids, vectors.astype(np.float32))
    atlas.add_features(MODEL, ids, np.concatenate(seen[1:], axis=1), scores)
    atlas.add_labels(
        [NewLabel(int(ids[i]), CLASSES[kinds[i]], "ann", "single") for i in range(LAB, LAB + 9)]
    )
    return atlas


def new_cells(atlas: Atlas) -> list[int]:
    return [int(cell) for cell in atlas.cell_ids(CellFilter(datasets=("new",)))]


def test_what_is_held_is_what_the_room_answers(filled: Atlas) -> None:
    held = hold(filled, MODEL, "new", k=7)
    answered = Room(filled, MODEL, ABOUT, dataset="new", k=7).answer_own()
    everything = dict(zip(held.ids.tolist(), answered.proposals(), strict=True))
    cells = new_cells(filled)
    fresh = Fresh.since(filled, "new", held.mark)
    assert not len(fresh)
    found = held.propose(cells, fresh, filled.taxonomy)
    assert sorted(found) == cells[9:]  # of the labelled ones nothing is said
    for cell, proposal in found.items():
        asked = everything[cell]
        assert proposal.class_code == asked.class_code
        assert proposal.probabilities == pytest.approx(asked.probabilities)
        assert proposal.decision == asked.decision
        assert [e.cell_id for e in proposal.evidence] == [e.cell_id for e in asked.evidence]
        assert proposal.evidence[0].distance == pytest.approx(asked.evidence[0].distance, abs=1e-5)
        assert held.record is not None
        assert proposal.adaptation == held.record.id


def test_a_fresh_label_without_any_neighbour_moves_nothing(filled: Atlas) -> None:
    held = hold(filled, MODEL, "new", k=7)
    nobody = np.empty(0, np.int64)
    witnesses = Witnesses(held.witnesses.references.take(nobody), held.witnesses.points[nobody])
    alone = replace(held, witnesses=witnesses)
    (cell,) = new_cells(filled)[20:21]
    filled.add_labels([NewLabel(cell, "monocyte", "ann", "single")])
    fresh = Fresh.since(filled, "new", held.mark)
    before = held.propose([cell], fresh, filled.taxonomy)[cell]
    found = alone.propose([cell], fresh, filled.taxonomy)[cell]
    assert found.evidence == ()  # it is no neighbour of itself
    assert found.probabilities == pytest.approx(before.probabilities)


def test_of_a_large_data_set_some_cells_are_answered_the_labelled_ones_teach_all(
    filled: Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.laboratory.held.MOST", 60)
    held = hold(filled, MODEL, "new", k=7)
    cells = new_cells(filled)
    assert len(held.ids) == 60
    assert set(cells[:9]) <= set(held.ids.tolist())
    assert held.labels == 9
    unknown = sorted(set(cells) - set(held.ids.tolist()))
    fresh = Fresh.since(filled, "new", held.mark)
    assert held.propose(unknown, fresh, filled.taxonomy) == {}
    again = hold(filled, MODEL, "new", k=7)
    np.testing.assert_array_equal(held.ids, again.ids)
    assert len(adaptations_of(filled, "new")) == 1


def test_references_are_read_evenly(filled: Atlas) -> None:
    known = KnownCells.load(filled, MODEL, SPACE, each=4)
    pairs = Counter(zip(known.references.datasets, known.references.codes, strict=True))
    assert pairs == {
        **{("lab", code): 4 for code in CLASSES},
        **{("new", code): 3 for code in CLASSES},
    }
    everyone = KnownCells.load(filled, MODEL, SPACE)
    rows = everyone.references.rows(known.references.ids)
    np.testing.assert_array_equal(known.described.vectors, everyone.described.vectors[rows])
    np.testing.assert_array_equal(known.described.features, everyone.described.features[rows])
    np.testing.assert_array_equal(known.columns, everyone.columns[rows])


def test_own_cells_drawn_hold_what_all_of_them_hold(filled: Atlas) -> None:
    known = KnownCells.load(filled, MODEL, SPACE)
    whole = OwnCells.load(filled, "new", known)
    some = OwnCells.load(filled, "new", known, most=40)
    place = np.searchsorted(whole.ids, some.ids)
    assert len(some) == 40
    np.testing.assert_array_equal(some.hashes, whole.hashes[place])
    np.testing.assert_array_equal(some.described.features, whole.described.features[place])
    np.testing.assert_array_equal(some.ids[some.rows], whole.ids[whole.rows])
    np.testing.assert_array_equal(some.columns, whole.columns)


def test_described_of_reads_only_what_is_asked(filled: Atlas) -> None:
    ids, everything = described_cells(filled, MODEL, SPACE)
    some = ids[[3, 10, 40]]
    found, described = described_of(filled, MODEL, SPACE, some)
    np.testing.assert_array_equal(found, some)
    np.testing.assert_array_equal(described.scores, everything.scores[[3, 10, 40]])
    assert len(described_of(filled, MODEL, SPACE, np.array([10_000]))[0]) == 0


def test_evenly_takes_so_many_of_each_group() -> None:
    groups = ["a"] * 50 + ["b"] * 3 + ["c"] * 9
    rows = evenly(groups, 5, seed=1)
    assert Counter(groups[row] for row in rows) == {"a": 5, "b": 3, "c": 5}
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(evenly([], 5, seed=1)) == 0


def test_how_far_to_trust_it_is_held_as_the_room_judges(filled: Atlas) -> None:
    for labels in (9, 29):
        cells = new_cells(filled)[9:labels]
        kinds = [CLASSES[cell % len(CLASSES) - 1] for cell in cells]
        filled.add_labels(
            [NewLabel(cell, kind, "ann", "single") for cell, kind in zip(cells, kinds, strict=True)]
        )
        trust = hold(filled, MODEL, "new").trust
        report = trust_dataset(filled, MODEL, ABOUT, "new")
        judged = report.answered.judgement
        assert (trust.cells, trust.labels) == (NEW, labels)
        assert (trust.alarm, trust.expected) == (judged.alarm, judged.expected)
        assert (trust.right, trust.interval) == (report.right, report.interval)
        assert (trust.right is None) == (labels < 20)


def test_the_log_keeps_every_adaptation_once(filled: Atlas) -> None:
    first = hold(filled, MODEL, "new").record
    assert first is not None
    assert keep_adaptation(filled, first) == first
    cell = new_cells(filled)[9]
    mark = filled.marks(MODEL)[0]
    filled.add_labels([NewLabel(cell, "neutrophil", "ann", "single")])
    assert newly_said(filled, "new", mark) == [cell]
    assert newly_said(filled, "lab", mark) == []
    assert label_counts(filled, "new") == {"neutrophil": 4, "lymphocyte": 3, "monocyte": 3}
    second = hold(filled, MODEL, "new").record
    assert [entry.count for entry in adaptations_of(filled, "new")] == [9, 10]
    assert adaptations_of(filled)[-1] == second
    with pytest.raises(Exception, match="append-only"), filled.database.write() as connection:
        connection.exec_driver_sql("UPDATE adaptations SET cells = 0")


def test_what_labels_do_not_change_is_taken_from_before(filled: Atlas) -> None:
    first = hold(filled, MODEL, "new", k=7)
    cells = new_cells(filled)
    filled.add_labels([NewLabel(cell, "neutrophil", "ann", "single") for cell in cells[9:12]])
    quick, anew = (hold(filled, MODEL, "new", k=7, before=each) for each in (first, None))
    assert quick.kept is first.kept
    assert anew.kept is not first.kept
    np.testing.assert_array_equal(quick.answers.probabilities, anew.answers.probabilities)
    np.testing.assert_array_equal(quick.points, anew.points)
    other = int(filled.cell_ids(CellFilter(datasets=("lab",)))[0])
    filled.add_labels([NewLabel(other, "basophil", "ann", "single")])  # now disputed
    assert hold(filled, MODEL, "new", k=7, before=first).kept is not first.kept


def test_patients_told_later_are_heeded(filled: Atlas) -> None:
    first = hold(filled, MODEL, "new")
    before = KnownCells.load(filled, MODEL, SPACE)
    marks = filled.marks(MODEL)
    assert not standing(filled, "new", first, marks, 10).due
    told = [
        CellRecord(f"{i}.png", f"{i:064x}", 40, 40, patient=f"p{i % 2}")
        for i in range(LAB, LAB + NEW)
    ]
    assert filled.add_cells("new", told).filled == {"patient": NEW}
    assert standing(filled, "new", first, filled.marks(MODEL), 10).due
    after = KnownCells.load(filled, MODEL, SPACE)
    prints = {OwnCells.load(filled, "new", known).fingerprint for known in (before, after)}
    assert len(prints) == 2
    filled.add_cells("lab", [CellRecord("0.png", f"{0:064x}", 40, 40, patient="other")])
    more = KnownCells.load(filled, MODEL, SPACE)
    assert OwnCells.load(filled, "new", more).fingerprint in prints
    hold(filled, MODEL, "new")
    assert len(adaptations_of(filled, "new")) == 2

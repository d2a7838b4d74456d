"""Proposals out of an atlas of blobs: truth known, maths checked by plain loops."""

from __future__ import annotations

import time

import numpy as np
import pytest

from index import CellFilter, CellRecord, NewLabel
from index.errors import UnknownModelError
from retrieval.answers.errors import AnswerError, NoReferencesError
from retrieval.answers.proposer import Proposer
from retrieval.answers.voting import TEMPERATURE


def naive_neighbours(made, query, k, allowed):
    """Ids of the k nearest cells that ``allowed`` (a function of the row) lets vote."""
    order = np.argsort(-(made.vectors.astype(float) @ query.astype(float)))
    return [int(made.ids[row]) for row in order if allowed(row)][:k]


def evidence_ids(proposal):
    return [each.cell_id for each in proposal.evidence]


def test_answers_are_right_and_carry_their_evidence(blob_atlas):
    made = blob_atlas(600, patient=lambda i: f"p{i % 20}", slide=lambda i: f"s{i % 40}")
    proposer = Proposer(made.atlas, k=7)
    queries, truth = made.fresh(200)
    answers = proposer.propose(queries)
    right = [a.class_code == made.codes[t] for a, t in zip(answers, truth, strict=True)]
    assert np.mean(right) >= 0.95
    for query, answer in zip(queries[:50], answers, strict=False):
        assert evidence_ids(answer) == naive_neighbours(made, query, 7, lambda row: True)
        similarity = [each.similarity for each in answer.evidence]
        assert similarity == sorted(similarity, reverse=True)
        first = answer.evidence[0]
        row = int(np.flatnonzero(made.ids == first.cell_id)[0])
        assert first.similarity == pytest.approx(float(made.vectors[row] @ query), abs=1e-5)
        assert first.distance == pytest.approx(1 - first.similarity)
        assert (first.class_code, first.author) == (made.codes[made.columns[row]], "expert")
        assert (first.dataset, first.file) == ("blobs", f"cell{row}.png")
        assert (first.patient, first.slide) == (f"p{row % 20}", f"s{row % 40}")


def test_a_proposal_is_consistent(blob_atlas):
    made = blob_atlas(600, spread=1.0)
    for answer in Proposer(made.atlas).propose(made.fresh(300)[0]):
        assert set(answer.probabilities) == set(made.codes)
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert answer.probability == answer.probabilities[answer.class_code]
        assert next(iter(answer.probabilities)) == answer.class_code == answer.prediction_set[0]
        assert list(answer.probabilities)[1] == answer.runner_up
        assert 0 <= answer.novelty <= 1
        assert (answer.backed_off_to is not None) == (answer.decision == "back_off")
        assert answer.decision in ("accept", "back_off", "abstain")
        assert len(answer.evidence) == 15


def test_a_cell_never_votes_for_itself(blob_atlas):
    made = blob_atlas(200, patient=lambda i: f"p{i % 10}" if i % 3 else None)
    proposer = Proposer(made.atlas, k=5)
    own = made.ids[:60].tolist()
    plain = proposer.propose(made.vectors[:60])
    assert all(evidence_ids(a)[0] == i for a, i in zip(plain, own, strict=True))
    left_out = proposer.propose(made.vectors[:60], not_cells=own)
    for row, answer in enumerate(left_out):
        expected = naive_neighbours(made, made.vectors[row], 5, lambda r, row=row: r != row)
        assert evidence_ids(answer) == expected
    patients = [f"blobs/p{i % 10}" if i % 3 else None for i in range(60)]
    for row, answer in enumerate(proposer.propose(made.vectors[:60], not_patients=patients)):
        same = lambda r, row=row: bool(row % 3) and bool(r % 3) and r % 10 == row % 10  # noqa: E731
        expected = naive_neighbours(made, made.vectors[row], 5, lambda r, s=same: not s(r))
        assert evidence_ids(answer) == expected


def test_exact_duplicates_can_be_kept_from_voting(blob_atlas):
    made = blob_atlas(
        40,
        dataset=lambda i: "a" if i < 20 else "b",
        sha256=lambda i: f"{i % 20:064x}",
    )
    answers = Proposer(made.atlas, k=3).propose(
        made.vectors[:2], not_hashes=[f"{0:064x}", None], not_cells=[None, int(made.ids[1])]
    )
    assert not {int(made.ids[0]), int(made.ids[20])} & set(evidence_ids(answers[0]))
    assert int(made.ids[1]) not in evidence_ids(answers[1])


def test_one_vote_a_patient(blob_atlas):
    made = blob_atlas(300, patient=lambda i: f"p{i % 12}" if i >= 30 else None)
    queries, _ = made.fresh(20)
    for query, answer in zip(
        queries, Proposer(made.atlas, k=6, voter="patient").propose(queries), strict=True
    ):
        seen: set[int] = set()

        def first(row, seen=seen):
            if row < 30:
                return True
            new = row % 12 not in seen
            seen.add(row % 12)
            return new

        assert evidence_ids(answer) == naive_neighbours(made, query, 6, first)


def test_fewer_references_than_neighbours(blob_atlas):
    made = blob_atlas(4, codes=("basophil", "monocyte"), columns=np.array([0, 0, 1, 1]))
    answer = Proposer(made.atlas, k=10).propose(made.vectors[:1])[0]
    assert len(answer.evidence) == 4
    assert answer.class_code == "basophil"


def test_without_a_permitted_neighbour_it_abstains(blob_atlas):
    made = blob_atlas(80, patient=lambda i: "only")
    answer = Proposer(made.atlas).propose(made.vectors[:1], not_patients=["blobs/only"])[0]
    assert answer.decision == "abstain"
    assert answer.evidence == ()
    assert answer.novelty == 1.0
    assert list(answer.probabilities.values()) == pytest.approx([1 / 6] * 6)


def test_new_labels_vote_at_the_next_question_and_disputed_cells_never(blob_atlas):
    made = blob_atlas(60, labelled=lambda i: i > 0)
    proposer = Proposer(made.atlas, k=3)
    mine = int(made.ids[0])
    assert mine not in evidence_ids(proposer.propose(made.vectors[:1])[0])
    made.atlas.add_labels([NewLabel(mine, "blast", "Ada", "single")])
    first = proposer.propose(made.vectors[:1])[0].evidence[0]
    assert (first.cell_id, first.class_code, first.author) == (mine, "blast", "Ada")
    assert "blast" in proposer.classes
    made.atlas.add_labels([NewLabel(mine, "monocyte", "Bob", "single")])
    assert mine not in evidence_ids(proposer.propose(made.vectors[:1])[0])


def test_filters_limit_the_references(blob_atlas):
    made = blob_atlas(200, dataset=lambda i: "ab"[i % 2])
    limits = CellFilter(datasets=("b",), classes=("basophil", "monocyte"))
    proposer = Proposer(made.atlas, filter=limits)
    answer = proposer.propose(made.vectors[:1])[0]
    assert set(answer.probabilities) == {"basophil", "monocyte"}
    assert {each.dataset for each in answer.evidence} == {"b"}


def test_levels(blob_atlas):
    codes = ("band_neutrophil", "segmented_neutrophil", "neutrophil", "monocyte", "promonocyte")
    rng = np.random.default_rng(0)
    axis = np.zeros((1, 16))
    axis[0, 0] = 1
    near = axis + rng.normal(0, 0.01, (12, 16))
    vectors = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    columns = np.array([2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 0, 2])
    made = blob_atlas(12, codes=codes, vectors=vectors, columns=columns)
    query = axis.astype(np.float32)
    coarse = Proposer(made.atlas, level="class").propose(query)[0]
    assert coarse.class_code == "neutrophil"
    assert {each.class_code for each in coarse.evidence} == set(codes[:3])
    fine = Proposer(made.atlas, level="subclass").propose(query)[0]
    # nine of twelve say only "neutrophil", which must not outvote the two that say segmented
    assert fine.class_code == "segmented_neutrophil"
    assert fine.probabilities["segmented_neutrophil"] > fine.probabilities["band_neutrophil"]
    assert fine.probabilities["neutrophil"] < 0.05
    other = blob_atlas(12, codes=codes, vectors=vectors, columns=np.array([3] * 11 + [4]))
    typical = Proposer(other.atlas, level="subclass").propose(query)[0]
    assert typical.class_code == "monocyte"  # a monocyte is no promonocyte not yet looked at


def test_labels_above_the_level_do_not_vote(blob_atlas):
    codes = ("leukocyte", "basophil")
    made = blob_atlas(40, codes=codes, columns=np.arange(40) % 2)
    answer = Proposer(made.atlas).propose(made.vectors[:1])[0]
    assert {each.class_code for each in answer.evidence} == {"basophil"}
    groups = blob_atlas(5, codes=("leukocyte",))
    with pytest.raises(NoReferencesError, match="no reference has a label at level class"):
        Proposer(groups.atlas).propose(made.vectors[:1])


def test_uniform_prior_strengthens_the_rare_class(blob_atlas):
    columns = np.array([0] * 200 + [1] * 8)
    made = blob_atlas(208, codes=("lymphocyte", "basophil"), columns=columns, spread=3.0)
    queries = made.blobs.draw(np.ones(100, dtype=int))
    plain, fair = (Proposer(made.atlas, prior=p).propose(queries) for p in ("none", "uniform"))
    count = [sum(a.class_code == "basophil" for a in answers) for answers in (plain, fair)]
    assert count[1] > count[0] + 20


def test_probability_without_calibration_is_the_smoothed_vote(blob_atlas):
    made = blob_atlas(30)
    proposer = Proposer(made.atlas, k=5)
    assert proposer.calibration.source == "none"
    query, _ = made.fresh(1)
    answer = proposer.propose(query)[0]
    weights: dict[str, float] = dict.fromkeys(proposer.classes, 1 / len(proposer.classes))
    for each in answer.evidence:
        gap = each.similarity - answer.evidence[0].similarity
        weights[each.class_code] += np.exp(gap / TEMPERATURE)
    total = sum(weights.values())
    for code, weight in weights.items():
        assert answer.probabilities[code] == pytest.approx(weight / total)


def test_calibration_uses_val_cells_keeps_them_apart_and_is_kept(blob_atlas, monkeypatch):
    made = blob_atlas(1500, spread=0.8, split=lambda i: "val" if i % 3 == 0 else "train")
    proposer = Proposer(made.atlas)
    assert proposer.calibration.source == "val"
    assert proposer.calibration.cells == 500
    name = proposer.recipe.document
    assert made.atlas.document(name)["labels"] == 1500
    monkeypatch.setattr("retrieval.answers.fitting.fit", lambda *_: pytest.fail("fitted again"))
    again = Proposer(made.atlas)
    assert again.calibration == proposer.calibration
    made.atlas.add_labels([NewLabel(int(made.ids[0]), made.codes[made.columns[0]], "x", "single")])
    assert again.calibration == proposer.calibration


def test_calibration_is_learned_again_when_stale(blob_atlas):
    made = blob_atlas(400, labelled=lambda i: i < 300)
    proposer = Proposer(made.atlas)
    assert proposer.calibration.cells == 300
    new = [
        NewLabel(int(made.ids[i]), made.codes[made.columns[i]], "x", "single")
        for i in range(300, 400)
    ]
    made.atlas.add_labels(new)
    assert proposer.calibration.cells == 400


def test_calibration_is_learned_again_when_splits_are_told(blob_atlas):
    made = blob_atlas(600, spread=1.0)
    proposer = Proposer(made.atlas)
    assert (proposer.calibration.source, proposer.calibration.cells) == ("left-out", 600)
    made.atlas.add_cells(
        "blobs",
        [
            CellRecord(cell.file, cell.sha256, 8, 8, split="val" if cell.id % 2 else "train")
            for cell in made.atlas.cells()
        ],
    )
    for asked in (proposer, Proposer(made.atlas)):
        assert (asked.calibration.source, asked.calibration.cells) == ("val", 300)


def test_left_out_calibration_leaves_the_patient_out(blob_atlas):
    """Patients cluster: only leaving them out shows how a new patient will fare."""
    rng = np.random.default_rng(3)
    patient_shift = rng.normal(0, 1.2 / 4, (30, 16))
    made = blob_atlas(10, codes=("basophil", "monocyte"))
    columns = rng.integers(0, 2, 900)
    patient = np.arange(900) % 30
    shift = patient_shift[patient] * np.where(columns, 1, -1)[:, None]
    points = made.blobs.centres[columns] + shift * 1.5 + rng.normal(0, 0.05, (900, 16))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    grouped, loose = (
        blob_atlas(900, codes=("basophil", "monocyte"), vectors=points, columns=columns, **extra)
        for extra in ({"patient": lambda i: f"p{i % 30}"}, {})
    )
    with_patients = Proposer(grouped.atlas).calibration
    without = Proposer(loose.atlas).calibration
    assert with_patients.novelty.distances[500] > 1.5 * without.novelty.distances[500]


def test_one_patient_alone_is_said_in_words(blob_atlas):
    made = blob_atlas(300, patient=lambda i: "only")
    notes = Proposer(made.atlas).calibration.notes
    assert any("too few patients or slides" in note for note in notes)


def test_novelty_is_uniform_on_known_kinds_and_high_on_others(blob_atlas):
    made = blob_atlas(3000, split=lambda i: "val" if i % 4 == 0 else "train")
    proposer = Proposer(made.atlas, filter=CellFilter(splits=("train",)))
    assert (proposer.calibration.source, proposer.calibration.cells) == ("val", 750)
    known = [a.novelty for a in proposer.propose(made.fresh(1000)[0])]
    assert abs(np.mean(known) - 0.5) < 0.05
    strange = np.random.default_rng(9).normal(size=(200, 16))
    strange = (strange / np.linalg.norm(strange, axis=1, keepdims=True)).astype(np.float32)
    answers = proposer.propose(strange)
    assert np.mean([a.novelty > 0.95 for a in answers]) > 0.9
    assert np.mean([a.decision == "accept" for a in answers]) < 0.05


def test_decisions_on_fresh_cells_keep_their_promise(blob_atlas):
    made = blob_atlas(6000, spread=0.6, split=lambda i: "val" if i % 2 else "train")
    proposer = Proposer(made.atlas)
    queries, truth = made.fresh(4000)
    answers = proposer.propose(queries)
    right = np.array([a.class_code == made.codes[t] for a, t in zip(answers, truth, strict=True)])
    accepted = np.array([a.decision == "accept" for a in answers])
    held = np.array(
        [made.codes[t] in a.prediction_set for a, t in zip(answers, truth, strict=True)]
    )
    assert accepted.mean() > 0.3
    assert (~right[accepted]).mean() <= 0.008
    assert held.mean() >= 0.94


def test_an_empty_batch(blob_atlas):
    made = blob_atlas(60)
    assert Proposer(made.atlas).propose(np.empty((0, 16), dtype=np.float32)) == []


def test_a_large_batch_is_quick(blob_atlas):
    made = blob_atlas(3000)
    proposer = Proposer(made.atlas)
    queries, _ = made.fresh(10_000)
    proposer.propose(queries[:10])
    start = time.process_time()
    assert len(proposer.propose(queries)) == 10_000
    assert time.process_time() - start < 8  # about 1 s of one core


def test_errors_say_what_to_do(blob_atlas, atlas):
    made = blob_atlas(20)
    with pytest.raises(AnswerError, match="voter is 'city', allowed is one of cell, slide"):
        Proposer(made.atlas, voter="city")
    with pytest.raises(AnswerError, match="prior is 'flat', allowed is one of none, uniform"):
        Proposer(made.atlas, prior="flat")
    with pytest.raises(AnswerError, match=r"shape \(16,\), allowed is \[N, D\]"):
        Proposer(made.atlas).propose(made.vectors[0])
    with pytest.raises(AnswerError, match="not_cells has 1 entries for 2 vectors"):
        Proposer(made.atlas).propose(made.vectors[:2], not_cells=[1])
    limits = CellFilter(classes=("basophil",), patients=("nobody",))
    with pytest.raises(NoReferencesError, match=r"within the limits .*basophil"):
        Proposer(made.atlas, filter=limits).propose(made.vectors)
    bare = blob_atlas(5, labelled=lambda i: False)
    with pytest.raises(NoReferencesError, match="no labelled cell;"):
        Proposer(bare.atlas).propose(made.vectors)
    made.atlas.add_model("other", made.atlas.model_file("blobs"), {})
    with pytest.raises(NoReferencesError, match="embedded under model other; run cellkin embed"):
        Proposer(made.atlas, model_id="other").propose(made.vectors)
    with pytest.raises(UnknownModelError, match="has no model; run cellkin embed"):
        Proposer(atlas)

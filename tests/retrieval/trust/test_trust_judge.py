"""One call for a whole set: known, new, labelled."""

from __future__ import annotations

import json

import numpy as np
import pytest

from retrieval.described import Described
from retrieval.trust import Judge, Known, OwnLabels, Readings

WIDTH = 16
CENTRES = 3 * np.random.default_rng(0).normal(size=(5, WIDTH))


def described(truth, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    move = np.random.default_rng(77).normal(size=WIDTH) * shift
    features = CENTRES[truth] + rng.normal(size=(len(truth), WIDTH)) + move
    vectors = features / np.linalg.norm(features, axis=1, keepdims=True)
    both = np.concatenate([features, features + rng.normal(size=features.shape) * 0.1], axis=1)
    return Described(
        vectors.astype(np.float32), both.astype(np.float16), np.empty((len(truth), 0), np.float32)
    )


def readings(bench, n, seed, **how):
    p, truth = bench.draw(n, seed=seed, **how)
    other, _ = bench.draw(n, seed=seed, **{**how, "tilt": 0.3})
    return Readings(p, other), truth


@pytest.fixture(scope="module")
def judge(bench):
    at_home, truth = readings(bench, 1500, 1, signal=14)
    voters = np.random.default_rng(2).integers(0, 5, 800)
    known = Known("home", described(truth, 3), truth, at_home, np.arange(1500) // 3)
    return Judge(
        bench.ancestry, described(voters, 4), voters, ["home"] * 800, [known], widths=(16, 16)
    )


def test_more_of_a_known_laboratory(bench, judge):
    said, truth = readings(bench, 600, 5, signal=14)
    found = judge.judge(described(truth, 6), said)
    assert found.alarm.unlike is False
    assert found.trust.source == "known"
    assert found.answers.members[np.arange(600), truth].mean() == pytest.approx(0.95, abs=0.03)
    assert found.novel == pytest.approx(0.05, abs=0.04)
    assert found.words()[0].startswith("like home (")
    assert (found.answers.decision == "accept").any()


def test_a_new_laboratory_without_labels(bench, judge):
    said, truth = readings(bench, 300, 7, signal=3, sharp=2)
    found = judge.judge(described(truth, 8, shift=1.0), said)
    assert found.alarm.unlike
    assert found.trust.source == "unlabelled"
    assert found.expected.low < found.expected.accuracy < found.expected.high
    stated = found.answers.probabilities.max(axis=1).mean()
    assert stated <= found.expected.accuracy
    assert found.novel > 0.5
    assert "accept" not in found.answers.decision
    words = " ".join(found.words())
    for part in ("unlike any known laboratory", "expected accuracy about", "are novel", "no label"):
        assert part in words


def test_labels_tell_more_than_any_estimate(bench, judge):
    said, truth = readings(bench, 300, 9, signal=5, sharp=2)
    cells = described(truth, 10, shift=1.0)
    rows = np.arange(0, 300, 4)
    labels = OwnLabels(rows, truth[rows], np.asarray(said.informed)[rows])
    found = judge.judge(cells, said, labels=labels)
    assert found.trust.source == "labels"
    assert found.trust.labels == 75
    assert found.expected is None
    assert found.novel < 0.15
    assert found.answers.members[np.arange(300), truth].mean() > 0.9


def test_a_picture_without_a_cell_is_novel_and_never_accepted(bench, judge):
    said, truth = readings(bench, 100, 11, signal=40)
    cells = described(truth, 12)
    found = judge.judge(cells.with_found(np.arange(100) % 2 == 0), said)
    assert (found.answers.novelty[1::2] > 0.999).all()
    assert set(found.answers.decision[1::2]) == {"abstain"}
    assert "accept" in found.answers.decision[::2]


def test_single_pictures_have_a_trust_of_their_own(bench, judge):
    p, truth = bench.draw(30, seed=13, signal=14)
    found = judge.judge(described(truth, 14), Readings(p))
    assert found.alarm.unlike is False
    assert judge.trust(alone=True) is not judge.trust()
    assert found.trust is judge.trust(alone=True)
    same = judge.judge(described(truth, 14), Readings(p, p))
    assert same.trust is judge.trust(alone=True)


def test_few_pictures_do_not_get_the_trust_of_a_laboratory_they_may_not_be_of(bench, judge):
    right, stated, covered = [], [], []
    for seed in range(30, 42):
        said, truth = readings(bench, 6, seed, signal=3, sharp=4)
        found = judge.judge(described(truth, seed, shift=1.0), said)
        assert found.alarm.unlike is None
        assert found.trust.source == "unlabelled"
        assert "accept" not in found.answers.decision
        right.append((found.answers.top == truth).mean())
        stated.append(found.answers.probabilities.max(axis=1).mean())
        covered.append(found.answers.members[np.arange(6), truth].mean())
        assert found.novel == 0 or not any("novel" in each for each in found.words())
    assert np.mean(stated) < np.mean(right) + 0.1
    assert np.mean(covered) > 0.9
    assert "cannot be told" in " ".join(found.words())


def test_a_few_labels_of_a_strange_laboratory_are_not_denied(bench, judge):
    said, truth = readings(bench, 300, 21, signal=3, sharp=2)
    rows = np.arange(12)
    labels = OwnLabels(rows, truth[rows], np.asarray(said.informed)[rows])
    found = judge.judge(described(truth, 22, shift=1.0), said, labels=labels)
    words = " ".join(found.words())
    assert "12 labels of this laboratory calibrate little, 20 are needed: label 8 more" in words
    assert "no label of this laboratory" not in words
    assert "more cells a class to reach" in words


def test_pictures_without_a_cell_promise_nothing(bench, judge):
    said, truth = readings(bench, 60, 23, signal=14)
    cells = described(truth, 24).with_found(np.zeros(60, dtype=bool))
    found = judge.judge(cells, said)
    assert found.no_cell == 60
    assert found.expected is None
    assert found.alarm.unlike is None
    assert "60 of 60 pictures show no cell" in " ".join(found.words())
    some = judge.judge(described(truth, 24).with_found(np.arange(60) >= 3), said)
    assert some.as_dict()["no_cell"] == 3


def test_what_a_program_reads(bench, judge):
    said, truth = readings(bench, 120, 15, signal=3)
    document = judge.judge(described(truth, 16, shift=1.0), said).as_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["unlike"] is True
    assert document["nearest"] == "home"
    assert sum(document["decisions"].values()) == 120
    assert 0 < document["expected"]["accuracy"] < 1


def test_without_any_known_cell_it_still_answers(bench):
    voters = np.random.default_rng(17).integers(0, 5, 12)
    empty = Judge(bench.ancestry, described(voters, 18), voters, ["few"] * 12, [])
    p, truth = bench.draw(40, seed=19)
    found = empty.judge(described(truth, 20), Readings(p))
    assert empty.novelty is None
    assert (found.answers.novelty == 0.5).all()
    assert "label 20 more" in " ".join(empty.trust().notes)

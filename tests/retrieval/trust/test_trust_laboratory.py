"""One laboratory's trust: known, with labels, without; what it says and what it proves."""

from __future__ import annotations

import json

import numpy as np
import pytest

from retrieval.answers.calibration import UNPROVEN
from retrieval.answers.selective import RISK
from retrieval.evaluation.calibration import calibration_metrics
from retrieval.trust import Trust, TrustError, learn_trust
from retrieval.trust.laboratory import BEYOND, sureness


@pytest.fixture(scope="module")
def home(bench):
    p, truth = bench.draw(4000, seed=1, signal=12)
    novelty = np.random.default_rng(11).uniform(size=4000)
    return learn_trust(p, truth, bench.ancestry, novelty=novelty)


def test_known_laboratories_promise_what_they_keep(bench, home):
    p, truth = bench.draw(8000, seed=2, signal=12)
    novelty = np.random.default_rng(12).uniform(size=8000)
    answers = home.answer(p, bench.ancestry, novelty)
    accepted = answers.decision == "accept"
    assert home.accept.proven
    assert accepted.mean() > 0.5
    assert (answers.top[accepted] != truth[accepted]).mean() <= RISK * 1.5
    assert calibration_metrics(answers.probabilities, truth).ece_equal_mass < 0.015
    assert 0.94 <= answers.members[np.arange(8000), truth].mean() <= 0.96
    assert home.notes == ()


def test_a_document_keeps_it(bench, home):
    document = json.loads(json.dumps(home.to_document(), allow_nan=False))
    assert Trust.from_document(document) == home


def test_a_cell_beyond_all_known_is_never_accepted(bench, home):
    p, _ = bench.draw(50, seed=3, signal=40)
    answers = home.answer(p, bench.ancestry, np.full(50, BEYOND))
    assert set(answers.decision) == {"abstain"}
    assert set(answers.why_not) == {"strange"}
    assert (home.answer(p, bench.ancestry).novelty == 0.5).all()


def test_labels_of_the_laboratory_take_over(bench, home):
    p, truth = bench.draw(100, seed=4, signal=4, sharp=3)
    everything, true = bench.draw(1500, seed=5, signal=4, sharp=3, shares=(0.5, 0.2, 0.1, 0.1, 0.1))
    learned = home.with_labels(p, truth, bench.ancestry, everything=everything)
    assert (learned.source, learned.labels) == ("labels", 100)
    before = home.answer(everything, bench.ancestry).probabilities
    after = learned.answer(everything, bench.ancestry)
    gap = calibration_metrics(after.probabilities, true).ece_equal_mass
    assert gap < calibration_metrics(before, true).ece_equal_mass / 2
    assert after.members[np.arange(1500), true].mean() >= 0.9
    assert learned.accept.value == UNPROVEN
    assert not learned.accept.proven
    assert set(after.why_not) == {"few"}
    assert "498 more labels can prove it" in learned.notes[0]


def test_a_few_labels_are_counted_and_more_asked_for(bench, home):
    p, truth = bench.draw(12, seed=6)
    learned = home.with_labels(p, truth, bench.ancestry)
    assert learned.calibrator == home.calibrator
    assert learned.labels == 12
    assert "label 8 more" in learned.notes[-1]


def test_a_few_labels_let_no_other_laboratory_rename_cells(bench):
    lopsided, classes = bench.draw(1500, seed=16, shares=(0.7, 0.15, 0.05, 0.05, 0.05))
    trust = learn_trust(lopsided, classes, bench.ancestry)
    p, truth = bench.draw(400, seed=17, signal=1.5)
    assert (trust.calibrator.apply(p).argmax(1) != p.argmax(1)).any()
    learned = trust.with_labels(p[:12], truth[:12], bench.ancestry)
    np.testing.assert_array_equal(learned.answer(p, bench.ancestry).top, p.argmax(1))


def test_without_labels_sets_widen_with_the_shift(bench, home):
    p, truth = bench.draw(1000, seed=7, signal=2.5, sharp=4)
    right = (p.argmax(1) == truth).mean()
    blind = home.answer(p, bench.ancestry)
    wary = home.without_labels(p, right, alike=False)
    answers = wary.answer(p, bench.ancestry)
    assert answers.probabilities.max(1).mean() == pytest.approx(right, abs=0.01)
    covered = answers.members[np.arange(1000), truth].mean()
    assert covered > 0.9 > blind.members[np.arange(1000), truth].mean()
    assert answers.members.sum(1).mean() > blind.members.sum(1).mean()
    assert "accept" not in answers.decision
    assert set(answers.why_not) == {"no_proof"}
    assert home.without_labels(p, right, alike=True) is home


def test_hardly_any_calibration_cells_say_so(bench):
    p, truth = bench.draw(7, seed=8)
    trust = learn_trust(p, truth, bench.ancestry)
    assert "label 13 more" in trust.notes[0]
    answers = trust.answer(p, bench.ancestry)
    assert set(answers.decision) == {"abstain"}
    np.testing.assert_allclose(answers.probabilities, p)


def test_where_nothing_is_safe_nothing_is_accepted(bench):
    p, truth = bench.draw(2000, seed=9, signal=0.5)
    trust = learn_trust(p, truth, bench.ancestry)
    assert any("no decision is accept" in note for note in trust.notes)
    assert "accept" not in trust.answer(p, bench.ancestry).decision


@pytest.mark.slow
def test_accepting_keeps_its_promise_over_many_draws(bench):
    """Of 20 laboratories with 1,200 labels about 5% at most may exceed the risk."""
    big, classes = bench.draw(40000, seed=10, signal=8)
    broken = 0
    for seed in range(20):
        p, truth = bench.draw(1200, seed=300 + seed, signal=8)
        answers = learn_trust(p, truth, bench.ancestry).answer(big, bench.ancestry)
        taken = answers.decision == "accept"
        broken += bool(taken.any()) and (answers.top[taken] != classes[taken]).mean() > RISK
    assert broken <= 20 * 0.05 + 3 * np.sqrt(20 * 0.05 * 0.95)


def test_other_classes_need_another_trust(bench, home):
    with pytest.raises(TrustError, match=r"allowed is \[N, 5\]"):
        home.answer(np.full((2, 3), 1 / 3), bench.ancestry)


def test_an_answer_that_only_one_read_out_holds_is_not_sure(bench):
    p, truth = bench.draw(3000, seed=13, signal=12)
    doubt = np.random.default_rng(14).uniform(size=3000) < 0.1
    alone = np.where(doubt[:, None], 0.2, p)
    trust = learn_trust(p, truth, bench.ancestry, alone=alone)
    assert trust.raw
    answers = trust.answer(p, bench.ancestry, alone=alone)
    assert (answers.decision[~doubt] == "accept").mean() > 0.5
    assert (answers.decision[doubt] == "accept").mean() < 0.1
    top = np.array([0, 1])
    both = sureness(np.eye(5)[:2] * 0.8, np.eye(5)[:2] * 0.2, top)
    np.testing.assert_allclose(both, 0.4)

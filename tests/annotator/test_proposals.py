"""Proposals by stored embeddings, and the words they are put into."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace

import pytest

from annotator.proposals import Proposals, Votes, unembedded, votes
from annotator.wording import WHY_NOT as WORDS_WHY_NOT
from annotator.wording import novelty_level, say_decision, say_novelty, say_set, say_votes
from index import Atlas, NewLabel
from index.adaptations import AdaptationRecord
from index.taxonomy import shipped_taxonomy
from retrieval.answers.calibration import WHY_NOT
from retrieval.answers.voting import TEMPERATURE


@pytest.fixture
def proposals(opened: Atlas) -> Proposals:
    return Proposals(opened, k=5)


def test_cells_in_a_cluster_get_its_class(proposals: Proposals) -> None:
    found = proposals.propose(range(25, 37))
    assert set(found) == set(range(25, 36))  # 36 has no embedding
    kinds = ["neutrophil", "lymphocyte", "eosinophil", "platelet"]
    assert [found[cell].class_code for cell in range(25, 36)] == [kinds[i % 4] for i in range(11)]
    for proposal in found.values():
        assert len(proposal.evidence) == 5
        distances = [evidence.distance for evidence in proposal.evidence]
        assert distances == sorted(distances)


def test_a_cell_is_no_evidence_for_itself(proposals: Proposals) -> None:
    proposal = proposals.propose([1])[1]
    assert 1 not in [evidence.cell_id for evidence in proposal.evidence]


def test_a_fresh_label_is_evidence_at_the_next_question(
    opened: Atlas, proposals: Proposals
) -> None:
    near = proposals.propose([25])[25].evidence[0]
    assert near.cell_id != 29
    opened.add_labels([NewLabel(29, "neutrophil", "ann", "single")])
    everyone = Proposals(opened, k=30).propose([25])[25].evidence
    assert (29, "ann") in [(e.cell_id, e.author) for e in everyone]
    again = [e.cell_id for e in proposals.propose([25])[25].evidence]
    fresh = [e.cell_id for e in everyone][:5]
    assert again == fresh


def test_without_references_there_is_none_and_a_reason(atlas: Atlas, tmp_path) -> None:
    proposals = Proposals(atlas, k=5)
    assert proposals.propose([1]) == {}
    assert proposals.why_none(1).type == "no_embedding"
    assert "cellkin embed" in proposals.why_none(1).remedy


def test_reasons_are_told_apart(opened: Atlas, proposals: Proposals) -> None:
    assert proposals.why_none(36).type == "no_embedding"
    assert proposals.why_none(25).type == "no_references"
    assert unembedded(opened) == 1
    assert unembedded(opened, ("lab",)) == 0


NEAR = ("band_neutrophil", "monocyte", "promonocyte", "segmented_neutrophil", "granulocyte")


def said(**given):
    return SimpleNamespace(
        **{
            "decision": "accept",
            "why_not": "",
            "class_code": "monocyte",
            "probability": 0.9,
            "prediction_set": ("monocyte",),
            "novelty": 0.5,
            "evidence": (),
            "adaptation": None,
            **given,
        }
    )


def test_decisions_in_words() -> None:
    several = {"prediction_set": ("monocyte", "blast")}
    assert "clear: neutrophil" in say_decision(said(), "Neutrophil", None)
    assert "wider class granulocyte" in say_decision(
        said(decision="back_off", why_not="unsure", **several), "Neutrophil", "Granulocyte"
    )
    alone = say_decision(said(decision="abstain", why_not="unsure", **several), "Neutrophil", None)
    assert alone.startswith("Not accepted: it is less sure")
    assert alone.endswith("without CellKin.")


def test_a_set_of_one_class_and_a_decision_against_it_are_one_sentence_with_the_reason() -> None:
    for why, word in (
        ("unsure", "less sure"),
        ("no_proof", "do not show"),
        ("few", "so few labels"),
        ("strange", "stranger than all"),
        ("fresh", "since the last adaptation"),
    ):
        proposal = said(decision="abstain", why_not=why)
        words = say_decision(proposal, "Monocyte", None)
        assert words.startswith("Probably monocyte, as no other class is plausible; not accepted")
        assert word in words
        assert say_set(proposal, ["Monocyte"]) == ""
    backed = said(decision="back_off", why_not="unsure")
    words = say_decision(backed, "Monocyte", "Leukocyte")
    assert words.startswith("Sure of the wider class leukocyte. Probably monocyte")
    assert "Sure only" not in words
    assert say_set(backed, ["Monocyte"]) == ""
    poor = said(decision="abstain", why_not="no_proof", probability=0.37)
    assert say_decision(poor, "Monocyte", None).startswith("Nothing fits better than monocyte")


def test_every_reason_that_answers_give_has_words() -> None:
    assert set(WORDS_WHY_NOT) == set(WHY_NOT)


def test_sets_in_words() -> None:
    strange = say_set(said(prediction_set=()), [])
    assert strange == "It looks unlike the usual cells of every class it could be."
    assert say_set(said(), ["Monocyte"]) == "Nothing but monocyte is plausible."
    two = said(prediction_set=("monocyte", "blast"), decision="abstain", why_not="unsure")
    assert say_set(two, ["Monocyte", "Blast"]) == "Plausible: monocyte or blast."
    assert say_set(two, ["A", "B", "C"]) == "Plausible: a, b or c."


def test_novelty_is_said_as_the_rank_it_is() -> None:
    levels = [novelty_level(value) for value in (0.1, 0.85, 0.99)]
    assert levels == ["usual", "unusual", "novel"]
    assert say_novelty(said(novelty=0.1)).startswith("As near to its neighbours")
    assert "farther than 85 % of" in say_novelty(said(novelty=0.8567))
    assert "than 95 % of the labelled cells" in say_novelty(said(novelty=0.9599))
    assert "than 99.3 % of the labelled cells" in say_novelty(said(novelty=0.9931))
    for top in (0.9999, 1.0):  # no rank among labelled cells proves more
        assert "than 99.9 % of" in say_novelty(said(novelty=top))
        whole = say_novelty(said(novelty=top, adaptation=3))
        assert "features are rarer" in whole
        assert "however near its neighbours" in whole
    assert "features are usual" in say_novelty(said(novelty=0.3, adaptation=3))


def test_a_proposal_against_the_vote_is_explained() -> None:
    tree = shipped_taxonomy()
    counted = [Votes("neutrophil", 5, 0.8), Votes("monocyte", 10, 0.2)]
    proposal = said(adaptation=1)
    taught = AdaptationRecord("m", "new", "f", {"monocyte": 12}, 90)
    words = say_votes(proposal, counted, taught, tree)
    assert words == (
        "The neighbours alone would say neutrophil (80 % of the weight); the adaptation to this "
        "laboratory says monocyte."
    )
    untaught = AdaptationRecord("m", "new", "f", {}, 90)
    assert "read as a whole says monocyte" in say_votes(proposal, counted, untaught, tree)
    assert say_votes(proposal, counted[::-1], taught, tree) == ""
    assert say_votes(said(), counted, None, tree) == ""


def test_votes_are_counted_by_class_and_nearer_ones_weigh_more() -> None:
    similarity = (0.9, 0.9 - TEMPERATURE, 0.9 - TEMPERATURE, 0.9 - TEMPERATURE, 0.9)
    evidence = [
        SimpleNamespace(class_code=code, similarity=each)
        for code, each in zip(NEAR, similarity, strict=True)
    ]
    found = votes(said(evidence=evidence), shipped_taxonomy())
    total = 2 + 3 / math.e
    assert [(vote.class_code, vote.count) for vote in found] == [
        ("neutrophil", 2),
        ("granulocyte", 1),
        ("monocyte", 2),
    ]
    assert [vote.share for vote in found] == pytest.approx(
        [(1 + 1 / math.e) / total, 1 / total, 2 / math.e / total]
    )


def test_labelling_never_imports_torch(drawn) -> None:
    program = f"""
import sys
from annotator import AnnotatorConfig, create_app
app = create_app(AnnotatorConfig(atlas={str(drawn)!r}, author="ann"))
client = app.test_client()
token = client.get("/api/v1/session").json["csrf_token"]
cell = client.get("/api/v1/next").json["cell"]
assert cell["proposal"], cell
answer = client.post(f"/api/v1/cells/{{cell['id']}}/label",
                     json={{"class": "neutrophil"}}, headers={{"X-CSRF-Token": token}})
assert answer.status_code == 201, answer.text
app.extensions["desk"].close()
assert "torch" not in sys.modules
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr

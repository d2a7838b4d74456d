"""Proposals by stored embeddings, and the words they are put into."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace

import pytest

from annotator.proposals import (
    NOVELTY_WORDS,
    Proposals,
    novelty_level,
    say_decision,
    say_set,
    unembedded,
    votes,
)
from index import Atlas, NewLabel
from index.taxonomy import shipped_taxonomy
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
    return SimpleNamespace(**{"decision": "accept", "evidence": (), "adaptation": None, **given})


def test_decisions_in_words() -> None:
    assert "clear: neutrophil" in say_decision(said(), "Neutrophil", None)
    assert "wider class granulocyte" in say_decision(
        said(decision="back_off"), "Neutrophil", "Granulocyte"
    )
    assert "decide without it" in say_decision(said(decision="abstain"), "Neutrophil", None)


def test_novelty_and_sets_in_words() -> None:
    levels = [novelty_level(value) for value in (0.1, 0.85, 0.99)]
    assert levels == ["usual", "unusual", "novel"]
    assert set(levels) == set(NOVELTY_WORDS)
    assert say_set([]) == "No class fits well."
    assert say_set(["Monocyte"]) == "Nothing but monocyte is plausible."
    assert say_set(["Monocyte"], 0.37) == "Nothing fits better than monocyte, and that not well."
    assert say_set(["Monocyte", "Blast"]) == "Plausible: monocyte or blast."
    assert say_set(["A", "B", "C"]) == "Plausible: a, b or c."


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

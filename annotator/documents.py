"""Cells, proposals and classes as the JSON documents that pages and API share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from annotator.adapting.telling import resting
from annotator.class_names import class_name
from annotator.keys import direct_key
from annotator.offering import offers, versions
from annotator.pictures import picture_names
from annotator.proposals import votes
from annotator.wording import novelty_level, say_decision, say_novelty, say_set, say_votes
from index.facts import facts_of
from index.labelling import standing, taken_back

if TYPE_CHECKING:
    from annotator.desk import Desk
    from index.facts import LabelFacts
    from index.records import Cell, Label
    from index.taxonomy import Node, Taxonomy
    from retrieval.answers.proposer import Evidence, Proposal

Document = dict[str, Any]


def class_document(taxonomy: Taxonomy, node: Node) -> Document:
    """One class: names, colour, keys, parent and the codes right below it."""
    name = class_name(node)
    return {
        "code": node.code,
        "name": name,
        "short": node.short,
        "level": node.level,
        "parent": node.parent,
        "colour": node.colour,
        "key": node.key,
        "direct_key": direct_key(node),
        "ontology": node.ontology,
        # The taxonomy's own name is found by typing in every language.
        "aliases": [*node.aliases, *([] if name == node.name else [node.name])],
        "children": [child.code for child in taxonomy.children(node.code)],
        "path": [class_name(above) for above in reversed(taxonomy.ancestors(node.code))],
    }


def named(taxonomy: Taxonomy, code: str | None) -> Document | None:
    """Code, name and short name of a class; None for None."""
    if code is None:
        return None
    node = taxonomy.node(code)
    return {"code": node.code, "name": class_name(node), "short": node.short}


def label_document(
    taxonomy: Taxonomy, label: Label, retracted: bool = False, facts: LabelFacts | None = None
) -> Document:
    """One entry of a cell's log with the ``facts`` of how it came about."""
    return {
        "id": label.id,
        "class": named(taxonomy, label.class_code),
        "author": label.author,
        "time": label.time,
        "how": label.how,
        "proposed": named(taxonomy, label.proposed_class),
        "proposed_probability": label.proposed_probability,
        "proposal_visible": label.proposal_visible,
        "model": label.model_id,
        "adaptation": facts.adaptation_id if facts else None,
        "asked_by": facts.asked_by if facts else None,
        "source": label.source,
        "note": label.note,
        "retracts": label.retracts,
        "retracted": retracted,
    }


def brief_document(desk: Desk, cell: Cell, present: str | None) -> Document:
    """A cell for a grid: where it is from, its small picture and its present class."""
    full, thumb = picture_names(cell.id, cell.sha256)
    return {
        "id": cell.id,
        "dataset": cell.dataset,
        "file": cell.file,
        "patient": cell.patient,
        "slide": cell.slide,
        "flagged": cell.flagged,
        "picture": full,
        "thumbnail": thumb,
        "present": named(desk.whole.taxonomy, present),
    }


def brief_documents(desk: Desk, cell_ids: Sequence[int]) -> list[Document]:
    """``brief_document`` for each of ``cell_ids``, in their order."""
    cells = desk.atlas.cells_by_id(cell_ids)
    present = desk.atlas.present_of(cell_ids)
    return [brief_document(desk, cells[each], present.get(each)) for each in cell_ids]


def evidence_document(desk: Desk, evidence: Evidence, cell: Cell | None) -> Document:
    """One neighbour that voted."""
    thumb = picture_names(cell.id, cell.sha256)[1] if cell else None
    return {
        "cell": evidence.cell_id,
        "class": named(desk.whole.taxonomy, evidence.class_code),
        "similarity": round(float(evidence.similarity), 6),
        "distance": round(float(evidence.distance), 6),
        "author": evidence.author,
        "dataset": evidence.dataset,
        "patient": evidence.patient,
        "slide": evidence.slide,
        "file": evidence.file,
        "thumbnail": thumb,
    }


def proposal_document(desk: Desk, cell_id: int, proposal: Proposal) -> Document:
    """A proposal with its evidence, its votes and the same in plain words."""
    taxonomy = desk.whole.taxonomy
    node = taxonomy.node(proposal.class_code)
    record = desk.adapting.record(proposal.adaptation)
    voted = votes(proposal, taxonomy)
    wider = class_name(taxonomy.node(proposal.backed_off_to)) if proposal.backed_off_to else None
    cells = desk.atlas.cells_by_id([evidence.cell_id for evidence in proposal.evidence])
    ordered = sorted(proposal.probabilities.items(), key=lambda item: -item[1])
    return {
        "class": named(taxonomy, proposal.class_code),
        "probability": round(float(proposal.probability), 6),
        "probabilities": [
            {**(named(taxonomy, code) or {}), "probability": round(float(value), 6)}
            for code, value in ordered
        ],
        "prediction_set": [named(taxonomy, code) for code in proposal.prediction_set],
        "novelty": round(float(proposal.novelty), 6),
        "novelty_level": novelty_level(proposal.novelty),
        "decision": proposal.decision,
        "why_not": proposal.why_not or None,
        "backed_off_to": named(taxonomy, proposal.backed_off_to),
        "runner_up": named(taxonomy, proposal.runner_up),
        "model": desk.proposals.model_id,
        "rests": resting(record),
        "words": {
            "decision": say_decision(proposal, class_name(node), wider),
            "novelty": say_novelty(proposal),
            "prediction_set": say_set(
                proposal, [class_name(taxonomy.node(code)) for code in proposal.prediction_set]
            ),
            "votes": say_votes(proposal, voted, record, taxonomy),
        },
        "votes": [
            {**(named(taxonomy, vote.class_code) or {}), "count": vote.count, "share": vote.share}
            for vote in voted
        ],
        "evidence": [
            evidence_document(desk, evidence, cells.get(evidence.cell_id))
            for evidence in proposal.evidence
        ],
        "token": desk.sign(cell_id, proposal),
    }


def cell_document(desk: Desk, cell_id: int) -> Document:
    """All there is to know of one cell: provenance, picture, log, present class, proposal."""
    (document,) = cell_documents(desk, [cell_id])
    return document


def cell_documents(desk: Desk, cell_ids: Sequence[int]) -> list[Document]:
    """``cell_document`` for several cells with one neighbour search. Raises UnknownCellError."""
    atlas, taxonomy = desk.atlas, desk.whole.taxonomy
    cells = [atlas.cell(cell_id) for cell_id in cell_ids]
    offered = offers(desk, [cell.id for cell in cells])
    known = versions(desk, [cell.id for cell in cells])
    present = atlas.present_of([cell.id for cell in cells])
    documents = []
    for cell in cells:
        history = atlas.history(cell.id)
        gone = taken_back(history)
        facts = facts_of(atlas, [label.id for label in history]) if history else {}
        state = desk.pictures.state(cell)
        proposal, reason = offered[cell.id].proposal, offered[cell.id].reason
        documents.append(
            {
                **brief_document(desk, cell, present.get(cell.id)),
                "width": cell.width,
                "height": cell.height,
                "stain": cell.stain,
                "scanner": cell.scanner,
                "split": cell.split,
                "field": cell.field,
                "picture_state": asdict(state),
                "disputed": bool(standing(history)) and cell.id not in present,
                "version": known[cell.id],
                "history": [
                    label_document(taxonomy, each, each.id in gone, facts.get(each.id))
                    for each in reversed(history)
                ],
                "proposal": proposal_document(desk, cell.id, proposal) if proposal else None,
                "no_proposal": asdict(reason) if reason else None,
            }
        )
    return documents

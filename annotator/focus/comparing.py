"""Why not another class: the labelled cells of that class most like a cell.

Imports neither torch nor Flask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.documents import Document, evidence_document, named
from annotator.offering import offers
from annotator.problems import BadRequestError
from index.records import CellFilter
from retrieval.answers.proposal import Evidence

if TYPE_CHECKING:
    from annotator.desk import Desk

MOST = 9  # neighbours shown
SPARE = 1  # the cell itself, where it is labelled


def why_not(desk: Desk, cell_id: int, class_name: str | None) -> Document:
    """The cells of a class most like ``cell_id``, nearest first: by default of the runner-up.

    Where the proposal is kept from the viewer so is this, with the reason. Raises
    UnknownCellError, UnknownClassError, BadRequestError for a class no cell has.
    """
    atlas = desk.atlas
    atlas.cell(cell_id)
    offer = offers(desk, [cell_id])[cell_id]
    proposal = offer.proposal
    if proposal is None:
        return {"class": None, "neighbours": [], "no_proposal": vars(offer.reason)}
    code = proposal.runner_up if class_name is None else atlas.taxonomy.resolve(class_name).code
    if code is None:
        return {"class": None, "neighbours": [], "probability": None, "no_proposal": None}
    model_id = atlas.active_model
    if model_id is None:
        raise BadRequestError("the atlas has no model", "run cellkin embed on it first")
    _ids, vectors = atlas.embeddings_of(model_id, [cell_id])
    found = atlas.search(vectors, MOST + SPARE, filter=CellFilter(classes=(code,)))
    near = [
        (int(other), float(likeness))
        for other, likeness in zip(found.ids[0], found.similarity[0], strict=True)
        if other >= 0 and other != cell_id
    ][:MOST]
    cells = atlas.cells_by_id(other for other, _likeness in near)
    said = atlas.present_votes(cells)
    evidence = [
        Evidence(
            cell_id=other,
            similarity=likeness,
            distance=1.0 - likeness,
            class_code=said[other][0],
            author=said[other][1],
            dataset=cells[other].dataset,
            patient=cells[other].patient,
            slide=cells[other].slide,
            file=cells[other].file,
        )
        for other, likeness in near
        if other in said
    ]
    return {
        "class": named(atlas.taxonomy, code),
        "probability": round(float(proposal.probabilities.get(code, 0.0)), 6),
        "neighbours": [evidence_document(desk, each, cells[each.cell_id]) for each in evidence],
        "no_proposal": None,
    }

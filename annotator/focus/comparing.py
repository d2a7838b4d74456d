"""Why not another class: the labelled cells of that class most like a cell.

Imports neither torch nor Flask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.documents import Document, evidence_document, named, proposal_document
from annotator.offering import offers
from annotator.problems import BadRequestError

if TYPE_CHECKING:
    from annotator.desk import Desk

MOST = 9  # neighbours shown


def why_not(desk: Desk, cell_id: int, class_name: str | None) -> Document:
    """The cells of a class most like ``cell_id``, nearest first: by default of the runner-up.

    ``proposal`` is the one it belongs to: an adaptation may have made it anew since the page was
    loaded. Where the proposal is kept from the viewer so is this, with the reason. Raises
    UnknownCellError, UnknownClassError, BadRequestError for a class no cell has.
    """
    atlas = desk.atlas
    atlas.cell(cell_id)
    offer = offers(desk, [cell_id])[cell_id]
    proposal = offer.proposal
    if proposal is None:
        nothing: Document = {"class": None, "neighbours": [], "proposal": None}
        return {**nothing, "no_proposal": vars(offer.reason)}
    code = proposal.runner_up if class_name is None else atlas.taxonomy.resolve(class_name).code
    if code is None:
        nothing = {"class": None, "neighbours": [], "probability": None, "no_proposal": None}
        return {**nothing, "proposal": proposal_document(desk, cell_id, proposal)}
    if atlas.active_model is None:
        raise BadRequestError("the atlas has no model", "run cellkin embed on it first")
    evidence = desk.proposals.alike(cell_id, code, MOST)
    cells = atlas.cells_by_id(each.cell_id for each in evidence)
    return {
        "class": named(atlas.taxonomy, code),
        "probability": round(float(proposal.probabilities.get(code, 0.0)), 6),
        "neighbours": [evidence_document(desk, each, cells[each.cell_id]) for each in evidence],
        "proposal": proposal_document(desk, cell_id, proposal),
        "no_proposal": None,
    }

"""The JSON API below /api/v1, as docs/api.md tells it; failures have the shape of errors.py."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.exceptions import UnsupportedMediaType

from annotator.actions import Action, Reader
from annotator.browse import browse, overview
from annotator.desk import Desk
from annotator.documents import brief_documents as brief
from annotator.documents import cell_document, class_document, named
from annotator.fields import (
    optional_bool,
    optional_number,
    optional_text,
    page_filter,
    required_bool,
    whole_number,
)
from annotator.language import gettext as _
from annotator.offering import ahead, answered_shown, check_may_label, conditions, elsewhere
from annotator.problems import BadRequestError, LabelConflictError, NotSignedInError
from annotator.queue import ORDERS
from annotator.security import csrf_token
from annotator.viewer import Person, viewer

api = Blueprint("api", __name__, url_prefix="/api/v1")

AHEAD = 3  # cells whose pictures a page fetches before they are needed


def desk() -> Desk:
    """What this annotator holds."""
    held: Desk = current_app.extensions["desk"]
    return held


def author() -> str:
    """The name under which the one who asks works."""
    return person().name


def person() -> Person:
    """Who asks. Raises NotSignedInError."""
    found = viewer()
    if found is None:
        raise NotSignedInError("nobody is signed in", "sign in at /login")
    return found


def reader() -> Reader:
    """The reader of this request."""
    return desk().reader(author())


def body() -> dict[str, Any]:
    """The JSON object sent. Raises BadRequestError or 415."""
    if not request.is_json:
        raise UnsupportedMediaType
    sent = request.get_json(silent=True)
    if not isinstance(sent, dict):
        raise BadRequestError(
            "the body is not a JSON object", 'send an object such as {"class": "neutrophil"}'
        )
    return sent


def progress(of: Reader) -> dict[str, Any]:
    """How far the author's queue has come."""
    counts = desk().counts(of.queue.dataset)
    return {
        "dataset": of.queue.dataset,
        "order": of.queue.order.name,
        "labelled": counts.labelled,
        "total": counts.total,
        "left": counts.total - counts.labelled,
        "skipped": len(of.queue.skipped),
        "this_run": of.labelled,
    }


def next_document(of: Reader, without: tuple[int, ...] = ()) -> dict[str, Any]:
    """The next cell of a queue, what comes after it, and the progress."""
    cells = ahead(desk(), of, 1 + AHEAD, without)
    cell = cell_document(desk(), cells[0]) if cells else None
    others = None if cells else elsewhere(desk(), of)
    return {
        "cell": cell,
        "ahead": brief(desk(), cells[1:]),
        "progress": progress(of),
        "elsewhere": vars(others) if others is not None and others.cells else None,
    }


def done(action: Action, status: int = 200, **more: Any) -> tuple[Response, int]:
    """The answer to something done: what it was, and what comes next."""
    what = {
        "kind": action.kind,
        "cell": action.cell_id,
        "label": action.label_id,
        "class": named(desk().whole.taxonomy, action.class_code),
    }
    return jsonify(done=what, **more, next=next_document(reader())), status


@api.get("/session")
def session_document() -> Response:
    """Who labels, in what atlas, and the token that changes need."""
    atlas = desk().atlas
    return jsonify(
        author=author(),
        atlas=atlas.path.name,
        model=desk().proposals.model_id,
        csrf_token=csrf_token(),
        notices=[vars(notice) for notice in desk().notices()],
    )


@api.get("/next")
def next_cell() -> Response:
    """The next cell; ``without`` names a cell not to give."""
    without = whole_number(request.args, "without")
    return jsonify(next_document(reader(), () if without is None else (without,)))


@api.get("/queue")
def queue_state() -> Response:
    """The order and data set of the queue, and the orders there are."""
    orders = [{"name": o.name, "title": o.title, "help": o.help} for o in ORDERS.values()]
    return jsonify(**progress(reader()), orders=orders)


@api.put("/queue")
def set_queue() -> Response:
    """Give the queue another order or data set."""
    sent = body()
    order = optional_text(sent, "order") or reader().queue.order.name
    dataset = optional_text(sent, "dataset")
    changed = desk().set_queue(author(), order, dataset)
    return jsonify(next_document(changed))


@api.get("/cells")
def cells() -> Response:
    """Cells by filter, a page at a time."""
    before, size = (whole_number(request.args, name, 1) for name in ("before", "size"))
    return jsonify(browse(desk(), page_filter(request.args), before, size))


@api.get("/cells/<int:cell_id>")
def cell(cell_id: int) -> Response:
    """All there is to know of one cell."""
    return jsonify(cell_document(desk(), cell_id))


@api.get("/cells/<int:cell_id>/neighbours")
def neighbours(cell_id: int) -> Response:
    """The evidence alone."""
    document = cell_document(desk(), cell_id)
    proposal = document["proposal"]
    return jsonify(
        cell=cell_id,
        neighbours=proposal["evidence"] if proposal else [],
        votes=proposal["votes"] if proposal else [],
        no_proposal=document["no_proposal"],
    )


@api.get("/cells/<int:cell_id>/history")
def history(cell_id: int) -> Response:
    """The log of one cell, newest first."""
    return jsonify(cell=cell_id, history=cell_document(desk(), cell_id)["history"])


@api.post("/cells/<int:cell_id>/label")
def label(cell_id: int) -> tuple[Response, int]:
    """Label a cell; when this answers 201 the label is on disk."""
    sent = body()
    wanted = optional_text(sent, "class")
    if not wanted:
        raise BadRequestError("the field 'class' is missing", "send the code of a class")
    desk().atlas.cell(cell_id)
    check_may_label(desk(), cell_id)
    node = desk().whole.taxonomy.resolve(wanted)
    given = desk().shown(
        cell_id, optional_text(sent, "proposal"), optional_bool(sent, "proposal_visible")
    )
    shown = answered_shown(desk(), cell_id, given)
    version = optional_number(sent, "version")
    facts = conditions(
        desk(),
        cell_id,
        shown,
        optional_number(sent, "seconds"),
        None if version is None else int(version),
        reader().queue.asked_by(cell_id),
    )
    action = reader().label(cell_id, node.code, shown, optional_text(sent, "note"), facts)
    if action.newer:
        raise conflict(action)
    present = desk().atlas.present_of([cell_id]).get(cell_id)
    # Of a check that left no label nothing is in dispute: it is as if nobody had labelled it.
    disputed = present is None and action.label_id is not None
    now = {"present": named(desk().whole.taxonomy, present), "disputed": disputed}
    more = {} if action.check is None else {"check": check_document(action)}
    return done(action, 200 if action.kind == "check" else 201, now=now, **more)


def check_document(action: Action) -> dict[str, Any]:
    """What a reader is told after the answer to a check: that it was one, and how it went.

    The known answer of a cell is not told: it may be asked again.
    """
    check = action.check
    caught = check is not None and bool(check.caught)
    words = (
        _("That was a check: a wrong proposal was planted here, and you caught it.")
        if caught
        else _("That was a check: the proposal was planted and wrong. Nothing was recorded.")
    )
    return {"caught": caught, "kept": action.label_id is not None, "words": words}


def conflict(action: Action) -> LabelConflictError:
    """The error that tells of labels that came since the page was loaded: all are kept."""
    document = cell_document(desk(), action.cell_id)
    others = [entry for entry in document["history"] if entry["id"] in action.newer]
    names = ", ".join(sorted({entry["author"] for entry in others}))
    return LabelConflictError(
        f"cell {action.cell_id} was labelled by {names} since this page was loaded; "
        "both labels are kept",
        "compare them; if they differ, a reviewer decides",
        {
            "kept": True,
            "labels": [
                e for e in document["history"] if e["id"] in (*action.newer, action.label_id)
            ],
            "cell": document,
            "next": next_document(reader()),
        },
    )


@api.post("/cells/<int:cell_id>/skip")
def skip(cell_id: int) -> tuple[Response, int]:
    """Put a cell behind all others."""
    return done(reader().skip(cell_id))


@api.post("/cells/<int:cell_id>/flag")
def flag(cell_id: int) -> tuple[Response, int]:
    """Mark a cell for a second look, or take the mark away."""
    sent = body()
    flagged = required_bool(sent, "flagged")
    action = reader().flag(cell_id, flagged, optional_text(sent, "note"))
    return done(action, flagged=flagged)


@api.post("/undo")
def undo() -> tuple[Response, int]:
    """Take back the last thing done; the answer shows the cell it was done to."""
    action = reader().undo()
    stays = reader().split_stays
    return done(action, cell=cell_document(desk(), action.cell_id), split_stays=stays)


@api.post("/redo")
def redo() -> tuple[Response, int]:
    """Do again what was undone last; the answer shows the cell it was done to."""
    action = reader().redo()
    return done(action, cell=cell_document(desk(), action.cell_id))


@api.get("/classes")
def classes() -> Response:
    """The taxonomy, parents before children."""
    taxonomy = desk().whole.taxonomy
    return jsonify(classes=[class_document(taxonomy, node) for node in taxonomy.nodes.values()])


@api.post("/classes")
def add_class() -> tuple[Response, int]:
    """Add a class below another."""
    node = desk().add_class(body(), author())
    return jsonify(class_document(desk().whole.taxonomy, node)), 201


@api.get("/overview")
def overview_document() -> Response:
    """Counts by class and data set."""
    return jsonify(overview(desk()))

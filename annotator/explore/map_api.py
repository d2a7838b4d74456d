"""Routes of the map, of selections and of brief cells, below /api/v1/explore."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, make_response, request

from annotator.api import author, body, desk
from annotator.documents import brief_documents
from annotator.explore.selections import ids_in, keep, selection_document
from annotator.explore.web import exploring
from annotator.fields import choice, is_whole, optional_bool, optional_text
from annotator.problems import BadRequestError
from index.exploring import ORIGINS, selection

map_api = Blueprint("map_api", __name__, url_prefix="/api/v1/explore")

MOST_BRIEF = 200


@map_api.get("/map")
def state() -> Response:
    """Whether there is a map, what it shows, and how far the making of one is."""
    return jsonify(exploring().maps.state())


@map_api.post("/map")
def make() -> tuple[Response, int]:
    """Make the map in the background; ``anew`` fits it again."""
    exploring().maps.start(bool(optional_bool(body(), "anew")))
    return jsonify(exploring().maps.state()), 202


@map_api.get("/map/points")
def points() -> Response:
    """All cells of the map as numbers, see docs/map.md."""
    block, _groups = exploring().maps.points()
    response = make_response(block)
    response.mimetype = "application/octet-stream"
    return response


@map_api.get("/map/groups")
def groups() -> Response:
    """What the numbers of the classes and data sets mean."""
    return jsonify(exploring().maps.groups())


@map_api.get("/cells")
def cells() -> Response:
    """Some cells in brief; ``ids`` separated by commas."""
    given = request.args.get("ids", "")
    parts = [part for part in given.split(",") if part]
    if len(parts) > MOST_BRIEF or not all(map(is_whole, parts)):
        raise BadRequestError(
            f"ids is {given[:40]!r}, allowed are up to {MOST_BRIEF} ids separated by commas",
            "ask for fewer cells",
        )
    return jsonify(cells=brief_documents(desk(), [int(part) for part in parts]))


@map_api.post("/selections")
def select() -> tuple[Response, int]:
    """Keep cells as a selection, in the order given; the answer says where its sheet is."""
    sent = body()
    origin = choice(
        {"origin": optional_text(sent, "origin") or ""}, "origin", dict.fromkeys(ORIGINS), "list"
    )
    kept = keep(
        desk(),
        author(),
        ids_in(sent, "cells", 1),
        origin=origin,
        title=optional_text(sent, "title") or "",
        class_code=optional_text(sent, "class"),
    )
    return jsonify(kept), 201


@map_api.get("/selections/<selection_id>")
def selected(selection_id: str) -> Response:
    """A selection and its cells."""
    kept = selection(desk().atlas, selection_id)
    return jsonify(**selection_document(desk(), kept), cells=list(kept.cell_ids))

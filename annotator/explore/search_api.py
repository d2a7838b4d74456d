"""Routes of search, below /api/v1/explore."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, make_response, request

from annotator.api import author, body, desk
from annotator.explore.examples import ExampleError, example_document
from annotator.explore.search import Query, as_arguments, described, read_query
from annotator.explore.selections import keep
from annotator.explore.web import exploring
from annotator.fields import optional_text, whole_number
from annotator.problems import BadRequestError
from index.exploring import SavedSearch, example, forget_search, save_search, saved_searches

search_api = Blueprint("search_api", __name__, url_prefix="/api/v1/explore")

MOST_IN_A_SHEET = 500
LONGEST_NAME = 80


@search_api.get("/search")
def search() -> Response:
    """A page of what the query string finds."""
    page = whole_number(request.args, "page", 1) or 1
    return jsonify(exploring().finder.page(read_query(request.args.to_dict(flat=False)), page))


@search_api.post("/search/sheet")
def sheet() -> tuple[Response, int]:
    """Keep the first cells that the query string finds, less ``without``, as a selection."""
    count = whole_number(request.args, "count", 1) or desk().config.page_size
    query = read_query(request.args.to_dict(flat=False))
    ids, _, _, _ = exploring().finder.ids(query, min(count, MOST_IN_A_SHEET))
    without = set(map(str, body().get("without", []) or []))
    kept = keep(
        desk(),
        author(),
        [cell for cell in ids if str(cell) not in without],
        origin="search",
        title=described(desk(), query),
        class_code=query.class_code or None,
    )
    return jsonify(kept), 201


@search_api.post("/examples")
def add_example() -> tuple[Response, int]:
    """Take a picture to search by: a file in field ``picture``."""
    file = request.files.get("picture")
    if file is None:
        raise ExampleError(
            "no picture was sent, allowed is a file in the field 'picture'", "choose one"
        )
    kept = exploring().examples.add(author(), file.read(), file.filename or "picture")
    return jsonify(example_document(kept)), 201


@search_api.get("/examples/<example_id>/picture.webp")
def example_picture(example_id: str) -> Response:
    """The small picture of an example."""
    response = make_response(example(desk().atlas, example_id).picture)
    response.mimetype = "image/webp"
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


def _saved(kept: SavedSearch) -> dict[str, object]:
    return {"id": kept.id, "name": kept.name, "arguments": as_arguments(kept.query)}


@search_api.get("/searches")
def searches() -> Response:
    """The searches that the reader keeps."""
    return jsonify(searches=[_saved(each) for each in saved_searches(desk().atlas, author())])


@search_api.post("/searches")
def save() -> tuple[Response, int]:
    """Keep the query string under ``name``; a search of that name is replaced."""
    name, query = optional_text(body(), "name"), read_query(request.args.to_dict(flat=False))
    if not name or len(name) > LONGEST_NAME or query == Query():
        raise BadRequestError(
            f"a search of {len(query.arguments())} conditions was to be kept as "
            f"{(name or '')[:40]!r}, allowed are 1 or more under a name of up to "
            f"{LONGEST_NAME} letters",
            "search for something, then give it a name",
        )
    kept = save_search(desk().atlas, author(), name, {"arguments": query.arguments()})
    return jsonify(_saved(kept)), 201


@search_api.delete("/searches/<int:search_id>")
def forget(search_id: int) -> Response:
    """Drop a search that the reader keeps."""
    forget_search(desk().atlas, author(), search_id)
    return jsonify(forgotten=search_id)

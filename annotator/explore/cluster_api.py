"""Routes of clusters and of spreading, below /api/v1/explore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from annotator.api import author, body
from annotator.explore.selections import ids_in
from annotator.explore.spreads import STEPS
from annotator.explore.web import exploring
from annotator.fields import optional_text, whole_number
from annotator.problems import BadRequestError

cluster_api = Blueprint("cluster_api", __name__, url_prefix="/api/v1/explore")

CANDIDATES = 40
MOST_CANDIDATES = 400


def number_in(sent: Mapping[str, Any], name: str, least: int, most: int, default: int) -> int:
    """The whole number in field ``name`` of a body. Raises BadRequestError."""
    value = sent.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise BadRequestError(
            f"{name} is {str(value)[:40]!r}, allowed is a whole number from {least} to {most}",
            f"give {name} such a number or leave it out",
        )
    return value


def share_in(given: Any, name: str) -> float:
    """A number from 0 to 1. Raises BadRequestError."""
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise BadRequestError(
            f"{name} is {str(given)[:40]!r}, allowed is a number from 0 to 1",
            f"give {name} such a number",
        )
    return value


def _count() -> int:
    return min(whole_number(request.args, "count", 1) or CANDIDATES, MOST_CANDIDATES)


@cluster_api.get("/clusters")
def clusters() -> Response:
    """The clusterings, a page of the clusters of one, and how far the making of one is."""
    run, page = (whole_number(request.args, name, 1) for name in ("run", "page"))
    return jsonify(exploring().clusters.document(run, page or 1))


@cluster_api.post("/clusters")
def make() -> tuple[Response, int]:
    """Cluster the unlabelled cells in the background."""
    from retrieval.clusters import METHODS, SIZE

    sent = body()
    method = optional_text(sent, "method")
    if method is not None and method not in METHODS:
        raise BadRequestError(
            f"method is {method[:40]!r}, allowed is one of {', '.join(METHODS)}",
            "give one of these or leave it out",
        )
    size = number_in(sent, "size", 2, 1000, SIZE)
    exploring().clusters.start(author(), optional_text(sent, "dataset"), method, size)
    return jsonify(exploring().clusters.document(None)), 202


@cluster_api.get("/clusters/<int:cluster_id>")
def one(cluster_id: int) -> Response:
    """A cluster with all its cells."""
    return jsonify(exploring().clusters.one(cluster_id))


@cluster_api.get("/clusters/<int:cluster_id>/candidates")
def candidates(cluster_id: int) -> Response:
    """The nearest cells that may belong to a cluster as well."""
    return jsonify(exploring().clusters.candidates(cluster_id, _count()))


@cluster_api.put("/clusters/<int:cluster_id>")
def name(cluster_id: int) -> Response:
    """Name a cluster, and say what class it is taken for."""
    sent = body()
    return jsonify(
        exploring().clusters.name(
            author(), cluster_id, optional_text(sent, "name"), optional_text(sent, "class")
        )
    )


@cluster_api.post("/clusters/<int:cluster_id>/grow")
def grow(cluster_id: int) -> Response:
    """Take candidates into a cluster; ``from`` names the cluster each was seen in, or null."""
    sent = body()
    accepted, refused = ids_in(sent, "accepted"), ids_in(sent, "refused")
    origins = sent.get("from", {})
    good = isinstance(origins, dict) and all(
        value is None or type(value) is int for value in origins.values()
    )
    if not good:
        raise BadRequestError(
            f"from is {str(origins)[:40]!r}, allowed is an object of cell and cluster",
            "send what the list of candidates said",
        )
    seen = {cell: origins.get(str(cell)) for cell in accepted}
    return jsonify(exploring().clusters.grow(author(), cluster_id, seen, refused))


@cluster_api.post("/clusters/<int:cluster_id>/take_out")
def take_out(cluster_id: int) -> Response:
    """Take cells out of a cluster."""
    cells = ids_in(body(), "cells", 1)
    return jsonify(exploring().clusters.take_out(author(), cluster_id, cells))


@cluster_api.post("/clusters/<int:cluster_id>/split")
def split(cluster_id: int) -> Response:
    """Split a cluster into parts."""
    parts = number_in(body(), "parts", 1, 100, 2)
    return jsonify(parts=exploring().clusters.split(author(), cluster_id, parts))


@cluster_api.post("/clusters/<int:cluster_id>/sheet")
def sheet(cluster_id: int) -> tuple[Response, int]:
    """Keep the unlabelled cells of a cluster as a selection."""
    return jsonify(exploring().clusters.to_sheet(author(), cluster_id)), 201


@cluster_api.post("/clusters/merge")
def merge() -> Response:
    """Merge clusters into the first."""
    return jsonify(exploring().clusters.merge(author(), ids_in(body(), "clusters", 2)))


@cluster_api.post("/clusterings/<int:clustering_id>/undo")
def undo(clustering_id: int) -> Response:
    """Take back one's last step."""
    return jsonify(undone=exploring().clusters.undo(author(), clustering_id))


@cluster_api.get("/spread")
def spread_state() -> Response:
    """What spreading found, and how far it is."""
    return jsonify(exploring().spreads.document(author()))


@cluster_api.post("/spread")
def spread() -> tuple[Response, int]:
    """Spread the labels in the background."""
    exploring().spreads.start(author(), optional_text(body(), "dataset"))
    return jsonify(exploring().spreads.document(author())), 202


@cluster_api.get("/spread/<class_code>")
def spread_page(class_code: str) -> Response:
    """The cells that spreading takes for a class, the surest first."""
    least = share_in(request.args.get("least", "0"), "least")
    return jsonify(exploring().spreads.page(author(), class_code, least, _count()))


@cluster_api.post("/spread/<class_code>/sheet")
def spread_sheet(class_code: str) -> tuple[Response, int]:
    """Keep the surest cells, less those unticked, as a selection."""
    sent = body()
    least = share_in(sent.get("least", STEPS[0]), "least")
    count = number_in(sent, "count", 1, MOST_CANDIDATES, CANDIDATES)
    without = set(ids_in(sent, "without"))
    kept = exploring().spreads.to_sheet(author(), class_code, least, count, without)
    return jsonify(kept), 201

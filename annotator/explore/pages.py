"""The pages of exploring: clusters, map and search."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from annotator.api import author, desk
from annotator.browse import authors
from annotator.documents import class_document
from annotator.explore.clusters import METHOD_TITLES, SIZE_WORDS
from annotator.explore.search import ORDERS, as_arguments, read_query
from annotator.explore.web import exploring
from annotator.fields import STATES, whole_number
from annotator.language import gettext as _
from index.browsing import cells_by_dataset
from index.exploring import saved_searches

pages = Blueprint("explore", __name__)


def _classes() -> list[dict[str, object]]:
    taxonomy = desk().whole.taxonomy
    return [class_document(taxonomy, node) for node in taxonomy.nodes.values()]


@pages.get("/clusters")
def clusters() -> str:
    """Clusters of alike cells, and spreading of labels."""
    from retrieval.clusters import METHODS, SIZE

    run, page = (whole_number(request.args, name, 1) for name in ("run", "page"))
    return render_template(
        "clusters.html",
        start={
            "found": exploring().clusters.document(run, page or 1),
            "spread": exploring().spreads.document(author()),
            "classes": _classes(),
        },
        methods={name: METHOD_TITLES.get(name, method.title) for name, method in METHODS.items()},
        size=SIZE,
        size_words={name: [_(word) for word in words] for name, words in SIZE_WORDS.items()},
        datasets=list(cells_by_dataset(desk().atlas)),
        chosen=desk().config.dataset,
        notices=desk().notices(),
    )


@pages.get("/map")
def map_page() -> str:
    """The map of the atlas."""
    return render_template(
        "map.html", start={"state": exploring().maps.state()}, notices=desk().notices()
    )


@pages.get("/search")
def search() -> str:
    """Search, its results and the searches kept."""
    query = read_query(request.args.to_dict(flat=False))
    finder, page = exploring().finder, whole_number(request.args, "page", 1) or 1
    kept = [
        {"id": each.id, "name": each.name, "arguments": as_arguments(each.query)}
        for each in saved_searches(desk().atlas, author())
    ]
    return render_template(
        "search.html",
        query=query,
        arguments=query.arguments(),
        found=None if query.is_empty else finder.page(query, page),
        examples=finder.shown_examples(query),
        kept=kept,
        states=STATES,
        orders=ORDERS,
        classes=_classes(),
        datasets=list(cells_by_dataset(desk().atlas)),
        authors=authors(desk()),
        notices=desk().notices(),
    )

"""The pages. Each is rendered here; the scripts take over from the document the page carries."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from annotator.adapting.telling import all_documents
from annotator.adapting.trusting import chosen, declarable, trust_document
from annotator.api import author, desk, next_document, person, reader
from annotator.browse import authors, browse, overview
from annotator.class_names import name_shown
from annotator.documents import cell_document, class_document
from annotator.exchange.formats import FORMATS
from annotator.fields import STATES, page_filter, whole_number
from annotator.focus.comparing import why_not
from annotator.keys import COMMANDS
from annotator.language import mark
from annotator.queue import ORDERS
from annotator.rooms import navigation
from annotator.viewer import viewer
from index.browsing import cells_by_dataset
from index.reviewing import pixel_sizes_of
from retrieval.seen import viewed_by

pages = Blueprint("pages", __name__)

# How a label was given, in words.
HOW = {
    "single": mark("by hand"),
    "imported": mark("imported"),
    "bulk": mark("in bulk"),
    "adjudicated": mark("adjudicated"),
    "undo": mark("undo"),
}


@pages.app_context_processor
def everywhere() -> dict[str, Any]:
    """What every page shows: who labels, in which atlas, and where one can go."""
    who = viewer()
    return {
        "author": who.name if who is not None else None,
        "person": who,
        "atlas_name": desk().whole.path.name,
        "navigation": navigation(who.role, request.path) if who is not None else [],
    }


@pages.app_template_filter("percent")
def percent(value: float) -> str:
    """0.534 as 53 %; never 100 % or 0 % unless it is."""
    shown = round(100 * value)
    if shown == 100 and value < 1:
        return "> 99 %"
    if shown == 0 and value > 0:
        return "< 1 %"
    return f"{shown} %"


@pages.app_template_filter("class_name")
def class_name(name: str) -> str:
    """The name of a class, worked out where no reader was known, in the reader's language."""
    return name_shown(name)


@pages.app_template_filter("thousands")
def thousands(value: int) -> str:
    """12345 as 12 345, with narrow spaces that do not break."""
    return f"{value:,}".replace(",", "\u202f")


def classes() -> list[dict[str, Any]]:
    """Every class as a document, parents before children."""
    taxonomy = desk().whole.taxonomy
    return [class_document(taxonomy, node) for node in taxonomy.nodes.values()]


@pages.get("/")
def label() -> str:
    """The labelling page: the next cell, or the one named by ``cell``."""
    wanted = whole_number(request.args, "cell")
    shown = next_document(reader())
    if wanted is not None:
        shown = {**shown, "cell": cell_document(desk(), wanted)}
    return render_template(
        "label.html",
        start={
            "next": shown,
            "classes": classes(),
            "author": author(),
            "named": wanted is not None,
            "commands": [vars(command) for command in COMMANDS],
            "model": viewed_by(desk().whole),
            "pixel_sizes": pixel_sizes_of(desk().whole),
            "sets_scale": person().reviews,
        },
        notices=desk().notices(),
        commands=COMMANDS,
        datasets=list(cells_by_dataset(desk().atlas)),
        orders=ORDERS.values(),
        queue=reader().queue,
    )


@pages.get("/overview")
def overview_page() -> str:
    """Counts by class and data set, how far to trust answers, and the order of the queue."""
    counted, documents = overview(desk()), all_documents(desk())
    told = chosen(reader().queue.dataset, [each["dataset"] for each in documents])
    return render_template(
        "overview.html",
        overview=counted,
        orders=ORDERS.values(),
        queue=reader().queue,
        notices=desk().notices(),
        adapting=documents,
        trust=trust_document(desk(), told, consider=True) if told is not None else None,
        declarable=declarable(counted["classes"]),
    )


@pages.post("/queue")
def set_queue() -> BaseResponse:
    """The form of the overview page: another order or data set for the queue."""
    order = request.form.get("order", reader().queue.order.name)
    desk().set_queue(author(), order, request.form.get("dataset") or None)
    return redirect(url_for("pages.label"), 303)


@pages.get("/cells")
def cells() -> str:
    """Cells by filter."""
    wanted = page_filter(request.args)
    found = browse(desk(), wanted, whole_number(request.args, "before", 1))
    return render_template(
        "cells.html",
        found=found,
        given=request.args,
        states=STATES,
        classes=classes(),
        datasets=list(cells_by_dataset(desk().atlas)),
        authors=authors(desk()),
        query={name: v for name, v in request.args.items() if name != "before" and v},
    )


@pages.get("/cells/<int:cell_id>")
def cell(cell_id: int) -> str:
    """One cell with its log and its neighbours."""
    document = cell_document(desk(), cell_id)
    document["micrometres"] = pixel_sizes_of(desk().whole).get(document["dataset"])
    return render_template(
        "cell.html",
        cell=document,
        against=why_not(desk(), cell_id, None) if document["proposal"] else None,
        model=viewed_by(desk().whole),
        how=HOW,
    )


@pages.get("/classes")
def classes_page() -> str:
    """The taxonomy with keys and colours."""
    counts = {row["code"]: row["labelled"] for row in overview(desk())["classes"]}
    return render_template("classes.html", classes=classes(), counts=counts)


@pages.post("/classes")
def add_class() -> BaseResponse:
    """The form of the classes page: one more class."""
    node = desk().add_class(request.form, author())
    return redirect(url_for("pages.classes_page", _anchor=node.code), 303)


@pages.get("/exchange")
def exchange() -> str:
    """Labels in and out."""
    return render_template(
        "exchange.html",
        datasets=list(cells_by_dataset(desk().atlas)),
        formats=FORMATS.values(),
    )


@pages.get("/classes.css")
def class_colours() -> Response:
    """The colours of the classes as a style sheet: they are data, and styles may not be inline."""
    rules = [
        f".c-{node.code}{{--class-colour:{node.colour}}}"
        for node in desk().whole.taxonomy.nodes.values()
    ]
    response = make_response("\n".join(rules))
    response.mimetype = "text/css"
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response

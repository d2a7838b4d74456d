"""The page and the API of progress."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request
from flask.blueprints import BlueprintSetupState

from annotator.api import author, desk
from annotator.browse import overview
from annotator.charts import Row, Series, interval, lines
from annotator.documents import Document
from annotator.fields import optional_text
from annotator.language import gettext as _
from annotator.language import mark
from annotator.progress.board import Board, Boards
from annotator.viewer import viewer

progress = Blueprint("progress", __name__)

MEASURES = {
    "fleiss": mark("Fleiss’ kappa"),
    "krippendorff": mark("Krippendorff’s alpha"),
    "cohen": mark("Cohen’s kappa"),
}
SCOPES = {"classes": mark("all classes"), "maturation": mark("maturation line")}
WEIGHTS = {
    "nominal": mark("every disagreement alike"),
    "linear": mark("by stages apart"),
    "quadratic": mark("by stages apart, squared"),
}
HOW = {
    "single": mark("one cell"),
    "bulk": mark("a sheet or group"),
    "adjudicated": mark("a review"),
}


@progress.record_once
def furnish(state: BlueprintSetupState) -> None:
    """Give the application its boards."""
    held = state.app.extensions["desk"]
    state.app.extensions["progress"] = Boards(k=held.config.k, seed=held.config.seed)


def chosen() -> str | None:
    """The data set asked for, by default that of the viewer's queue; None for all.

    Raises UnknownDatasetError.
    """
    if "dataset" not in request.args:
        return desk().reader(author()).queue.dataset
    name = optional_text(request.args, "dataset")
    return None if name is None else desk().check_dataset(name)


def board(dataset: str | None) -> tuple[Board | None, bool]:
    """The newest figures of ``dataset`` or all, and whether they know of every label.

    A reader's are those of the labels that the reader may see: sums would tell of the others.
    """
    boards: Boards = current_app.extensions["progress"]
    view = desk().sights.whole if _reviews() else desk().view
    return boards.newest(view.atlas, view.proposals, dataset)


@progress.get("/progress")
def page() -> str:
    """How far it has come."""
    dataset = chosen()
    found, fresh = board(dataset)
    counts = overview(desk())
    datasets = counts["datasets"]
    if dataset is not None:
        (of,) = (each for each in datasets if each["name"] == dataset)
        counts = {"total": of["cells"], "labelled": of["labelled"]}
    told = shown(found) if found is not None else None
    return render_template(
        "progress.html",
        counts=counts,
        told=told,
        fresh=fresh,
        dataset=dataset,
        datasets=[each["name"] for each in datasets],
    )


@progress.get("/api/v1/progress")
def document() -> Response:
    """The same for a program; ``figures`` is null until they are worked out."""
    dataset = chosen()
    found, fresh = board(dataset)
    if found is None:
        return jsonify(dataset=dataset, figures=None, fresh=False)
    told = {
        "sureness": asdict(found.sure),
        "learning_curve": [asdict(point) for point in found.curve],
        "met": {name: [asdict(e) for e in getattr(found.log, name)] for name in ("blind", "seen")},
        "random": asdict(found.log.honest) if found.log.honest is not None else None,
        "paces": [asdict(pace) for pace in found.log.paces if _may_see(pace.author)],
        "remaining": {**asdict(found.remaining), "hours": found.remaining.hours},
        "agreement": found.agreement if _reviews() else None,
        "independent": found.independent if _reviews() else None,
    }
    return jsonify(dataset=dataset, figures=told, fresh=fresh)


def _reviews() -> bool:
    person = viewer()
    return person is None or person.reviews


def _may_see(name: str) -> bool:
    """Readers see their own pace, reviewers everybody's."""
    return _reviews() or name == author()


def shown(found: Board) -> Document:
    """The figures as the page shows them."""
    taxonomy = desk().whole.taxonomy
    expected = [
        {
            "class": node,
            "cells": found.sure.classes[node.code][0],
            "median": found.sure.classes[node.code][1],
        }
        for node in taxonomy.nodes.values()
        if node.code in found.sure.classes
    ]
    curve = [(float(p.labels), p.mean, p.low, p.high) for p in found.curve]
    met = {
        name: [
            (float(m.labels), m.share, m.interval.low, m.interval.high)
            for m in getattr(found.log, name)
        ]
        for name in ("blind", "seen")
    }
    names = {"blind": _("proposal hidden"), "seen": _("proposal in view")}
    return {
        "sure": found.sure,
        "expected": sorted(expected, key=lambda row: -row["cells"]),
        "curve": found.curve,
        "curve_chart": lines([Series(_("accuracy"), curve)], _("labels"), log=True),
        "met": {names[name]: getattr(found.log, name) for name in met if met[name]},
        # One step is no line: the table says it better.
        "met_chart": lines([Series(names[n], met[n]) for n in met], _("labels given"))
        if max(map(len, met.values())) > 1
        else "",
        "random": _random(found),
        "remaining": found.remaining,
        "paces": [
            {"pace": pace, "how": _(HOW.get(pace.how, pace.how))}
            for pace in found.log.paces
            if _may_see(pace.author)
        ],
        "agreements": _agreements(found) if _reviews() else [],
    }


def _random(found: Board) -> Document | None:
    """What cells drawn at random tell, as rows of tables; None without such a label."""
    told = found.log.honest
    if told is None or not told.cells:
        return None
    taxonomy = desk().whole.taxonomy
    accuracy = [
        (_("all proposals"), told.met, told.proposed),
        (_("proposal hidden"), told.blind, told.of_blind),
    ]
    return {
        "cells": told.cells,
        "proposed": told.proposed,
        "accuracy": [
            {"title": title, "share": share, "of": of}
            for title, share, of in accuracy
            if share is not None
        ],
        "classes": [
            {"class": taxonomy.node(code), "share": share} for code, share in told.classes.items()
        ],
    }


def _agreements(found: Board) -> list[Document]:
    """Agreement by all labels, and by those given independently, as tables."""
    taxonomy = desk().whole.taxonomy
    titles = {"agreement": _("All labels"), "independent": _("Independent labels only")}
    return [
        {
            "title": title,
            "cells": getattr(found, name)["cells"],
            "with_consensus": getattr(found, name)["with_consensus"],
            "readers": getattr(found, name)["readers"],
            "rows": [_row(each) for each in getattr(found, name)["figures"]],
            "confusions": [
                {**each, "classes": [taxonomy.node(code) for code in each["classes"]]}
                for each in getattr(found, name)["confusions"]
                if each["classes"]
            ],
        }
        for name, title in titles.items()
    ]


def _row(figure: dict[str, Any]) -> Document:
    span = figure["interval"] or {"low": None, "high": None}
    name = _(MEASURES[figure["measure"]])
    return {
        **figure,
        "name": name,
        "who": _("all readers") if figure["measure"] != "cohen" else " · ".join(figure["readers"]),
        "over": _(SCOPES[figure["scope"]]),
        "weighs": _(WEIGHTS[figure["weights"]]) if figure["scope"] == "maturation" else "",
        "chart": interval(Row(name, figure["value"], span["low"], span["high"])),
    }

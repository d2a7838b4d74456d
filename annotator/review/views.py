"""The pages and the API of the review."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, redirect, render_template, request
from flask import url_for as address
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response as BaseResponse

from annotator.api import author, body, desk
from annotator.documents import proposal_document
from annotator.fields import optional_bool, optional_text, whole_number
from annotator.pages import classes
from annotator.problems import BadRequestError
from annotator.review.deciding import Answer, decide, reopen
from annotator.review.documents import (
    class_name,
    decided,
    decision_document,
    key_of,
    matter_document,
    matter_documents,
)
from annotator.review.matters import Key, Material, Matter
from annotator.review.queues import REVIEW_QUEUES, ReviewQueue, known_queue
from annotator.review.shelf import Found, Shelf
from index.reviewing import decisions_of
from retrieval.seen import NetworkEyes, viewed_by

review = Blueprint("review", __name__)

LONGEST = 3600.0  # seconds a reviewer may be thought to look at one cell
PAGE = 48


@review.record_once
def furnish(state: BlueprintSetupState) -> None:
    """Give the application its shelf of matters."""
    held = state.app.extensions["desk"]

    def material() -> Material:
        eyes: NetworkEyes | None = state.app.extensions.get("eyes")
        sees = eyes is not None and viewed_by(held.whole) is not None
        return Material(
            held.atlas,
            held.proposals,
            held.pictures,
            seed=held.config.seed,
            view=eyes.picture if eyes is not None and sees else None,
        )

    state.app.extensions["review"] = Shelf(material)


def shelf() -> Shelf:
    """What the searches have found."""
    held: Shelf = current_app.extensions["review"]
    return held


# pages ------------------------------------------------------------------------------------------


@review.get("/review")
def queues() -> str | BaseResponse:
    """The queues, and the matters of one of them."""
    queue = known_queue(request.args.get("queue") or next(iter(REVIEW_QUEUES)))
    found = shelf().matters(queue)
    page = whole_number(request.args, "page", 1) or 1
    pages = max(1, -(-len(found.matters) // PAGE))
    page = min(page, pages)
    shown = found.matters[(page - 1) * PAGE : page * PAGE]
    return render_template(
        "review.html",
        queues=REVIEW_QUEUES.values(),
        queue=queue,
        found=found,
        share=math.floor(100 * found.share),
        matters=matter_documents(desk(), shown),
        place=page,
        pages=pages,
        decision=decided(desk(), whole_number(request.args, "decided")),
        recent=[decision_document(desk(), each) for each in decisions_of(desk().atlas)[:-11:-1]],
    )


@review.post("/review/<name>/again")
def again(name: str) -> BaseResponse:
    """Make a slow search anew."""
    queue = known_queue(name)
    shelf().again(queue)
    return redirect(address("review.queues", queue=queue.name), 303)


@review.get("/review/<name>/<matter>")
def one(name: str, matter: str) -> str:
    """One matter, to decide."""
    queue = known_queue(name)
    key = key_of(matter)
    found = shelf().matters(queue, patience=0.0)
    why = next((m.sentence(class_name(desk())) for m in found.matters if m.key == key), None)
    before, after = beside(found, key)
    return render_template(
        "review_matter.html",
        queue=queue,
        matter=matter_document(desk(), queue, key, author(), why),
        left=len(found.matters),
        before=before,
        after=after,
        classes=[node for node in classes() if node["level"] != "group"],
        decision=decided(desk(), whole_number(request.args, "decided")),
    )


@review.post("/review/<name>/<matter>")
def decide_one(name: str, matter: str) -> BaseResponse:
    """Decide a matter, and go on to the next."""
    queue, key = known_queue(name), key_of(matter)
    _before, after = beside(shelf().matters(queue, patience=0.0), key)
    number = record(queue, key, request.form)
    if after is None:
        return redirect(address("review.queues", queue=queue.name, decided=number), 303)
    return redirect(address("review.one", name=queue.name, matter=after.name, decided=number), 303)


@review.post("/review/decisions/<int:number>/reopen")
def reopen_one(number: int) -> BaseResponse:
    """Take a decision back, and show the matter again."""
    queue = next((each.queue for each in decisions_of(desk().atlas) if each.id == number), "")
    key = reopen(desk().atlas, number, author())
    return redirect(
        address("review.one", name=known_queue(queue).name, matter=Matter(*key, 0.0, "").name), 303
    )


def beside(found: Found, key: Key) -> tuple[Matter | None, Matter | None]:
    """The matters before and after one; after the last comes the first."""
    keys = [matter.key for matter in found.matters]
    if key not in keys:
        return None, found.matters[0] if found.matters else None
    place = keys.index(key)
    before = found.matters[place - 1] if place else None
    rest = [*found.matters[place + 1 :], *found.matters[:place]]
    return before, rest[0] if rest else None


def record(queue: ReviewQueue, key: Key, sent: Mapping[str, Any]) -> int:
    """Record what the fields of a form or a JSON object say of a matter."""
    wanted = optional_text(sent, "class")
    answer = Answer(
        class_code=desk().whole.taxonomy.resolve(wanted).code if wanted else None,
        verdict=optional_text(sent, "verdict"),
        note=optional_text(sent, "note"),
        version=_whole(sent, "version"),
        seconds=_seconds(sent),
    )
    seen = sent.get("evidence_seen")
    visible = seen == "yes" if isinstance(seen, str) else optional_bool(sent, "evidence_seen")
    shown = desk().shown(key[0], optional_text(sent, "proposal"), bool(visible))
    return decide(desk().atlas, queue, key, author(), answer, shown)


def _whole(sent: Mapping[str, Any], name: str) -> int | None:
    value = sent.get(name)
    return whole_number({name: "" if value is None else str(value)}, name)


def _seconds(sent: Mapping[str, Any]) -> float | None:
    value = sent.get("seconds")
    if value in (None, ""):
        return None
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise BadRequestError(
            f"seconds is {str(value)[:40]!r}, allowed is a number from 0",
            "send the time taken or leave it out",
        )
    return min(seconds, LONGEST)


# API --------------------------------------------------------------------------------------------


@review.get("/api/v1/review")
def queues_document() -> Response:
    """The queues, and how many matters each holds so far."""
    told = []
    for queue in REVIEW_QUEUES.values():
        found = shelf().matters(queue, patience=0.0)
        told.append(
            {
                "name": queue.name,
                "title": queue.title,
                "help": queue.help,
                "matters": len(found.matters),
                "searched": round(found.share, 3),
            }
        )
    return jsonify(queues=told)


@review.get("/api/v1/review/<name>")
def matters_document(name: str) -> Response:
    """The matters of a queue, a page at a time."""
    found = shelf().matters(known_queue(name))
    page = whole_number(request.args, "page", 1) or 1
    return jsonify(
        matters=matter_documents(desk(), found.matters[(page - 1) * PAGE : page * PAGE]),
        total=len(found.matters),
        page=page,
        page_size=PAGE,
        searched=round(found.share, 3),
    )


@review.get("/api/v1/review/<name>/<matter>")
def one_document(name: str, matter: str) -> Response:
    """One matter, readers unnamed where the queue is blind."""
    return jsonify(matter_document(desk(), known_queue(name), key_of(matter), author()))


@review.get("/api/v1/review/<name>/<matter>/evidence")
def evidence(name: str, matter: str) -> Response:
    """What the neighbours of a matter's first cell say; asked for when the reviewer wants it."""
    key = key_of(matter)
    cell = desk().atlas.cell(key[0])
    proposal = desk().proposals.propose([cell.id]).get(cell.id)
    if proposal is None:
        reason = desk().proposals.why_none(cell.id)
        return jsonify(proposal=None, no_proposal=vars(reason))
    return jsonify(proposal=proposal_document(desk(), cell.id, proposal), no_proposal=None)


@review.post("/api/v1/review/<name>/<matter>")
def decide_document(name: str, matter: str) -> tuple[Response, int]:
    """Decide a matter; when this answers 201 the decision is on disk."""
    number = record(known_queue(name), key_of(matter), body())
    return jsonify(decided(desk(), number)), 201


@review.post("/api/v1/review/decisions/<int:number>/reopen")
def reopen_document(number: int) -> Response:
    """Take a decision back."""
    key = reopen(desk().atlas, number, author())
    return jsonify(reopened=number, matter=Matter(*key, 0.0, "").name)

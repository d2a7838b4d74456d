"""Routes below /api/v1/adapting: how adaptations stand, and the word to adapt now."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from annotator.adapting.telling import all_documents, dataset_document
from annotator.api import body, desk
from annotator.fields import optional_text
from annotator.problems import BadRequestError

adapting = Blueprint("adapting", __name__, url_prefix="/api/v1/adapting")


@adapting.get("")
def standing() -> Response:
    """How the adaptation to ``dataset`` stands; without it, to each that is not all labelled."""
    name = request.args.get("dataset")
    if name:
        return jsonify(dataset_document(desk(), desk().check_dataset(name)))
    return jsonify(datasets=all_documents(desk()))


@adapting.post("/now")
def now() -> tuple[Response, int]:
    """Adapt to a data set now, however few labels are fresh."""
    name = optional_text(body(), "dataset")
    if not name:
        raise BadRequestError("the field 'dataset' is missing", "send the name of a data set")
    desk().check_dataset(name)
    if not desk().adapting.on:
        raise BadRequestError(
            "adaptation is switched off", "start the annotator without --no-adapt"
        )
    desk().adapting.now(desk().atlas, name)
    return jsonify(dataset_document(desk(), name)), 202

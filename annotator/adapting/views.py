"""Routes below /api/v1/adapting: how adaptations stand, how far to trust them, adapting now."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from annotator.adapting.telling import all_documents, dataset_document
from annotator.adapting.trusting import declare, trust_document
from annotator.api import author, body, desk
from annotator.fields import optional_text
from annotator.problems import BadRequestError

adapting = Blueprint("adapting", __name__, url_prefix="/api/v1/adapting")


@adapting.get("")
def standing() -> Response:
    """How the adaptation to ``dataset`` stands; without it, to each that is not all labelled."""
    name = request.args.get("dataset")
    if name:
        desk().check_dataset(name)
        return jsonify(**dataset_document(desk(), name), trust=trust_document(desk(), name))
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


@adapting.put("/classes")
def classes() -> Response:
    """Declare which classes can occur in a data set; none of them: any."""
    sent = body()
    name, codes = optional_text(sent, "dataset"), sent.get("classes")
    if not name:
        raise BadRequestError("the field 'dataset' is missing", "send the name of a data set")
    if not isinstance(codes, list) or not all(isinstance(each, str) for each in codes):
        raise BadRequestError(
            f"classes is {str(codes)[:40]!r}, allowed is a list of classes",
            'send a list such as ["neutrophil", "lymphocyte"], or [] for any class',
        )
    desk().check_dataset(name)
    declare(desk(), name, codes, author())
    return jsonify(**dataset_document(desk(), name), trust=trust_document(desk(), name))

"""Routes of looking closely: why not another class, the network's view, the scale of pictures."""

from __future__ import annotations

import io

from flask import Blueprint, Response, current_app, jsonify, make_response, redirect, request
from flask import url_for as address
from flask.blueprints import BlueprintSetupState
from PIL import Image
from werkzeug.wrappers import Response as BaseResponse

from annotator.api import author, desk
from annotator.fields import optional_text, whole_number
from annotator.focus.comparing import why_not
from annotator.pictures import HASH_SHOWN
from annotator.problems import BadRequestError
from index.errors import UnknownCellError
from index.reviewing import set_pixel_size
from retrieval.seen import NetworkEyes

focus = Blueprint("focus", __name__)


@focus.record_once
def furnish(state: BlueprintSetupState) -> None:
    """Give the application the eyes of its atlas's model."""
    state.app.extensions["eyes"] = NetworkEyes(state.app.extensions["desk"].whole)


@focus.get("/api/v1/focus/<int:cell_id>/why-not")
def why_not_document(cell_id: int) -> Response:
    """The cells of the runner-up class, or of ``class``, most like a cell."""
    return jsonify(why_not(desk(), cell_id, optional_text(request.args, "class")))


@focus.get("/focus/seen/<int:cell_id>/<digest>/<model>.png")
def seen(cell_id: int, digest: str, model: str) -> Response:
    """What the network saw of a cell, as PNG; named by picture and model, so it may be kept."""
    cell = desk().atlas.cell(cell_id)
    if cell.sha256[:HASH_SHOWN] != digest or desk().whole.active_model != model:
        raise UnknownCellError(
            f"cell {cell_id} has no picture {digest[:HASH_SHOWN]!r} under model {model[:12]!r}",
            "load the page again",
        )
    eyes: NetworkEyes = current_app.extensions["eyes"]
    out = io.BytesIO()
    Image.fromarray(eyes.picture(cell)).save(out, "PNG")
    response = make_response(out.getvalue())
    response.mimetype = "image/png"
    response.set_etag(f"{digest}-{model[:HASH_SHOWN]}-seen")
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


@focus.post("/focus/pixel-size")
def pixel_size() -> BaseResponse:
    """The form of a cell's page: how wide a pixel of its data set's pictures is."""
    sent = optional_text(request.form, "micrometres") or ""
    dataset = optional_text(request.form, "dataset") or ""
    try:
        micrometres = float(sent.replace(",", "."))
    except ValueError as error:
        raise BadRequestError(
            f"micrometres is {sent[:40]!r}, allowed is a number above 0",
            "give the width of one pixel of the stored picture in micrometres, such as 0.1",
        ) from error
    set_pixel_size(desk().whole, dataset, micrometres, author())
    cell = whole_number(request.form, "cell", 1)
    return redirect(
        address("pages.cell", cell_id=cell) if cell else address("pages.overview_page"), 303
    )

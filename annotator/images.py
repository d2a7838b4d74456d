"""Routes of cell pictures: named by the hash of their pixels, so browsers may keep them."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, make_response, request

from annotator.desk import Desk
from annotator.pictures import HASH_SHOWN, placeholder, problem
from index.errors import UnknownCellError
from index.records import Cell
from retrieval.reading.errors import ImageError

FULL, THUMB = "full.png", "thumb.webp"

images = Blueprint("images", __name__, url_prefix="/images")


@images.get("/<int:cell_id>/<digest>/full.png")
def full(cell_id: int, digest: str) -> Response:
    """The whole picture as PNG."""
    return _picture(cell_id, digest, FULL)


@images.get("/<int:cell_id>/<digest>/thumb.webp")
def thumbnail(cell_id: int, digest: str) -> Response:
    """The small picture as WebP."""
    return _picture(cell_id, digest, THUMB)


def _picture(cell_id: int, digest: str, kind: str) -> Response:
    desk: Desk = current_app.extensions["desk"]
    # A grid asks for many small pictures at once: those given before cost no look-up.
    data = desk.pictures.kept_thumbnail(cell_id, digest) if kind == THUMB else None
    cell = None if data is not None else _cell(desk, cell_id, digest)
    tag = f"{digest}-{kind}"
    if tag in request.if_none_match:
        response = make_response(b"", 304)
    else:
        try:
            if cell is not None:
                pictures = desk.pictures
                data = pictures.thumbnail(cell) if kind == THUMB else pictures.full(cell)
        except ImageError as error:
            state = problem(error).state
            stand_in = make_response(placeholder(state))
            stand_in.mimetype = "image/svg+xml"
            stand_in.headers["X-CellKin-Picture"] = state
            return stand_in
        response = make_response(data)
        response.mimetype = "image/webp" if kind == THUMB else "image/png"
    response.set_etag(tag)
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


def _cell(desk: Desk, cell_id: int, digest: str) -> Cell:
    """The cell whose picture is asked for. Raises UnknownCellError."""
    cell = desk.whole.cell(cell_id)
    if cell.sha256[:HASH_SHOWN] != digest:
        raise UnknownCellError(
            f"cell {cell_id} has no picture {digest[:HASH_SHOWN]!r}", "load the page again"
        )
    return cell

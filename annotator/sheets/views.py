"""The page of the sheets and its API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request
from flask.blueprints import BlueprintSetupState

from annotator.api import body, desk, person, reader
from annotator.explore.selections import ids_in
from annotator.fields import is_whole, optional_bool, optional_number, optional_text
from annotator.pages import classes
from annotator.problems import BadRequestError
from annotator.sheets.room import SheetRoom
from index.exploring import selection

sheets = Blueprint("sheets", __name__)

API = "/api/v1/sheets"
LONGEST = 3600.0  # seconds a reader may be thought to look at one sheet


@sheets.record_once
def furnish(state: BlueprintSetupState) -> None:
    """Give the application its sheets."""
    state.app.extensions["sheets"] = SheetRoom(state.app.extensions["desk"])


def room() -> SheetRoom:
    """The sheets of this annotator."""
    held: SheetRoom = current_app.extensions["sheets"]
    return held


def class_in(sent: Mapping[str, Any]) -> str | None:
    """The code of the class named in field ``class``; None where it is left out."""
    wanted = optional_text(sent, "class")
    return desk().whole.taxonomy.resolve(wanted).code if wanted else None


def seconds_in(sent: Mapping[str, Any]) -> float | None:
    """The time taken, as the page measured it."""
    taken = optional_number(sent, "seconds")
    return None if taken is None else min(taken, LONGEST)


@sheets.get("/sheets")
def page() -> str:
    """The sheets, or with ``selection`` those of cells that were selected elsewhere."""
    wanted = request.args.get("selection")
    chosen = selection(desk().atlas, wanted) if wanted else None
    return render_template(
        "sheets.html",
        start={"classes": classes(), "selection": chosen.id if chosen else None},
        # That nothing is labelled yet is what the page itself begins with.
        notices=[each for each in desk().notices() if each.type != "no_references"],
    )


@sheets.get(f"{API}/round")
def next_round() -> Response:
    """The single cells and the sheets that lie before the reader."""
    return jsonify(room().round_document(person()))


@sheets.post(f"{API}/singles/<int:cell_id>")
def single(cell_id: int) -> tuple[Response, int]:
    """The blind answer on a single cell; when this answers 201 the label is on disk."""
    sent = body()
    code = class_in(sent)
    if code is None:
        raise BadRequestError("the field 'class' is missing", "send the code of a class")
    desk().atlas.cell(cell_id)
    return jsonify(room().name_single(person(), cell_id, code, seconds_in(sent))), 201


@sheets.post(f"{API}/singles/<int:cell_id>/skip")
def skip_single(cell_id: int) -> Response:
    """Leave a single cell for later."""
    desk().atlas.cell(cell_id)
    return jsonify(room().skip_single(person(), cell_id))


@sheets.post(f"{API}/<int:sheet_id>/accept")
def accept(sheet_id: int) -> tuple[Response, int]:
    """Accept a sheet less what is taken out; when this answers 201 the labels are on disk."""
    sent = body()
    done = room().accept(
        person(),
        sheet_id,
        out_in(sent),
        moved=ids_in(sent, "moved"),
        unfolded=bool(optional_bool(sent, "unfolded")),
        seconds=seconds_in(sent),
    )
    return (
        jsonify(
            sheet=sheet_id,
            labels=len(done.labels),
            left=list(done.left),
            noticed=list(done.noticed),
            missed=list(done.missed),
        ),
        201,
    )


@sheets.post(f"{API}/<int:sheet_id>/rename")
def rename(sheet_id: int) -> tuple[Response, int]:
    """All that is ticked is of another class: a new sheet of that takes the place of this one."""
    sent = body()
    code = class_in(sent)
    if code is None:
        raise BadRequestError("the field 'class' is missing", "send the code of a class")
    unfolded = bool(optional_bool(sent, "unfolded"))
    part = room().rename(person(), sheet_id, code, out_in(sent), unfolded=unfolded)
    return jsonify(sheet=part), 201


def out_in(sent: Mapping[str, Any]) -> dict[int, str | None]:
    """What a reader took out: the class given to each cell, None for none."""
    given = sent.get("out", {})
    good = isinstance(given, dict) and all(
        is_whole(key) and (value is None or isinstance(value, str)) for key, value in given.items()
    )
    if not good:
        raise BadRequestError(
            f"out is {str(given)[:40]!r}, allowed is an object of cell ids with a class or null",
            'send an object such as {"17": "monocyte", "20": null}',
        )
    tree = desk().whole.taxonomy
    return {int(key): tree.resolve(value).code if value else None for key, value in given.items()}


@sheets.post(f"{API}/<int:sheet_id>/drop")
def drop(sheet_id: int) -> Response:
    """Put a sheet away without labels."""
    room().drop(person(), sheet_id)
    return jsonify(sheet=sheet_id)


@sheets.get(f"{API}/<int:sheet_id>/moved")
def moved(sheet_id: int) -> Response:
    """The cells of an open sheet that are by now proposed as another class.

    ``state`` changes whenever that may have; with the same ``state`` sent nothing is worked out.
    """
    mine = room().sheets(person())
    state = "-".join(map(str, mine.maker.pool.state()))
    if request.args.get("state") == state:
        return jsonify(state=state, cells=None)
    found = mine.own(sheet_id, person().name)
    return jsonify(state=state, cells=room().moved_document(person(), found))


@sheets.get(f"{API}/<int:sheet_id>/folded")
def folded(sheet_id: int) -> Response:
    """The cells of an open sheet that are folded away."""
    found = room().sheets(person()).own(sheet_id, person().name)
    return jsonify(sheet=sheet_id, cells=room().folded_document(found))


@sheets.post(f"{API}/selection")
def select() -> tuple[Response, int]:
    """Make sheets of cells selected elsewhere."""
    sent = body()
    wanted = optional_text(sent, "selection")
    if not wanted:
        raise BadRequestError("the field 'selection' is missing", "send the id of a selection")
    chosen = selection(desk().atlas, wanted)
    made = (
        room()
        .sheets(person())
        .maker.select(
            person().name,
            reader().queue.dataset,
            chosen,
            class_in(sent),
        )
    )
    return jsonify(sheet=made[0], sheets=made), 201

"""Routes that give labels out and take them in, in every format of the exchange."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import BinaryIO

from flask import Blueprint, Response, jsonify, request
from werkzeug.datastructures import FileStorage

from annotator.api import author, desk, reader
from annotator.documents import named
from annotator.exchange import ImportReport, log_csv, present_csv
from annotator.exchange.formats import FORMATS
from annotator.exchange.running import export, known_format, packed, read_labels
from annotator.exchange.taking import contradicting
from annotator.fields import choice, optional_text
from annotator.language import gettext as _
from annotator.problems import BadRequestError
from index.atlas import Atlas
from index.auditing import take_in

exchange = Blueprint("exchange", __name__, url_prefix="/api/v1")

SAMPLE = 12  # labels that a preview shows
PIECE = 256 * 1024  # bytes of an export sent at once
_YES_NO = {"yes": True, "no": False}


@exchange.get("/export/labels.csv")
def export_labels() -> Response:
    """The present labels, one row a cell."""
    return _download("labels", present_csv)


@exchange.get("/export/history.csv")
def export_history() -> Response:
    """Every label ever given."""
    return _download("history", log_csv)


def _download(what: str, rows: Callable[[Atlas, Sequence[str]], Iterator[str]]) -> Response:
    lines = rows(desk().exported, _datasets())
    return Response(lines, mimetype="text/csv", headers=_attachment(f"{what}.csv"))


def _datasets() -> tuple[str, ...]:
    dataset = request.args.get("dataset") or None
    return () if dataset is None else (desk().check_dataset(dataset),)


def _attachment(name: str) -> dict[str, str]:
    plain = f"{desk().atlas.path.stem}-{name}".encode("ascii", "replace").decode()
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in plain)
    return {"Content-Disposition": f'attachment; filename="{plain}"'}


@exchange.get("/formats")
def formats() -> Response:
    """The formats that labels go out in and come in from."""
    return jsonify(
        formats=[
            {"name": each.name, "title": _(each.title), "help": _(each.help), "shape": each.shape}
            for each in FORMATS.values()
        ]
    )


@exchange.get("/export/<form>.zip")
def export_folder(form: str) -> Response:
    """The labelled cells as one of the formats, packed with their data card."""
    known_format(form)
    given = request.args
    consensus = choice(given, "consensus", _YES_NO, "no") == "yes"
    pictures = choice(given, "pictures", _YES_NO, "yes") == "yes"
    licence = optional_text(given, "licence") or ""
    atlas, datasets = desk().exported, _datasets()
    with tempfile.TemporaryDirectory(prefix="cellkin-") as scratch:
        made = export(
            atlas, form, Path(scratch) / form,
            datasets=datasets, consensus=consensus, pictures=pictures, licence=licence,
        )  # fmt: skip
        with packed(made.folder) as archive:
            file = archive.open("rb")
            size = archive.stat().st_size
    # The open file outlives its name; nothing is left behind when the answer has been sent.
    response = Response(_pieces(file), mimetype="application/zip")
    response.content_length = size
    response.headers.update(_attachment(f"{form}.zip"))
    return response


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


@exchange.post("/import/labels")
def import_labels() -> tuple[Response, int]:
    """Labels from an uploaded file or zip; with ``preview=yes`` nothing is written."""
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise BadRequestError("no file was sent", "send the labels as the form field 'file'")
    preview = choice(request.form, "preview", _YES_NO, "no") == "yes"
    form = choice(request.form, "format", {"auto": None, **FORMATS}, "auto")
    source = PurePath(upload.filename.replace("\\", "/")).name
    report = _read(upload, source, None if form == "auto" else form)
    if not preview and report.labels:
        take_in(desk().whole, report.labels, author(), source)
        reader().queue.restart()
    return jsonify(_document(report, source, preview)), 200 if preview else 201


def _read(upload: FileStorage, source: str, form: str | None) -> ImportReport:
    """What an upload would add. The file is known by its name, but lies under one of our own."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", source)[-80:].lstrip(".") or "labels.csv"
    with tempfile.TemporaryDirectory(prefix="cellkin-") as scratch:
        file = Path(scratch) / name
        upload.save(file)
        return read_labels(
            desk().exported, file, form=form, source=source, author=author(), uploaded=True
        )


def _document(report: ImportReport, source: str, preview: bool) -> dict[str, object]:
    taxonomy = desk().whole.taxonomy
    against = {id(label) for label in contradicting(desk().exported, report)} if preview else set()
    # What contradicts is what is to be looked at: it stands first.
    sample = sorted(report.labels, key=lambda label: id(label) not in against)[:SAMPLE]
    present = desk().exported.present_of([label.cell_id for label in sample])
    cells = desk().atlas.cells_by_id([label.cell_id for label in sample])
    return {
        "source": source,
        "written": not preview,
        "rows": report.rows,
        "labels": len(report.labels),
        "same": report.same,
        "contradicting": report.contradicting,
        "passed_over": report.passed,
        "reasons": [
            {"line": line, "row": what, "reason": why} for line, what, why in report.passed_over
        ],
        "classes": [
            {**(named(taxonomy, code) or {}), "count": count}
            for code, count in report.classes.most_common()
        ],
        "sample": [
            {
                "cell": label.cell_id,
                "file": cells[label.cell_id].file,
                "dataset": cells[label.cell_id].dataset,
                "class": named(taxonomy, label.class_code),
                "present": named(taxonomy, present.get(label.cell_id)),
                "contradicts": id(label) in against,
                "author": label.author,
            }
            for label in sample
        ],
    }

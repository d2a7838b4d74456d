"""Routes that take labels in and give them out as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath

from flask import Blueprint, Response, jsonify, request

from annotator.api import author, desk, reader
from annotator.documents import named
from annotator.exchange import ImportReport, log_csv, present_csv, read_labels
from annotator.fields import choice
from annotator.problems import BadRequestError
from index.atlas import Atlas

exchange = Blueprint("exchange", __name__, url_prefix="/api/v1")

SAMPLE = 12  # labels that a preview shows


@exchange.get("/export/labels.csv")
def export_labels() -> Response:
    """The present labels, one row a cell."""
    return _download("labels", present_csv)


@exchange.get("/export/history.csv")
def export_history() -> Response:
    """Every label ever given."""
    return _download("history", log_csv)


def _download(what: str, rows: Callable[[Atlas, str | None], Iterator[str]]) -> Response:
    dataset = request.args.get("dataset") or None
    if dataset is not None:
        desk().check_dataset(dataset)
    name = f"{desk().atlas.path.stem}-{what}.csv".encode("ascii", "replace").decode()
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    return Response(
        rows(desk().atlas, dataset),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@exchange.post("/import/labels")
def import_labels() -> tuple[Response, int]:
    """Labels from an uploaded CSV; with ``preview=yes`` nothing is written."""
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise BadRequestError("no file was sent", "send the CSV as the form field 'file'")
    preview = choice(request.form, "preview", {"yes": True, "no": False}, "no") == "yes"
    source = PurePath(upload.filename.replace("\\", "/")).name
    report = read_labels(desk().atlas, upload.read(), source=source, author=author())
    if not preview and report.labels:
        desk().atlas.add_labels(report.labels)
        reader().queue.restart()
    return jsonify(_document(report, source, preview)), 200 if preview else 201


def _document(report: ImportReport, source: str, preview: bool) -> dict[str, object]:
    taxonomy = desk().atlas.taxonomy
    sample = report.labels[:SAMPLE]
    cells = desk().atlas.cells_by_id([label.cell_id for label in sample])
    return {
        "source": source,
        "written": not preview,
        "rows": report.rows,
        "labels": len(report.labels),
        "same": report.same,
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
                "author": label.author,
            }
            for label in sample
        ],
    }

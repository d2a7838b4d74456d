"""Labels out to CSV and in from CSV. Imports neither torch nor Flask.

Out: the present labels, one row a cell, or the whole log, one row a label. In: a table with a
class and something that names the cell; every row that is not taken is reported with its reason.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from annotator.problems import BadTableError
from index.errors import UnknownClassError
from index.records import CellFilter, NewLabel

if TYPE_CHECKING:
    from index.atlas import Atlas

CELL = ("cell", "dataset", "file", "frame", "member", "sha256", "patient", "slide", "split")
PRESENT = (*CELL, "class", "author", "time", "how", "flagged")
LOG = (
    *CELL, "label", "class", "author", "time", "how", "proposed_class", "proposed_probability",
    "proposal_visible", "model", "source", "note", "retracts",
)  # fmt: skip
SHOWN_ROWS = 200  # rows passed over that a report lists one by one


def present_csv(atlas: Atlas, dataset: str | None = None) -> Iterator[str]:
    """The present labels as CSV text, header first, in pieces."""
    limit = CellFilter(datasets=(dataset,) if dataset else (), labelled=True)
    given = {(e.cell_id, e.class_code, e.author): e for e in atlas.log(limit) if e.how != "undo"}
    yield _line(PRESENT)
    for row in _rows(atlas, limit):
        label = given.get((row.id, row.class_code, row.author))
        told = (label.time, label.how) if label else ("", "")
        yield _line((*_cell_values(row), row.class_code, row.author, *told, int(row.flagged)))


def log_csv(atlas: Atlas, dataset: str | None = None) -> Iterator[str]:
    """Every label ever given, undone ones and undos included, as CSV text in pieces."""
    limit = CellFilter(datasets=(dataset,) if dataset else ())
    cells = {row.id: _cell_values(row) for row in _rows(atlas, limit)}
    yield _line(LOG)
    for e in atlas.log(limit):
        yield _line(
            (
                *cells[e.cell_id], e.id, e.class_code, e.author, e.time, e.how, e.proposed_class,
                e.proposed_probability,
                None if e.proposal_visible is None else int(e.proposal_visible),
                e.model_id, e.source, e.note, e.retracts,
            )
        )  # fmt: skip


def _rows(atlas: Atlas, limit: CellFilter | None = None) -> Iterator[Any]:
    """The rows of ``Atlas.table`` as named tuples."""
    return iter(atlas.table(limit).itertuples(index=False))


def _cell_values(row: Any) -> tuple[Any, ...]:
    return (
        row.id, row.dataset, row.file, row.frame, row.member, row.sha256, row.patient, row.slide,
        row.split,
    )  # fmt: skip


def _line(values: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(["" if v is None else v for v in values])
    return out.getvalue()


@dataclass
class ImportReport:
    """What an import does: labels to add (or added), rows that say nothing new, rows passed over.

    ``passed_over`` lists (line of the file, what it says, why it is not taken), at most
    SHOWN_ROWS; ``passed`` counts them all.
    """

    rows: int = 0
    same: int = 0
    passed: int = 0
    passed_over: list[tuple[int, str, str]] = field(default_factory=list)
    classes: Counter[str] = field(default_factory=Counter)
    labels: list[NewLabel] = field(default_factory=list)

    def pass_over(self, line: int, what: str, why: str) -> None:
        """Note a row that is not taken."""
        self.passed += 1
        if len(self.passed_over) < SHOWN_ROWS:
            self.passed_over.append((line, what, why))


def read_labels(atlas: Atlas, data: bytes, *, source: str, author: str) -> ImportReport:
    """Work out what the table ``data`` would add; nothing is written.

    Columns: ``class`` (or ``subclass``, which wins), and one of ``sha256``, ``file`` (with
    ``frame`` and ``member``) or ``cell``; the first of these with a value names the cell.
    ``dataset``, ``author`` and ``note`` are optional. ``author`` is who gives rows without one.
    Raises BadTableError.
    """
    reader = _table(data)
    finder = _Finder(atlas)
    known = {(e.cell_id, e.author, e.source): e.class_code for e in _standing(atlas)}
    report = ImportReport()
    try:
        for row in reader:
            report.rows += 1
            _take(atlas, finder, known, report, row, reader.line_num, source, author)
    except csv.Error as error:
        raise BadTableError(
            f"line {reader.line_num} of {source} cannot be read as CSV: {error}",
            "save the table as CSV again",
        ) from error
    return report


def _take(
    atlas: Atlas,
    finder: _Finder,
    known: dict[tuple[int, str, str | None], str],
    report: ImportReport,
    row: dict[str, str],
    line: int,
    source: str,
    author: str,
) -> None:
    value = {k: (v or "").strip() for k, v in row.items() if isinstance(k, str) and v is not None}
    said = value.get("subclass") or value.get("class") or ""
    named = value.get("file") or value.get("sha256", "")[:16] or value.get("cell") or "(no cell)"
    if not said:
        report.pass_over(line, named, "no class given")
        return
    try:
        node = atlas.taxonomy.resolve(said)
    except UnknownClassError as error:
        report.pass_over(line, named, f"{error.message}; {error.remedy}")
        return
    found = finder.find(value)
    if isinstance(found, str):
        report.pass_over(line, named, found)
        return
    who = value.get("author") or author
    if known.get((found, who, source)) == node.code:
        report.same += 1
        return
    known[(found, who, source)] = node.code
    report.classes[node.code] += 1
    report.labels.append(
        NewLabel(
            cell_id=found,
            class_code=node.code,
            author=who,
            how="imported",
            source=source,
            note=value.get("note") or None,
        )
    )


def _table(data: bytes) -> csv.DictReader[str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadTableError(
            f"the table is not UTF-8: byte {error.start} is {data[error.start]:#04x}",
            "save it as 'CSV UTF-8'",
        ) from error
    if "\0" in text:
        raise BadTableError("the table holds zero bytes, so it is no CSV", "save it as 'CSV UTF-8'")
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    if not {"class", "subclass"} & set(columns) or not {"sha256", "file", "cell"} & set(columns):
        listed = ", ".join(columns)[:120] or "none"
        raise BadTableError(
            f"the table has the columns {listed}; needed are class and one of sha256, file, cell",
            "add the columns that are missing to its first line",
        )
    twice = [name for name, count in Counter(columns).items() if count > 1 and name]
    if twice:
        raise BadTableError(
            f"the table has more than one column {', '.join(twice)}", "give each its own name"
        )
    return reader


def _standing(atlas: Atlas) -> Iterator[Any]:
    """The labels that no undo has taken back."""
    entries = list(atlas.log())
    gone = {e.retracts for e in entries if e.retracts is not None}
    return (e for e in entries if e.how != "undo" and e.id not in gone)


class _Finder:
    """Finds the cell that a row names."""

    def __init__(self, atlas: Atlas) -> None:
        self._by_hash: dict[str, list[tuple[int, str]]] = {}
        self._by_file: dict[tuple[str, int, str], list[tuple[int, str]]] = {}
        self._by_id: dict[int, str] = {}
        for row in _rows(atlas):
            own = (int(row.id), str(row.dataset))
            self._by_id[own[0]] = own[1]
            self._by_hash.setdefault(str(row.sha256), []).append(own)
            place = (str(row.file), int(row.frame), row.member or "")
            self._by_file.setdefault(place, []).append(own)

    def find(self, value: dict[str, str]) -> int | str:
        """The id of the cell, or why there is none."""
        dataset = value.get("dataset", "")
        if value.get("sha256"):
            what, found = "these pixels", self._by_hash.get(value["sha256"].lower(), [])
        elif value.get("file"):
            frame = value.get("frame") or "0"
            if not frame.isascii() or not frame.isdigit():
                return f"frame is {frame!r}, allowed is a whole number"
            file = value["file"].replace("\\", "/")
            what = "this file"
            found = self._by_file.get((file, int(frame), value.get("member", "")), [])
        else:
            text = value.get("cell", "")
            if not text.isascii() or not text.isdigit():
                return f"cell is {text!r}, allowed is the number of a cell"
            what = "this number"
            number = int(text[:18])
            found = [(number, self._by_id[number])] if number in self._by_id else []
        if dataset:
            found = [each for each in found if each[1] == dataset]
        if not found:
            where = f"data set {dataset}" if dataset else "the atlas"
            return f"{where} has no cell of {what}"
        if len(found) > 1:
            where = ", ".join(sorted({each[1] for each in found}))
            return f"{len(found)} cells have {what} ({where}); a column dataset tells them apart"
        return found[0][0]

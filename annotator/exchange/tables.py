"""Labels as CSV: the present ones, one row a cell, or the whole log, one row a label; and read."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from annotator.exchange.records import Exported, exported
from annotator.problems import BadTableError
from index.records import CellFilter

if TYPE_CHECKING:
    from index.atlas import Atlas

CELL = ("cell", "dataset", "file", "frame", "member", "sha256", "patient", "slide", "split")
PRESENT = (
    *CELL, "class", "author", "time", "how", "flagged", "class_name", "path", "model",
    "proposed_class", "proposed_probability", "proposal_visible", "shown", "readers", "consensus",
)  # fmt: skip
LOG = (
    *CELL, "label", "class", "author", "time", "how", "proposed_class", "proposed_probability",
    "proposal_visible", "model", "source", "note", "retracts",
)  # fmt: skip


def present_csv(
    atlas: Atlas, datasets: Sequence[str] = (), *, consensus: bool = False
) -> Iterator[str]:
    """The present labels as CSV text, header first, in pieces. For ``consensus`` see records."""
    yield from present_lines(exported(atlas, datasets, consensus=consensus))


def present_lines(cells: Iterable[Exported]) -> Iterator[str]:
    """One line a cell, header first."""
    yield line(PRESENT)
    for each in cells:
        told = {**each.provenance, **vars(each.cell), "class": each.class_code}
        yield line(_plain(told[name]) for name in PRESENT)


def _plain(value: Any) -> Any:
    """True and false as 1 and 0, which every table program reads alike."""
    return int(value) if isinstance(value, bool) else value


def log_csv(atlas: Atlas, datasets: Sequence[str] = ()) -> Iterator[str]:
    """Every label ever given, undone ones and undos included, as CSV text in pieces."""
    limit = CellFilter(datasets=tuple(datasets))
    cells = {row.id: _cell_values(row) for row in _rows(atlas, limit)}
    yield line(LOG)
    for e in atlas.log(limit):
        yield line(
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


def line(values: Iterable[Any]) -> str:
    """One line of a CSV; None becomes an empty field."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(["" if v is None else v for v in values])
    return out.getvalue()


def csv_rows(data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table of labels with the numbers of their lines, read as they are asked for.

    Raises BadTableError.
    """
    reader = _table(data)
    try:
        for row in reader:
            value = {k: v for k, v in row.items() if isinstance(k, str) and v is not None}
            yield reader.line_num, value
    except csv.Error as error:
        raise BadTableError(
            f"line {reader.line_num} of the table cannot be read as CSV: {error}",
            "save the table as CSV again",
        ) from error


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

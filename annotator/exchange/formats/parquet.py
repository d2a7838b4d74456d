"""Parquet: ``labels.parquet``, a typed table, and ``images/``. Needs the package pyarrow."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator.exchange.job import Job
from annotator.exchange.reading import beside, missing, row_of, the_file
from annotator.exchange.records import PROVENANCE
from annotator.problems import BadTableError

if TYPE_CHECKING:
    from annotator.exchange.formats import Rows

FILE = "labels.parquet"
ROWS = 10_000  # of a row group
_KINDS = {
    "cell": "int64", "proposed_probability": "float64", "proposal_visible": "bool",
    "readers": "int32", "consensus": "bool",
}  # fmt: skip


def write(job: Job) -> None:
    """Write pictures and the table, a row group at a time."""
    arrow, parquet = _pyarrow()
    columns = {"file_name": "string", "class": "string"}
    columns |= {name: _KINDS.get(name, "string") for name in PROVENANCE}
    schema = arrow.schema([(name, arrow.type_for_alias(kind)) for name, kind in columns.items()])
    with parquet.ParquetWriter(job.folder / FILE, schema) as writer:
        waiting = job.cells()
        while batch := list(islice(waiting, ROWS)):
            rows = [
                {"file_name": path, "class": each.class_code, **each.provenance}
                for each, path in batch
            ]
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def read(path: Path) -> Rows:
    """One row a row of the table."""
    arrow, parquet = _pyarrow()
    file = the_file(path, FILE)
    try:
        number = 0
        with parquet.ParquetFile(file) as opened:
            for batch in opened.iter_batches(ROWS):
                for told in batch.to_pylist():
                    number += 1
                    name = told.get("file_name")
                    picture = beside(file.parent, name)
                    yield number, row_of(told, told.get("class"), picture)
    except arrow.ArrowException as error:
        raise BadTableError(
            f"{file.name} is no Parquet file: {error}", "export it again from where it was made"
        ) from error


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise missing("pyarrow", "the Parquet format") from error
    return pyarrow, pyarrow.parquet

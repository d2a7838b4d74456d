"""Tables of labels: CSV as people and programs write it, with errors that name the line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from index.wording import counted
from retrieval.reading.errors import TableError
from retrieval.reading.found import PassedOver, split_of

# What a column means -> the headings it is known by, the preferred one first.
COLUMNS: dict[str, tuple[str, ...]] = {
    "file": ("file", "path", "filename", "file_name", "image", "image_path", "image_name", "img"),
    "class": ("class", "label", "class_name", "cell_type", "category", "annotation"),
    "subclass": ("subclass", "sub_class", "subtype"),
    "patient": ("patient", "patient_id", "case", "subject"),
    "slide": ("slide", "slide_id", "smear"),
    "stain": ("stain", "staining"),
    "scanner": ("scanner", "camera", "microscope"),
    "field": ("field", "field_id"),
    "split": ("split", "set", "partition"),
    "frame": ("frame", "page"),
    "box": ("box", "bbox"),
}
ABOVE = re.compile(r"\A[\r\n]*(sep=.[;,]*[\r\n]+)?")  # what may stand above the heading
NO_CLASS = frozenset({"", "nan", "none", "null", "n/a", "na", "?", "unlabelled", "unlabeled"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the file as it is spelt there, and what the row says of it."""

    line: int
    file: str
    class_text: str | None
    subclass_text: str | None
    patient: str | None
    slide: str | None
    stain: str | None
    scanner: str | None
    field: str | None
    split: str | None
    frame: int
    box: tuple[int, int, int, int] | None


@dataclass(frozen=True)
class Table:
    """A CSV file whose heading has been understood."""

    path: Path
    columns: dict[str, int]  # meaning -> position
    width: int
    delimiter: str
    text: str  # from the heading on
    above: int = 0  # lines above the heading

    def rows(self) -> Iterator[Row | PassedOver]:
        """The rows in order; a row that cannot be understood as PassedOver."""
        taken: list[str] = []  # the lines of one row, several where a field has

        def lines() -> Iterator[str]:
            for line in io.StringIO(self.text, newline=""):
                taken.append(line)
                yield line

        reader = csv.reader(lines(), delimiter=self.delimiter)
        try:
            for values in reader:
                if len(taken) > 1:
                    self._check_closed(taken, reader.line_num)
                if any(values) and reader.line_num > len(taken):
                    yield self._row(values, self.above + reader.line_num)
                taken.clear()
        except csv.Error as error:
            self._check_closed(taken, reader.line_num)
            raise TableError(
                f"{self.path} line {self.above + reader.line_num} is no CSV: {error}",
                "correct the line",
            ) from error

    def _check_closed(self, taken: list[str], last: int) -> None:
        """Raise when lines ``taken`` up to ``last`` are one row because a quote is left open."""
        try:
            list(csv.reader(taken, delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            if "unexpected end of data" in str(error) or "field limit" in str(error):
                raise TableError(
                    f"{self.path} line {self.above + last - len(taken) + 1} opens a quotation mark "
                    "that no later line closes",
                    "close it, or take it out",
                ) from error

    def _row(self, values: list[str], line: int) -> Row | PassedOver:
        if len(values) != self.width:
            return PassedOver(
                f"{self.path.name} line {line}",
                f"a row with {counted(len(values), 'field')} where the heading has {self.width}",
            )

        def value(meaning: str) -> str | None:
            position = self.columns.get(meaning)
            return (values[position].strip() or None) if position is not None else None

        file = value("file")
        if file is None:
            return PassedOver(f"{self.path.name} line {line}", "a row that names no file")
        class_text, subclass_text = value("class"), value("subclass")
        frame, box = value("frame"), value("box")
        try:
            parts = tuple(int(float(part)) for part in box.strip("[]()").split(",")) if box else ()
            if len(parts) not in (0, 4):
                raise ValueError("a box has four numbers")
            return Row(
                line,
                file,
                None if class_text is None or class_text.lower() in NO_CLASS else class_text,
                None if subclass_text is None or subclass_text.lower() in NO_CLASS
                else subclass_text,
                value("patient"),
                value("slide"),
                value("stain"),
                value("scanner"),
                value("field"),
                split_of(value("split")),
                int(frame) if frame else 0,
                (parts[0], parts[1], parts[2], parts[3]) if parts else None,
            )  # fmt: skip
        except ValueError:
            return PassedOver(
                f"{self.path.name} line {line}", "a row whose frame or box is no number"
            )


def read_table(path: Path, *, needs: tuple[str, ...] = ("file",)) -> Table:
    """Open the CSV file ``path`` and understand its heading.

    UTF-8 with or without a byte-order mark; comma, semicolon, tab or bar between fields; a first
    line ``sep=;``, by which Excel knows the separator, is passed over. ``needs`` are the meanings
    (keys of COLUMNS) that must be there. Raises TableError.
    """
    whole = _text(path)
    text = ABOVE.sub("", whole)
    above = len(whole[: len(whole) - len(text)].splitlines())
    heading = text.split("\n", 1)[0]
    if not heading.strip():
        raise TableError(f"{path} is empty", f"give a table with the columns {', '.join(needs)}")
    delimiter = max(",;\t|", key=heading.count)
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise TableError(f"{path} line 1 is no CSV: {error}", "correct the line") from error
    names = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in names]
    columns: dict[str, int] = {}
    for meaning, headings in COLUMNS.items():
        for wanted in headings:
            if names.count(wanted) > 1:
                raise TableError(
                    f"{path} has the column {wanted!r} {names.count(wanted)} times",
                    "keep one of them",
                )
            if wanted in names:
                columns.setdefault(meaning, names.index(wanted))
    for meaning in needs:
        if meaning not in columns:
            raise TableError(
                f"{path} has no column {meaning!r}; its columns are "
                f"{', '.join(name or '(no name)' for name in names[:12])}",
                f"name a column one of {', '.join(COLUMNS[meaning])}",
            )
    return Table(path, columns, len(names), delimiter, text, above)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise TableError(f"no table {path}", "check the path") from error
    except OSError as error:
        raise TableError(
            f"table {path} cannot be read: {error.strerror}", "give a CSV file"
        ) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise TableError(
            f"{path} is not UTF-8: byte 0x{raw[error.start]:02x} at {error.start}, line {line}",
            "save it as CSV UTF-8",
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise TableError(
            f"{path} is no text: a zero byte in line {line}", "give a CSV file, saved as UTF-8"
        )
    return text

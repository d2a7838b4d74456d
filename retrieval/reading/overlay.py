"""Join a table of labels with the pictures it speaks of."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from retrieval.reading.decode import TIFF_SUFFIXES
from retrieval.reading.errors import TableError
from retrieval.reading.found import Found, PassedOver
from retrieval.reading.table import Row, Table, read_table
from retrieval.reading.walk import plain

PICTURES = "images"  # published sets often keep the pictures in it, beside the table
NO_FILE = "named in the table, but there is no such file"
TWICE = "named twice in the table"
CONTRADICTION = "the table gives it different classes"


@dataclass
class Labels:
    """The rows of a table by the file they mean; rows are taken out as their file is met.

    Of rows that contradict each other none is believed and the picture comes without a class;
    with ``keep_both`` it comes once with each.

    ``root`` is the source, ``base`` the folder below it in which all rows lie (``images/``), or "".
    ``contradicting`` counts rows that give a picture another class than an earlier row did.
    """

    by_path: dict[str, list[Row]]
    passed_over: list[PassedOver] = field(default_factory=list)
    contradicting: int = 0
    keep_both: bool = False
    base: str = ""
    root: str = ""
    by_name: dict[str, list[Row]] = field(default_factory=dict)

    @classmethod
    def of_table(cls, table: Path, *, keep_both: bool = False) -> Labels:
        """The rows of a table that is itself the source."""
        bases = [table.parent, table.parent / PICTURES]
        return cls({}, keep_both=keep_both)._read(read_table(table), bases, names=False)

    @classmethod
    def of_folder(cls, table: Path, source: Path, *, keep_both: bool = False) -> Labels:
        """The rows of a table about the pictures in folder ``source``.

        A file is looked for in the source, in its ``images/``, beside the table, and in the
        ``images/`` there; when no row is met so, by its name alone, with or without suffix.
        Raises TableError, also when no row names a picture of the source.
        """
        bases = [source, source / PICTURES, table.parent, table.parent / PICTURES]
        rows = read_table(table, needs=("file", "class"))
        labels = cls({}, keep_both=keep_both)._read(rows, bases, names=True)
        labels.root = _absolute(source)
        inner = _absolute(source / PICTURES) + os.sep
        if labels.by_path and all(path.startswith(inner) for path in labels.by_path):
            labels.base = PICTURES + "/"
        return labels

    def _read(self, table: Table, bases: list[Path], *, names: bool) -> Labels:
        missing: list[Row] = []
        folders = [_absolute(base) for base in dict.fromkeys(bases)]
        for row in table.rows():
            if isinstance(row, PassedOver):
                self.passed_over.append(row)
                continue
            path = _locate(row.file, folders)
            if path is None:
                missing.append(row)
            else:
                self._keep(self.by_path, path, row)
        if names and missing and not self.by_path:
            for row in missing:
                self._keep(self.by_name, _bare(row.file), row)
        else:
            self.passed_over += [PassedOver(row.file, NO_FILE) for row in missing]
        return self

    def _keep(self, rows: dict[str, list[Row]], key: str, row: Row) -> None:
        kept = rows.setdefault(key, [])
        for position, other in enumerate(kept):
            if other.frame != row.frame:
                continue
            if _said(other) == _said(row):
                self.passed_over.append(PassedOver(row.file, TWICE))
                return
            self.contradicting += 1
            if not self.keep_both:
                # Neither row is believed: which of them is right, a person must say.
                kept[position] = replace(other, class_text=None, subclass_text=None)
                self.passed_over.append(PassedOver(row.file, CONTRADICTION))
                return
        kept.append(row)

    def join(self, pictures: Iterable[Found | PassedOver]) -> Iterator[Found | PassedOver]:
        """The pictures with what the table says of them, then those only the table knows.

        The table is the only source of classes: a picture it does not name has none. Other facts
        of the layout (patient, split) stay where the table is silent.
        """
        yield from self.passed_over
        if self.by_name:
            pictures = self._match_names(pictures)
        for picture in pictures:
            if isinstance(picture, PassedOver):
                # A file the table names is tried whatever its suffix; `remaining` yields it.
                if os.path.join(self.root, picture.file) not in self.by_path:  # noqa: PTH118
                    yield picture
                continue
            rows = self.by_path.pop(_absolute(picture.path), None)
            if rows is not None:
                yield from (
                    _merge(picture, row, frames=len({row.frame for row in rows})) for row in rows
                )
            elif self.base and not picture.file.startswith(self.base):
                yield PassedOver(
                    picture.file, f"outside {self.base}, where the table's pictures lie"
                )
            else:
                yield replace(picture, class_text=None, subclass_text=None)
        yield from self.remaining()

    def remaining(self) -> Iterator[Found]:
        """The pictures of rows not yet taken out."""
        for path, rows in self.by_path.items():
            for row in rows:
                whole = Path(path).suffix.lower() in TIFF_SUFFIXES
                picture = Found(row.file, Path(path), whole=whole)
                yield _merge(picture, row, frames=len({row.frame for row in rows}))
        self.by_path = {}

    def _match_names(self, pictures: Iterable[Found | PassedOver]) -> list[Found | PassedOver]:
        """Turn rows known by name alone into rows known by path; every picture is held."""
        held = list(pictures)
        paths: dict[str, list[Found]] = {}
        for picture in held:
            if isinstance(picture, Found):
                paths.setdefault(_bare(picture.file), []).append(picture)
        for name, rows in self.by_name.items():
            matching = paths.get(name, [])
            if len(matching) == 1:
                self.by_path[_absolute(matching[0].path)] = rows
            else:
                reason = f"{len(matching)} pictures have this name" if matching else NO_FILE
                held += [PassedOver(row.file, reason) for row in rows]
        if not self.by_path:
            row = next(iter(self.by_name.values()))[0]
            raise TableError(
                f"no row of the table names a picture of the source; the first names {row.file}",
                "give the table of this folder, or the folder of this table",
            )
        return held


def _said(row: Row) -> tuple[str | None, str | None]:
    return row.class_text, row.subclass_text


def _merge(picture: Found, row: Row, *, frames: int) -> Found:
    return replace(
        picture,
        frame=row.frame or picture.frame,
        whole=picture.whole and frames == 1 and not row.frame,
        class_text=row.class_text,
        subclass_text=row.subclass_text,
        patient=row.patient or picture.patient,
        slide=row.slide or picture.slide,
        stain=row.stain or picture.stain,
        scanner=row.scanner or picture.scanner,
        field=row.field or picture.field,
        split=row.split or picture.split,
        box=row.box or picture.box,
    )


def _locate(file: str, folders: list[str]) -> str | None:
    """Where the file of a row lies, or None; both spellings of an accent are tried."""
    name = plain(file)
    for spelling in dict.fromkeys((name, unicodedata.normalize("NFD", name))):
        for folder in folders:
            path = os.path.normpath(os.path.join(folder, spelling))  # noqa: PTH118
            if os.path.isfile(path):  # noqa: PTH113
                return path
    return None


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links are kept: the walk keeps them too


def _bare(file: str) -> str:
    """The file's own name without suffix, to compare by when its folder is not known."""
    name = plain(file).rsplit("/", 1)[-1]
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and len(suffix) <= 5 else name

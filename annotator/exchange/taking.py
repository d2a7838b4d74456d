"""Labels in: rows of any format, each taken or passed over with its reason; nothing is written.

A row is a mapping of text: ``class`` (or ``subclass``, which wins), and one of ``sha256``,
``picture`` (a path on this machine, whose pixels are looked up), ``file`` (with ``frame`` and
``member``) or ``cell``; the first of these with a value names the cell. ``dataset``, ``author``
and ``note`` are optional.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator.fields import is_whole
from index.errors import UnknownClassError
from index.labelling import standing
from index.records import NewLabel
from retrieval.reading.decode import decode, pixel_hash
from retrieval.reading.errors import ImageError

if TYPE_CHECKING:
    from index.atlas import Atlas

# (cell, author) -> source (None: by hand) -> the class that the author's latest label there gives
Known = dict[tuple[int, str], dict[str | None, str]]

SHOWN_ROWS = 200  # rows passed over that a report lists one by one


@dataclass
class ImportReport:
    """What an import does: labels to add (or added), rows that say nothing new, rows passed over.

    ``same`` counts the rows of which the author says the same already: they are not added again.
    ``contradicting`` counts the labels of which the cell's present label is another class, neither
    wider nor narrower. ``passed_over`` lists (line of the file, what it says, why it is not taken),
    at most SHOWN_ROWS; ``passed`` counts them all.
    """

    rows: int = 0
    same: int = 0
    contradicting: int = 0
    passed: int = 0
    passed_over: list[tuple[int, str, str]] = field(default_factory=list)
    classes: Counter[str] = field(default_factory=Counter)
    labels: list[NewLabel] = field(default_factory=list)

    def pass_over(self, line: int, what: str, why: str) -> None:
        """Note a row that is not taken."""
        self.passed += 1
        if len(self.passed_over) < SHOWN_ROWS:
            self.passed_over.append((line, what, why))


def take_rows(
    atlas: Atlas,
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    source: str,
    author: str,
    within: Path | None = None,
) -> ImportReport:
    """Work out what ``rows``, each with its number, would add; nothing is written.

    ``source`` is kept with each label; ``author`` is who gives rows without one. ``within``: the
    folder out of which no picture is looked at, None for any that this program may read.
    """
    finder = _Finder(atlas, within)
    known: Known = {}
    for e in standing(list(atlas.log())):
        known.setdefault((e.cell_id, e.author), {})[e.source] = e.class_code
    report = ImportReport()
    for line, row in rows:
        report.rows += 1
        _take(atlas, finder, known, report, row, line, source, author)
    report.contradicting = sum(1 for _ in contradicting(atlas, report))
    return report


def contradicting(atlas: Atlas, report: ImportReport) -> Iterator[NewLabel]:
    """The labels to add whose cell has a present label of another line of descent."""
    present = atlas.present_of([label.cell_id for label in report.labels])
    for label in report.labels:
        now = present.get(label.cell_id)
        if now is not None and atlas.taxonomy.agreed((now, label.class_code)) is None:
            yield label


def _take(
    atlas: Atlas,
    finder: _Finder,
    known: Known,
    report: ImportReport,
    row: Mapping[str, Any],
    line: int,
    source: str,
    author: str,
) -> None:
    value = {name: str(text).strip() for name, text in row.items() if text is not None}
    said = value.get("subclass") or value.get("class") or ""
    named = _named(value)
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
    said_before = known.setdefault((found, who), {})
    if node.code in said_before.values():  # by hand or from any file: it is the same word
        report.same += 1
        return
    said_before[source] = node.code
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


def _named(value: Mapping[str, str]) -> str:
    """What a report calls the cell of a row."""
    picture = Path(value.get("picture", "")).name
    found = value.get("file") or picture or value.get("sha256", "")[:16] or value.get("cell")
    return found or "(no cell)"


class _Finder:
    """Finds the cell that a row names."""

    def __init__(self, atlas: Atlas, within: Path | None) -> None:
        self._within = None if within is None else within.resolve()
        self._by_hash: dict[str, list[tuple[int, str]]] = {}
        self._by_file: dict[tuple[str, int, str], list[tuple[int, str]]] = {}
        self._by_id: dict[int, str] = {}
        rows: Iterator[Any] = iter(atlas.table().itertuples(index=False))
        for row in rows:
            own = (int(row.id), str(row.dataset))
            self._by_id[own[0]] = own[1]
            self._by_hash.setdefault(str(row.sha256), []).append(own)
            place = (str(row.file), int(row.frame), row.member or "")
            self._by_file.setdefault(place, []).append(own)

    def find(self, value: dict[str, str]) -> int | str:
        """The id of the cell, or why there is none."""
        dataset = value.get("dataset", "")
        if value.get("sha256") or value.get("picture"):
            digest = value.get("sha256") or self._pixels(Path(value["picture"]))
            if digest is None:
                return "its picture cannot be read"
            what, found = "these pixels", self._by_hash.get(digest.lower(), [])
        elif value.get("file"):
            frame = value.get("frame") or "0"
            if not is_whole(frame):
                return f"frame is {frame[:40]!r}, allowed is a whole number"
            file = value["file"].replace("\\", "/")
            what = "this file"
            found = self._by_file.get((file, int(frame), value.get("member", "")), [])
        else:
            text = value.get("cell", "")
            if not is_whole(text):
                return f"cell is {text[:40]!r}, allowed is the number of a cell"
            what = "this number"
            number = int(text)
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

    def _pixels(self, picture: Path) -> str | None:
        """The hash of a picture's pixels, None where it cannot, or may not, be read."""
        if self._within is not None and not picture.resolve().is_relative_to(self._within):
            return None
        try:
            return pixel_hash(decode(picture))
        except ImageError:
            return None

"""Bring the cells of a source into an atlas."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from index import Atlas, CellRecord
from index.progress import progress_bar
from index.records import Differing
from index.settings import setting
from index.taxonomy import Taxonomy, shipped_taxonomy
from index.wording import counted
from retrieval.reading.decode import decode, page_numbers, pixel_hash
from retrieval.reading.errors import ImageError, SourceError, UnknownNamesError
from retrieval.reading.found import SPLITS, Found, PassedOver
from retrieval.reading.naming import Namer, UnknownName
from retrieval.reading.readers.folders import PLAIN
from retrieval.reading.source import Source, open_source
from retrieval.reading.storing import store

CHUNK = 32  # pictures a thread takes at once: a hand-over costs as much as a tenth of a picture
KNOWN_SPLITS = frozenset(SPLITS.values())
AHEAD = 4  # chunks read ahead for each thread


@dataclass
class ImportReport:
    """What an import did.

    ``added`` cells are new, ``existing`` were there; ``labels`` were added. ``unlabelled``
    counts new cells whose class is unknown. ``duplicates`` are
    (file, file of the same pixels that is kept). ``contradictions`` are (file, class, other file,
    other class) about one picture. ``passed_over`` gave no cell. ``unknown_classes`` came in
    without a label; ``unknown_subclasses`` with their class alone; ``unknown_splits`` without a
    split. ``filled`` and ``differing``: what was told of cells that were there, see ``AddReport``.
    """

    dataset: str
    reader: str
    root: str
    added: int = 0
    existing: int = 0
    labels: int = 0
    unlabelled: int = 0
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    contradictions: list[tuple[str, str, str, str]] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)
    unknown_classes: list[UnknownName] = field(default_factory=list)
    unknown_subclasses: list[UnknownName] = field(default_factory=list)
    unknown_splits: list[UnknownName] = field(default_factory=list)
    filled: dict[str, int] = field(default_factory=dict)
    differing: list[Differing] = field(default_factory=list)

    @property
    def reasons(self) -> dict[str, list[str]]:
        """The files passed over by reason, the most frequent reason first."""
        by_reason: dict[str, list[str]] = {}
        for each in self.passed_over:
            by_reason.setdefault(each.reason, []).append(each.file)
        return dict(sorted(by_reason.items(), key=lambda item: -len(item[1])))

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return asdict(self)


@dataclass
class Plan:
    """What an import is going to read, with nothing written yet."""

    source: Source
    found: list[Found]
    codes: list[str | None]
    report: ImportReport
    again: int  # rows that repeat a picture only to contradict another row


def import_source(
    atlas: Atlas,
    source: str | Path,
    *,
    labels: str | Path | None = None,
    dataset: str | None = None,
    reader: str | None = None,
    copy: bool = False,
    strict: bool = False,
    author: str = "import",
    workers: int | None = None,
) -> ImportReport:
    """Add the cells of ``source`` to ``atlas`` as data set ``dataset``, by default its name.

    ``labels`` is a table (CSV) about pictures in folder ``source``; it is then the only source of
    classes. ``copy`` keeps a copy of each picture inside the atlas. ``strict`` raises
    UnknownNamesError, before anything is written, when a class is not in the taxonomy; without it
    such cells come in unlabelled. Pictures that cannot be read are passed over and reported.

    What is committed stays when the run is stopped; the same call goes on from there, and adds
    nothing when all is there. Raises SourceError, TableError, UnknownReaderError.
    """
    plan = plan_import(
        source,
        labels=labels,
        dataset=dataset,
        reader=reader,
        strict=strict,
        taxonomy=atlas.taxonomy,
    )
    return carry_out(plan, atlas, copy=copy, author=author, workers=workers)


def plan_import(
    source: str | Path,
    *,
    labels: str | Path | None = None,
    dataset: str | None = None,
    reader: str | None = None,
    strict: bool = False,
    taxonomy: Taxonomy | None = None,
) -> Plan:
    """Read names and the table, look up the classes, open no picture and write nothing.

    Raises what ``import_source`` raises. ``taxonomy`` is by default the shipped one.
    """
    taxonomy = taxonomy or shipped_taxonomy()
    opened = open_source(
        Path(os.path.abspath(source)),  # noqa: PTH100 - links stay as the user wrote them
        Path(labels) if labels is not None else None,
        reader=reader,
        taxonomy=taxonomy,
    )
    pictures, table = opened.read(keep_both=True)
    report = ImportReport(dataset or default_name(opened), opened.reader.name, str(opened.root))
    found = _collect(pictures, report)
    namer = Namer(taxonomy)
    codes = [namer.code(each.class_text, each.subclass_text) for each in found]
    report.unknown_classes = namer.report(namer.unknown)
    report.unknown_subclasses = namer.report(namer.unknown_subclasses)
    splits = Counter(each.split for each in found if each.split and each.split not in KNOWN_SPLITS)
    report.unknown_splits = [UnknownName(name, n, ()) for name, n in splits.most_common()]
    _check(opened, report, found, strict)
    return Plan(opened, found, codes, report, table.contradicting if table is not None else 0)


def carry_out(
    plan: Plan,
    atlas: Atlas,
    *,
    copy: bool = False,
    author: str = "import",
    workers: int | None = None,
) -> ImportReport:
    """Decode the pictures of a plan and add them to the atlas.

    Raises SourceError, with nothing written, where none of them can be read.
    """
    report = plan.report
    report.root = _root(atlas, report.dataset, plan.source.root)
    into = Path(atlas.path) if copy else None
    task = _Task(report.root.rstrip("/") + "/", into, int(setting("workers", workers)))
    records = task.records(plan.found, plan.codes, report)
    # Nothing is noted of a data set before its first picture is read, and its copy written.
    first = next(records, None)
    if first is None:
        reasons = "; ".join(f"{len(files)} {why}" for why, files in report.reasons.items())
        raise SourceError(
            f"no picture in {plan.source.request.source} can be read: {reasons}",
            "open one of them in a viewer; copy or export them again",
        )
    atlas.add_dataset(report.dataset, report.root)
    added = atlas.add_cells(report.dataset, chain([first], records), author=author)
    unknown = {
        str(picture.path).removeprefix(task.prefix)
        for picture, code in zip(plan.found, plan.codes, strict=True)
        if code is None and (picture.class_text or picture.subclass_text)
    }
    report.unlabelled = sum(file in unknown for file in added.unlabelled.values())
    report.added, report.labels = added.added, added.labels
    report.existing = max(0, added.existing - plan.again)
    report.duplicates += added.duplicates
    report.contradictions += added.contradictions
    report.filled, report.differing = added.filled, added.differing
    return report


def default_name(source: Source) -> str:
    """The name of the source's folder, or of the one above where that says only ``images``."""
    path = source.request.source
    if source.reader.name == "medmnist":
        return path.stem
    folder = source.root
    while folder.name.lower() in PLAIN and folder.parent != folder:
        folder = folder.parent
    return folder.name or "cells"


def _collect(pictures: Iterator[Found | PassedOver], report: ImportReport) -> list[Found]:
    found = []
    for picture in pictures:
        if isinstance(picture, Found):
            found.append(picture)
        else:
            report.passed_over.append(picture)
    return found


def _check(opened: Source, report: ImportReport, found: list[Found], strict: bool) -> None:
    """Raise before anything is written when there is nothing to import, or not as asked."""
    if not found:
        reasons = report.reasons
        why = next(iter(reasons), "it is empty")
        raise SourceError(
            f"no picture in {opened.request.source}: {why}",
            "give a folder of JPEG, PNG or TIFF pictures, or a table that names them",
        )
    if strict and report.unknown_classes:
        names = ", ".join(f"{each.text!r} ({each.cells})" for each in report.unknown_classes[:8])
        raise UnknownNamesError(
            counted(len(report.unknown_classes), "class name is", "class names are")
            + f" not in the taxonomy: {names}",
            "add them with 'cellkin taxonomy', or leave --strict out to import without them",
        )


def _root(atlas: Atlas, name: str, root: Path) -> str:
    """The folder that file names of the data set are relative to.

    A data set keeps its root while that is there: moving it would lose the files imported from
    it. Pictures from elsewhere are then known by their whole path.
    """
    table = atlas.datasets()
    for old in table.loc[table["name"] == name, "root"]:
        if Path(old).is_dir() and os.path.realpath(old) != os.path.realpath(root):
            return str(old)
    return str(root)


@dataclass(frozen=True)
class _Task:
    """Reading many pictures in threads, in order."""

    prefix: str
    into: Path | None
    workers: int

    def records(
        self, found: list[Found], codes: list[str | None], report: ImportReport
    ) -> Iterator[CellRecord]:
        """A record a cell; what cannot be read goes to the report."""
        pairs = iter(zip(found, codes, strict=True))
        chunks = iter(lambda: list(islice(pairs, CHUNK)), [])
        waiting: deque[Future[list[CellRecord | PassedOver]]] = deque()
        pool = ThreadPoolExecutor(max(1, self.workers), thread_name_prefix="import")
        with progress_bar(len(found), f"import {report.dataset}") as bar:
            try:
                while True:
                    room = AHEAD * max(1, self.workers) - len(waiting)
                    waiting.extend(pool.submit(self._read, chunk) for chunk in islice(chunks, room))
                    if not waiting:
                        return
                    results = waiting.popleft().result()
                    for result in results:
                        if isinstance(result, PassedOver):
                            report.passed_over.append(result)
                        else:
                            yield result
                    bar.update(min(CHUNK, len(found) - bar.n))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, chunk: list[tuple[Found, str | None]]) -> list[CellRecord | PassedOver]:
        results: list[CellRecord | PassedOver] = []
        for picture, code in chunk:
            frames = page_numbers(picture.path) if picture.whole else [picture.frame]
            for frame in frames:
                try:
                    results.append(self._record(picture, code, frame, alone=len(frames) == 1))
                except ImageError as error:
                    results.append(PassedOver(picture.file, _reason(error, picture)))
        return results

    def _record(self, picture: Found, code: str | None, frame: int, *, alone: bool) -> CellRecord:
        rgb = decode(picture.path, frame, picture.member)
        sha256 = pixel_hash(rgb)
        stored = None
        if self.into is not None:
            whole = alone and frame == 0 and picture.member is None
            stored = store(self.into, sha256, rgb, picture.path if whole else None)
        path = str(picture.path)
        return CellRecord(
            path.removeprefix(self.prefix),
            sha256,
            rgb.shape[1],
            rgb.shape[0],
            picture.patient,
            picture.slide,
            picture.stain,
            picture.scanner,
            picture.field,
            picture.box,
            picture.split if picture.split in KNOWN_SPLITS else None,
            frame,
            picture.member,
            code,
            stored,
        )


def _reason(error: ImageError, picture: Found) -> str:
    """The message without the path, so that equal reasons count together."""
    return error.message.replace(str(picture.path), "it").removeprefix("it is ")

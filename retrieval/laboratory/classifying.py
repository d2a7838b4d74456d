"""Classify a source as a whole: first every picture is described, then all are answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from index import Atlas
from index.errors import CellKinError
from index.progress import progress_bar
from retrieval.answers.classify import (
    CHUNK,
    ClassifyReport,
    Counts,
    Picture,
    Reading,
    find_all,
    nothing_read,
    pictures_of,
    source_items,
    survey,
)
from retrieval.answers.errors import AnswerError
from retrieval.answers.foundfile import FoundFile
from retrieval.answers.table import PartialTable
from retrieval.described import Described
from retrieval.embedding import describe_images
from retrieval.finding import SourceFindings, from_row, usual_diameter
from retrieval.laboratory.answering import Answered, Room
from retrieval.laboratory.spool import Spool
from retrieval.model import Model
from retrieval.reading.found import PassedOver

if TYPE_CHECKING:
    from tqdm import tqdm


SPOOLED = 2  # what is kept beside the table until all is answered; another form is begun anew


def classify_together(
    atlas: Atlas,
    source: Path,
    out: Path,
    *,
    model: Model,
    room: Room,
    leave_out_same: bool,
    batch_size: int | None,
    workers: int | None,
) -> ClassifyReport:
    """``retrieval.answers.classify.classify`` for a source whose pictures inform each other.

    What is said of the pictures is kept beside ``out`` until all are answered; a stopped run goes
    on describing where it was. Every answer is given at the end, from all of them.
    """
    space = room.known.space
    widths = (model.dim, sum(width for _, width in space.parts), len(space.score_classes))
    table = PartialTable(out, source, "")
    spool = Spool(out, _fingerprint(atlas, model, room, source), widths)
    on_disk = FoundFile(out, source, model.finder_id)
    table.names |= spool.names | on_disk.names
    state = spool.resume()
    total, last = survey(source_items(source, atlas, table), spool.items)
    if state is None or last != spool.last:
        spool.begin_anew()
        state = {}
    counts = Counts(**state)
    resumed = spool.count
    findings = _find(atlas, model, room, source, table, spool, on_disk, total, batch_size, workers)
    with progress_bar(total, "describing", "picture") as bar:
        bar.update(spool.items)
        items = islice(enumerate(source_items(source, atlas, table)), spool.items, None)
        tail: list[PassedOver] = []
        reading = Reading(True)
        said = describe_images(
            model,
            pictures_of(items, tail),
            reading.read,
            finding=lambda picture: findings.of(picture.name),
            typical=spool.typical,
            batch_size=batch_size,
            workers=workers,
        )
        _describe_all(said, reading, spool, counts, bar)
        for gone in tail:
            counts.pass_over(gone.file, gone.reason)
    if not spool.count:
        spool.remove()
        on_disk.remove()
        raise nothing_read(source, counts)
    numbers, hashes, cells = spool.read()
    try:
        answered = room.answer(cells, hashes, not_same=leave_out_same)
    except AnswerError:  # nothing can be answered, however often this is run
        spool.remove()
        on_disk.remove()
        raise
    with table:
        names = _names(source, atlas, table, numbers)
        for name, proposal in zip(names, answered.proposals(), strict=True):
            counts.add(proposal)
            table.write(name, proposal)
        table.finish()
    spool.remove()
    on_disk.remove()
    return _report(out, counts, resumed, model, room, answered, findings.uneven)


def _report(
    out: Path,
    counts: Counts,
    resumed: int,
    model: Model,
    room: Room,
    answered: Answered,
    uneven: str | None,
) -> ClassifyReport:
    notes = answered.judgement.words()
    if uneven is not None:
        notes.append(f"the source: {uneven}")
    if room.dataset is not None and answered.adaptation is None:
        notes.insert(0, f"data set {room.dataset} has no label yet: nothing adapts the answers")
    return ClassifyReport(
        str(out),
        counts,
        resumed,
        model.id,
        "class",
        room.k,
        len(answered.known),
        tuple(notes),
        answered.way,
        answered.as_dict(),
    )


def _fingerprint(atlas: Atlas, model: Model, room: Room, source: Path) -> str:
    """What a stopped run must have in common with this one: what describes the pictures."""
    usual = usual_diameter(atlas, model, room.dataset) if room.dataset is not None else None
    parts = (SPOOLED, model.id, usual, source.resolve())
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _find(
    atlas: Atlas,
    model: Model,
    room: Room,
    source: Path,
    table: PartialTable,
    spool: Spool,
    on_disk: FoundFile,
    total: int,
    batch_size: int | None,
    workers: int | None,
) -> SourceFindings:
    """What the first pass finds; settles by which diameter pictures are scaled.

    A run that goes on describing has that already, and all that was found.
    """
    if room.dataset is not None:
        spool.typical = usual_diameter(atlas, model, room.dataset)
    if spool.items:
        findings = SourceFindings()
        for name, row in on_disk.read():
            findings.add(name, from_row(row))
        findings.settle()
        findings.typical = spool.typical  # by which those before were scaled
        return findings
    if spool.typical is not None:
        return SourceFindings(spool.typical)
    pictures = pictures_of(enumerate(source_items(source, atlas, table)), [])
    findings = find_all(
        model, pictures, on_disk, total=total, batch_size=batch_size, workers=workers
    )
    spool.typical = findings.typical
    return findings


def _describe_all(
    said: Iterator[tuple[Picture, Described | CellKinError]],
    reading: Reading,
    spool: Spool,
    counts: Counts,
    bar: tqdm,
) -> None:
    """Put what is said of the pictures into ``spool``, a chunk at a time."""
    while chunk := list(islice(said, CHUNK)):
        read: list[Picture] = []
        parts: list[Described] = []
        for picture, result in chunk:
            for gone in picture.before:
                counts.pass_over(gone.file, gone.reason)
            if isinstance(result, CellKinError):
                counts.pass_over(picture.name, result.message)
            else:
                read.append(picture)
                parts.append(result)
        last = chunk[-1][0]
        bar.update(last.number + 1 - spool.items)
        spool.items, spool.last = last.number + 1, last.name
        if read:
            hashes = [each or "" for each in reading.hashes(read) or []]
            numbers = [picture.number for picture in read]
            spool.add(numbers, hashes, Described.joined(parts), asdict(counts))


def _names(source: Path, atlas: Atlas, table: PartialTable, numbers: list[int]) -> Iterator[str]:
    """The names of the pictures that are items ``numbers`` of the source."""
    wanted = set(numbers)
    for picture in pictures_of(enumerate(source_items(source, atlas, table)), []):
        if picture.number in wanted:
            yield picture.name

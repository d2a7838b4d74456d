"""Classify: a proposal for every picture of a source, streamed into a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from index import Atlas, CellFilter
from index.errors import CellKinError
from index.progress import progress_bar
from index.records import place
from index.settings import setting
from index.wording import counted
from retrieval.answers.errors import NothingToClassifyError
from retrieval.answers.foundfile import FoundFile
from retrieval.answers.limits import reference_limits, require_dataset
from retrieval.answers.proposal import Proposal
from retrieval.answers.proposer import Proposer
from retrieval.answers.table import COLUMNS, PartialTable
from retrieval.described import Described
from retrieval.embedding import describe_images
from retrieval.finding import SourceFindings, find_source
from retrieval.model import Model, atlas_model
from retrieval.reading.decode import decode, pixel_hash
from retrieval.reading.found import Found, PassedOver
from retrieval.reading.source import iter_source

if TYPE_CHECKING:
    from tqdm import tqdm

CHUNK = 256  # pictures answered, and put on disk, together
SAME = 1e-6  # distance that float32 leaves between a picture and itself
SHOWN = 20  # files passed over that are named
NOT_ADAPTED = (
    "labels of the data set adapt classes; subclasses, and answers with --one-vote or --prior, are "
    "the vote of neighbours in all data sets"
)

__all__ = ["COLUMNS", "ClassifyReport", "Counts", "classify", "reference_limits"]


@dataclass
class Counts:
    """What became of the pictures so far.

    ``backed_off_to``: of those that were backed off, to which class above. ``identical`` had a
    reference of the same embedding among their voters: most likely they are cells of the atlas,
    answered by their own label. ``remarks``: how many pictures have which. ``first`` names the
    first files passed over, and why.
    """

    cells: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, int] = field(default_factory=dict)
    backed_off_to: dict[str, int] = field(default_factory=dict)
    remarks: dict[str, int] = field(default_factory=dict)
    identical: int = 0
    passed_over: int = 0
    first: list[tuple[str, str]] = field(default_factory=list)

    def add(self, proposal: Proposal) -> None:
        """Count one answer."""
        self.cells += 1
        for table, what in (
            (self.classes, proposal.class_code),
            (self.decisions, proposal.decision),
            (self.backed_off_to, proposal.backed_off_to),
            (self.remarks, proposal.remark),
        ):
            if what:
                table[what] = table.get(what, 0) + 1
        if proposal.evidence and proposal.evidence[0].distance < SAME:
            self.identical += 1

    def pass_over(self, file: str, reason: str) -> None:
        """Count one file that gave no answer."""
        self.passed_over += 1
        if len(self.first) < SHOWN:
            self.first.append((file, reason))


@dataclass(frozen=True)
class ClassifyReport:
    """What ``classify`` did. ``resumed``: pictures taken over from a run that was stopped.

    way: "vote" (of the neighbours of each picture), or how ``retrieval.laboratory`` answered.
    laboratory: what that says of itself, see ``Answered.as_dict``; None with way "vote".
    """

    out: str
    counts: Counts
    resumed: int
    model_id: str
    level: str
    k: int
    references: int
    notes: tuple[str, ...]
    way: str = "vote"
    laboratory: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def classify(
    atlas: Atlas,
    source: Path,
    out: Path,
    *,
    model: Model | None = None,
    level: str | None = None,
    k: int | None = None,
    limits: CellFilter | None = None,
    voter: str = "cell",
    prior: str = "none",
    leave_out_same: bool = False,
    dataset: str | None = None,
    alone: bool = False,
    batch_size: int | None = None,
    workers: int | None = None,
) -> ClassifyReport:
    """Write a proposal for every picture of ``source`` to the CSV file ``out``.

    source: a folder, a CSV file or a picture, see ``iter_source``. The columns are COLUMNS, a row a
    picture in the order of the source. Pictures that cannot be read get no row; the report counts
    them. limits: the references that may vote, see ``reference_limits``. leave_out_same: no
    reference of exactly the same pixels votes, so that a cell of the atlas is not answered by its
    own label.

    A model with features lets the source as a whole inform each answer, see
    ``retrieval.laboratory``; ``alone`` judges each picture by itself. dataset: the data set of the
    atlas that comes from the same laboratory: its labels adapt the answers, whatever the model, and
    its other cells inform them. With voter or prior given, and at level "subclass", each picture is
    named by the vote of its neighbours.

    ``out`` appears when it is complete. Until then answers are kept beside it in ``out``.partial;
    the same call goes on from there, unless model, labels, options or source have changed. What is
    found in the pictures is kept too, in ``out``.partial.found. In the vote memory grows by that
    alone, some hundred bytes a picture; else by some 4 kB a picture.
    Raises AnswerError, WriteError, SourceError, UnknownModelError, UnknownDatasetError.
    """
    model = model or atlas_model(atlas)
    by_vote = voter != "cell" or prior != "none" or setting("level", level) == "subclass"
    if not by_vote and (model.feature_parts or dataset is not None):
        from retrieval.laboratory.answering import Room
        from retrieval.laboratory.classifying import classify_together

        return classify_together(
            atlas,
            source,
            out,
            model=model,
            room=Room(
                atlas, model.id, model.metadata, dataset=dataset, alone=alone, limits=limits, k=k
            ),
            leave_out_same=leave_out_same,
            batch_size=batch_size,
            workers=workers,
        )
    if dataset is not None:
        require_dataset(atlas, dataset)
    proposer = Proposer(
        atlas, k=k, level=level, filter=limits, model_id=model.id, voter=voter, prior=prior
    )
    table = PartialTable(out, source, _fingerprint(proposer, source, leave_out_same))
    on_disk = FoundFile(out, source, model.finder_id)
    table.names |= on_disk.names
    state = table.resume()
    total, last = survey(source_items(source, atlas, table), table.items)
    if state is None or last != table.last:
        table.begin_anew()
        state = {}
    counts = Counts(**state)
    resumed = counts.cells
    with progress_bar(total, "classifying", "picture") as bar, table:
        bar.update(table.items)
        items = islice(enumerate(source_items(source, atlas, table)), table.items, None)
        tail: list[PassedOver] = []
        reading = Reading(leave_out_same)
        found = find_all(
            model,
            pictures_of(enumerate(source_items(source, atlas, table)), []),
            on_disk,
            total=total,
            batch_size=batch_size,
            workers=workers,
        )
        answers = describe_images(
            model,
            pictures_of(items, tail),
            reading.read,
            finding=lambda picture: found.of(picture.name),
            typical=found.typical,
            batch_size=batch_size,
            workers=workers,
        )
        _answer_all(answers, proposer, reading, table, counts, bar)
        for gone in tail:
            counts.pass_over(gone.file, gone.reason)
        if not counts.cells:
            table.discard()
            on_disk.remove()
            raise nothing_read(source, counts)
        table.finish()
    on_disk.remove()
    return ClassifyReport(
        str(out),
        counts,
        resumed,
        model.id,
        proposer.recipe.level,
        proposer.recipe.k,
        len(proposer.references),
        (*proposer.calibration.notes, *([NOT_ADAPTED] if dataset is not None else [])),
    )


def find_all(
    model: Model,
    pictures: Iterator[Picture],
    on_disk: FoundFile,
    *,
    total: int,
    batch_size: int | None,
    workers: int | None,
) -> SourceFindings:
    """What is found in all ``pictures`` of a source, by name; what a stopped run found is taken
    from ``on_disk``, and what is found now is kept there."""
    if model.finder is None:
        return SourceFindings()
    known = on_disk.read()
    with on_disk:
        return find_source(
            model,
            pictures,
            lambda picture: _decoded(picture.found),
            key=lambda picture: picture.name,
            total=total,
            batch_size=batch_size,
            workers=workers,
            known=known,
            keep=on_disk.add,
        )


class Reading:
    """Decodes pictures, in threads, and keeps the hash of each until it is answered."""

    def __init__(self, hashes: bool) -> None:
        self._hashes: dict[int, str] | None = {} if hashes else None

    def read(self, picture: Picture) -> np.ndarray:
        rgb = _decoded(picture.found)
        if self._hashes is not None:
            self._hashes[picture.number] = pixel_hash(rgb)
        return rgb

    def hashes(self, pictures: Sequence[Picture]) -> list[str | None] | None:
        """The hashes of ``pictures``, then forgotten; None where none are wanted."""
        if self._hashes is None:
            return None
        return [self._hashes.pop(picture.number) for picture in pictures]


def _decoded(found: Found) -> np.ndarray:
    return decode(found.path, found.frame, found.member)


def _fingerprint(proposer: Proposer, source: Path, leave_out_same: bool) -> str:
    """What a stopped run must have in common with this one to be gone on with."""
    calibration = json.dumps(proposer.calibration.to_document(), sort_keys=True)
    asked = (proposer.recipe.document, len(proposer.references), leave_out_same)
    parts = (*asked, calibration, source.resolve(), COLUMNS)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


@dataclass(frozen=True)
class Picture:
    """A picture, its number among the items of the source, and what was passed over before it."""

    found: Found
    number: int
    before: tuple[PassedOver, ...]

    @property
    def name(self) -> str:
        """Its name in the table."""
        return place(self.found.file, self.found.frame, self.found.member)


def source_items(source: Path, atlas: Atlas, table: PartialTable) -> Iterator[Found | PassedOver]:
    """The source, without the files of the table itself, which may lie in the same folder."""
    for item in iter_source(source, taxonomy=atlas.taxonomy):
        if isinstance(item, Found) or Path(item.file).name not in table.names:
            yield item


def survey(source: Iterator[Found | PassedOver], items: int) -> tuple[int, str]:
    """How many items the source has, and the name of the last of the first ``items``."""
    total, name = 0, ""
    for number, item in enumerate(source):
        total += 1
        if number == items - 1 and isinstance(item, Found):
            name = place(item.file, item.frame, item.member)
    return total, name


def pictures_of(
    items: Iterator[tuple[int, Found | PassedOver]], tail: list[PassedOver]
) -> Iterator[Picture]:
    """The pictures among ``items``; what is passed over after the last is left in ``tail``."""
    for number, item in items:
        if isinstance(item, Found):
            yield Picture(item, number, tuple(tail))
            tail.clear()
        else:
            tail.append(item)


def _answer_all(
    answers: Iterator[tuple[Picture, Described | CellKinError]],
    proposer: Proposer,
    reading: Reading,
    table: PartialTable,
    counts: Counts,
    bar: tqdm,
) -> None:
    """Answer a chunk at a time, and put it on disk with how far the source is covered."""
    while chunk := list(islice(answers, CHUNK)):
        _answer(chunk, proposer, reading, table, counts)
        last = chunk[-1][0]
        bar.update(last.number + 1 - table.items)
        table.items, table.last = last.number + 1, last.name
        table.save(asdict(counts))


def _answer(
    chunk: Sequence[tuple[Picture, Described | CellKinError]],
    proposer: Proposer,
    reading: Reading,
    table: PartialTable,
    counts: Counts,
) -> None:
    read: list[Picture] = []
    vectors: list[np.ndarray] = []
    for picture, result in chunk:
        for gone in picture.before:
            counts.pass_over(gone.file, gone.reason)
        if isinstance(result, CellKinError):
            counts.pass_over(picture.name, result.message)
        else:
            read.append(picture)
            vectors.append(result.vectors[0])
    if not read:
        return
    proposals = proposer.propose(np.stack(vectors), not_hashes=reading.hashes(read))
    for picture, proposal in zip(read, proposals, strict=True):
        counts.add(proposal)
        table.write(picture.name, proposal)


def nothing_read(source: Path, counts: Counts) -> NothingToClassifyError:
    """The error for a source of which no picture could be read."""
    why = f"; the first, {counts.first[0][0]}: {counts.first[0][1]}" if counts.first else ""
    return NothingToClassifyError(
        f"no picture in {source} could be read ("
        f"{counted(counts.passed_over, 'file')} passed over{why})",
        "give a folder of JPEG, PNG or TIFF pictures, a CSV that names them, or one picture",
    )

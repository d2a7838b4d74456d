"""The table of answers on disk: whole at the end, resumable until then."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from retrieval.answers.errors import AnswerError
from retrieval.answers.partial import cannot_write, going_on
from retrieval.answers.proposal import Proposal
from retrieval.writing import check_file

COLUMNS = (
    "file", "class", "probability", "prediction_set", "novelty", "decision", "neighbours",
    "backed_off_to", "remark",
)  # fmt: skip


def row_of(file: str, proposal: Proposal) -> tuple[str, ...]:
    """One row of the table; a ";" in the name of a neighbour's file is written %3B."""
    neighbours = (each.file.replace(";", "%3B") for each in proposal.evidence)
    return (
        file,
        proposal.class_code,
        f"{proposal.probability:.6f}",
        ";".join(proposal.prediction_set),
        f"{proposal.novelty:.6f}",
        proposal.decision,
        ";".join(neighbours),
        proposal.backed_off_to or "",
        proposal.remark,
    )


class PartialTable:
    """``out`` while it is being written.

    Rows go to ``out``.partial; ``save`` puts them on disk and notes in ``out``.partial.json how far
    the source is covered. What was written after the last ``save`` is cut off when a run goes on.
    """

    def __init__(self, out: Path, source: Path, fingerprint: str) -> None:
        self.out = out
        self.items = 0  # items of the source that are dealt with
        self.last = ""  # the last picture among them
        self._fingerprint = fingerprint
        self._rows = out.with_name(f"{out.name}.partial")
        self._state = out.with_name(f"{out.name}.partial.json")
        self._fresh = out.with_name(f"{out.name}.partial.json.new")
        self.names = {path.name for path in (out, self._rows, self._state, self._fresh)}
        self._size = 0  # bytes of the rows that the state tells of
        self._file: IO[str] | None = None
        self._check(source)

    def _check(self, source: Path) -> None:
        check_file(self.out)
        if source.is_file() and self.out.exists() and self.out.samefile(source):
            raise AnswerError(
                f"{self.out} is the source itself", "give --out another name: it would be lost"
            )

    def resume(self) -> dict[str, Any] | None:
        """The counts of a stopped run that this one goes on with; None to begin anew."""
        try:
            state = json.loads(self._state.read_text("utf-8"))
            size = self._rows.stat().st_size
            if state["fingerprint"] != self._fingerprint or size < state["size"]:
                return None
            counts: dict[str, Any] = state["counts"]
            self.items, self.last, self._size = state["items"], state["last"], state["size"]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # none was left, or it is not whole: begin anew
        return counts

    def begin_anew(self) -> None:
        """Forget what a stopped run left."""
        self.items, self.last, self._size = 0, "", 0

    def __enter__(self) -> PartialTable:
        try:
            self._file = going_on(self._rows, self._size, text=True)
            if not self._size:
                csv.writer(self._file).writerow(COLUMNS)
        except OSError as error:
            raise cannot_write(self.out, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError as full:  # rows that were not written yet have no room
            if error is None:
                raise cannot_write(self.out, full) from full
        if error is not None:
            self._give_back()

    def write(self, file: str, proposal: Proposal) -> None:
        """Add one row."""
        try:
            csv.writer(self._open).writerow(row_of(file, proposal))
        except OSError as error:
            raise cannot_write(self.out, error) from error

    def save(self, counts: dict[str, Any]) -> None:
        """Put all rows on disk, and note how far the source is covered."""
        try:
            self._open.flush()
            os.fsync(self._open.fileno())
            size = self._open.tell()
            state = {
                "fingerprint": self._fingerprint,
                "items": self.items,
                "last": self.last,
                "size": size,
                "counts": counts,
            }
            self._fresh.write_text(json.dumps(state), "utf-8")
            self._fresh.replace(self._state)
            self._size = size
        except OSError as error:
            raise cannot_write(self.out, error) from error

    def finish(self) -> None:
        """Let the whole table appear as ``out``."""
        try:
            self._open.flush()
            os.fsync(self._open.fileno())
            self._open.close()
            self._rows.replace(self.out)
        except OSError as error:
            raise cannot_write(self.out, error) from error
        self._state.unlink(missing_ok=True)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._open.close()
        self._remove()

    def _remove(self) -> None:
        for path in (self._rows, self._state, self._fresh):
            path.unlink(missing_ok=True)

    def _give_back(self) -> None:
        """Cut off what no state tells of: it may hold the last of the disk, and no run would go on
        with it."""
        with contextlib.suppress(OSError):
            if not self._size:
                self._remove()
                return
            self._fresh.unlink(missing_ok=True)
            os.truncate(self._rows, self._size)

    @property
    def _open(self) -> IO[str]:
        if self._file is None:
            raise ValueError("the table is used outside its with block")
        return self._file

"""What the first pass over a source finds, on disk until all pictures are answered."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import TracebackType
from typing import IO

from index.describing import FINDING
from retrieval.answers.partial import cannot_write, going_on

Found = tuple[str, tuple[float, ...]]  # name of a picture, its row of FINDING

FORM = 1  # of the lines; others are begun anew


class FoundFile:
    """The findings of a source so far, beside the table that will hold the answers.

    Each is a line of ``out``.partial.found, below one that names the source and the finder: where
    another stands there all is found anew. A line that was not written whole is cut off.
    """

    def __init__(self, out: Path, source: Path, finder_id: str | None) -> None:
        self._path = out.with_name(f"{out.name}.partial.found")
        self.names = {self._path.name}
        of = "\n".join(map(str, (FORM, finder_id, source.resolve())))
        self._head = hashlib.sha256(of.encode()).hexdigest().encode() + b"\n"
        self._size = 0  # bytes that are whole
        self._file: IO[bytes] | None = None

    def read(self) -> list[Found]:
        """What a stopped run has found; nothing where it was of something else."""
        found: list[Found] = []
        self._size = 0
        try:
            with self._path.open("rb") as file:
                if file.readline() != self._head:
                    return found
                self._size = len(self._head)
                for line in file:
                    each = _parsed(line)
                    if each is None:
                        break
                    found.append(each)
                    self._size += len(line)
        except OSError:
            return []  # none was left, or it cannot be read: begin anew
        return found

    def __enter__(self) -> FoundFile:
        """To add to what ``read`` has given."""
        try:
            self._file = going_on(self._path, self._size)
            if not self._size:
                self._file.write(self._head)
        except OSError as error:
            raise cannot_write(self._path, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()  # with what was not written yet, also after Ctrl-C
        except OSError as full:
            if error is None:
                raise cannot_write(self._path, full) from full

    def add(self, name: str, row: tuple[float, ...]) -> None:
        """Keep what was found in one more picture."""
        if self._file is None:
            raise ValueError("findings are added outside the with block")
        try:
            self._file.write(json.dumps([name, *row]).encode() + b"\n")
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def remove(self) -> None:
        """Leave nothing behind."""
        self._path.unlink(missing_ok=True)


def _parsed(line: bytes) -> Found | None:
    """The finding that a line holds; None where it is not whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        name, *row = json.loads(line)
        values = tuple(float(each) for each in row)
    except (ValueError, TypeError):
        return None
    return (name, values) if isinstance(name, str) and len(values) == len(FINDING) else None

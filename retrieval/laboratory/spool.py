"""What a model said of the pictures of a source, on disk until all of them are answered."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.answers.partial import cannot_write, going_on
from retrieval.described import Described


class Spool:
    """Descriptions of the pictures read so far, beside the table that will hold the answers.

    Rows go to ``out``.partial.cells, how far the source is covered to ``out``.partial.cells.json;
    what was written after the last ``save`` is cut off when a run goes on. A run goes on where
    ``fingerprint`` is the same. items: items of the source dealt with; last: the last picture among
    them; typical: the usual diameter by which the pictures are scaled.
    """

    def __init__(self, out: Path, fingerprint: str, widths: tuple[int, int, int]) -> None:
        self.items, self.last = 0, ""
        self.typical: float | None = None
        self._fingerprint = fingerprint
        self._rows = out.with_name(f"{out.name}.partial.cells")
        self._state = out.with_name(f"{out.name}.partial.cells.json")
        self._fresh = out.with_name(f"{out.name}.partial.cells.json.new")
        self.names = {path.name for path in (self._rows, self._state, self._fresh)}
        vectors, features, scores = widths
        self._type = np.dtype(
            [
                ("number", "<i8"),
                ("sha256", "S64"),
                ("found", "?"),
                ("others", "<u2"),
                ("vectors", "<f4", (vectors,)),
                ("features", "<f2", (features,)),
                ("scores", "<f4", (scores,)),
            ]
        )
        self.count = 0

    def resume(self) -> dict[str, Any] | None:
        """The counts of a stopped run that this one goes on with; None to begin anew."""
        try:
            state = json.loads(self._state.read_text("utf-8"))
            size = self._rows.stat().st_size
            if state["fingerprint"] != self._fingerprint:
                return None
            if size < state["count"] * self._type.itemsize:
                return None
            counts: dict[str, Any] = state["counts"]
            self.items, self.last = state["items"], state["last"]
            self.count, self.typical = state["count"], state["typical"]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # none was left, or it is not whole: begin anew
        return counts

    def begin_anew(self) -> None:
        """Forget what a stopped run left."""
        self.items, self.last, self.count, self.typical = 0, "", 0, None

    def add(
        self,
        numbers: Sequence[int],
        hashes: Sequence[str],
        said: Described,
        counts: dict[str, Any],
    ) -> None:
        """Put the descriptions of some pictures on disk, and how far the source is covered.

        numbers: of the pictures among the items of the source. hashes: of their pixels.
        """
        rows = np.zeros(len(numbers), dtype=self._type)
        rows["number"], rows["sha256"], rows["found"] = numbers, hashes, said.found
        rows["others"] = said.others
        rows["vectors"], rows["features"], rows["scores"] = said.vectors, said.features, said.scores
        before = self.count
        try:
            with going_on(self._rows, self.count * self._type.itemsize) as file:
                file.write(rows.tobytes())
                file.flush()
                os.fsync(file.fileno())
            self.count += len(rows)
            state = {
                "fingerprint": self._fingerprint,
                "items": self.items,
                "last": self.last,
                "count": self.count,
                "typical": self.typical,
                "counts": counts,
            }
            self._fresh.write_text(json.dumps(state), "utf-8")
            self._fresh.replace(self._state)
        except OSError as error:
            self._give_back(before)
            raise cannot_write(self._rows, error) from error

    def _give_back(self, count: int) -> None:
        """Cut off what no state tells of, after the first ``count`` rows: it may hold the last of
        the disk, and no run would go on with it."""
        with contextlib.suppress(OSError):
            if not count:
                self.remove()
                return
            self._fresh.unlink(missing_ok=True)
            os.truncate(self._rows, count * self._type.itemsize)

    def read(self) -> tuple[list[int], list[str], Described]:
        """(numbers [N], hashes [N], descriptions) of all pictures."""
        if not self.count:
            widths = [self._type[name].shape[0] for name in ("vectors", "features", "scores")]
            none = [np.empty((0, width), np.float32) for width in widths]
            return [], [], Described(none[0], none[1].astype(np.float16), none[2])
        rows = np.fromfile(self._rows, dtype=self._type, count=self.count)
        hashes = [each.decode("ascii") for each in rows["sha256"].tolist()]
        said = Described(
            np.ascontiguousarray(rows["vectors"]),
            np.ascontiguousarray(rows["features"]),
            np.ascontiguousarray(rows["scores"]),
            found=np.ascontiguousarray(rows["found"]),
            others=rows["others"].astype(np.int64),
        )
        return rows["number"].tolist(), hashes, said

    def remove(self) -> None:
        """Leave nothing behind."""
        for path in (self._rows, self._state, self._fresh):
            path.unlink(missing_ok=True)

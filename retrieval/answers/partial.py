"""Files of a run that may be stopped: opened where the last one left off."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from retrieval.answers.errors import AnswerError


def going_on(path: Path, size: int, *, text: bool = False) -> IO[Any]:
    """``path`` opened to write after its first ``size`` bytes; what stood behind them is cut off.

    Of size 0 it is made. Bytes, or UTF-8 with line ends as given. Raises OSError.
    """
    kind = {"encoding": "utf-8", "newline": ""} if text else {}
    mode = ("r+" if size else "w") + ("" if text else "b")
    file: IO[Any] = path.open(mode, **kind)  # type: ignore[call-overload]
    file.seek(size)
    file.truncate()
    return file


def cannot_write(path: Path, error: OSError) -> AnswerError:
    """What is said where a file of the run has no room or no leave."""
    return AnswerError(
        f"{path} cannot be written ({error.strerror or error})",
        "free some disk space or give --out a folder you may write to; "
        "the same command then goes on",
    )

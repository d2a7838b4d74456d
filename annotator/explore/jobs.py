"""Work that takes longer than a request, one thread each, with its progress."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from annotator.language import gettext as _
from annotator.language import mark
from index.errors import CellKinError

log = logging.getLogger("cellkin.annotator")

WORKING, DONE, FAILED = "working", "done", "failed"

# What is under way, by the name a job reports it under.
STAGES: dict[str, str] = {
    "reading": mark("reading embeddings"),
    "layout": mark("laying out the map"),
    "placing": mark("placing later cells"),
    "novelty": mark("measuring novelty"),
    "clustering": mark("clustering"),
    "neighbours": mark("finding neighbours"),
    "spreading": mark("spreading labels"),
    "saving": mark("saving"),
}

Report = Callable[[str, int, int], None]


@dataclass
class Job:
    """One piece of work. ``total`` is 0 where nobody knows how much there is to do."""

    name: str
    state: str = WORKING
    stage: str = "reading"
    done: int = 0
    total: int = 0
    result: Any = None
    message: str = ""
    remedy: str = ""

    def report(self, stage: str, done: int, total: int) -> None:
        """Take in how far the work is."""
        self.stage, self.done, self.total = stage, done, total

    def document(self) -> dict[str, Any]:
        """The job for pages and API."""
        return {
            "name": self.name,
            "state": self.state,
            "stage": self.stage,
            "words": _(STAGES.get(self.stage, self.stage)),
            "done": self.done,
            "total": self.total,
            "message": self.message,
            "remedy": self.remedy,
        }


class Jobs:
    """Jobs by name; of each name one runs at a time."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[Job, threading.Thread]] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Job | None:
        """The last job of that name, None before the first."""
        with self._lock:
            found = self._jobs.get(name)
        return found[0] if found else None

    def start(self, name: str, work: Callable[[Report], Any]) -> Job:
        """Begin ``work`` in the background, or return the job of that name that is under way."""
        with self._lock:
            running = self._jobs.get(name)
            if running is not None and running[0].state == WORKING:
                return running[0]
            job = Job(name)
            thread = threading.Thread(target=self._run, args=(job, work), name=name, daemon=True)
            self._jobs[name] = job, thread
            thread.start()
        return job

    @staticmethod
    def _run(job: Job, work: Callable[[Report], Any]) -> None:
        try:
            job.result = work(job.report)
            job.state = DONE
        except CellKinError as error:
            job.message, job.remedy = error.message, error.remedy
            job.state = FAILED
        except Exception as error:  # a thread has nobody above it that could say it
            log.exception("job %s failed", job.name)
            job.message = f"internal error: {type(error).__name__}"
            job.remedy = "the server's log says where it happened, report it"
            job.state = FAILED

    def wait(self) -> None:
        """Return when nothing is under way."""
        with self._lock:
            threads = [thread for _, thread in self._jobs.values()]
        for thread in threads:
            thread.join()

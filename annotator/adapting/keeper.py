"""Adapts proposals to data sets in the background, one at a time, and swaps them in whole.

What a reader may not see teaches nothing that they are shown: a view of the atlas that hides labels
has adaptations of its own. Nothing but the entry in the log of adaptations is written to disk, so
that a run that is killed leaves nothing half done; after a start the first question works it out
again. Imports neither torch nor Flask.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.adapting.due import Standing, standing, worth_reading
from index.errors import CellKinError

if TYPE_CHECKING:
    from index.adaptations import AdaptationRecord
    from index.atlas import Atlas
    from index.records import Marks
    from retrieval.laboratory import HeldAnswers

log = logging.getLogger("cellkin.annotator")

IDLE, WAITING, WORKING, FAILED = "idle", "waiting", "working", "failed"
PAUSE = 9.0  # times as long as an adaptation took nothing is begun: a tenth of a core at most
MOST_BYTES = 256 * 1024 * 1024  # of all that is held; what was asked for longest ago goes first

Swapped = Callable[["Atlas", str], None]


class _StoppedError(Exception):
    """What is under way is of no use: the annotator closes, or there is too little to read."""


@dataclass(eq=False)
class Progress:
    """What is held of a data set as one view of the atlas shows it, and what is under way."""

    atlas: Atlas
    dataset: str
    held: HeldAnswers | None = None
    state: str = IDLE
    stage: str = "reading"
    message: str = ""
    remedy: str = ""
    looked: tuple[object, ...] | None = None  # the state of the atlas that was judged last
    counted: tuple[Marks, HeldAnswers | None, Standing] | None = None
    rests: float = 0.0  # until this moment nothing is begun
    unsure: bool = False  # it is still to be seen whether the data set can be read as a whole
    urgent: bool = False  # somebody asked for it: it does not wait
    again: bool = False  # what is under way rests on what no longer holds

    @property
    def busy(self) -> bool:
        """Whether an adaptation is under way or waits for its turn."""
        return self.state in (WAITING, WORKING)


class Adapting:
    """The adaptations of one annotator; safe for several threads.

    ``after`` fresh labels of a data set make the next one due. ``swapped`` is told, on the thread
    of the work, what has been swapped in. Not ``on``: nothing is ever adapted.
    """

    def __init__(
        self,
        *,
        on: bool = True,
        after: int = 10,
        k: int | None = None,
        seed: int | None = None,
        swapped: Swapped | None = None,
    ) -> None:
        self.on, self.after = on, after
        self._k, self._seed = k, seed
        self._swapped = swapped
        self._all: OrderedDict[tuple[int, str], Progress] = OrderedDict()
        self._waiting: deque[Progress] = deque()
        self._worker: threading.Thread | None = None
        self._free = 0.0  # the moment from which the next may begin
        self._wake = threading.Event()
        self._closing = False
        self._lock = threading.RLock()
        self._records: dict[int, AdaptationRecord] = {}

    def held(self, atlas: Atlas, dataset: str, *, consider: bool = True) -> HeldAnswers | None:
        """What is held of ``dataset`` as ``atlas`` shows it; None where nothing is yet.

        With ``consider`` a new adaptation is begun where one is due. This never waits for it.
        """
        model_id = atlas.active_model
        if not self.on or model_id is None:
            return None
        found = self.progress(atlas, dataset)
        if consider and not found.busy:
            self._consider(found, model_id)
        held = found.held
        return held if held is not None and held.model_id == model_id else None

    def progress(self, atlas: Atlas, dataset: str) -> Progress:
        """What is held of ``dataset`` and under way for it."""
        key = (id(atlas), dataset)
        with self._lock:
            if key not in self._all:
                self._all[key] = Progress(atlas, dataset)
            self._all.move_to_end(key)
            return self._all[key]

    def standing(self, atlas: Atlas, dataset: str) -> Standing:
        """How the labels of ``dataset`` stand against what is held; counted once for each state."""
        found, marks = self.progress(atlas, dataset), atlas.marks(atlas.active_model or "")
        held, counted = found.held, found.counted
        if counted is None or counted[0] != marks or counted[1] is not held:
            now = standing(atlas, dataset, held, marks, self.after)
            counted = found.counted = (marks, held, now)
        return counted[2]

    def record(self, number: int | None) -> AdaptationRecord | None:
        """The log's entry of an adaptation that this run has made."""
        return None if number is None else self._records.get(number)

    def now(self, atlas: Atlas, dataset: str) -> Progress:
        """Adapt to ``dataset`` after what is under way, in every view that holds it."""
        wanted = self.progress(atlas, dataset)
        with self._lock:
            mine = [each for each in self._all.values() if each.dataset == dataset]
        for each in mine:
            if each is wanted or each.held is not None:
                each.urgent, each.unsure = True, False
                each.again = each.again or each.state == WORKING
                self._begin(each)
        self._wake.set()
        return wanted

    def anew(self, dataset: str) -> None:
        """Work out again what is said of ``dataset``, in every view that holds or awaits it: what
        may be answered there has changed."""
        with self._lock:
            for each in self._all.values():
                if each.dataset == dataset and (each.held is not None or each.busy):
                    each.urgent, each.again = True, each.state == WORKING
                    self._begin(each)
        self._wake.set()

    def forget(self, atlas: Atlas) -> None:
        """Let go of all that is held for ``atlas``, which nobody asks any more."""
        with self._lock:
            for key in [key for key, each in self._all.items() if each.atlas is atlas]:
                gone = self._all.pop(key)
                gone.again = False
                if gone in self._waiting:
                    self._waiting.remove(gone)
                    gone.state = IDLE

    def wait(self) -> None:
        """Return when nothing is under way."""
        worker = self._worker
        if worker is not None and worker is not threading.current_thread():
            worker.join()

    def close(self) -> None:
        """Stop what is under way and begin nothing more."""
        with self._lock:
            self._closing = True
            self._waiting.clear()
        self._wake.set()
        self.wait()

    def _consider(self, found: Progress, model_id: str) -> None:
        marks = found.atlas.marks(model_id)
        if found.looked == (model_id, marks) or time.monotonic() < found.rests:
            return
        held = found.held
        if held is not None and held.model_id != model_id:
            held = found.held = None
        now = standing(found.atlas, found.dataset, held, marks, self.after, counted=False)
        found.looked = (model_id, marks)
        if now.due or held is None:
            found.unsure = not now.due  # counting a million cells is not for who waits for a page
            self._begin(found)

    def _begin(self, found: Progress) -> None:
        with self._lock:
            if found.busy or self._closing or not self.on:
                return
            found.state, found.stage = WAITING, "reading"
            self._waiting.append(found)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="adapt", daemon=True)
                self._worker.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._closing or not self._waiting:
                    self._worker = None
                    return
                found = next((p for p in self._waiting if p.urgent), self._waiting[0])
                pause = 0.0 if found.urgent else self._free - time.monotonic()
                self._wake.clear()
                if pause <= 0:
                    self._waiting.remove(found)
                    found.urgent = False
            if pause > 0:
                self._wake.wait(pause)
            else:
                self._adapt(found)

    def _adapt(self, found: Progress) -> None:
        from retrieval.laboratory import hold

        def report(stage: str) -> None:
            if self._closing:
                raise _StoppedError
            found.stage = stage

        begun = time.monotonic()
        model_id = found.atlas.active_model
        try:
            if model_id is None:
                raise _StoppedError
            if found.unsure and not worth_reading(found.atlas, found.dataset, model_id):
                raise _StoppedError
            found.state = WORKING
            held = hold(
                found.atlas,
                model_id,
                found.dataset,
                k=self._k,
                seed=self._seed,
                before=found.held,
                report=report,
            )
        except _StoppedError:
            found.state = IDLE
        except CellKinError as error:
            self._failed(found, error.message, error.remedy)
        except Exception as error:  # the thread has no caller; the neighbours go on voting
            log.exception("could not adapt to data set %s", found.dataset)
            name = type(error).__name__
            self._failed(found, f"internal error: {name}", "the server's log says where, report it")
        else:
            self._take(found, held)
        finally:
            self._free = time.monotonic() + PAUSE * (time.monotonic() - begun)
            found.rests = self._free
            with self._lock:
                if found.again:
                    found.again, found.urgent = False, True
                    self._begin(found)

    def _failed(self, found: Progress, message: str, remedy: str) -> None:
        """What was held before goes on answering."""
        found.message, found.remedy = message, remedy
        found.state = FAILED
        log.warning("not adapted to data set %s: %s; %s", found.dataset, message, remedy)

    def _take(self, found: Progress, held: HeldAnswers) -> None:
        """Put the new answers in the place of the old ones, by one assignment."""
        if held.record is not None:
            self._records[held.record.id] = held.record
        found.held = held
        found.message = found.remedy = ""
        found.state = IDLE
        log.info(
            "adapted to %d labels of data set %s in %.1f s", held.labels, held.dataset, held.seconds
        )
        self._make_room(found)
        if self._swapped is not None and not self._closing:
            self._swapped(found.atlas, found.dataset)

    def _make_room(self, newest: Progress) -> None:
        with self._lock:
            total = sum(each.held.size for each in self._all.values() if each.held)
            for each in list(self._all.values()):
                if total <= MOST_BYTES:
                    return
                if each.held and each is not newest and not each.busy:
                    total -= each.held.size
                    each.held = each.looked = each.counted = None

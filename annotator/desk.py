"""Everything one running annotator holds: the atlas, its pictures, proposals and readers.

Imports neither torch nor Flask; the routes reach all logic through here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from itsdangerous import BadSignature, URLSafeSerializer

from annotator.actions import Reader, Shown
from annotator.adapting import Adapting
from annotator.checks import Checks
from annotator.config import AnnotatorConfig
from annotator.fields import optional_text
from annotator.keys import RESERVED
from annotator.pictures import Pictures
from annotator.policy import Policy, read_policy
from annotator.problems import BadRequestError, StaleProposalError
from annotator.proposals import Proposals, unembedded
from annotator.queue import Queue, known_order
from annotator.rooms import OWNER
from annotator.sights import Sights, View
from annotator.viewer import Person, viewer
from index.accounts import count_role
from index.atlas import Atlas
from index.browsing import Wanted, cells_by_dataset, how_many
from index.errors import UnknownDatasetError
from index.records import CellFilter
from index.reviewing import skipped_cells
from index.work import assigned_to, waiting, waiting_among

if TYPE_CHECKING:
    from index.taxonomy import Node
    from retrieval.answers.proposer import Proposal


@dataclass(frozen=True)
class Notice:
    """Something the reader should do before or while labelling."""

    type: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Counts:
    """How many cells there are, and how many have a present label."""

    total: int
    labelled: int


class Desk:
    """The atlas opened for labelling, by one author or, with accounts, by several readers.

    ``atlas`` and ``proposals`` are as the present viewer may see them, ``whole`` is all of it.
    """

    def __init__(self, config: AnnotatorConfig, atlas: Atlas | None = None) -> None:
        self.whole = atlas or Atlas.open(config.atlas)
        if config.accounts is None:
            config = replace(config, accounts=count_role(self.whole, OWNER) > 0)
        self.config = config
        self._owns_atlas = atlas is None
        self.pictures = Pictures(self.whole)
        self.adapting = Adapting(
            on=config.adapt,
            after=config.adapt_after,
            k=config.k,
            seed=config.seed,
            swapped=self._swapped,
        )
        self.sights = Sights(self.whole, k=config.k, adapting=self.adapting)
        self.checks = Checks(self.whole, seed=config.seed)
        self._policy: tuple[int, Policy] = (-1, Policy())
        self._signer = URLSafeSerializer(config.secret, salt="proposal")
        self._readers: dict[str, Reader] = {}
        self._viewed: dict[str, View] = {}
        self._lock = threading.RLock()
        if config.dataset is not None:
            self.check_dataset(config.dataset)

    def close(self) -> None:
        """Finish what is under way and close the atlas if it was opened here."""
        self.adapting.close()
        for reader in self._readers.values():
            reader.queue.wait()
        self.sights.close()
        if self._owns_atlas:
            self.whole.close()

    @property
    def policy(self) -> Policy:
        """What the owners decided about proposals and independence."""
        version = self.whole.database.version()
        if self._policy[0] != version:
            self._policy = version, read_policy(self.whole)
        return self._policy[1]

    @property
    def planted(self) -> float:
        """The share of proposals that is planted as checks, 0 to 0.5."""
        decided = self.policy.planted
        return self.config.planted if decided is None else decided

    @property
    def view(self) -> View:
        """The atlas and the proposals as the present viewer may see them."""
        return self.sights.of(viewer(), self.policy)

    @property
    def atlas(self) -> Atlas:
        """The atlas as the present viewer may see it; labels may be given through it as well."""
        return self.view.atlas

    @property
    def exported(self) -> Atlas:
        """The atlas that the present viewer may take away: owners all of it, known answers too."""
        person = viewer()
        return self.whole if person is not None and person.role == OWNER else self.atlas

    @property
    def proposals(self) -> Proposals:
        """Proposals from the references that the present viewer may see."""
        return self.view.proposals

    def check_dataset(self, name: str) -> str:
        """``name``, if the atlas holds that data set. Raises UnknownDatasetError."""
        names = list(cells_by_dataset(self.atlas))
        if name not in names:
            raise UnknownDatasetError(
                f"data set {name!r} is not in this atlas, it holds {', '.join(names) or 'none'}",
                "name one of these, or import it with 'cellkin import'",
            )
        return name

    def reader(self, author: str) -> Reader:
        """The reader of that name with the queue as it was last set up."""
        person = self._person(author)
        view = self.sights.of(person, self.policy)
        with self._lock:
            known = self._readers.get(author)
            if known is None:
                kept = self.whole.document(_document(author)) or {}
                dataset = self.config.dataset or kept.get("dataset")
                names = set(cells_by_dataset(self.whole))
                order = kept.get("order", "worth")
                queue = self._queue(person, view, dataset if dataset in names else None, order)
                known = self._readers[author] = Reader(self.whole, queue, author)
            elif self._viewed[author] is not view:
                # Other cells are hidden now: what waits, and why, is worked out afresh.
                old = known.queue
                known.queue = self._queue(person, view, old.dataset, old.order.name)
                known.queue.go_on_from(old)
            self._viewed[author] = view
            return known

    @staticmethod
    def _person(author: str) -> Person:
        person = viewer()
        return person if person is not None and person.name == author else Person(author)

    def _queue(
        self,
        person: Person,
        view: View,
        dataset: str | None,
        order: str,
    ) -> Queue:
        """The cells that wait for ``person``, ranked by what ``person`` may see.

        What was skipped in an earlier run is behind all others still.
        """

        def waits(limit: CellFilter) -> np.ndarray:
            return waiting(self.whole, person.name, limit, alone=not person.account)

        return Queue(
            view.atlas,
            view.proposals,
            dataset=dataset,
            order=order,
            seed=self.config.seed,
            skipped=self._skipped(person.name, dataset),
            waiting=waits,
        )

    def _skipped(self, name: str, dataset: str | None) -> list[int]:
        """The cells of ``dataset`` (None: of all) that ``name`` has skipped and still may read."""
        kept = skipped_cells(self.whole, name)
        left = waiting_among(self.whole, name, kept)
        cells = self.whole.cells_by_id(cell for cell in kept if cell in left)
        return [cell for cell in cells if dataset is None or cells[cell].dataset == dataset]

    def set_queue(self, author: str, order: str, dataset: str | None) -> Reader:
        """Give the author's queue another order or data set, and remember it for the next run."""
        known_order(order)
        if dataset is not None:
            self.check_dataset(dataset)
        reader = self.reader(author)
        with self._lock:
            reader.queue = self._queue(self._person(author), self._viewed[author], dataset, order)
        self.whole.put_document(_document(author), {"order": order, "dataset": dataset})
        return reader

    def _swapped(self, atlas: Atlas, dataset: str) -> None:
        """Other proposals hold for ``dataset`` as ``atlas`` shows it: its cells are ranked anew."""
        with self._lock:
            readers = [
                reader
                for name, reader in self._readers.items()
                if self._viewed[name].atlas is atlas and reader.queue.dataset in (None, dataset)
            ]
        for reader in readers:
            reader.queue.rank_anew()

    def sign(self, cell_id: int, proposal: Proposal) -> str:
        """A token by which a label says which proposal it answers."""
        return str(
            self._signer.dumps(
                [
                    cell_id,
                    proposal.class_code,
                    round(float(proposal.probability), 6),
                    self.proposals.model_id,
                    proposal.adaptation,
                ]
            )
        )

    def shown(self, cell_id: int, token: str | None, visible: bool | None) -> Shown:
        """What was proposed, read from ``token``. Raises StaleProposalError if it is not ours."""
        if token is None:
            return Shown()
        try:
            of_cell, class_code, probability, model_id, adaptation = self._signer.loads(token)
        except (BadSignature, ValueError, TypeError):
            of_cell = None
        if of_cell != cell_id:
            raise StaleProposalError(
                f"the proposal named is not one this run of the annotator made for cell {cell_id}",
                "read the cell again and look at what is proposed now",
            )
        seen = True if visible is None else visible
        return Shown(class_code, probability, model_id, seen, adaptation)

    def counts(self, dataset: str | None) -> Counts:
        """Cells of ``dataset`` (None: of all), and how many of them have a present label.

        Of a reader with work assigned: the cells assigned, and how many of them are read."""
        datasets = (dataset,) if dataset else ()
        person = viewer()
        if person is not None and person.account:
            mine = assigned_to(self.whole, person.name, CellFilter(datasets=datasets))
            if len(mine):
                left = waiting(self.whole, person.name, CellFilter(datasets=datasets))
                return Counts(len(mine), len(mine) - len(left))
        total, _ = how_many(self.atlas, Wanted(CellFilter(datasets=datasets)))
        labelled, _ = how_many(self.atlas, Wanted(CellFilter(datasets=datasets, labelled=True)))
        return Counts(total, labelled)

    def add_class(self, given: Mapping[str, Any], author: str) -> Node:
        """Add a class from the fields of a form or a JSON object.

        ``name`` and ``parent`` are needed; ``code``, ``key``, ``colour``, ``short`` and
        ``aliases`` (text, separated by commas) may be left out. Raises BadRequestError,
        TaxonomyError, UnknownClassError.
        """
        name, parent = optional_text(given, "name"), optional_text(given, "parent")
        if not name or not parent:
            raise BadRequestError(
                "a class needs a name and a parent class", "fill in the fields name and parent"
            )
        code = optional_text(given, "code") or re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        key = optional_text(given, "key")
        if key and key.lower() in RESERVED:
            raise BadRequestError(
                f"key {key!r} is a command of the labelling page", "choose a key that is free"
            )
        aliases = optional_text(given, "aliases") or ""
        return self.atlas.add_class(
            code,
            name,
            self.atlas.taxonomy.resolve(parent).code,
            author,
            short=optional_text(given, "short"),
            aliases=tuple(alias.strip() for alias in aliases.split(",") if alias.strip()),
            colour=optional_text(given, "colour"),
            key=key.lower() if key else None,
        )

    def notices(self) -> list[Notice]:
        """What is missing for labelling with evidence, most basic first."""
        atlas, path = self.atlas, self.atlas.path
        total = atlas.count()
        if not total:
            return [
                Notice(
                    "no_cells",
                    "This atlas holds no cells yet.",
                    f"Run: cellkin import {path} FOLDER",
                )
            ]
        found = []
        without = unembedded(atlas)
        if without:
            found.append(
                Notice(
                    "no_embedding",
                    f"{without:,} of {total:,} cells have no embedding, so there is no proposal "
                    "for them. You can label them all the same.",
                    f"Run: cellkin embed {path}",
                )
            )
        if not atlas.count(CellFilter(labelled=True)):
            found.append(
                Notice(
                    "no_references",
                    "No cell is labelled yet, so there are no neighbours to show.",
                    "Label a few of each class by hand, or import labels; proposals start with "
                    "the first.",
                )
            )
        return found


def _document(author: str) -> str:
    return f"annotator.queue.{author}"

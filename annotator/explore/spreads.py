"""Labels spread through the graph of neighbours, as candidates with a confidence.

What is found is held in memory and shown, the surest first; a page of it opens as a sheet.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from annotator.class_names import class_name
from annotator.documents import brief_documents, named
from annotator.explore.jobs import DONE, Jobs, Report
from annotator.explore.selections import keep
from annotator.offering import shown_among
from index.clustering import ClusterError
from index.records import CellFilter

if TYPE_CHECKING:
    from annotator.desk import Desk

MOST_UNLABELLED = 30_000
MOST_LABELLED = 10_000
STEPS = (0.5, 0.8, 0.9, 0.95, 0.99)  # confidences that are counted for the reader


@dataclass(frozen=True)
class Found:
    """What spreading said of N unlabelled cells, the surest first; ``mark`` is the newest label."""

    dataset: str | None
    mark: int
    cell_ids: tuple[int, ...]
    classes: tuple[str, ...]
    confidence: tuple[float, ...]
    labelled: int
    left_out: int


class Spreads:
    """Spreading for the readers of a desk, each with the labels that they may see."""

    def __init__(self, desk: Desk, jobs: Jobs) -> None:
        self._desk = desk
        self._jobs = jobs

    @staticmethod
    def _job(author: str) -> str:
        return f"spread of {author}"

    def start(self, author: str, dataset: str | None) -> None:
        """Spread the labels into the unlabelled cells of ``dataset`` (None: of all).

        Raises UnknownDatasetError, ClusterError without labelled or unlabelled cells.
        """
        desk, atlas = self._desk, self._desk.atlas
        if dataset is not None:
            desk.check_dataset(dataset)
        model = atlas.active_model
        within = (dataset,) if dataset else ()
        # Before the labels are read: one that comes between them makes what is found stale.
        mark = atlas.marks(model)[0] if model is not None else 0
        free = atlas.cell_ids(CellFilter(datasets=within, labelled=False, embedded_with=model))
        known = atlas.present_labels(CellFilter(embedded_with=model))
        if model is None or not len(free) or not known:
            raise ClusterError(
                f"{len(free) if model else 0} unlabelled and {len(known) if model else 0} labelled "
                "cells have an embedding, spreading needs some of each",
                "embed the cells, and label a few of each class",
            )

        def work(report: Report) -> Found:
            from retrieval.clusters import ClusteringError
            from retrieval.spreading import neighbour_graph, spread

            random = np.random.default_rng(desk.config.seed)
            chosen = _drawn(free, MOST_UNLABELLED, random)
            taught = _drawn(np.array(sorted(known), np.int64), MOST_LABELLED, random)
            report("reading", 0, len(chosen) + len(taught))
            ids, vectors = atlas.embeddings_of(model, np.concatenate([chosen, taught]))
            report("neighbours", 0, len(ids))
            graph = neighbour_graph(vectors)
            report("spreading", 0, len(ids))
            try:
                said = spread(graph, [known.get(cell) for cell in ids.tolist()])
            except ClusteringError as error:
                raise ClusterError(error.message, error.remedy) from error
            codes, confidence = said.best()
            rows = [row for row, cell in enumerate(ids.tolist()) if cell not in known]
            rows.sort(key=lambda row: -confidence[row])
            return Found(
                dataset,
                mark,
                tuple(int(ids[row]) for row in rows),
                tuple(codes[row] for row in rows),
                tuple(float(confidence[row]) for row in rows),
                len(taught),
                len(free) - len(chosen),
            )

        self._jobs.start(self._job(author), work)

    def found(self, author: str) -> Found:
        """What the author's last spreading found. Raises ClusterError before the first."""
        job = self._jobs.get(self._job(author))
        if job is None or job.state != DONE:
            raise ClusterError("labels have not been spread yet", "spread them first")
        result: Found = job.result
        return result

    def document(self, author: str) -> dict[str, Any]:
        """How far it is, and how many cells of each class there are at which confidence."""
        job = self._jobs.get(self._job(author))
        answer: dict[str, Any] = {"job": job.document() if job else None, "found": None}
        if job is None or job.state != DONE:
            return answer
        found, atlas = self.found(author), self._desk.atlas
        model = atlas.active_model
        newest = atlas.marks(model)[0] if model else 0
        classes = Counter(found.classes)
        codes, confidence = np.array(found.classes, dtype=str), np.array(found.confidence)
        sure = {
            code: [int((confidence[codes == code] >= step).sum()) for step in STEPS]
            for code in classes
        }
        answer["found"] = {
            "dataset": found.dataset,
            "cells": len(found.cell_ids),
            "labelled": found.labelled,
            "left_out": found.left_out,
            "stale": newest != found.mark,
            "steps": list(STEPS),
            "classes": [
                {**(named(atlas.taxonomy, code) or {}), "cells": count, "sure": sure[code]}
                for code, count in classes.most_common()
            ],
        }
        return answer

    def chosen(self, author: str, class_code: str, least: float) -> list[tuple[int, float]]:
        """Cells said to be of a class with at least that confidence, the surest first.

        Those labelled since are left out, and those of which the author is not to see what is
        proposed: what spreading takes a cell for is a proposal, too. Raises UnknownClassError,
        ClusterError where none is left of the last.
        """
        atlas, found = self._desk.atlas, self.found(author)
        code = atlas.taxonomy.resolve(class_code).code
        wanted = [
            (cell, value)
            for cell, each, value in zip(
                found.cell_ids, found.classes, found.confidence, strict=True
            )
            if each == code and value >= least
        ]
        known = atlas.present_of([cell for cell, _ in wanted])
        wanted = [(cell, value) for cell, value in wanted if cell not in known]
        shown = set(shown_among(self._desk, author, [cell for cell, _ in wanted]))
        if wanted and not shown:
            raise ClusterError(
                "what is proposed for these cells is not shown",
                "label them one by one, or ask an owner who sees proposals",
            )
        return [(cell, value) for cell, value in wanted if cell in shown]

    def page(self, author: str, class_code: str, least: float, count: int) -> dict[str, Any]:
        """The surest ``count`` of the cells said to be of a class."""
        wanted = self.chosen(author, class_code, least)
        cells = brief_documents(self._desk, [cell for cell, _ in wanted[:count]])
        for cell, (_, value) in zip(cells, wanted, strict=False):
            cell["confidence"] = round(value, 4)
        return {"total": len(wanted), "cells": cells}

    def to_sheet(
        self, author: str, class_code: str, least: float, count: int, without: set[int]
    ) -> dict[str, Any]:
        """The surest ``count`` cells, less those unticked, as a selection."""
        wanted = self.chosen(author, class_code, least)[:count]
        node = self._desk.whole.taxonomy.resolve(class_code)
        return keep(
            self._desk,
            author,
            [cell for cell, _ in wanted if cell not in without],
            origin="spread",
            title=class_name(node),
            class_code=node.code,
        )


def _drawn(ids: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    return ids if len(ids) <= most else np.sort(random.permutation(ids)[:most])

"""Clusters of alike cells: made in the background, then named, grown, split and merged.

Nothing here labels a cell. A name or class given to a cluster is a suggestion; its cells open as
sheets, where each batch is looked at before it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from annotator.documents import brief_documents, named
from annotator.explore.jobs import Jobs, Report
from annotator.explore.selections import keep
from annotator.language import mark
from annotator.problems import BadRequestError
from index.cluster_steps import Change, Move, take_step, undo_step
from index.clustering import (
    Cluster,
    ClusterError,
    Clustering,
    add_clustering,
    cluster,
    cluster_of,
    clustering,
    list_clusterings,
    list_clusters,
    member_ids,
    refused_cells,
)
from index.records import CellFilter

if TYPE_CHECKING:
    from annotator.desk import Desk
    from index.atlas import Atlas

JOB = "clusters"
SAMPLE = 6  # cells of a cluster shown in the list
LARGEST_NAME = 80
MOST_CELLS = 200_000  # cells clustered at once; of more a seeded draw is taken
MOST_PARTS = 12

# How the methods of retrieval.clusters are called on the page.
METHOD_TITLES: dict[str, str] = {
    "density": mark("dense places (HDBSCAN)"),
    "centres": mark("around centres (k-means)"),
}

# What the size asked for means to a method: the label of its field, and a sentence beneath it.
SIZE_WORDS: dict[str, tuple[str, str]] = {
    "": (
        mark("Cells in a cluster, at least or about"),
        mark("Up to 25,000 cells it takes dense places of at least so many, above that centres."),
    ),
    "density": (
        mark("Cells in a cluster, at least"),
        mark(
            "None is smaller, many are much larger, and cells between the dense places are in none."
        ),
    ),
    "centres": (
        mark("Cells in a cluster, about"),
        mark("The mean: some are smaller, some larger, and every cell is in one."),
    ),
}


class Clusters:
    """Clusters of one atlas for the readers of a desk."""

    def __init__(self, desk: Desk, jobs: Jobs) -> None:
        self._desk = desk
        self._jobs = jobs

    # making ---------------------------------------------------------------------------------

    def start(self, author: str, dataset: str | None, method: str | None, size: int) -> None:
        """Cluster the unlabelled cells of ``dataset`` (None: of all) in the background.

        Raises UnknownDatasetError, ClusterError without such cells.
        """
        desk, atlas = self._desk, self._desk.atlas
        if dataset is not None:
            desk.check_dataset(dataset)
        model = atlas.active_model
        ids = self._unlabelled(atlas, dataset)
        if model is None or not len(ids):
            raise ClusterError(
                f"{dataset or 'this atlas'} has no unlabelled cell with an embedding",
                "import cells and run 'cellkin embed' first",
            )

        def work(report: Report) -> int:
            from retrieval.clusters import cluster as find_clusters

            chosen = ids
            if len(ids) > MOST_CELLS:
                draw = np.random.default_rng(desk.config.seed).permutation(len(ids))[:MOST_CELLS]
                chosen = ids[np.sort(draw)]
            report("reading", 0, len(chosen))
            kept, vectors = atlas.embeddings_of(model, chosen)
            report("clustering", 0, len(kept))
            name, found = find_clusters(vectors, method=method, size=size, seed=desk.config.seed)
            report("saving", 0, len(kept))
            return add_clustering(
                atlas,
                dataset=dataset,
                model_id=model,
                method=name,
                parameters={"size": size, "seed": desk.config.seed},
                author=author,
                cell_ids=kept,
                labels=found.labels,
                strength=found.strength,
            )

        self._jobs.start(JOB, work)

    @staticmethod
    def _unlabelled(atlas: Atlas, dataset: str | None) -> np.ndarray:
        datasets = (dataset,) if dataset else ()
        model = atlas.active_model
        if model is None:
            return np.zeros(0, np.int64)
        return atlas.cell_ids(CellFilter(datasets=datasets, labelled=False, embedded_with=model))

    # looking --------------------------------------------------------------------------------

    def document(self, clustering_id: int | None, page: int = 1) -> dict[str, Any]:
        """The clusterings, and a page of the clusters of one (None: of the newest)."""
        atlas, job = self._desk.atlas, self._jobs.get(JOB)
        runs = list_clusterings(atlas)
        found: dict[str, Any] = {
            "runs": [self._run(run) for run in runs],
            "job": job.document() if job else None,
            "run": None,
            "clusters": [],
        }
        if clustering_id is None and not runs:
            return found
        run = clustering(atlas, clustering_id) if clustering_id is not None else runs[0]
        every = list_clusters(atlas, run.id)
        size = max(1, self._desk.config.page_size // 2)
        pages = max(1, -(-len(every) // size))
        page = min(max(1, page), pages)
        inside = sum(each.size for each in every)
        return {
            **found,
            "run": self._run(run),
            "clusters": self._briefs(every[(page - 1) * size : page * size]),
            "total": len(every),
            "page": page,
            "pages": pages,
            "inside": inside,
            "outside": run.cells - inside,
            "labelled": sum(each.labelled for each in every),
            "named": sum(1 for each in every if each.class_code or each.name),
        }

    def _run(self, run: Clustering) -> dict[str, Any]:
        return {
            "id": run.id,
            "dataset": run.dataset,
            "method": run.method,
            "size": run.parameters.get("size"),
            "cells": run.cells,
            "author": run.author,
            "time": run.time,
        }

    def _briefs(self, found: Sequence[Cluster]) -> list[dict[str, Any]]:
        """Clusters with a sample of their cells: the most typical, and one from the edge."""
        atlas = self._desk.atlas
        samples: dict[int, list[int]] = {}
        for each in found:
            ids, strength = member_ids(atlas, each.id)
            order = np.argsort(-strength, kind="stable")
            shown = ids[order[: SAMPLE - 1]].tolist()
            samples[each.id] = shown + ids[order[SAMPLE - 1 :][-1:]].tolist()
        wanted = [cell for shown in samples.values() for cell in shown]
        cells = {each["id"]: each for each in brief_documents(self._desk, wanted)} if wanted else {}
        return [
            {**self._brief(each), "sample": [cells[cell] for cell in samples[each.id]]}
            for each in found
        ]

    def _brief(self, found: Cluster) -> dict[str, Any]:
        return {
            "id": found.id,
            "clustering": found.clustering_id,
            "name": found.name,
            "class": named(self._desk.whole.taxonomy, found.class_code),
            "size": found.size,
            "labelled": found.labelled,
        }

    def one(self, cluster_id: int) -> dict[str, Any]:
        """A cluster with all its cells, the most typical first."""
        atlas = self._desk.atlas
        found = cluster(atlas, cluster_id)
        ids, strength = member_ids(atlas, cluster_id)
        order = np.argsort(-strength, kind="stable")
        cells = brief_documents(self._desk, ids[order].tolist())
        for cell, firm in zip(cells, strength[order].tolist(), strict=True):
            cell["strength"] = round(firm, 4)
        return {**self._brief(found), "cells": cells}

    def candidates(self, cluster_id: int, count: int) -> dict[str, Any]:
        """The ``count`` cells that may belong to a cluster as well, nearest first.

        Unlabelled cells of the clustering's data set that are in no named cluster, and of which
        no reader has said that they do not belong. Nearness is that to the nearest of the
        cluster's prototypes; ``within`` says that a cell lies as near as the cluster's own do.
        """
        from retrieval.clusters import prototypes, within_spread

        atlas = self._desk.atlas
        found = cluster(atlas, cluster_id)
        run = clustering(atlas, found.clustering_id)
        home = cluster_of(atlas, run.id)
        taken = {each.id for each in list_clusters(atlas, run.id) if each.class_code or each.name}
        taken.add(cluster_id)
        shut = {cell for cell, where in home.items() if where in taken}
        limit = CellFilter(
            datasets=(run.dataset,) if run.dataset else (),
            labelled=False,
            not_cells=tuple(sorted(shut | refused_cells(atlas, cluster_id))),
        )
        _, vectors = atlas.embeddings_of(run.model_id, member_ids(atlas, cluster_id)[0])
        near = atlas.search(
            prototypes(vectors), count, filter=limit, model_id=run.model_id, labelled=False
        )
        best: dict[int, float] = {}
        for cell, similarity in zip(near.ids.ravel(), near.similarity.ravel(), strict=True):
            if cell >= 0:
                best[int(cell)] = max(best.get(int(cell), -1.0), float(similarity))
        order = sorted(best, key=lambda cell: (-best[cell], cell))[:count]
        cells = brief_documents(self._desk, order)
        held, theirs = atlas.embeddings_of(run.model_id, order)
        inside = dict(zip(held.tolist(), within_spread(vectors, theirs).tolist(), strict=True))
        for cell in cells:
            cell["similarity"] = round(best[cell["id"]], 4)
            cell["cluster"] = home.get(cell["id"])
            cell["within"] = inside.get(cell["id"], False)
        return {"cluster": cluster_id, "cells": cells}

    # changing -------------------------------------------------------------------------------

    def name(
        self, author: str, cluster_id: int, name: str | None, class_code: str | None
    ) -> dict[str, Any]:
        """Give a cluster a name and a class; None takes either away. Raises UnknownClassError."""
        atlas = self._desk.atlas
        found = cluster(atlas, cluster_id)
        if name is not None and len(name) > LARGEST_NAME:
            raise BadRequestError(
                f"the name has {len(name)} letters, allowed are {LARGEST_NAME}", "shorten it"
            )
        code = atlas.taxonomy.resolve(class_code).code if class_code else None
        change = Change(names=((cluster_id, name, code),))
        take_step(atlas, found.clustering_id, author, "name", change)
        return self._brief(cluster(atlas, cluster_id))

    def grow(
        self,
        author: str,
        cluster_id: int,
        accepted: Mapping[int, int | None],
        refused: Sequence[int],
    ) -> dict[str, Any]:
        """Take cells into a cluster, and note those that do not belong.

        ``accepted`` maps each cell to the cluster its reader saw it in (None: in none). Raises
        StaleClusterError where that has changed since.
        """
        atlas = self._desk.atlas
        found = cluster(atlas, cluster_id)
        ids = sorted({*accepted, *refused})
        atlas.cells_by_id(ids)
        _, mine = atlas.embeddings_of(
            clustering(atlas, found.clustering_id).model_id, member_ids(atlas, cluster_id)[0]
        )
        model = clustering(atlas, found.clustering_id).model_id
        with_vector, theirs = atlas.embeddings_of(model, accepted)
        firm = dict(zip(with_vector.tolist(), _nearness(theirs, mine).tolist(), strict=True))
        moves = tuple(
            Move(cell, origin, cluster_id, firm.get(cell, 0.0)) for cell, origin in accepted.items()
        )
        change = Change(moves=moves, refused=tuple((cluster_id, cell) for cell in refused))
        take_step(atlas, found.clustering_id, author, "grow", change)
        return self._brief(cluster(atlas, cluster_id))

    def take_out(self, author: str, cluster_id: int, cells: Sequence[int]) -> dict[str, Any]:
        """Take cells out of a cluster; they are not proposed for it again."""
        atlas = self._desk.atlas
        found = cluster(atlas, cluster_id)
        if len(set(cells)) >= found.size:
            raise ClusterError(
                f"all {found.size} cells would leave cluster {cluster_id}",
                "leave one, or merge the cluster into another",
            )
        moves = tuple(Move(cell, cluster_id, None) for cell in dict.fromkeys(cells))
        change = Change(moves=moves, refused=tuple((cluster_id, cell) for cell in cells))
        take_step(atlas, found.clustering_id, author, "take_out", change)
        return self._brief(cluster(atlas, cluster_id))

    def split(self, author: str, cluster_id: int, parts: int) -> list[dict[str, Any]]:
        """Split a cluster around ``parts`` centres; the largest part keeps its place and name."""
        from retrieval.clusters import into_parts

        atlas = self._desk.atlas
        found = cluster(atlas, cluster_id)
        if not 2 <= parts <= MOST_PARTS or found.size < 2:
            raise ClusterError(
                f"cluster {cluster_id} of {found.size} cells was to be split into {parts} parts, "
                f"allowed are 2 to {MOST_PARTS} parts of at least 2 cells",
                "give another number of parts",
            )
        ids, vectors = atlas.embeddings_of(
            clustering(atlas, found.clustering_id).model_id, member_ids(atlas, cluster_id)[0]
        )
        cut = into_parts(vectors, parts, self._desk.config.seed)
        largest_first = np.argsort(-np.bincount(cut.labels), kind="stable")
        moves = [
            Move(int(cell), cluster_id, -place, float(cut.strength[row]))
            for place, part in enumerate(largest_first[1:].tolist(), start=1)
            for row, cell in zip(
                np.flatnonzero(cut.labels == part), ids[cut.labels == part], strict=True
            )
        ]
        if not moves:
            raise ClusterError(
                f"the cells of cluster {cluster_id} are too alike to be split",
                "take single cells out of it",
            )
        change = Change(moves=tuple(moves), made=len(largest_first) - 1)
        made = take_step(atlas, found.clustering_id, author, "split", change)
        return [self._brief(cluster(atlas, each)) for each in (cluster_id, *made)]

    def merge(self, author: str, cluster_ids: Sequence[int]) -> dict[str, Any]:
        """Merge clusters of one clustering into the first, which keeps its name."""
        atlas = self._desk.atlas
        found = [cluster(atlas, each) for each in dict.fromkeys(cluster_ids)]
        if len(found) < 2 or len({each.clustering_id for each in found}) > 1:
            raise ClusterError(
                f"{len(found)} clusters were to be merged, allowed are 2 or more of one clustering",
                "tick two clusters or more",
            )
        first, others = found[0], found[1:]
        moves = tuple(
            Move(int(cell), each.id, first.id, float(firm))
            for each in others
            for cell, firm in zip(*member_ids(atlas, each.id), strict=True)
        )
        change = Change(moves=moves, gone=tuple(each.id for each in others))
        take_step(atlas, first.clustering_id, author, "merge", change)
        return self._brief(cluster(atlas, first.id))

    def undo(self, author: str, clustering_id: int) -> str:
        """Take back the author's last step. Raises ClusterError."""
        clustering(self._desk.atlas, clustering_id)
        return undo_step(self._desk.atlas, clustering_id, author)

    def to_sheet(self, author: str, cluster_id: int) -> dict[str, Any]:
        """The unlabelled cells of a cluster as a selection, the most typical first."""
        atlas = self._desk.atlas
        found = cluster(atlas, cluster_id)
        ids, strength = member_ids(atlas, cluster_id)
        known = atlas.present_of(ids.tolist())
        left = [
            cell for cell in ids[np.argsort(-strength, kind="stable")].tolist() if cell not in known
        ]
        return keep(
            self._desk,
            author,
            left,
            origin="cluster",
            title=found.name or f"cluster {found.id}",
            class_code=found.class_code,
        )


def _nearness(vectors: np.ndarray, among: np.ndarray) -> np.ndarray:
    """How near vectors [M, D] are to their nearest among [N, D]: cosine, 0 to 1."""
    if not len(vectors) or not len(among):
        return np.zeros(len(vectors), np.float32)
    found: np.ndarray = np.clip((vectors @ among.T).max(axis=1), 0.0, 1.0)
    return found

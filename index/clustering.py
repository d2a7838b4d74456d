"""Clusters as the atlas keeps them; what readers do to them is in ``index.cluster_steps``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, func, insert, select

from index.errors import AtlasError
from index.explore_tables import clusterings, clusters, members, refusals
from index.moment import now
from index.part import Part
from index.schema import datasets, models, present_labels

PART = 10_000  # rows written at once


class ClusterError(AtlasError):
    """Clusters are asked for something they cannot do."""


class UnknownClusterError(ClusterError):
    """A cluster or clustering that the atlas does not hold."""


class StaleClusterError(ClusterError):
    """A cluster has changed since its reader looked at it."""


@dataclass(frozen=True)
class Clustering:
    """One run of a method over ``cells`` cells; ``dataset`` None is the whole atlas."""

    id: int
    dataset: str | None
    model_id: str
    method: str
    parameters: dict[str, Any]
    cells: int
    author: str
    time: str


@dataclass(frozen=True)
class Cluster:
    """Cells taken to be alike. ``labelled`` of its ``size`` cells have a present label.

    ``class_code`` is what its reader takes it for: a suggestion, no label.
    """

    id: int
    clustering_id: int
    name: str | None
    class_code: str | None
    size: int
    labelled: int


def add_clustering(
    atlas: Part,
    *,
    dataset: str | None,
    model_id: str,
    method: str,
    parameters: dict[str, Any],
    author: str,
    cell_ids: np.ndarray,
    labels: np.ndarray,
    strength: np.ndarray,
) -> int:
    """Keep the clusters ``labels`` int [N] (-1: in none) of cells int64 [N]; returns their id.

    ``strength`` [N], 0 to 1, is how firmly a cell belongs.
    """
    with atlas.database.write() as connection:
        run = connection.execute(
            insert(clusterings)
            .values(
                dataset_id=select(datasets.c.id).where(datasets.c.name == dataset).scalar_subquery()
                if dataset is not None
                else None,
                model_id=select(models.c.id).where(models.c.name == model_id).scalar_subquery(),
                method=method,
                parameters=parameters,
                cells=len(cell_ids),
                author=author,
                time=now(),
            )
            .returning(clusterings.c.id)
        ).scalar_one()
        made = {
            int(label): make_cluster(connection, run)
            for label in np.unique(labels[labels >= 0]).tolist()
        }
        rows = [
            {
                "clustering_id": run,
                "cell_id": int(cell),
                "cluster_id": made[int(label)],
                "strength": float(min(max(firm, 0.0), 1.0)),
            }
            for cell, label, firm in zip(cell_ids, labels, strength, strict=True)
            if label >= 0
        ]
        for start in range(0, len(rows), PART):
            connection.execute(insert(members), rows[start : start + PART])
    return int(run)


def list_clusterings(atlas: Part) -> list[Clustering]:
    """All clusterings, newest first."""
    with atlas.database.read() as connection:
        return [_clustering(row) for row in connection.execute(_runs())]


def clustering(atlas: Part, clustering_id: int) -> Clustering:
    """One clustering. Raises ClusterError."""
    with atlas.database.read() as connection:
        row = connection.execute(_runs().where(clusterings.c.id == int(clustering_id))).first()
    if row is None:
        raise UnknownClusterError(
            f"there is no clustering {clustering_id} in this atlas", "make the clusters anew"
        )
    return _clustering(row)


def list_clusters(atlas: Part, clustering_id: int, cluster_id: int | None = None) -> list[Cluster]:
    """The clusters of a clustering that stand and are not empty, the largest first."""
    wanted = [clusters.c.clustering_id == int(clustering_id), clusters.c.gone.is_(False)]
    if cluster_id is not None:
        wanted.append(clusters.c.id == int(cluster_id))
    size = func.count(members.c.cell_id)
    query = (
        select(clusters, size.label("size"), func.count(present_labels.c.class_code).label("known"))
        .join(members, members.c.cluster_id == clusters.c.id)
        .outerjoin(present_labels, present_labels.c.cell_id == members.c.cell_id)
        .where(*wanted)
        .group_by(clusters.c.id)
        .order_by(size.desc(), clusters.c.id)
    )
    with atlas.database.read() as connection:
        rows = connection.execute(query).fetchall()
    return [
        Cluster(row.id, row.clustering_id, row.name, row.class_code, row.size, row.known)
        for row in rows
    ]


def cluster(atlas: Part, cluster_id: int) -> Cluster:
    """One cluster that stands. Raises ClusterError."""
    with atlas.database.read() as connection:
        home = connection.execute(
            select(clusters.c.clustering_id).where(clusters.c.id == int(cluster_id))
        ).scalar()
    found = list_clusters(atlas, home, cluster_id) if home is not None else []
    if not found:
        raise UnknownClusterError(
            f"there is no cluster {cluster_id}, or it was merged into another or emptied",
            "load the page again",
        )
    return found[0]


def member_ids(atlas: Part, cluster_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells int64 [N] of a cluster, ascending, and how firmly each belongs float32 [N]."""
    query = (
        select(members.c.cell_id, members.c.strength)
        .where(members.c.cluster_id == int(cluster_id))
        .order_by(members.c.cell_id)
    )
    with atlas.database.read() as connection:
        rows = atlas.database.tuples(connection, query)
    ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    return ids, np.fromiter((row[1] for row in rows), np.float32, len(rows))


def cluster_of(atlas: Part, clustering_id: int) -> dict[int, int]:
    """The cluster of each cell that is in one, by cell."""
    query = select(members.c.cell_id, members.c.cluster_id).where(
        members.c.clustering_id == int(clustering_id)
    )
    with atlas.database.read() as connection:
        return dict(atlas.database.tuples(connection, query))


def refused_cells(atlas: Part, cluster_id: int) -> set[int]:
    """Cells that a reader has looked at and found not to belong to a cluster."""
    query = select(refusals.c.cell_id).where(refusals.c.cluster_id == int(cluster_id))
    with atlas.database.read() as connection:
        return set(connection.execute(query).scalars())


def _runs() -> Any:
    return (
        select(clusterings, datasets.c.name.label("dataset"), models.c.name.label("model"))
        .outerjoin(datasets, datasets.c.id == clusterings.c.dataset_id)
        .join(models, models.c.id == clusterings.c.model_id)
        .order_by(clusterings.c.id.desc())
    )


def _clustering(row: Row) -> Clustering:
    return Clustering(
        row.id,
        row.dataset,
        row.model,
        row.method,
        row.parameters,
        row.cells,
        row.author,
        row.time,
    )


def make_cluster(connection: Connection, clustering_id: int) -> int:
    """A new empty cluster, within the caller's transaction; its id."""
    row = insert(clusters).values(clustering_id=int(clustering_id), gone=False)
    return int(connection.execute(row.returning(clusters.c.id)).scalar_one())

"""Steps on clusters: named, grown, split, merged, and each step taken back.

A step and what it moves are one transaction. A step names the cluster each cell is in as its
author saw it; where that is no longer so it is refused, so that of two readers at the same cluster
neither overwrites the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update

from index.clustering import ClusterError, StaleClusterError, make_cluster
from index.explore_tables import clusters, members, refusals, steps
from index.filters import among
from index.moment import now
from index.part import Part


@dataclass(frozen=True)
class Move:
    """A cell that goes from one cluster to another; None is none of them.

    A ``to`` of -1, -2, ... is the first, second ... cluster that the step makes.
    """

    cell_id: int
    origin: int | None
    to: int | None
    strength: float = 1.0


@dataclass(frozen=True)
class Change:
    """What a step does: cells that move, clusters named (id, name, class), made and gone.

    ``refused`` are (cluster, cell): looked at and found not to belong.
    """

    moves: tuple[Move, ...] = ()
    names: tuple[tuple[int, str | None, str | None], ...] = ()
    made: int = 0
    gone: tuple[int, ...] = ()
    refused: tuple[tuple[int, int], ...] = ()


def take_step(atlas: Part, clustering_id: int, author: str, kind: str, change: Change) -> list[int]:
    """Do ``change`` and note it so that it can be taken back; the ids of the clusters it made.

    Raises StaleClusterError where a cell is not in the cluster that its move names, ClusterError;
    then nothing has changed.
    """
    with atlas.database.write() as connection:
        made = [make_cluster(connection, clustering_id) for _ in range(change.made)]
        place = {-number: each for number, each in enumerate(made, start=1)}
        moves = [
            Move(m.cell_id, m.origin, None if m.to is None else place.get(m.to, m.to), m.strength)
            for m in change.moves
        ]
        names = _names_before(connection, change.names)
        before = _strengths(connection, clustering_id, moves)
        _move(connection, clustering_id, moves)
        _name(connection, change.names)
        _set_gone(connection, change.gone, True)
        looked_at = select(refusals.c.cluster_id, refusals.c.cell_id).where(
            refusals.c.cell_id.in_(among(cell for _, cell in change.refused))
        )
        known = {(row[0], row[1]) for row in connection.execute(looked_at)}
        refused = [pair for pair in dict.fromkeys(change.refused) if pair not in known]
        if refused:
            rows = [{"cluster_id": home, "cell_id": cell} for home, cell in refused]
            connection.execute(insert(refusals), rows)
        detail = {
            "moves": [[*asdict(move).values(), before.get(move.cell_id, 1.0)] for move in moves],
            "names": names,
            "made": made,
            "gone": list(change.gone),
            "refused": [list(pair) for pair in refused],
        }
        connection.execute(
            insert(steps).values(
                clustering_id=int(clustering_id),
                author=author,
                time=now(),
                kind=kind,
                detail=detail,
                undone=False,
            )
        )
    return made


def undo_step(atlas: Part, clustering_id: int, author: str) -> str:
    """Take back the last step of a clustering, if it is ``author``'s; returns its kind.

    Raises ClusterError where there is none, or it is another's.
    """
    with atlas.database.write() as connection:
        last = connection.execute(
            select(steps)
            .where(steps.c.clustering_id == int(clustering_id), steps.c.undone.is_(False))
            .order_by(steps.c.id.desc())
            .limit(1)
        ).first()
        if last is None:
            raise ClusterError(
                "nothing was done to these clusters that could be undone", "work on a cluster first"
            )
        if last.author != author:
            raise ClusterError(
                f"the last step was done by {last.author}, {author} can undo their own only",
                f"ask {last.author}",
            )
        back = [
            Move(cell, to, origin, before)
            for cell, origin, to, _strength, before in last.detail["moves"]
        ]
        _set_gone(connection, last.detail["gone"], False)
        _move(connection, clustering_id, back)
        _name(connection, [tuple(each) for each in last.detail["names"]])
        _set_gone(connection, last.detail["made"], True)
        for home, cell in last.detail["refused"]:
            pair = and_(refusals.c.cluster_id == home, refusals.c.cell_id == cell)
            connection.execute(delete(refusals).where(pair))
        connection.execute(update(steps).where(steps.c.id == last.id).values(undone=True))
    return str(last.kind)


def _strengths(
    connection: Connection, clustering_id: int, moves: Sequence[Move]
) -> dict[int, float]:
    """How firmly the cells belonged before; checks that they are where their moves say."""
    mine = members.c.clustering_id == int(clustering_id)
    found = {
        row.cell_id: row
        for row in connection.execute(
            select(members).where(mine, members.c.cell_id.in_(among(m.cell_id for m in moves)))
        )
    }
    for move in moves:
        here = found[move.cell_id].cluster_id if move.cell_id in found else None
        if here != move.origin:
            raise StaleClusterError(
                f"cell {move.cell_id} is in cluster {here or 'none'}, not in "
                f"{move.origin or 'none'} any more: somebody has moved it",
                "load the page again and look at the cluster as it is now",
            )
    return {cell: float(row.strength) for cell, row in found.items()}


def _move(connection: Connection, clustering_id: int, moves: Sequence[Move]) -> None:
    if not moves:
        return
    mine = members.c.clustering_id == int(clustering_id)
    gone = among(move.cell_id for move in moves)
    connection.execute(delete(members).where(mine, members.c.cell_id.in_(gone)))
    rows = [
        {
            "clustering_id": int(clustering_id),
            "cell_id": move.cell_id,
            "cluster_id": move.to,
            "strength": move.strength,
        }
        for move in moves
        if move.to is not None
    ]
    if rows:
        connection.execute(insert(members), rows)


def _names_before(
    connection: Connection, names: Sequence[tuple[int, str | None, str | None]]
) -> list[tuple[int, str | None, str | None]]:
    wanted = among(each[0] for each in names)
    query = select(clusters.c.id, clusters.c.name, clusters.c.class_code)
    return [
        (row.id, row.name, row.class_code)
        for row in connection.execute(query.where(clusters.c.id.in_(wanted)))
    ]


def _name(connection: Connection, names: Sequence[tuple[Any, ...]]) -> None:
    for each, name, class_code in names:
        connection.execute(
            update(clusters).where(clusters.c.id == each).values(name=name, class_code=class_code)
        )


def _set_gone(connection: Connection, ids: Sequence[int], gone: bool) -> None:
    if ids:
        connection.execute(update(clusters).where(clusters.c.id.in_(among(ids))).values(gone=gone))

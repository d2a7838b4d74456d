"""The part of an atlas that keeps models, embeddings, users and small documents."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from index.errors import RecordError, UnknownCellError, UnknownModelError, VectorError
from index.files import copy_whole, named_os_error
from index.filters import among, conditions
from index.moment import now
from index.part import Part
from index.records import CellFilter, ModelRow, User
from index.schema import cells, documents, embedding_marks, embeddings, meta, models, users

ACTIVE = "active_model"
UNIT_TOLERANCE = 1e-2

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class KeepingPart(Part):
    """Models, embeddings, users and documents of an atlas."""

    # models ---------------------------------------------------------------------------------

    def add_model(self, model_id: str, file: Path, metadata: dict[str, Any]) -> None:
        """Copy a model file into the atlas. The first model becomes the active one.

        ``metadata`` must fit into JSON. A model that the atlas has is left as it is.
        Raises RecordError, UnknownModelError when ``file`` does not exist, DiskFullError,
        AtlasReadOnlyError, StorageError.
        """
        file = Path(file)
        if not _MODEL_ID.fullmatch(model_id):
            raise RecordError(
                f"model id is {model_id!r}, allowed are letters, digits and ._- (up to 128)",
                "name the model by the hash of its weights and preprocessing",
            )
        if not file.is_file():
            raise UnknownModelError(f"model file {file} does not exist", "give the path of one")
        inside = Path("models") / f"{model_id}{file.suffix}"
        target = self.path / inside
        if not target.is_file():
            try:
                copy_whole(file, target)
            except OSError as error:
                raise named_os_error(error, target) from error
        row = {
            "name": model_id,
            "file": inside.as_posix(),
            "metadata": json.loads(json.dumps(metadata)),
            "added": now(),
        }
        with self.database.write() as connection:
            connection.execute(upsert(models).values(**row).on_conflict_do_nothing())
            active = {"name": ACTIVE, "value": model_id}
            connection.execute(upsert(meta).values(**active).on_conflict_do_nothing())

    def model_file(self, model_id: str) -> Path:
        """The model's file inside the atlas. Raises UnknownModelError."""
        with self.database.read() as connection:
            file = self.path / known_model(connection, model_id).file
        if not file.is_file():
            raise UnknownModelError(
                f"the file of model {model_id} is missing at {file}",
                "copy it back there, or set another active model",
            )
        return file

    def models(self) -> list[ModelRow]:
        """The models of the atlas, in the order in which they came."""
        counted = (
            select(func.count())
            .where(embeddings.c.model_id == models.c.id)
            .scalar_subquery()
            .label("cells")
        )
        active = self.active_model
        with self.database.read() as connection:
            rows = connection.execute(select(models, counted).order_by(models.c.id))
            return [
                ModelRow(
                    id=row.name,
                    file=row.file,
                    metadata=row._mapping["metadata"],
                    added=row.added,
                    active=row.name == active,
                    cells=row.cells,
                )
                for row in rows
            ]

    def check_model(self, model_id: str) -> None:
        """Raise UnknownModelError unless the atlas keeps the model."""
        with self.database.read() as connection:
            known_model(connection, model_id)

    @property
    def active_model(self) -> str | None:
        """The id of the model that answers unless another is asked for; None without a model."""
        with self.database.read() as connection:
            return connection.execute(select(meta.c.value).where(meta.c.name == ACTIVE)).scalar()

    def set_active_model(self, model_id: str) -> None:
        """Let a model of the atlas answer from now on. Raises UnknownModelError."""
        with self.database.write() as connection:
            known_model(connection, model_id)
            row = {"name": ACTIVE, "value": model_id}
            connection.execute(
                upsert(meta).values(**row).on_conflict_do_update(set_={"value": model_id})
            )

    def _chosen_model(self, model_id: str | None) -> str:
        chosen = model_id or self.active_model
        if chosen is None:
            raise UnknownModelError(
                f"atlas {self.path} has no model yet", "run 'cellkin embed ATLAS'"
            )
        return chosen

    # embeddings -----------------------------------------------------------------------------

    def add_embeddings(self, model_id: str, cell_ids: np.ndarray, vectors: np.ndarray) -> None:
        """Keep the embeddings of cells under a model, in one transaction.

        ``cell_ids`` int64 [N] without repeats, ``vectors`` float32 [N, D] of length 1. What a
        cell had under this model is replaced. Raises VectorError, UnknownModelError,
        UnknownCellError; then none was added.
        """
        ids = np.asarray(cell_ids, dtype=np.int64)
        block = np.ascontiguousarray(vectors, dtype="<f4")
        _check_vectors(ids, block)
        if not len(ids):
            return
        with self.database.write() as connection:
            model = known_model(connection, model_id)
            if model.dimension not in (None, block.shape[1]):
                raise VectorError(
                    f"vectors have {block.shape[1]} columns, model {model_id} has "
                    f"{model.dimension}",
                    "embed with the model under which the vectors are kept",
                )
            require_cells(connection, ids)
            connection.execute(
                models.update().where(models.c.id == model.id).values(dimension=block.shape[1])
            )
            _insert_embeddings(connection, model.id, ids, block)

    def without_embedding(self, model_id: str, filter: CellFilter | None = None) -> np.ndarray:
        """Ids of the cells within ``filter`` without embedding under a model: int64, ascending."""
        done = (
            select(embeddings.c.cell_id)
            .join(models, models.c.id == embeddings.c.model_id)
            .where(models.c.name == model_id)
        )
        with self.database.read() as connection:
            wanted = conditions(filter, self.taxonomy, connection)
            query = select(cells.c.id).where(cells.c.id.not_in(done), *wanted)
            rows = self.database.tuples(connection, query)
        return np.sort(np.array([row[0] for row in rows], dtype=np.int64))

    def embeddings(
        self, model_id: str | None = None, filter: CellFilter | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The embeddings within ``filter`` under a model, or under the active one.

        Returns ids int64 [N], ascending, and unit vectors float32 [N, D]; N may be 0.
        Raises UnknownModelError.
        """
        chosen = self._chosen_model(model_id)
        with self.database.read() as connection:
            model = known_model(connection, chosen)
            query = (
                select(embeddings.c.cell_id, embeddings.c.vector)
                .where(embeddings.c.model_id == model.id)
                .order_by(embeddings.c.cell_id)
            )
            wanted = conditions(filter, self.taxonomy, connection)
            if wanted:
                within = select(cells.c.id).where(*wanted)
                query = query.where(embeddings.c.cell_id.in_(within))
            rows = self.database.tuples(connection, query)
        return unpack(rows, model.dimension or 0)

    # documents and users --------------------------------------------------------------------

    def put_document(self, name: str, value: dict[str, Any]) -> None:
        """Keep a small JSON document under ``name``, in place of an earlier one."""
        try:
            text = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise RecordError(
                f"document {name!r} does not fit into JSON ({error})",
                "use text, whole or finite numbers, lists and dicts",
            ) from error
        row = {"name": name, "value": text, "changed": now()}
        with self.database.write() as connection:
            connection.execute(upsert(documents).values(**row).on_conflict_do_update(set_=row))

    def document(self, name: str) -> dict[str, Any] | None:
        """The document under ``name``, or None."""
        with self.database.read() as connection:
            query = select(documents.c.value).where(documents.c.name == name)
            return connection.execute(query).scalar()

    def delete_document(self, name: str) -> None:
        """Forget the document under ``name``; nothing happens without one."""
        with self.database.write() as connection:
            connection.execute(delete(documents).where(documents.c.name == name))

    def document_names(self) -> list[str]:
        """The names of all documents, sorted."""
        with self.database.read() as connection:
            return sorted(connection.execute(select(documents.c.name)).scalars())

    def put_user(
        self,
        name: str,
        *,
        full_name: str = "",
        role: str = "annotator",
        password_hash: str | None = None,
    ) -> None:
        """Add a user, or change one of that name. The atlas never sees a password."""
        if not name.strip():
            raise RecordError(f"user name is {name!r}, allowed is text", "give a name")
        row = {"full_name": full_name, "role": role, "password_hash": password_hash}
        with self.database.write() as connection:
            connection.execute(
                upsert(users).values(name=name, added=now(), **row).on_conflict_do_update(set_=row)
            )

    def users(self) -> list[User]:
        """The users of the atlas by name."""
        with self.database.read() as connection:
            rows = connection.execute(select(users).order_by(users.c.name))
            return [User(**row._mapping) for row in rows]


def known_model(connection: Connection, model_id: str) -> Row:
    row = connection.execute(select(models).where(models.c.name == model_id)).first()
    if row is None:
        known = connection.execute(select(models.c.name)).scalars().all()
        raise UnknownModelError(
            f"model {model_id!r} is not in the atlas, it holds {', '.join(known) or 'none yet'}",
            "run 'cellkin embed ATLAS' with it first",
        )
    return row


def _check_vectors(ids: np.ndarray, vectors: np.ndarray) -> None:
    if vectors.ndim != 2 or ids.shape != vectors.shape[:1]:
        raise VectorError(
            f"ids have shape {ids.shape} and vectors {vectors.shape}, allowed are [N] and [N, D]",
            "give one vector a cell",
        )
    if len(np.unique(ids)) != len(ids):
        raise VectorError("a cell comes twice among the embeddings", "give one vector a cell")
    length = np.linalg.norm(vectors, axis=1)
    if len(ids) and not (np.abs(length - 1) <= UNIT_TOLERANCE).all():
        worst = length[np.argmax(np.where(np.isfinite(length), np.abs(length - 1), np.inf))]
        raise VectorError(
            f"an embedding has length {worst:g}, allowed is 1", "divide each vector by its length"
        )


def require_cells(connection: Connection, ids: np.ndarray) -> None:
    """Raise UnknownCellError unless the atlas has every cell of ``ids``."""
    known = connection.execute(select(cells.c.id).where(cells.c.id.in_(among(ids)))).scalars()
    missing = set(ids.tolist()) - set(known)
    if missing:
        raise UnknownCellError(
            f"cell {min(missing)} is not in the atlas", "embed cells that the atlas holds"
        )


def _insert_embeddings(
    connection: Connection, model: int, ids: np.ndarray, vectors: np.ndarray
) -> None:
    """Write rows under new ids and a mark, so that index files see what they lack."""
    mine = embeddings.c.model_id == model
    connection.execute(delete(embeddings).where(mine, embeddings.c.cell_id.in_(among(ids))))
    rows = [
        {"model_id": model, "cell_id": cell_id, "vector": vector.tobytes()}
        for cell_id, vector in zip(ids.tolist(), vectors, strict=True)
    ]
    connection.execute(insert(embeddings), rows)
    last_id, total = connection.execute(
        select(func.max(embeddings.c.id), func.count()).where(mine)
    ).one()
    connection.execute(
        insert(embedding_marks).values(
            last_id=last_id, model_id=model, total=total, stamp=secrets.token_hex(8)
        )
    )


def unpack(rows: Sequence[Any], dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of (cell id, blob) as ids int64 [N] and vectors float32 [N, D]."""
    ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
    joined = b"".join([row[1] for row in rows])
    expected = len(rows) * dimension * 4
    if len(joined) != expected:
        raise VectorError(
            f"{len(rows)} embeddings hold {len(joined)} bytes, expected are {expected}",
            "restore the last 'cellkin backup'",
        )
    vectors = np.frombuffer(joined, dtype="<f4").astype(np.float32).reshape(len(rows), dimension)
    return ids, vectors

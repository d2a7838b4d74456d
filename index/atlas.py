"""The atlas: cells, labels, embeddings, index and models, opened as one thing by a path."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sqlite3
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from index.catalogue import CataloguePart
from index.database import Database, named_error
from index.describing import DescribingPart
from index.errors import (
    AtlasDamagedError,
    AtlasNotFoundError,
    TargetExistsError,
)
from index.files import copy_whole, flush, named_os_error
from index.lookups import LookupPart
from index.migrations import migrate
from index.schema import classes, meta
from index.searching import SearchingPart
from index.taxonomy import Node, Taxonomy, shipped_taxonomy, shipped_version, without_taken

DATABASE = "atlas.sqlite"
TAXONOMY_VERSION = "taxonomy_version"


class Atlas(CataloguePart, SearchingPart, LookupPart, DescribingPart):
    """Everything CellKin knows of a set of cells. A context manager; safe between threads.

    On disk it is a folder: ``atlas.sqlite`` (the truth), ``models/``, ``images/`` (copies, where
    asked for) and ``vectors/`` (a cache).
    """

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self.database = database
        self._states = {}
        self._active = (-1, "")
        self._search_lock = threading.RLock()
        self.taxonomy = Taxonomy(reload=self._stored_classes)
        self._take_shipped_classes()
        self.refresh_taxonomy()

    @classmethod
    def open(cls, path: str | Path, *, create: bool = False, timeout: float = 10.0) -> Atlas:
        """Open the atlas in folder ``path``, bringing an older one to the present form.

        ``create`` makes a new one where nothing or an empty folder stands. ``timeout`` is how
        many seconds to wait for another writer. Raises AtlasNotFoundError, AtlasDamagedError,
        AtlasTooNewError, AtlasReadOnlyError, AtlasBusyError, DiskFullError, StorageError.
        """
        if "://" in str(path):
            raise AtlasNotFoundError(
                f"{path} is the address of a shared atlas, which this CellKin cannot open",
                "give the path of a folder",
            )
        folder = Path(path)
        file = folder / DATABASE
        try:
            exists = file.is_file()
            if not exists:
                _check_new(folder, create)
            elif not create and file.stat().st_size == 0:
                raise AtlasDamagedError(f"{file} is empty", "restore the last 'cellkin backup'")
        except OSError as error:
            raise named_os_error(error, folder) from error
        _check_writable(folder, file)
        database = Database(file, create=not exists, timeout=timeout)
        try:
            migrate(database)
            return cls(folder, database)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Write the vector index where it has changed, and close the database."""
        self._close_indexes()
        self.database.close()

    def __enter__(self) -> Atlas:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # taxonomy -------------------------------------------------------------------------------

    def _take_shipped_classes(self) -> None:
        """Write the shipped classes into a new atlas, or newer ones into an older atlas.

        A class of the user's that has taken a code, name or key keeps it.
        """
        with self.database.read() as connection:
            if _taxonomy_version(connection) >= shipped_version():
                return
        with self.database.write() as connection:
            if _taxonomy_version(connection) >= shipped_version():
                return
            kept = Taxonomy(_nodes(connection))
            query = select(classes.c.code).where(~classes.c.shipped)
            own = [kept.node(code) for code in connection.execute(query).scalars()]
            for node in shipped_taxonomy().nodes.values():
                self._take_shipped_class(connection, without_taken(node, own), kept)
            row = {"name": TAXONOMY_VERSION, "value": str(shipped_version())}
            connection.execute(
                upsert(meta).values(**row).on_conflict_do_update(set_={"value": row["value"]})
            )

    @staticmethod
    def _take_shipped_class(connection: Connection, node: Node, kept: Taxonomy) -> None:
        row = {**vars(node), "aliases": list(node.aliases)}
        if node.code in kept.nodes:
            mine = (classes.c.code == node.code) & classes.c.shipped
            connection.execute(update(classes).where(mine).values(**row))
        else:
            position = len(kept.nodes) + 1
            connection.execute(insert(classes).values(**row, position=position, shipped=True))
            kept.nodes[node.code] = node

    def _stored_classes(self) -> list[Node]:
        with self.database.read() as connection:
            return _nodes(connection)

    def refresh_taxonomy(self) -> None:
        """Take in classes that another process has added since this atlas was opened."""
        self.taxonomy.extend(self._stored_classes())

    def add_class(self, code: str, name: str, parent: str, author: str, **more: Any) -> Node:
        """Add a class below ``parent`` for good, recorded with its author.

        ``more``: level, short, ontology, aliases, colour, key as of ``Taxonomy.add``. Raises
        TaxonomyError, UnknownClassError; then nothing has changed.
        """
        with self.database.write() as connection:
            tried = Taxonomy(_nodes(connection))
            node = tried.add(code, name, tried.resolve(parent).code, **more)
            row = {**vars(node), "aliases": list(node.aliases)}
            position = len(tried.nodes)
            connection.execute(insert(classes).values(**row, position=position, shipped=False))
            self._record(connection, author, "add class", row)
        self.refresh_taxonomy()
        return self.taxonomy.node(code)

    # a copy ---------------------------------------------------------------------------------

    def backup(self, target: str | Path) -> Path:
        """Write a consistent copy of the atlas to the new folder ``target``, and return it.

        Others may read and write meanwhile. The folder appears only when it is whole. The vector
        cache is left out: it is rebuilt. Raises TargetExistsError, DiskFullError, StorageError.
        """
        target = Path(target)
        if target.exists():
            raise TargetExistsError(
                f"{target} exists, a backup is written to a new folder",
                "give a path that does not exist yet",
            )
        beside = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        try:
            beside.mkdir(parents=True)
            self._copy_database(beside / DATABASE)
            # After the database, so that every file it names is there: files are only added.
            for folder in ("models", "images"):
                for file in sorted((self.path / folder).rglob("*")):
                    if file.is_file() and file.suffix != ".part":
                        copy_whole(file, beside / file.relative_to(self.path))
            beside.rename(target)
        except sqlite3.Error as error:
            raise named_error(error, beside / DATABASE) or error from error
        except OSError as error:
            raise named_os_error(error, target) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return target

    def _copy_database(self, target: Path) -> None:
        source = self.database.connect()
        copy = sqlite3.connect(target)
        try:
            source.backup(copy)
        finally:
            copy.close()
            source.close()
        flush(target)


def _taxonomy_version(connection: Connection) -> int:
    query = select(meta.c.value).where(meta.c.name == TAXONOMY_VERSION)
    return int(connection.execute(query).scalar() or 0)


def _nodes(connection: Connection) -> list[Node]:
    fields = ("code", "name", "parent", "level", "short", "ontology", "aliases", "colour", "key")
    query = select(*(classes.c[name] for name in fields)).order_by(classes.c.position)
    found = []
    for row in connection.execute(query):
        values = dict(zip(fields, row, strict=True))
        found.append(Node(**{**values, "aliases": tuple(values["aliases"])}))
    return found


def _check_new(folder: Path, create: bool) -> None:
    """Raise AtlasError unless a new atlas may be made in ``folder``; makes it, or OSError."""
    if not create:
        what = "exists but holds no atlas" if folder.exists() else "does not exist"
        raise AtlasNotFoundError(
            f"atlas {folder} {what}", f"make it with 'cellkin import {folder} SOURCE'"
        )
    if folder.exists() and not folder.is_dir():
        raise AtlasNotFoundError(
            f"{folder} is a file, an atlas is a folder", "give the path of a new folder"
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise AtlasNotFoundError(
            f"{folder} holds other files and no atlas",
            "give a new or empty folder for the atlas, before the source",
        )
    folder.mkdir(parents=True, exist_ok=True)


def _check_writable(folder: Path, file: Path) -> None:
    if not os.access(folder, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise named_os_error(PermissionError(errno.EACCES, "not writable"), folder)

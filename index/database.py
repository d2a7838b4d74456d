"""The SQLite file of an atlas: connections, transactions and their errors."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import QueuePool

from index.errors import (
    AtlasBusyError,
    AtlasDamagedError,
    AtlasError,
    AtlasReadOnlyError,
    DiskFullError,
    StorageError,
)

APPLICATION_ID = 0x43454C4B  # "CELK", written into the header of the file


def named_error(error: BaseException, file: Path) -> AtlasError | None:
    """The named error of an SQLite failure, or None when the failure is no matter of the file."""
    if not isinstance(error, sqlite3.Error):
        return None
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return AtlasBusyError(
            f"atlas {file.parent} is locked by another process",
            "wait until its import, training or backup is done, then try again",
        )
    if code == sqlite3.SQLITE_FULL:
        return DiskFullError(
            f"no room left to write atlas {file.parent}",
            "free some disk space and run the command again; what was acknowledged is kept",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return AtlasReadOnlyError(
            f"atlas {file.parent} may not be written",
            "make the folder and its files writable, or copy the atlas to where you may write",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return AtlasDamagedError(
            f"{file} is damaged or no SQLite database ({error})",
            "restore the last 'cellkin backup', or try the sqlite3 command '.recover'",
        )
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return StorageError(
            f"{file} cannot be opened, read or written ({error})",
            "check the disk and the rights on the folder",
        )
    return None


class Database:
    """Connections to one SQLite file in WAL mode; safe to share between threads.

    ``timeout`` is how many seconds to wait for another writer before AtlasBusyError.
    """

    def __init__(self, file: Path, *, create: bool = False, timeout: float = 10.0) -> None:
        self.file = file
        self.timeout = timeout
        self._uri = f"{file.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
        self._watch: sqlite3.Connection | None = None
        self._watch_lock = threading.Lock()
        self.engine: Engine = create_engine(
            "sqlite://", creator=self.connect, poolclass=QueuePool, pool_size=8, max_overflow=32
        )
        event.listen(self.engine, "begin", _begin)
        event.listen(self.engine, "handle_error", self._handle)

    def connect(self) -> sqlite3.Connection:
        """A new plain connection. Raises AtlasError."""
        try:
            connection = sqlite3.connect(
                self._uri,
                uri=True,
                timeout=self.timeout,
                check_same_thread=False,
                isolation_level=None,  # transactions are opened by _begin alone
            )
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA journal_mode = WAL")
            # A label is acknowledged only when it would survive a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -65536")
        except sqlite3.Error as error:
            raise named_error(error, self.file) or error from error
        return connection

    def _handle(self, context: ExceptionContext) -> None:
        named = named_error(context.original_exception, self.file)
        if named is not None:
            raise named from context.original_exception

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one consistent state of the database."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is on disk when the block ends, or undone when it raises."""
        with self.engine.connect() as connection:
            writer = connection.execution_options(begin="BEGIN IMMEDIATE")
            with writer.begin():
                yield writer

    def tuples(self, connection: Connection, query: Select) -> list[tuple[Any, ...]]:
        """All rows of ``query`` as SQLite gives them, for whole numbers, text and blobs.

        Five times as fast as SQLAlchemy's rows, which matters from 100,000 of them on.
        """
        try:
            cursor = connection.execute(query).cursor
            return list(cursor.fetchall()) if cursor is not None else []
        except sqlite3.Error as error:
            raise named_error(error, self.file) or error from error

    def version(self) -> int:
        """A number that changes whenever anyone, in any process, commits to the database.

        It costs some microseconds (``PRAGMA data_version`` of a connection that never writes),
        so that caches can be checked before every answer.
        """
        with self._watch_lock:
            try:
                if self._watch is None:
                    self._watch = self.connect()
                return int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                raise named_error(error, self.file) or error from error

    def close(self) -> None:
        """Close all connections; the last one folds the write-ahead log into the file."""
        with self._watch_lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        self.engine.dispose()


def _begin(connection: Connection) -> None:
    options: Any = connection.get_execution_options()
    connection.exec_driver_sql(options.get("begin", "BEGIN"))

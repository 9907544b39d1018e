"""
The file of the history's index: opened, read, written, thrown away.

One connection writes and others read, each reader with one of its own while it reads. Nothing is
synced to the disk: see `membership.store.history_index` for what that costs.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from membership.domain.history import IndexDamaged
from membership.store.errors import StoreUnavailable

BUSY_TIMEOUT_S = 1
CACHE_KIB = 32_768
_PRIMARY_CODE = 0xFF
_TRANSIENT = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
    }
)


class HistoryFile:
    """
    A database that is worth nothing: whatever is wrong with it, another one is made.

    Every method raises `StoreUnavailable` when the disk does not serve now, and `IndexDamaged` when
    what is on it is no such database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []

    def open(self, tables: str, schema: int) -> bool:
        """
        Open the file, or create it with *tables*; return whether it was there.

        Args:
            schema: Names the tables and what is in them; a file with another one is damaged.
        """
        with _explained():
            writer = self._writer = self._connect()
            writer.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            if writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                if writer.execute("PRAGMA user_version").fetchone()[0] != schema:
                    message = "another version of this software wrote it"
                    raise IndexDamaged(message)
                return True
            writer.executescript(f"BEGIN; {tables} PRAGMA user_version={schema}; COMMIT;")
            return False

    def discard(self) -> None:
        """Close and delete the file."""
        self.close()
        with _explained():
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close every connection that is not in use at the moment."""
        open_ = [*self._readers, *([self._writer] if self._writer else [])]
        self._readers, self._writer = [], None
        for connection in open_:
            connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction."""
        if self._writer is None:
            message = "the index of the history is not open"
            raise StoreUnavailable(message)
        with _explained(), self._writer as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read with a connection of one's own."""
        home = self._readers
        with _explained():
            connection = home.pop() if home else self._connect()
            try:
                yield connection
            finally:
                # The file may have been thrown away meanwhile, and its readers with it.
                if home is self._readers and self._writer is not None:
                    home.append(connection)
                else:
                    connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        return connection


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        is_short = code == sqlite3.SQLITE_IOERR_SHORT_READ
        if code & _PRIMARY_CODE in _TRANSIENT and not is_short:
            raise StoreUnavailable(str(error)) from error
        raise IndexDamaged(str(error)) from error
    except OSError as error:
        raise StoreUnavailable(str(error)) from error

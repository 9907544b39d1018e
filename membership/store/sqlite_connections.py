"""
Connections to SQLite as the log needs them.

WAL with `synchronous=FULL`: a commit is on disk when it returns. NORMAL would be five times as
fast and lose the last acknowledged writes in a power cut.
"""

import sqlite3

from eventsourcing.persistence import InterfaceError
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool, SQLiteDatastore

CACHED_STATEMENTS = 128
BUSY_TIMEOUT_S = 5


class _Connection(SQLiteConnection):
    def commit(self) -> None:
        # The library leaves the transaction open when COMMIT itself fails, on a full disk for
        # instance, and every later BEGIN on this connection would then be refused.
        try:
            super().commit()
        except sqlite3.Error:
            self.rollback()
            raise

    def rollback(self) -> None:
        if self._sqlite_conn.in_transaction:
            super().rollback()


class _Pool(SQLiteConnectionPool):
    def _create_connection(self) -> SQLiteConnection:
        try:
            connection = sqlite3.connect(
                self.db_name,
                uri=True,
                check_same_thread=False,
                isolation_level=None,
                cached_statements=CACHED_STATEMENTS,
                timeout=BUSY_TIMEOUT_S,
            )
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error as error:
            raise InterfaceError(error) from error
        connection.row_factory = sqlite3.Row
        return _Connection(sqlite_conn=connection, max_age=self.max_age)


class Datastore(SQLiteDatastore):
    """A pool of such connections to the database *db_name*, a `file:` URI."""

    def __init__(self, db_name: str) -> None:
        super().__init__(db_name)
        self.pool = _Pool(db_name=db_name)

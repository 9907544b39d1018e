"""
The log in SQLite, on the eventsourcing library's recorder.

The library's `stored_events` table gets two more columns, `position` and `leaf_hash`. The
position is the table's integer primary key, given by us and dense, so that it survives VACUUM
and is never used twice, which the library's implicit row ids do not promise. The seats table is
a projection of the events, kept in their own transaction, so that the database itself refuses a
second active peer with one address or key, and one more than the licence allows.

WAL with `synchronous=FULL`: a commit is on disk when it returns. NORMAL would be five times as
fast and lose the last acknowledged writes in a power cut.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.persistence import InterfaceError, StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
)

from membership.domain.values import PeerId
from membership.store.errors import SchemaTooNew
from membership.store.rows import Delivery, Seat, SeatChanges, StoredRow

SCHEMA_VERSION = 1
CACHED_STATEMENTS = 128
BUSY_TIMEOUT_S = 5

_TABLES = [
    """CREATE TABLE IF NOT EXISTS stored_events (
        position INTEGER PRIMARY KEY,
        originator_id TEXT NOT NULL,
        originator_version INTEGER NOT NULL,
        topic TEXT NOT NULL,
        state BLOB NOT NULL,
        leaf_hash BLOB NOT NULL,
        UNIQUE (originator_id, originator_version))""",
    """CREATE TABLE IF NOT EXISTS seats (
        peer_id TEXT PRIMARY KEY,
        address TEXT NOT NULL UNIQUE,
        public_key BLOB NOT NULL UNIQUE) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS seat_count (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        taken INTEGER NOT NULL,
        capacity INTEGER NOT NULL,
        CHECK (taken <= capacity))""",
    "INSERT OR IGNORE INTO seat_count VALUES (1, 0, 1)",
    """CREATE TRIGGER IF NOT EXISTS seat_taken AFTER INSERT ON seats
        BEGIN UPDATE seat_count SET taken = taken + 1; END""",
    """CREATE TRIGGER IF NOT EXISTS seat_vacated AFTER DELETE ON seats
        BEGIN UPDATE seat_count SET taken = taken - 1; END""",
    """CREATE TABLE IF NOT EXISTS deliveries (
        peer_id TEXT PRIMARY KEY,
        acked_version INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        failing_since_us INTEGER NOT NULL,
        next_attempt_at_us INTEGER NOT NULL) WITHOUT ROWID""",
]
_INSERT = (
    "INSERT INTO stored_events "
    "(position, originator_id, originator_version, topic, state, leaf_hash) "
    "VALUES (?,?,?,?,?,?)"
)
_SCAN = (
    "SELECT position, originator_id, originator_version, topic, state, leaf_hash "
    "FROM stored_events WHERE position > ? ORDER BY position LIMIT ?"
)
_PICK = (
    "SELECT position, originator_id, originator_version, topic, state, leaf_hash "
    "FROM stored_events WHERE position IN ({}) ORDER BY position"
)


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


class _Datastore(SQLiteDatastore):
    def __init__(self, db_name: str) -> None:
        super().__init__(db_name)
        self.pool = _Pool(db_name=db_name)


class SQLiteRecorder(SQLiteApplicationRecorder):
    """
    Records events, their leaves, seats and deliveries in one transaction.

    Reads have connections of their own: in the library's pool a reader waits behind a waiting
    writer, which WAL itself never asks for.
    """

    datastore: SQLiteDatastore

    def __init__(self, path: Path) -> None:
        # Percent-encoded: a folder may have a `?` or `#` in its name.
        name = path.absolute().as_uri()
        self._reads = _Datastore(name)
        super().__init__(_Datastore(name))
        self._migrate()

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        self._reads.close()
        self.datastore.close()

    def construct_create_table_statements(self) -> list[str]:
        """Replace the library's table by ours, which has its columns and two more."""
        return list(_TABLES)

    def _migrate(self) -> None:
        with self.datastore.transaction(commit=False) as c:
            c.execute("PRAGMA user_version")
            found = c.fetchone()[0]
        if found > SCHEMA_VERSION:
            raise SchemaTooNew(found, SCHEMA_VERSION)
        if found < SCHEMA_VERSION:
            with self.datastore.transaction(commit=True) as c:
                self._create_table(c)
                c.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _insert_events(
        self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int]:
        first: int = kwargs["first_position"]
        hashes: Sequence[bytes] = kwargs["leaf_hashes"]
        positions = range(first, first + len(stored_events))
        c.executemany(
            _INSERT,
            [
                (position, _hex(event), event.originator_version, event.topic, event.state, hashed)
                for position, event, hashed in zip(positions, stored_events, hashes, strict=True)
            ],
        )
        self._change_seats(c, kwargs["seats"])
        self._save_deliveries(c, kwargs["deliveries"], kwargs["forgotten"])
        return positions

    def _change_seats(self, c: SQLiteCursor, seats: SeatChanges) -> None:
        if seats.vacated:
            c.executemany("DELETE FROM seats WHERE peer_id = ?", [(p,) for p in seats.vacated])
        if seats.capacity is not None:
            # A renewal may allow fewer nodes than there are: they stay, and none comes in.
            c.execute("UPDATE seat_count SET capacity = max(?, taken)", (seats.capacity,))
        if seats.taken:
            c.executemany("INSERT INTO seats VALUES (?,?,?)", seats.taken)

    def _save_deliveries(
        self, c: SQLiteCursor, deliveries: Sequence[Delivery], forgotten: Sequence[PeerId]
    ) -> None:
        if deliveries:
            c.executemany(
                "INSERT OR REPLACE INTO deliveries VALUES (?,?,?,?,?)",
                [
                    (
                        row.peer_id,
                        row.acked_version,
                        row.attempts,
                        row.failing_since_us,
                        row.next_attempt_at_us,
                    )
                    for row in deliveries
                ],
            )
        if forgotten:
            c.executemany("DELETE FROM deliveries WHERE peer_id = ?", [(p,) for p in forgotten])

    def scan(self, after: int, limit: int) -> Sequence[StoredRow]:
        """Return up to *limit* rows behind the position *after*, in order."""
        return [_stored_row(row) for row in self._select(_SCAN, (after, limit))]

    def pick(self, positions: Sequence[int]) -> Sequence[StoredRow]:
        """Return the rows at these positions, in order."""
        marks = ",".join("?" * len(positions))
        return [_stored_row(row) for row in self._select(_PICK.format(marks), (*positions,))]

    def seats(self) -> Sequence[Seat]:
        """Return the table of seats, ordered by peer."""
        return [Seat(*row) for row in self._select("SELECT * FROM seats ORDER BY peer_id", ())]

    def deliveries(self) -> Sequence[Delivery]:
        """Return how far each destination has heard."""
        return [
            Delivery(
                peer_id=row[0],
                acked_version=row[1],
                attempts=row[2],
                failing_since_us=row[3],
                next_attempt_at_us=row[4],
            )
            for row in self._select("SELECT * FROM deliveries", ())
        ]

    def replace_seats(self, seats: SeatChanges) -> None:
        """Write the table of seats anew, from what a replay of the log gave."""
        with self.datastore.transaction(commit=True) as c:
            c.execute("DELETE FROM seats")
            self._change_seats(c, seats)

    def _select(self, statement: str, params: tuple[object, ...]) -> Iterator[Any]:
        with self._reads.transaction(commit=False) as c:
            c.execute(statement, params)
            yield from c.fetchall()


def _stored_row(row: Any) -> StoredRow:
    return StoredRow(row[0], bytes.fromhex(row[1]), row[2], row[3], row[4], row[5])


def _hex(event: StoredEvent) -> str:
    stream_id = event.originator_id
    return stream_id.hex if isinstance(stream_id, UUID) else stream_id

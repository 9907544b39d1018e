"""
The log in SQLite, on the eventsourcing library's recorder.

The library's `stored_events` table gets two more columns, `position` and `leaf_hash`. The
position is the table's integer primary key, given by us and dense, so that it survives VACUUM
and is never used twice, which the library's implicit row ids do not promise. The seats table is
a projection of the events, kept in their own transaction, so that the database itself refuses a
second active peer with one address or key, and one more than the licence allows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.persistence import IntegrityError, PersistenceError, StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteCursor, SQLiteDatastore

from membership.domain.values import PeerId
from membership.store.errors import LogCorrupt, SchemaTooNew, StoreUnavailable
from membership.store.rows import (
    NOTHING_SIGNED,
    Delivery,
    Seat,
    SeatChanges,
    StoredCheckpoint,
    StoredCosignature,
    StoredRow,
    WitnessedHead,
)
from membership.store.sqlite_connections import Datastore
from membership.store.sqlite_log_signatures import (
    LOG_SIGNATURE_TABLES,
    SELECT_CHECKPOINTS,
    SELECT_COSIGNATURES,
    SELECT_WITNESSED,
    save_log_signatures,
)

SCHEMA_VERSION = 2

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
    *LOG_SIGNATURE_TABLES,
]
_INSERT = (
    "INSERT INTO stored_events "
    "(position, originator_id, originator_version, topic, state, leaf_hash) "
    "VALUES (?,?,?,?,?,?)"
)
_TAKE_SEAT = "INSERT INTO seats VALUES (?,?,?)"
# The casts let bytes that somebody turned into text be read, so that they can be found altered.
_SCAN = (
    "SELECT position, originator_id, originator_version, topic, CAST(state AS BLOB), "
    "CAST(leaf_hash AS BLOB) FROM stored_events WHERE position > ? ORDER BY position LIMIT ?"
)
_LEAF_HASHES = (
    "SELECT CAST(leaf_hash AS BLOB) FROM stored_events WHERE position > ? ORDER BY position LIMIT ?"
)
_PICK = (
    "SELECT position, originator_id, originator_version, topic, CAST(state AS BLOB), "
    "CAST(leaf_hash AS BLOB) FROM stored_events WHERE position IN ({}) ORDER BY position"
)


class SQLiteRecorder(SQLiteApplicationRecorder):
    """
    Records events, their leaves, seats, deliveries and log signatures in one transaction.

    Reads have connections of their own: in the library's pool a reader waits behind a waiting
    writer, which WAL itself never asks for.

    Raises:
        SchemaTooNew: A newer version wrote the database.
        StoreUnavailable: It cannot be opened or created there, or is none.
    """

    datastore: SQLiteDatastore

    def __init__(self, path: Path) -> None:
        # Percent-encoded: a folder may have a `?` or `#` in its name.
        name = path.absolute().as_uri()
        self._reads = Datastore(name)
        super().__init__(Datastore(name))
        try:
            self._migrate()
        except PersistenceError as error:
            message = f"{path} cannot be opened: {error}"
            raise StoreUnavailable(message) from error

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
        if stored_events:
            self._ensure_dense(c, first)
        self._change_seats(c, kwargs["seats"])
        self._save_deliveries(c, kwargs["deliveries"], kwargs["forgotten"])
        save_log_signatures(c, kwargs.get("log_signatures", NOTHING_SIGNED))
        return positions

    def _ensure_dense(self, c: SQLiteCursor, first: int) -> None:
        """Refuse to leave a hole: the log lost its end while the writer knew it."""
        if first != 1:
            c.execute("SELECT count(*) FROM stored_events WHERE position = ?", (first - 1,))
            if not c.fetchone()[0]:
                message = f"position {first - 1} is missing from the log"
                raise IntegrityError(message)

    def _change_seats(self, c: SQLiteCursor, seats: SeatChanges) -> None:
        staying = {seat.peer_id for seat in seats.taken}
        self._vacate(c, [peer_id for peer_id in seats.vacated if peer_id not in staying])
        if seats.capacity is not None:
            # A renewal may allow fewer nodes than there are: they stay, and none comes in. So
            # those who only change their seats are counted before they give up their old ones.
            c.execute("UPDATE seat_count SET capacity = max(?, taken)", (seats.capacity,))
        self._vacate(c, [peer_id for peer_id in seats.vacated if peer_id in staying])
        c.executemany(_TAKE_SEAT, seats.taken)

    def _vacate(self, c: SQLiteCursor, peer_ids: Sequence[PeerId]) -> None:
        c.executemany("DELETE FROM seats WHERE peer_id = ?", [(peer_id,) for peer_id in peer_ids])

    def _save_deliveries(
        self, c: SQLiteCursor, deliveries: Sequence[Delivery], forgotten: Sequence[PeerId]
    ) -> None:
        c.executemany(
            "INSERT OR REPLACE INTO deliveries VALUES (?,?,?,?,?)",
            [astuple(delivery) for delivery in deliveries],
        )
        c.executemany("DELETE FROM deliveries WHERE peer_id = ?", [(p,) for p in forgotten])

    def scan(self, after: int, limit: int) -> Sequence[StoredRow]:
        """Return up to *limit* rows behind the position *after*, in order; raises `LogCorrupt`."""
        return [_stored_row(row) for row in self._select(_SCAN, (after, limit))]

    def leaf_hashes(self, after: int, limit: int) -> Sequence[bytes]:
        """Return up to *limit* leaf hashes behind the position *after*, in order."""
        return [row[0] for row in self._select(_LEAF_HASHES, (after, limit))]

    def checkpoints(self) -> Sequence[StoredCheckpoint]:
        """Return the checkpoints that were kept, smallest first."""
        return [StoredCheckpoint(*row) for row in self._select(SELECT_CHECKPOINTS, ())]

    def cosignatures(self) -> Sequence[StoredCosignature]:
        """Return what each witness said last, ordered by witness."""
        return [StoredCosignature(*row) for row in self._select(SELECT_COSIGNATURES, ())]

    def witnessed(self) -> Sequence[WitnessedHead]:
        """Return the newest checkpoint seen of each peer's log, ordered by peer."""
        return [WitnessedHead(*row) for row in self._select(SELECT_WITNESSED, ())]

    def pick(self, positions: Sequence[int]) -> Sequence[StoredRow]:
        """Return the rows at these positions, in order."""
        marks = ",".join("?" * len(positions))
        return [_stored_row(row) for row in self._select(_PICK.format(marks), (*positions,))]

    def seats(self) -> Sequence[Seat]:
        """Return the table of seats, ordered by peer."""
        return [Seat(*row) for row in self._select("SELECT * FROM seats ORDER BY peer_id", ())]

    def deliveries(self) -> Sequence[Delivery]:
        """Return how far each destination has heard."""
        return [Delivery(**row) for row in self._select("SELECT * FROM deliveries", ())]

    def replace_seats(self, seats: SeatChanges) -> None:
        """Write the table of seats anew, from what a replay of the log gave."""
        with self.datastore.transaction(commit=True) as c:
            c.execute("DELETE FROM seats")
            c.execute(
                "UPDATE seat_count SET capacity = max(ifnull(?, capacity), ?)",
                (seats.capacity, len(seats.taken)),
            )
            c.executemany(_TAKE_SEAT, seats.taken)

    def _select(self, statement: str, params: tuple[object, ...]) -> Iterator[Any]:
        with self._reads.transaction(commit=False) as c:
            c.execute(statement, params)
            yield from c.fetchall()


def _stored_row(row: Sequence[Any]) -> StoredRow:
    position, stream_id, *rest = row
    try:
        return StoredRow(position, bytes.fromhex(stream_id), *rest)
    except (ValueError, TypeError):
        message = f"position {position} was altered: its stream is no id"
        raise LogCorrupt(message) from None


def _hex(event: StoredEvent) -> str:
    stream_id = event.originator_id
    return stream_id.hex if isinstance(stream_id, UUID) else stream_id

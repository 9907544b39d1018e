"""
The log of one agent: append durably, read in order.

An append is one transaction: events, their Merkle leaves, the seats that they take or give up,
delivery cursors, and what was signed about the log. It returns when all of it is on disk, or
raises and nothing is.

One case lies between: the commit happened and its answer was lost. So a failed append looks for
its own events at its own positions, and takes what it finds there for its answer.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar
from uuid import UUID

from eventsourcing.persistence import IntegrityError, PersistenceError, StoredEvent

from membership.domain.events import RecordedEvent
from membership.proof.merkle import leaf_bytes, leaf_hash
from membership.proof.tiles import MAX_ENTRY_BYTES
from membership.proof.tree import MerkleTree
from membership.store import codec
from membership.store.errors import AppendConflict, EventTooLong, LogCorrupt, StoreUnavailable
from membership.store.rows import (
    Batch,
    Delivery,
    Seat,
    SeatChanges,
    StoredCheckpoint,
    StoredCosignature,
    StoredRow,
    WitnessedHead,
)

PAGE_ROWS = 2_000
P = ParamSpec("P")
T = TypeVar("T")


class Recorder(Protocol):
    """What the library's recorders are extended by; SQLite and memory have it."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Insert all, or raise the library's `IntegrityError` or another of its errors."""

    def scan(self, after: int, limit: int) -> Sequence[StoredRow]:
        """Return up to *limit* rows behind the position *after*, in order."""

    def leaf_hashes(self, after: int, limit: int) -> Sequence[bytes]:
        """Return up to *limit* leaf hashes behind the position *after*, in order."""

    def checkpoints(self) -> Sequence[StoredCheckpoint]:
        """Return the checkpoints that were kept, smallest first."""

    def cosignatures(self) -> Sequence[StoredCosignature]:
        """Return what each witness said last, ordered by witness."""

    def witnessed(self) -> Sequence[WitnessedHead]:
        """Return the newest checkpoint seen of each peer's log, ordered by peer."""

    def pick(self, positions: Sequence[int]) -> Sequence[StoredRow]:
        """Return the rows at these positions, in order."""

    def seats(self) -> Sequence[Seat]:
        """Return the table of seats, ordered by peer."""

    def replace_seats(self, seats: SeatChanges) -> None:
        """Write the table of seats anew."""

    def deliveries(self) -> Sequence[Delivery]:
        """Return how far each destination has heard."""

    def close(self) -> None:
        """Release files and connections."""


class EventStore:
    """Appends batches to a recorder and reads events back; safe for one writer, many readers."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def append(self, batch: Batch) -> None:
        """
        Write a batch in one durable transaction.

        Raises:
            AppendConflict: A position, version or seat is taken; nothing was written.
            StoreUnavailable: The database refuses writes now; nothing was written, as far as
                can be told.
            EventTooLong: An event is no possible entry of the log; nothing was written.
        """
        rows = [_row(recorded) for recorded in batch.events]
        try:
            self._recorder.insert_events(
                [
                    StoredEvent(UUID(bytes=r.stream_id), r.version, r.stored_name, r.state)
                    for r in rows
                ],
                first_position=rows[0].position if rows else 0,
                leaf_hashes=[row.leaf_hash for row in rows],
                seats=batch.seats,
                deliveries=batch.deliveries,
                forgotten=batch.forgotten,
                log_signatures=batch.log_signatures,
            )
        except PersistenceError as error:
            if self._holds(rows):
                return
            if isinstance(error, IntegrityError):
                raise AppendConflict(str(error)) from error
            raise StoreUnavailable(str(error)) from error

    def _holds(self, rows: Sequence[StoredRow]) -> bool:
        if not rows:
            return False
        try:
            return list(self._recorder.scan(rows[0].position - 1, len(rows))) == list(rows)
        except PersistenceError:
            return False

    def rows(self, after: int = 0) -> Iterator[StoredRow]:
        """
        Yield the stored rows behind the position *after*, page by page.

        Raises:
            StoreUnavailable: The database cannot be read now.
        """
        while True:
            page = _told(self._recorder.scan, after, PAGE_ROWS)
            yield from page
            if len(page) < PAGE_ROWS:
                return
            after = page[-1].position

    def events(self, after: int = 0) -> Iterator[RecordedEvent]:
        """Yield the events behind the position *after*; raises as `rows` and `codec.decode`."""
        for row in self.rows(after):
            yield codec.decode(row.position, row.version, row.stored_name, row.state)

    def events_at(self, positions: Sequence[int]) -> Sequence[RecordedEvent]:
        """Return the events at these positions, in the log's order; raises as `events`."""
        rows = _told(self._recorder.pick, positions)
        return [codec.decode(row.position, row.version, row.stored_name, row.state) for row in rows]

    def verified_events(self, tree: MerkleTree) -> Iterator[RecordedEvent]:
        """
        Yield every event, recomputing its leaf and growing the empty *tree* by it.

        Raises:
            LogCorrupt: A position is missing, or a stored leaf is not that of its bytes.
        """
        for row in self.rows():
            if row.position != tree.size + 1:
                message = f"position {tree.size + 1} is missing from the log"
                raise LogCorrupt(message)
            expected = leaf_hash(_leaf(row))
            if expected != row.leaf_hash:
                message = f"position {row.position} was altered: its bytes are not its leaf's"
                raise LogCorrupt(message)
            tree.append(expected)
            yield codec.decode(row.position, row.version, row.stored_name, row.state)

    def leaf_hashes(self, start: int, stop: int) -> Sequence[bytes]:
        """Return the stored leaf hashes from index *start*, from 0, up to but without *stop*."""
        return _told(self._recorder.leaf_hashes, start, stop - start)

    def leaves(self, start: int, stop: int) -> Sequence[bytes]:
        """Return the leaves themselves, by index as `leaf_hashes`."""
        return [_leaf(row) for row in _told(self._recorder.scan, start, stop - start)]

    def checkpoints(self) -> Sequence[StoredCheckpoint]:
        """Return the checkpoints that were kept, smallest first."""
        return _told(self._recorder.checkpoints)

    def cosignatures(self) -> Sequence[StoredCosignature]:
        """Return what each witness said last, ordered by witness."""
        return _told(self._recorder.cosignatures)

    def witnessed(self) -> Sequence[WitnessedHead]:
        """Return the newest checkpoint seen of each peer's log, ordered by peer."""
        return _told(self._recorder.witnessed)

    def seats(self) -> Sequence[Seat]:
        """Return the table of seats, ordered by peer; raises `StoreUnavailable`."""
        return _told(self._recorder.seats)

    def replace_seats(self, seats: SeatChanges) -> None:
        """Write the table of seats anew, for `membership rebuild`; raises `StoreUnavailable`."""
        _told(self._recorder.replace_seats, seats)

    def deliveries(self) -> Sequence[Delivery]:
        """Return how far each destination has heard; raises `StoreUnavailable`."""
        return _told(self._recorder.deliveries)

    def close(self) -> None:
        """Release files and connections."""
        self._recorder.close()


def _told(ask: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Ask the recorder, and tell its errors in the words of this package."""
    try:
        return ask(*arguments, **options)
    except PersistenceError as error:
        raise StoreUnavailable(str(error)) from error


def _leaf(row: StoredRow) -> bytes:
    return leaf_bytes(row.stream_id, row.version, row.stored_name, row.state)


def _row(recorded: RecordedEvent) -> StoredRow:
    event = recorded.event
    stream_id = codec.ulid_to_bytes(event.stream_id)
    state = codec.encode(event, recorded.metadata)
    leaf = leaf_bytes(stream_id, recorded.version, event.stored_as, state)
    if len(leaf) > MAX_ENTRY_BYTES:
        raise EventTooLong(event.stored_as, len(leaf), MAX_ENTRY_BYTES)
    return StoredRow(
        recorded.position, stream_id, recorded.version, event.stored_as, state, leaf_hash(leaf)
    )

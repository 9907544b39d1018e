"""
The log in memory, on the eventsourcing library's recorder for plain objects.

For tests and the simulator. It keeps every promise of the one in SQLite but durability, and
passes the same conformance tests.
"""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from membership.domain.values import PeerId
from membership.store.rows import (
    NOTHING_SIGNED,
    Delivery,
    LogSignatures,
    Seat,
    SeatChanges,
    StoredCheckpoint,
    StoredCosignature,
    StoredRow,
    WitnessedHead,
)


class MemoryRecorder(POPOApplicationRecorder):
    """Records events, their leaves, seats, deliveries and log signatures, all or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._leaf_hashes: list[bytes] = []
        self._seats: dict[PeerId, Seat] = {}
        self._capacity = 1
        self._deliveries: dict[PeerId, Delivery] = {}
        self._checkpoints: dict[int, StoredCheckpoint] = {}
        self._cosignatures: dict[PeerId, StoredCosignature] = {}
        self._witnessed: dict[PeerId, WitnessedHead] = {}

    def close(self) -> None:
        """Nothing to close."""

    def _assert_uniqueness(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        super()._assert_uniqueness(stored_events, **kwargs)
        if kwargs["first_position"] != len(self._stored_events) + 1 and stored_events:
            message = "the position is taken"
            raise IntegrityError(message)

    def _update_table(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        seats, capacity = self._seated(kwargs["seats"])
        positions = super()._update_table(stored_events)
        self._leaf_hashes += kwargs["leaf_hashes"]
        self._seats, self._capacity = seats, capacity
        self._deliveries |= {row.peer_id: row for row in kwargs["deliveries"]}
        for peer_id in kwargs["forgotten"]:
            self._deliveries.pop(peer_id, None)
        self._save_log_signatures(kwargs.get("log_signatures", NOTHING_SIGNED))
        return positions or ()

    def _save_log_signatures(self, signed: LogSignatures) -> None:
        if signed.is_new_epoch:
            self._checkpoints.clear()
            self._cosignatures.clear()
        for size in signed.superseded:
            self._checkpoints.pop(size, None)
        self._witnessed |= {row.peer_id: row for row in signed.witnessed}
        self._checkpoints |= {row.size: row for row in signed.checkpoints}
        for row in signed.cosignatures:
            present = self._cosignatures.get(row.witness_id)
            if present is None or row.size >= present.size:
                self._cosignatures[row.witness_id] = row

    def _seated(self, changes: SeatChanges) -> tuple[dict[PeerId, Seat], int]:
        if changes == SeatChanges():
            return self._seats, self._capacity
        staying, vacated = {seat.peer_id for seat in changes.taken}, set(changes.vacated)
        seats = {key: seat for key, seat in self._seats.items() if key not in vacated - staying}
        capacity = self._capacity
        if changes.capacity is not None:
            capacity = max(changes.capacity, len(seats))
        kept = [seat for key, seat in seats.items() if key not in vacated]
        return _table([*kept, *changes.taken], capacity), capacity

    def scan(self, after: int, limit: int) -> Sequence[StoredRow]:
        """Return up to *limit* rows behind the position *after*, in order."""
        with self._database_lock:
            first = max(after, 0) + 1
            last = min(first + limit, len(self._stored_events) + 1)
            return [self._row(position) for position in range(first, last)]

    def pick(self, positions: Sequence[int]) -> Sequence[StoredRow]:
        """Return the rows at these positions, in order."""
        with self._database_lock:
            there = range(1, len(self._stored_events) + 1)
            return [self._row(position) for position in sorted({*positions}) if position in there]

    def _row(self, position: int) -> StoredRow:
        event = self._stored_events[position - 1]
        return StoredRow(
            position,
            _id_bytes(event),
            event.originator_version,
            event.topic,
            event.state,
            self._leaf_hashes[position - 1],
        )

    def leaf_hashes(self, after: int, limit: int) -> Sequence[bytes]:
        """Return up to *limit* leaf hashes behind the position *after*, in order."""
        with self._database_lock:
            return self._leaf_hashes[after : after + limit]

    def checkpoints(self) -> Sequence[StoredCheckpoint]:
        """Return the checkpoints that were kept, smallest first."""
        with self._database_lock:
            return sorted(self._checkpoints.values())

    def cosignatures(self) -> Sequence[StoredCosignature]:
        """Return what each witness said last, ordered by witness."""
        with self._database_lock:
            return sorted(self._cosignatures.values())

    def witnessed(self) -> Sequence[WitnessedHead]:
        """Return the newest checkpoint seen of each peer's log, ordered by peer."""
        with self._database_lock:
            return sorted(self._witnessed.values())

    def seats(self) -> Sequence[Seat]:
        """Return the table of seats, ordered by peer."""
        with self._database_lock:
            return sorted(self._seats.values())

    def deliveries(self) -> Sequence[Delivery]:
        """Return how far each destination has heard."""
        with self._database_lock:
            return list(self._deliveries.values())

    def replace_seats(self, seats: SeatChanges) -> None:
        """Write the table of seats anew, from what a replay of the log gave."""
        with self._database_lock:
            limit = self._capacity if seats.capacity is None else seats.capacity
            capacity = max(limit, len(seats.taken))
            self._seats, self._capacity = _table(seats.taken, capacity), capacity


def _table(seats: Sequence[Seat], capacity: int) -> dict[PeerId, Seat]:
    """Return the seats by peer; raises `IntegrityError` when two are the same, or are too many."""
    columns = zip(*seats, strict=True)
    if len(seats) > capacity or any(len(set(column)) < len(seats) for column in columns):
        message = "a seat is taken"
        raise IntegrityError(message)
    return {seat.peer_id: seat for seat in seats}


def _id_bytes(event: StoredEvent) -> bytes:
    stream_id = event.originator_id
    if isinstance(stream_id, str):
        message = "streams are identified by UUIDs"
        raise TypeError(message)
    return stream_id.bytes

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
from membership.store.rows import Delivery, Seat, SeatChanges, StoredRow


class MemoryRecorder(POPOApplicationRecorder):
    """Records events, their leaves, seats and deliveries, all or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._leaf_hashes: list[bytes] = []
        self._seats: dict[PeerId, Seat] = {}
        self._capacity = 1
        self._deliveries: dict[PeerId, Delivery] = {}

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
        return positions or ()

    def _seated(self, changes: SeatChanges) -> tuple[dict[PeerId, Seat], int]:
        if not changes.vacated and changes.capacity is None:
            return self._seats, self._capacity
        vacated = set(changes.vacated)
        seats = {key: seat for key, seat in self._seats.items() if key not in vacated}
        capacity = self._capacity
        if changes.capacity is not None:
            capacity = max(changes.capacity, len(seats))
        for seat in changes.taken:
            seats[seat.peer_id] = seat
        addresses = {seat.address for seat in seats.values()}
        keys = {seat.public_key for seat in seats.values()}
        if len(addresses) < len(seats) or len(keys) < len(seats) or len(seats) > capacity:
            message = "a seat is taken"
            raise IntegrityError(message)
        return seats, capacity

    def scan(self, after: int, limit: int) -> Sequence[StoredRow]:
        """Return up to *limit* rows behind the position *after*, in order."""
        with self._database_lock:
            last = min(after + limit, len(self._stored_events))
            return [self._row(position) for position in range(after + 1, last + 1)]

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
            self._seats, self._capacity = {}, 1
            self._seats, self._capacity = self._seated(seats)


def _id_bytes(event: StoredEvent) -> bytes:
    stream_id = event.originator_id
    if isinstance(stream_id, str):
        message = "streams are identified by UUIDs"
        raise TypeError(message)
    return stream_id.bytes

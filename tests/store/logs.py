"""A log under test: whatever keeps it, and what was written to it so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eventsourcing.persistence import OperationalError, StoredEvent

from membership.domain.events import Event, RecordedEvent
from membership.domain.record import PeerRecord
from membership.domain.values import PeerId
from membership.proof.tree import MerkleTree
from membership.store.event_store import EventStore, Recorder
from membership.store.memory import MemoryRecorder
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
from membership.store.sqlite import SQLiteRecorder
from tests.domain.histories import recorded

Open = Callable[[Path], Recorder]


def open_in_memory(_: Path) -> Recorder:
    """Return a recorder that keeps nothing."""
    return MemoryRecorder()


def open_on_disk(directory: Path) -> Recorder:
    """Return a recorder on the database in *directory*, new or there already."""
    return SQLiteRecorder(directory / "membership.db")


@dataclass(slots=True)
class Log:
    """
    A store, and what it is expected to hold.

    Attributes:
        written: Every event that was appended, in order.
    """

    recorder: Recorder
    store: EventStore = field(init=False)
    written: list[RecordedEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = EventStore(self.recorder)

    def next(self, *events: Event) -> list[RecordedEvent]:
        """Return *events* with the positions and versions that come next."""
        return recorded(*events, after=self.written)

    def append(self, *events: Event, **rest: Any) -> list[RecordedEvent]:
        """Append *events* behind what was written; the rest is that of a `Batch`."""
        new = self.next(*events)
        self.store.append(Batch(events=new, **rest))
        self.written += new
        return new

    def events(self) -> list[RecordedEvent]:
        """Return what is in the log, decoded."""
        return list(self.store.events())

    def verified(self) -> list[RecordedEvent]:
        """Return what is in the log, every leaf checked."""
        return list(self.store.verified_events(self.tree()))

    def tree(self) -> MerkleTree:
        """Return an empty tree over the log."""
        return MerkleTree(self.store.leaf_hashes)

    def everything(self) -> list[Sequence[object]]:
        """Return all that can be read, to be compared with another time."""
        deliveries = sorted(self.store.deliveries(), key=lambda row: row.peer_id)
        return [
            list(self.store.rows()),
            list(self.store.seats()),
            deliveries,
            self.store.checkpoints(),
            self.store.cosignatures(),
            self.store.witnessed(),
        ]


def seat_of(record: PeerRecord) -> Seat:
    """Return the seat that a peer's record asks for."""
    return Seat(record.peer_id, record.address, record.public_key)


def seated(
    *records: PeerRecord, vacated: Sequence[PeerId] = (), capacity: int | None = None
) -> SeatChanges:
    """Return the changes that seat peers where their records say, and nobody else of *vacated*."""
    return SeatChanges(
        vacated=[*vacated, *(record.peer_id for record in records)],
        taken=[seat_of(record) for record in records],
        capacity=capacity,
    )


@dataclass(slots=True)
class FaultyRecorder:
    """
    A real recorder behind a connection that breaks.

    Attributes:
        breaks_before: The next write does not arrive.
        breaks_after: The next write arrives, and its answer does not come back.
        is_unreadable: Nothing can be read.
        writes: How many writes arrived.
    """

    inner: Recorder
    breaks_before: bool = False
    breaks_after: bool = False
    is_unreadable: bool = False
    writes: int = 0

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Insert, and break where it was arranged."""
        if self.breaks_before:
            self.breaks_before = False
            _break()
        positions = self.inner.insert_events(stored_events, **kwargs)
        self.writes += 1
        if self.breaks_after:
            self.breaks_after = False
            _break()
        return positions

    def scan(self, after: int, limit: int) -> Sequence[StoredRow]:
        """Read, unless nothing can be read."""
        self._ensure_readable()
        return self.inner.scan(after, limit)

    def pick(self, positions: Sequence[int]) -> Sequence[StoredRow]:
        """Read, unless nothing can be read."""
        self._ensure_readable()
        return self.inner.pick(positions)

    def leaf_hashes(self, after: int, limit: int) -> Sequence[bytes]:
        """Read, unless nothing can be read."""
        self._ensure_readable()
        return self.inner.leaf_hashes(after, limit)

    def checkpoints(self) -> Sequence[StoredCheckpoint]:
        """Read, unless nothing can be read."""
        self._ensure_readable()
        return self.inner.checkpoints()

    def cosignatures(self) -> Sequence[StoredCosignature]:
        """Read, unless nothing can be read."""
        self._ensure_readable()
        return self.inner.cosignatures()

    def witnessed(self) -> Sequence[WitnessedHead]:
        """Read, unless nothing can be read."""
        self._ensure_readable()
        return self.inner.witnessed()

    def seats(self) -> Sequence[Seat]:
        """Read, unless nothing can be read."""
        self._ensure_readable()
        return self.inner.seats()

    def deliveries(self) -> Sequence[Delivery]:
        """Read, unless nothing can be read."""
        self._ensure_readable()
        return self.inner.deliveries()

    def replace_seats(self, seats: SeatChanges) -> None:
        """Replace, unless nothing can be read."""
        self._ensure_readable()
        self.inner.replace_seats(seats)

    def close(self) -> None:
        """Close the real one."""
        self.inner.close()

    def _ensure_readable(self) -> None:
        if self.is_unreadable:
            _break()


def _break() -> None:
    message = "the connection is lost"
    raise OperationalError(message)

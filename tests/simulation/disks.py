"""A disk that outlives the process on it, and what can go wrong between the two."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any
from uuid import UUID

from eventsourcing.persistence import OperationalError, StoredEvent

from membership.store.memory import MemoryRecorder
from membership.store.rows import (
    Delivery,
    LogSignatures,
    Seat,
    SeatChanges,
    StoredCheckpoint,
    StoredCosignature,
    StoredRow,
    WitnessedHead,
)


class Fault(Enum):
    """What befalls the next commit."""

    DIES_BEFORE = "the process dies before it"
    DIES_AFTER = "the process dies when it is on disk, before anybody hears of it"
    LOST_ANSWER = "it is on disk, and an error says that it is not"


class Disk:
    """
    What one incarnation of an agent sees of its machine's disk.

    Attributes:
        fault: What befalls the next commit, None for nothing.
        is_full: Writes fail, and reads do not.
    """

    def __init__(self, recorder: MemoryRecorder, on_crash: Callable[[], None]) -> None:
        self._recorder = recorder
        self._on_crash = on_crash
        self._is_gone = False
        self.fault: Fault | None = None
        self.is_full = False

    def unplug(self) -> None:
        """Let nothing of this incarnation reach the disk any more."""
        self._is_gone = True

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        self._ensure_plugged()
        if self.is_full:
            message = "the disk is full"
            raise OperationalError(message)
        fault, self.fault = self.fault, None
        if fault is Fault.DIES_BEFORE:
            self._die()
        positions = self._recorder.insert_events(stored_events, **kwargs)
        if fault is Fault.DIES_AFTER:
            self._die()
        if fault is Fault.LOST_ANSWER:
            message = "the answer of the disk was lost"
            raise OperationalError(message)
        return positions

    def scan(self, after: int, limit: int) -> Sequence[StoredRow]:
        self._ensure_plugged()
        return self._recorder.scan(after, limit)

    def leaf_hashes(self, after: int, limit: int) -> Sequence[bytes]:
        self._ensure_plugged()
        return self._recorder.leaf_hashes(after, limit)

    def checkpoints(self) -> Sequence[StoredCheckpoint]:
        return self._recorder.checkpoints()

    def cosignatures(self) -> Sequence[StoredCosignature]:
        return self._recorder.cosignatures()

    def witnessed(self) -> Sequence[WitnessedHead]:
        return self._recorder.witnessed()

    def seats(self) -> Sequence[Seat]:
        return self._recorder.seats()

    def replace_seats(self, seats: SeatChanges) -> None:
        self._recorder.replace_seats(seats)

    def deliveries(self) -> Sequence[Delivery]:
        return self._recorder.deliveries()

    def close(self) -> None:
        """Nothing to close."""

    def _die(self) -> None:
        self._is_gone = True
        self._on_crash()
        self._ensure_plugged()

    def _ensure_plugged(self) -> None:
        if self._is_gone:
            message = "the process is dead"
            raise OperationalError(message)


def backup_of(recorder: MemoryRecorder, position: int) -> MemoryRecorder:
    """Return the disk as it was when the log ended at *position*, but for its seats."""
    old = MemoryRecorder()
    for row in recorder.scan(0, position):
        old.insert_events(
            [StoredEvent(UUID(bytes=row.stream_id), row.version, row.stored_name, row.state)],
            first_position=row.position,
            leaf_hashes=[row.leaf_hash],
            seats=SeatChanges(),
            deliveries=[],
            forgotten=[],
        )
    # Heads that are too new for the backup do no harm: what was seen of others was seen.
    signed = LogSignatures(
        checkpoints=[row for row in recorder.checkpoints() if row.size <= position],
        witnessed=recorder.witnessed(),
    )
    old.insert_events(
        [],
        first_position=0,
        leaf_hashes=[],
        seats=SeatChanges(),
        deliveries=[],
        forgotten=[],
        log_signatures=signed,
    )
    return old

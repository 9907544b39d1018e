"""What is written and read in one transaction, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from membership.domain.events import RecordedEvent
from membership.domain.values import Address, PeerId, PublicKey, UnixUs


class StoredRow(NamedTuple):
    """One event as it lies in the log; *stream_id* has 16 bytes, *leaf_hash* 32."""

    position: int
    stream_id: bytes
    version: int
    stored_name: str
    state: bytes
    leaf_hash: bytes


class Seat(NamedTuple):
    """An active peer's unique address and key."""

    peer_id: PeerId
    address: Address
    public_key: PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatChanges:
    """
    How a batch changes the table that guards the roster.

    Attributes:
        vacated: Every peer that the batch touched: their old seats are given up first.
        taken: The seats of those of them that are active afterwards.
        capacity: The licence's `max_nodes`, None before the first licence.
    """

    vacated: Sequence[PeerId] = ()
    taken: Sequence[Seat] = ()
    capacity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """
    How far one destination has heard of this agent's own changes; one row a destination.

    Attributes:
        acked_version: The local peer's version whose record it acknowledged with a signature.
        attempts: Failed attempts in a row.
        failing_since_us: When the first of them was made, 0 when none failed.
        next_attempt_at_us: Not before this moment; saved before an attempt is made.
    """

    peer_id: PeerId
    acked_version: int
    attempts: int = 0
    failing_since_us: UnixUs = UnixUs(0)
    next_attempt_at_us: UnixUs = UnixUs(0)


class StoredCheckpoint(NamedTuple):
    """A checkpoint of this agent's log, as it signed it; *note* has its signature alone."""

    size: int
    root: bytes
    note: bytes
    signed_at_us: UnixUs


class StoredCosignature(NamedTuple):
    """What a witness said last of this agent's log; *line* goes beneath the note of that size."""

    witness_id: PeerId
    size: int
    line: str
    received_at_us: UnixUs


class WitnessedHead(NamedTuple):
    """The newest checkpoint that was seen of a peer's log; *note* as the peer signed it."""

    peer_id: PeerId
    epoch: int
    size: int
    root: bytes
    note: bytes
    seen_at_us: UnixUs


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSignatures:
    """
    What the agent and its witnesses signed about the log, and what it witnesses of others.

    Attributes:
        is_new_epoch: All checkpoints and cosignatures before these are of another origin, and go.
        checkpoints: New ones; one of a size that there is already replaces it.
        superseded: Sizes of checkpoints that need not be kept any more.
        cosignatures: Each replaces that of the same witness, unless that one is of a larger log.
        witnessed: Each replaces that of the same peer.
    """

    checkpoints: Sequence[StoredCheckpoint] = ()
    superseded: Sequence[int] = ()
    cosignatures: Sequence[StoredCosignature] = ()
    witnessed: Sequence[WitnessedHead] = ()
    is_new_epoch: bool = False

    def __bool__(self) -> bool:
        rows = self.checkpoints or self.superseded or self.cosignatures or self.witnessed
        return self.is_new_epoch or bool(rows)


NOTHING_SIGNED = LogSignatures()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one transaction writes; the events are consecutive in position."""

    events: Sequence[RecordedEvent] = ()
    seats: SeatChanges = SeatChanges()
    deliveries: Sequence[Delivery] = ()
    forgotten: Sequence[PeerId] = ()
    """Destinations that need no delivery any more."""
    log_signatures: LogSignatures = NOTHING_SIGNED

"""What may be asked of the write side, in the imperative."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from membership.domain.admission import Candidate
from membership.domain.events import Actor, CredentialCreated, HandshakeEvidence, RecordedEvent
from membership.domain.license import License
from membership.domain.record import PeerRecord
from membership.domain.values import Address, PeerId, PublicKey, ServiceId, UnixUs
from membership.store.rows import NOTHING_SIGNED, Delivery, LogSignatures, WitnessedHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """
    Where a command comes from; becomes the metadata of its events.

    Attributes:
        occurred_at_us: When its cause happened; the moment of recording when None.
        reason: What the caller gave as `X-Reason`.
    """

    actor: Actor
    occurred_at_us: UnixUs | None = None
    source: str = ""
    request_id: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    reason: str = ""


SYSTEM_ORIGIN = Origin(actor=Actor(kind="system", id="agent"))
"""The agent's own doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateLocalPeer:
    """Bring the agent's peer into being, with its licence and first credential."""

    peer_id: PeerId
    public_key: PublicKey
    address: Address
    name: str
    license: License
    credential: CredentialCreated


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureRoom:
    """Refuse an add before anybody is contacted, if it would be refused whoever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveSeat:
    """
    Keep a seat while a handshake is under way.

    An initiator reserves before it sends its last message, so that it cannot refuse a peer that
    has recorded it already. Held in memory, counted like a peer, void after *expires_at_us*.

    Attributes:
        reservation: Names this reservation, among others of the same peer.
    """

    reservation: str
    candidate: Candidate
    expires_at_us: UnixUs


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSeat:
    """Give a reserved seat up: the handshake is over."""

    reservation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitPeer:
    """
    Seat a remote peer that has proved itself; answers with its id.

    Attributes:
        reservation: The seat that was kept for it, empty for none.
        told_version: The version of this agent's record that it saw in the handshake.
    """

    candidate: Candidate
    evidence: HandshakeEvidence
    label: str = ""
    introduced_by: PeerId | None = None
    reservation: str = ""
    told_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamePeer:
    """Name a peer; *expected_version* comes from `If-Match`."""

    peer_id: PeerId
    name: str | None
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePeer:
    """Remove a remote peer from this agent's cluster."""

    peer_id: PeerId
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveCluster:
    """Take the local peer out, for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaddressLocalPeer:
    """Move the local peer to the address that its configuration names now."""

    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveRecord:
    """Take in a remote peer's verified record; answers with an `Observation`."""

    record: PeerRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterService:
    """Register a service between two active peers."""

    service_id: ServiceId
    name: str
    source_peer_id: PeerId
    target_peer_id: PeerId


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveService:
    """Remove a service."""

    service_id: ServiceId


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallLicense:
    """Take a verified licence: a renewal of the present one."""

    license: License


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCredential:
    """Let a client ask for tokens."""

    credential: CredentialCreated


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRefusal:
    """Write down that an authenticated caller was refused a change."""

    command: str
    subject: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveDeliveries:
    """Write delivery cursors; makes no event."""

    rows: Sequence[Delivery] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveLogSignatures:
    """Write what the agent or its witnesses signed about the log; makes no event."""

    signed: LogSignatures = NOTHING_SIGNED


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginEpoch:
    """Sign this agent's log under a new origin; what was signed before is forgotten with it."""

    epoch: int
    former_checkpoint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessCheckpoint:
    """
    Keep a peer's checkpoint, which was verified, as the newest that was seen of its log.

    Attributes:
        former_checkpoint: The note that was kept before, if that was one of an earlier epoch.
    """

    head: WitnessedHead
    former_checkpoint: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFork:
    """Keep two notes that a peer signed and that contradict each other."""

    peer_id: PeerId
    epoch: int
    known_checkpoint: bytes
    other_checkpoint: bytes


Command = (
    CreateLocalPeer
    | EnsureRoom
    | ReserveSeat
    | ReleaseSeat
    | AdmitPeer
    | RenamePeer
    | RemovePeer
    | LeaveCluster
    | ReaddressLocalPeer
    | ObserveRecord
    | RegisterService
    | RemoveService
    | InstallLicense
    | CreateCredential
    | RecordRefusal
    | SaveDeliveries
    | SaveLogSignatures
    | BeginEpoch
    | WitnessCheckpoint
    | ReportFork
)


@dataclass(frozen=True, slots=True)
class Request:
    """A command and where it comes from."""

    command: Command
    origin: Origin = SYSTEM_ORIGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """
    A command was carried out, durably.

    Attributes:
        events: What was recorded; empty when nothing changed.
        position: The log's last position, from 1, at or after those events.
        result: What the command answers beside its events, if anything.
    """

    position: int
    events: Sequence[RecordedEvent] = field(default=())
    result: object = None

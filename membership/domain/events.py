"""
The facts. Each is a frozen value with a stored name that never changes.

A stored name is not a Python path, so classes may move; a new shape of an old fact gets the
next number and an upcaster in `membership.store.codec`, and the old bytes stay readable for
ever. The order of the fields is the order of the stored array: append, never reorder.

The stream of an event is given by `stream_id`; position and version are added by the store.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from membership.domain.values import (
    Address,
    ClusterId,
    PeerId,
    PublicKey,
    ServiceId,
    StreamId,
    UnixUs,
)

LICENSE_STREAM = StreamId("00000000000000000000000001")
"""The licences of this agent, one revision after the other."""

REFUSALS_STREAM = StreamId("00000000000000000000000002")
"""Writes of authenticated callers that were refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact about one stream."""

    stored_as: ClassVar[str]

    @property
    def stream_id(self) -> StreamId:
        """The stream that this fact belongs to."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerEvent(Event):
    """A fact about one peer."""

    peer_id: PeerId

    @property
    def stream_id(self) -> StreamId:
        """The peer's own stream."""
        return StreamId(self.peer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCreated(PeerEvent):
    """The local peer came into being, in a cluster of one."""

    stored_as = "peer.created.v1"

    public_key: PublicKey
    address: Address
    name: str
    cluster_id: ClusterId


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeEvidence:
    """
    What lets an auditor check a handshake again.

    Attributes:
        transcript: The exact bytes that both sides signed.
        signature: The remote side's Ed25519 signature, 64 bytes.
        remote_role: `initiator` or `responder`, the role under which it signed.
    """

    transcript: bytes
    signature: bytes
    remote_role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAdded(PeerEvent):
    """
    A remote peer proved itself in a handshake and took a seat.

    Attributes:
        name: The name in the peer's own record.
        label: This agent's name for it, empty for none.
        subject_version: The version of the peer in its own log.
        how: `operator`, `inbound` or `discovered`.
        introduced_by: The peer whose record led to the handshake, if `discovered`.
        record: Its signed record, exactly as received.
    """

    stored_as = "peer.added.v1"

    public_key: PublicKey
    address: Address
    name: str
    label: str
    subject_version: int
    how: str
    introduced_by: PeerId | None
    record: bytes
    evidence: HandshakeEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRenamed(PeerEvent):
    """
    A name changed.

    Without a record it is this agent's doing: the local peer's own name, or the label that this
    agent gives a remote peer. With a record it is the remote peer's own new name.
    """

    stored_as = "peer.renamed.v1"

    before: str
    after: str
    subject_version: int = 0
    record: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerReaddressed(PeerEvent):
    """A peer is reached elsewhere now; *record* is empty for the local peer."""

    stored_as = "peer.readdressed.v1"

    before: Address
    after: Address
    subject_version: int = 0
    record: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAttested(PeerEvent):
    """
    A newer record of a remote peer changed nothing that can be seen here.

    Kept because the highest version seen must never fall. It also holds a claim to an address
    that another active peer has its seat at: *claimed_address* differs from the peer's address
    until that seat is free.
    """

    stored_as = "peer.attested.v1"

    claimed_address: Address
    subject_version: int
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRemoved(PeerEvent):
    """An operator removed a remote peer from this agent's cluster; a local tombstone."""

    stored_as = "peer.removed.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDeactivated(PeerEvent):
    """
    A peer left for good. Absorbing, on every agent, in any order of messages.

    For a remote peer *record* is its signed record exactly as received, so that a tombstone
    proves itself to whoever it is passed on to; also when the peer was never known here.
    """

    stored_as = "peer.deactivated.v1"

    public_key: PublicKey
    address: Address
    name: str
    subject_version: int
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerEquivocated(PeerEvent):
    """One identity signed two records of the same version. Both, as evidence; once a peer."""

    stored_as = "peer.equivocated.v1"

    subject_version: int
    known_record: bytes
    other_record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent(Event):
    """A fact about one service."""

    service_id: ServiceId

    @property
    def stream_id(self) -> StreamId:
        """The service's own stream."""
        return StreamId(self.service_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRegistered(ServiceEvent):
    """A service between two active peers was registered."""

    stored_as = "service.registered.v1"

    name: str
    source_peer_id: PeerId
    target_peer_id: PeerId


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRemoved(ServiceEvent):
    """A service was removed."""

    stored_as = "service.removed.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseEvent(Event):
    """A fact about this agent's licence; its secret is never part of it."""

    license_id: str
    revision: int
    customer: str
    issued_at_us: UnixUs
    expires_at_us: UnixUs
    max_nodes: int
    issuer: PublicKey
    cluster_id: ClusterId
    signature: bytes

    @property
    def stream_id(self) -> StreamId:
        """The one stream of licences."""
        return LICENSE_STREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseInstalled(LicenseEvent):
    """The first licence; its issuer is pinned from here on."""

    stored_as = "license.installed.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseRenewed(LicenseEvent):
    """A higher revision of the same licence."""

    stored_as = "license.renewed.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialCreated(Event):
    """A client may ask for tokens. *secret_hash* is an argon2id string."""

    stored_as = "credential.created.v1"

    client_id: StreamId
    description: str
    scopes: tuple[str, ...]
    secret_hash: str

    @property
    def stream_id(self) -> StreamId:
        """The credential's own stream."""
        return self.client_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused(Event):
    """
    An authenticated caller asked for a change and was refused.

    Attributes:
        command: What was asked, as method and route.
        subject: What it was asked of: an id, an address, or empty.
        code: The error code that the caller received.
        message: The sentence that the caller received.
    """

    stored_as = "command.refused.v1"

    command: str
    subject: str
    code: str
    message: str

    @property
    def stream_id(self) -> StreamId:
        """The one stream of refusals."""
        return REFUSALS_STREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it: *kind* is `client`, `operator`, `peer` or `system`; *id* within its kind."""

    kind: str
    id: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """
    What every event carries beside its fact.

    Attributes:
        event_id: A ULID of its own.
        occurred_at_us: When the cause happened, by the clock of whoever caused it.
        recorded_at_us: When this agent wrote it, by this agent's clock.
        source: The address that the request came from, empty when it came from inside.
        request_id: The request that caused it, as in `X-Request-Id`.
        correlation_id: What belongs together across agents.
        causation_id: The event or message that led to it, empty for a direct command.
        reason: What the caller gave as `X-Reason`.
        software: Name and version of the writing software.
    """

    event_id: str
    occurred_at_us: UnixUs
    recorded_at_us: UnixUs
    actor: Actor
    source: str = ""
    request_id: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    reason: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """
    An event as it stands in the log.

    Attributes:
        position: Its place in this agent's whole log, dense from 1.
        version: Its place in its own stream, dense from 1.
    """

    position: int
    version: int
    event: Event
    metadata: Metadata = field(repr=False)


EVENT_TYPES: tuple[type[Event], ...] = (
    PeerCreated,
    PeerAdded,
    PeerRenamed,
    PeerReaddressed,
    PeerAttested,
    PeerRemoved,
    PeerDeactivated,
    PeerEquivocated,
    ServiceRegistered,
    ServiceRemoved,
    LicenseInstalled,
    LicenseRenewed,
    CredentialCreated,
    CommandRefused,
)
"""Every event that this version writes; the codec's table is made from it."""

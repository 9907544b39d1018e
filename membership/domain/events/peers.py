"""Facts about peers."""

from dataclasses import dataclass

from membership.domain.events.event import Event
from membership.domain.values import Address, ClusterId, PeerId, PublicKey, StreamId


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
        subject_version: The version of the peer in its own log, the highest that is known.
        how: `operator`, `inbound` or `discovered`.
        introduced_by: The peer whose record led to the handshake, if `discovered`.
        record: Its signed record of that version, exactly as received.
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
    A newer record of a peer changed nothing that can be seen here.

    Kept because the highest version seen must never fall. It also holds a claim to an address
    that another active peer has its seat at: *claimed_address* differs from the peer's address
    until that seat is free. For the local peer, whose record is empty here, it is that alone.
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
class PeerResumed(PeerEvent):
    """
    The local peer met a record of its own that its log does not know, and goes on above it.

    So an agent whose data was restored from an old backup becomes one with its peers again: they
    keep the highest version, and the next one that it signs is higher than any of the life that
    its log has lost. *record* is the evidence, exactly as received.
    """

    stored_as = "peer.resumed.v1"

    lost_version: int
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerEquivocated(PeerEvent):
    """One identity signed two records of the same version. Both, as evidence; once a peer."""

    stored_as = "peer.equivocated.v1"

    subject_version: int
    known_record: bytes
    other_record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerForked(PeerEvent):
    """
    A peer signed two checkpoints of its log of which neither continues the other.

    Both notes, as they were signed, are the evidence; of two sizes, the peer could not prove that
    the smaller log begins the larger one. Once a peer and epoch. Nobody is removed for it.
    """

    stored_as = "peer.forked.v1"

    epoch: int
    known_checkpoint: bytes
    other_checkpoint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerEpochObserved(PeerEvent):
    """
    A peer began its log anew, as it does when it has lost the end of it.

    Attributes:
        former_checkpoint: The last note of the epoch before that was seen here.
        checkpoint: The first note of the new one.
    """

    stored_as = "peer.epoch_observed.v1"

    epoch: int
    former_checkpoint: bytes
    checkpoint: bytes

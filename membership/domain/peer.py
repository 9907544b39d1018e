"""One peer, folded from its events."""

from dataclasses import dataclass, replace
from enum import StrEnum

from membership.domain.events import (
    Event,
    PeerAdded,
    PeerAttested,
    PeerCreated,
    PeerDeactivated,
    PeerEpochObserved,
    PeerEquivocated,
    PeerForked,
    PeerReaddressed,
    PeerRemoved,
    PeerRenamed,
    PeerResumed,
    RecordedEvent,
)
from membership.domain.values import Address, PeerId, PublicKey, UnixUs


class PeerStatus(StrEnum):
    """Where a peer stands on this agent."""

    ACTIVE = "active"
    REMOVED = "removed"
    """Removed here by an operator; only an explicit add brings it back."""
    LEFT = "left"
    """Deactivated by itself, for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """
    A peer as this agent's log knows it.

    Attributes:
        own_name: The name that the peer gives itself.
        label: The name that this agent gives it, empty for none; it wins here.
        created_at_us: When this agent first recorded it, or last added it again.
        changed_at_us: When the newest of its events was recorded here.
        version: How many events its stream in *this* log has.
        subject_version: What its newest signed record carries. A peer counts its own changes
            with it, from 1, in its own log; one that resumed after a restored backup skips some.
        record: Its newest signed record as received; empty for the local peer.
        claimed_address: The address that its newest record names. It differs from *address*
            while another active peer has its seat there.
        ended_at_us: When it was removed or deactivated here, 0 while active.
        equivocated: It signed two records of one version.
        forked: It signed two histories of its log in the epoch that it is in.
    """

    peer_id: PeerId
    public_key: PublicKey
    address: Address
    own_name: str
    label: str
    is_local: bool
    created_at_us: UnixUs
    changed_at_us: UnixUs
    version: int
    subject_version: int
    record: bytes
    claimed_address: Address
    status: PeerStatus
    ended_at_us: UnixUs
    equivocated: bool = False
    forked: bool = False

    @property
    def name(self) -> str:
        """What people call it here."""
        return self.label or self.own_name

    @property
    def is_active(self) -> bool:
        """Whether it is a member now."""
        return self.status is PeerStatus.ACTIVE


def evolve_peer(peer: Peer | None, recorded: RecordedEvent) -> Peer:
    """Return the peer after *recorded*; *peer* is None before its first event."""
    event = recorded.event
    if isinstance(event, PeerCreated):
        return _created(event, recorded)
    if isinstance(event, PeerAdded):
        return _added(peer, event, recorded)
    if isinstance(event, PeerDeactivated):
        return _deactivated(peer, event, recorded)
    if peer is None:
        message = f"position {recorded.position}: the stream begins with {event.stored_as}"
        raise ValueError(message)
    return _changed(_noted(peer, recorded), event, recorded)


def _created(event: PeerCreated, recorded: RecordedEvent) -> Peer:
    return Peer(
        peer_id=event.peer_id,
        public_key=event.public_key,
        address=event.address,
        own_name=event.name,
        label="",
        is_local=True,
        created_at_us=recorded.metadata.recorded_at_us,
        changed_at_us=recorded.metadata.recorded_at_us,
        version=recorded.version,
        subject_version=1,
        record=b"",
        claimed_address=event.address,
        status=PeerStatus.ACTIVE,
        ended_at_us=UnixUs(0),
    )


def _added(peer: Peer | None, event: PeerAdded, recorded: RecordedEvent) -> Peer:
    return Peer(
        peer_id=event.peer_id,
        public_key=event.public_key,
        address=event.address,
        own_name=event.name,
        label=event.label,
        is_local=False,
        created_at_us=recorded.metadata.recorded_at_us,
        changed_at_us=recorded.metadata.recorded_at_us,
        version=recorded.version,
        subject_version=event.subject_version,
        record=event.record,
        claimed_address=event.address,
        status=PeerStatus.ACTIVE,
        ended_at_us=UnixUs(0),
        equivocated=peer is not None and peer.equivocated,
        forked=peer is not None and peer.forked,
    )


def _deactivated(peer: Peer | None, event: PeerDeactivated, recorded: RecordedEvent) -> Peer:
    at_us = recorded.metadata.recorded_at_us
    is_local = peer is not None and peer.is_local
    return Peer(
        peer_id=event.peer_id,
        public_key=event.public_key,
        address=event.address,
        own_name=event.name,
        label=peer.label if peer else "",
        is_local=is_local,
        created_at_us=peer.created_at_us if peer else at_us,
        changed_at_us=at_us,
        version=recorded.version,
        subject_version=event.subject_version,
        record=event.record,
        claimed_address=event.address,
        status=PeerStatus.LEFT,
        ended_at_us=at_us,
        equivocated=peer is not None and peer.equivocated,
        forked=peer is not None and peer.forked,
    )


def _noted(peer: Peer, recorded: RecordedEvent) -> Peer:
    changed_at_us = recorded.metadata.recorded_at_us
    return replace(peer, version=recorded.version, changed_at_us=changed_at_us)


def _changed(peer: Peer, event: Event, recorded: RecordedEvent) -> Peer:
    match event:
        case PeerRenamed(record=b"") if not peer.is_local:
            return replace(peer, label=event.after)
        case PeerRenamed():
            return replace(_attested(peer, event), own_name=event.after)
        case PeerReaddressed():
            attested = _attested(peer, event)
            return replace(attested, address=event.after, claimed_address=event.after)
        case PeerAttested():
            attested = _attested(peer, event)
            return replace(attested, claimed_address=event.claimed_address)
        case PeerRemoved():
            at_us = recorded.metadata.recorded_at_us
            return replace(peer, status=PeerStatus.REMOVED, ended_at_us=at_us)
        case PeerResumed():
            return replace(peer, subject_version=event.lost_version + 1)
    return _suspected(peer, event, recorded)


def _suspected(peer: Peer, event: Event, recorded: RecordedEvent) -> Peer:
    match event:
        case PeerEquivocated():
            return replace(peer, equivocated=True)
        case PeerForked():
            return replace(peer, forked=True)
        case PeerEpochObserved():
            return replace(peer, forked=False)
    message = f"position {recorded.position}: {event.stored_as} is no event of a peer"
    raise ValueError(message)


def _attested(peer: Peer, event: PeerRenamed | PeerReaddressed | PeerAttested) -> Peer:
    """Take over the version and record; the local peer counts by itself."""
    if peer.is_local:
        return replace(peer, subject_version=peer.subject_version + 1)
    if event.subject_version <= peer.subject_version:
        # A waiting claim was granted: the record is the one that is known already.
        return peer
    return replace(peer, subject_version=event.subject_version, record=event.record)

"""Who may take a seat: the rules of adding a peer."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from membership.domain.cluster import Cluster
from membership.domain.errors import (
    HandshakeFailed,
    LicenseExpired,
    LocalPeerDeactivated,
    NodeLimitExceeded,
    PeerAlreadyInCluster,
)
from membership.domain.events import Event, HandshakeEvidence, PeerAdded
from membership.domain.license import LicenseState
from membership.domain.peer import PeerStatus
from membership.domain.record import PeerRecord
from membership.domain.rfc3339 import rfc3339
from membership.domain.values import PeerId, UnixUs


class Admission(StrEnum):
    """How a peer came to be added."""

    OPERATOR = "operator"
    INBOUND = "inbound"
    DISCOVERED = "discovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """
    A remote agent at the door, before or after it has proved itself.

    Attributes:
        invited: An operator here asked for this peer, so that a local tombstone is no obstacle.
    """

    record: PeerRecord
    how: Admission
    invited: bool = False


def ensure_writable(cluster: Cluster, now_us: UnixUs) -> None:
    """
    Refuse a change on an agent that left, or whose licence is over.

    Raises:
        LocalPeerDeactivated: The local peer has left.
        LicenseExpired: The licence is read-only.
    """
    local = cluster.local
    if not local.is_active:
        raise LocalPeerDeactivated(local.peer_id)
    license_ = cluster.license
    if license_ is not None and license_.state(now_us) is LicenseState.READ_ONLY:
        raise LicenseExpired(rfc3339(license_.expires_at_us))


def ensure_admissible(
    cluster: Cluster, candidate: Candidate, reserved: Collection[PeerId], now_us: UnixUs
) -> bool:
    """
    Return whether the candidate would take a new seat; False when it is seated already.

    Args:
        reserved: Peers without a seat whose handshakes are under way; theirs are kept.

    Raises:
        LocalPeerDeactivated, LicenseExpired: As `ensure_writable`.
        PeerAlreadyInCluster: It is this agent, or its identity, key or address is seated.
        HandshakeFailed: Its identity has left, was removed here, or comes with another key.
        NodeLimitExceeded: All seats are taken.
    """
    ensure_writable(cluster, now_us)
    record = candidate.record
    known = cluster.peers.get(record.peer_id)
    if known is not None:
        if known.is_local:
            raise PeerAlreadyInCluster(known.peer_id, "identity")
        _ensure_same_identity(cluster, candidate)
        if known.is_active:
            if candidate.how is Admission.OPERATOR:
                raise PeerAlreadyInCluster(known.peer_id, "identity")
            return False
    for what, holder in (
        ("key", cluster.seat_by_key.get(record.public_key)),
        ("address", cluster.seat_by_address.get(record.address)),
    ):
        if holder is not None:
            raise PeerAlreadyInCluster(holder, what)
    ensure_room(cluster, record.peer_id, reserved, now_us)
    return True


def _ensure_same_identity(cluster: Cluster, candidate: Candidate) -> None:
    record = candidate.record
    known = cluster.peers[record.peer_id]
    if known.public_key != record.public_key:
        raise HandshakeFailed(
            "key_changed",
            f"the peer {record.peer_id} is known here with another key, and keys never change",
            peer_id=record.peer_id,
        )
    if known.status is PeerStatus.LEFT:
        raise HandshakeFailed(
            "deactivated",
            f"the peer {record.peer_id} has left the cluster for good; it needs a new identity",
            peer_id=record.peer_id,
        )
    wanted_here = candidate.how is Admission.OPERATOR or candidate.invited
    if known.status is PeerStatus.REMOVED and not wanted_here:
        raise HandshakeFailed(
            "removed",
            f"the peer {record.peer_id} was removed there; an operator of that agent has to add "
            "it again",
            peer_id=record.peer_id,
        )


def ensure_room(
    cluster: Cluster, peer_id: PeerId | None, reserved: Collection[PeerId], now_us: UnixUs
) -> None:
    """
    Refuse one more active peer when there cannot be one; *peer_id* is None for whoever it is.

    Raises:
        LocalPeerDeactivated, LicenseExpired: As `ensure_writable`.
        NodeLimitExceeded: All seats are taken or reserved.
    """
    ensure_writable(cluster, now_us)
    license_ = cluster.license
    if license_ is None:
        return
    waiting = sum(1 for other in reserved if other != peer_id)
    if len(cluster.seat_by_key) + waiting >= license_.max_nodes:
        raise NodeLimitExceeded(license_.max_nodes)


def admit(
    cluster: Cluster,
    candidate: Candidate,
    *,
    evidence: HandshakeEvidence,
    label: str,
    introduced_by: PeerId | None,
    reserved: Collection[PeerId],
    now_us: UnixUs,
) -> list[Event]:
    """
    Seat a candidate that has proved itself; nothing when it is seated already.

    Raises:
        MembershipError: As `ensure_admissible`.
    """
    if not ensure_admissible(cluster, candidate, reserved, now_us):
        return []
    record = candidate.record
    known = cluster.peers.get(record.peer_id)
    version, signed = record.subject_version, record.signed
    if known is not None and known.subject_version > version:
        # An old backup of it is at the door. Version and record stay a pair, or its newest record
        # would later be taken for a second one of the same version.
        version, signed = known.subject_version, known.record
    return [
        PeerAdded(
            peer_id=record.peer_id,
            public_key=record.public_key,
            address=record.address,
            name=record.name,
            label="" if label == record.name else label,
            subject_version=version,
            how=candidate.how.value,
            introduced_by=introduced_by,
            record=signed,
            evidence=evidence,
        )
    ]

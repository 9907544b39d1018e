"""A peer's signed statement about itself, parsed, and what this agent makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from membership.domain.claims import moves_after, moves_with
from membership.domain.cluster import Cluster
from membership.domain.events import (
    Event,
    PeerAttested,
    PeerDeactivated,
    PeerEquivocated,
    PeerReaddressed,
    PeerRenamed,
    PeerResumed,
)
from membership.domain.peer import Peer, PeerStatus
from membership.domain.values import Address, ClusterId, PeerId, PublicKey, UnixUs

MAX_STRANGERS = 10_000
"""Tombstones kept of peers that never had a seat: a member must not grow a log without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRecord:
    """
    What a peer says of itself; eternal, relayable, proves itself.

    Attributes:
        subject_version: The peer's version in its own log.
        left: It has deactivated itself, for good.
        issued_at_us: By the peer's own clock; shown, never trusted.
        signed: The signed bytes exactly as received.
    """

    cluster_id: ClusterId
    peer_id: PeerId
    subject_version: int
    left: bool
    public_key: PublicKey
    address: Address
    name: str
    issued_at_us: UnixUs
    signed: bytes


class Verdict(StrEnum):
    """What became of a record."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    STALE = "stale"
    UNKNOWN_PEER = "unknown_peer"
    """An active peer that is not known here: an introduction, not trust."""
    REMOVED_HERE = "removed_here"
    KEY_CHANGED = "key_changed"
    EQUIVOCATION = "equivocation"
    IDENTITY_CONFLICT = "identity_conflict"
    """A record of this very agent that its log does not know: a twin, or an old backup."""
    OTHER_CLUSTER = "other_cluster"


@dataclass(frozen=True, slots=True)
class Observation:
    """A verdict, with the events that follow from it."""

    verdict: Verdict
    events: Sequence[Event] = ()


def observe(cluster: Cluster, record: PeerRecord) -> Observation:
    """
    Decide what a verified record changes here.

    The highest subject version wins; *left* wins over everything, at any version, also for a
    peer that is unknown or was removed here. The subject's version is compared with the version
    of its newest record, never with the version of its stream in this log, which a local rename
    raises too.
    """
    if cluster.license is None or record.cluster_id != cluster.license.cluster_id:
        return Observation(Verdict.OTHER_CLUSTER)
    peer = cluster.peers.get(record.peer_id)
    if peer is None:
        if record.left and cluster.strangers < MAX_STRANGERS:
            return Observation(Verdict.APPLIED, [_deactivated(record)])
        return Observation(Verdict.UNKNOWN_PEER)
    if peer.public_key != record.public_key:
        return Observation(Verdict.KEY_CHANGED)
    if peer.is_local:
        return _observe_own(cluster, peer, record)
    return _observe_remote(cluster, peer, record)


def _observe_own(cluster: Cluster, peer: Peer, record: PeerRecord) -> Observation:
    """Take what this agent signed itself: in a life that a restored backup does not know of."""
    if record.left and peer.is_active:
        # Having left is final, also for an agent that has forgotten it.
        departure = [_deactivated(record), *moves_after(cluster, peer)]
        return Observation(Verdict.APPLIED, departure)
    if not contradicts(peer, record):
        return Observation(Verdict.DUPLICATE)
    resumed = PeerResumed(
        peer_id=peer.peer_id, lost_version=record.subject_version, record=record.signed
    )
    return Observation(Verdict.IDENTITY_CONFLICT, [resumed])


def contradicts(local: Peer, record: PeerRecord) -> bool:
    """Whether a record of the local peer says what its log does not: newer, or otherwise."""
    if not local.is_active or record.left:
        return False
    if record.subject_version != local.subject_version:
        return record.subject_version > local.subject_version
    said_here = (local.claimed_address, local.own_name, local.changed_at_us)
    return (record.address, record.name, record.issued_at_us) != said_here


def _observe_remote(cluster: Cluster, peer: Peer, record: PeerRecord) -> Observation:
    if record.signed == peer.record:
        return Observation(Verdict.DUPLICATE)
    if peer.status is PeerStatus.LEFT:
        return Observation(Verdict.STALE)
    is_same_version = record.subject_version == peer.subject_version
    evidence = _equivocated(peer, record) if is_same_version else []
    if record.left:
        departure = [_deactivated(record), *moves_after(cluster, peer)]
        return Observation(Verdict.APPLIED, [*evidence, *departure])
    if peer.status is PeerStatus.REMOVED:
        return Observation(Verdict.REMOVED_HERE)
    if is_same_version:
        return Observation(Verdict.EQUIVOCATION, evidence)
    if record.subject_version < peer.subject_version:
        return Observation(Verdict.STALE)
    return Observation(Verdict.APPLIED, _updated(cluster, peer, record))


def _updated(cluster: Cluster, peer: Peer, record: PeerRecord) -> list[Event]:
    events: list[Event] = []
    if record.name != peer.own_name:
        events.append(
            PeerRenamed(
                peer_id=peer.peer_id,
                before=peer.own_name,
                after=record.name,
                subject_version=record.subject_version,
                record=record.signed,
            )
        )
    followers = moves_with(cluster, peer, record.address)
    if followers is not None:
        events += [_moved(peer, record), *followers]
    elif not events or record.address != peer.claimed_address:
        events.append(
            PeerAttested(
                peer_id=peer.peer_id,
                claimed_address=record.address,
                subject_version=record.subject_version,
                record=record.signed,
            )
        )
    return events


def _moved(peer: Peer, record: PeerRecord) -> PeerReaddressed:
    return PeerReaddressed(
        peer_id=peer.peer_id,
        before=peer.address,
        after=record.address,
        subject_version=record.subject_version,
        record=record.signed,
    )


def _deactivated(record: PeerRecord) -> PeerDeactivated:
    return PeerDeactivated(
        peer_id=record.peer_id,
        public_key=record.public_key,
        address=record.address,
        name=record.name,
        subject_version=record.subject_version,
        record=record.signed,
    )


def _equivocated(peer: Peer, record: PeerRecord) -> list[Event]:
    """Keep both records, once a peer: a liar does not get to fill the log."""
    if peer.equivocated:
        return []
    return [
        PeerEquivocated(
            peer_id=peer.peer_id,
            subject_version=record.subject_version,
            known_record=peer.record,
            other_record=record.signed,
        )
    ]

"""What may be done to peers and services that are here already."""

from membership.domain.claims import moves_after, moves_with
from membership.domain.cluster import Cluster
from membership.domain.errors import (
    CannotRemoveLocalPeer,
    InvalidField,
    LicenseInvalid,
    PeerNotFound,
    PreconditionFailed,
    ServiceNotFound,
)
from membership.domain.events import (
    EpochBegan,
    Event,
    LicenseInstalled,
    LicenseRenewed,
    PeerAttested,
    PeerDeactivated,
    PeerEpochObserved,
    PeerForked,
    PeerReaddressed,
    PeerRemoved,
    PeerRenamed,
    ServiceRegistered,
    ServiceRemoved,
)
from membership.domain.license import License
from membership.domain.peer import Peer
from membership.domain.values import Address, PeerId, PublicKey, ServiceId


def active_peer(cluster: Cluster, peer_id: PeerId) -> Peer:
    """Return an active peer; raises `PeerNotFound`."""
    peer = cluster.peers.get(peer_id)
    if peer is None or not peer.is_active:
        raise PeerNotFound(peer_id)
    return peer


def _ensure_version(peer: Peer, expected: int | None) -> None:
    if expected is not None and expected != peer.version:
        raise PreconditionFailed(expected, peer.version)


def rename(
    cluster: Cluster, peer_id: PeerId, name: str | None, expected_version: int | None
) -> list[Event]:
    """
    Name a peer: the local one for everybody, a remote one with a label of this agent.

    *name* None, or the name that it has, changes nothing.

    Raises:
        PeerNotFound, PreconditionFailed: Nothing to rename, or not what the caller saw.
    """
    peer = active_peer(cluster, peer_id)
    _ensure_version(peer, expected_version)
    if name is None or name == peer.name:
        return []
    before = peer.own_name if peer.is_local else peer.label
    if name == before:
        return []
    return [PeerRenamed(peer_id=peer_id, before=before, after=name)]


def remove(cluster: Cluster, peer_id: PeerId, expected_version: int | None) -> list[Event]:
    """
    Remove a remote peer; never asks the peer itself.

    Raises:
        PeerNotFound, PreconditionFailed: Nothing to remove, or not what the caller saw.
        CannotRemoveLocalPeer: It is this agent.
    """
    peer = active_peer(cluster, peer_id)
    if peer.is_local:
        raise CannotRemoveLocalPeer(peer_id)
    _ensure_version(peer, expected_version)
    return [PeerRemoved(peer_id=peer_id), *moves_after(cluster, peer)]


def leave(cluster: Cluster) -> list[Event]:
    """Take the local peer out, for good; nothing when it has left already."""
    local = cluster.local
    if not local.is_active:
        return []
    return [
        PeerDeactivated(
            peer_id=local.peer_id,
            public_key=local.public_key,
            address=local.claimed_address,
            name=local.own_name,
            subject_version=local.subject_version + 1,
            record=b"",
        ),
        *moves_after(cluster, local),
    ]


def readdress(cluster: Cluster, address: Address) -> list[Event]:
    """
    Move the local peer to the address that its configuration names now.

    Where another active peer has its seat it waits for it, as remote peers do, and says in its
    record where it is meanwhile.
    """
    local = cluster.local
    if not local.is_active or local.claimed_address == address:
        return []
    followers = moves_with(cluster, local, address)
    if followers is None:
        return [
            PeerAttested(
                peer_id=local.peer_id,
                claimed_address=address,
                subject_version=local.subject_version + 1,
                record=b"",
            )
        ]
    move = PeerReaddressed(peer_id=local.peer_id, before=local.address, after=address)
    return [move, *followers]


def register_service(
    cluster: Cluster, service_id: ServiceId, name: str, source: PeerId, target: PeerId
) -> list[Event]:
    """
    Register a service between two active peers.

    Raises:
        PeerNotFound: One of them is no active peer.
        InvalidField: They are the same peer, or the name is empty.
    """
    active_peer(cluster, source)
    active_peer(cluster, target)
    if source == target:
        raise InvalidField("target_peer_id", "a service joins two different peers")
    if not name:
        raise InvalidField("name", "a service needs a name")
    return [
        ServiceRegistered(
            service_id=service_id, name=name, source_peer_id=source, target_peer_id=target
        )
    ]


def remove_service(cluster: Cluster, service_id: ServiceId) -> list[Event]:
    """Remove a service, active or not; raises `ServiceNotFound`."""
    if service_id not in cluster.services:
        raise ServiceNotFound(service_id)
    return [ServiceRemoved(service_id=service_id)]


def install_license(
    cluster: Cluster, license_: License, trusted_issuers: frozenset[PublicKey]
) -> list[Event]:
    """
    Take a verified licence: the first one, or a renewal of the present one.

    The same revision again changes nothing. Without configured issuers the first licence pins
    its own.

    Raises:
        LicenseInvalid: Its issuer is not trusted, or it renews another licence or backwards.
    """
    present = cluster.license
    trusted = trusted_issuers or (frozenset({present.issuer}) if present else frozenset())
    if trusted and license_.issuer not in trusted:
        raise LicenseInvalid("its issuer is not trusted here")
    if present is None:
        return [_license_event(LicenseInstalled, license_)]
    if license_ == present:
        return []
    if license_.cluster_id != present.cluster_id:
        raise LicenseInvalid("it belongs to another cluster than the present licence")
    if license_.revision <= present.revision:
        raise LicenseInvalid(
            f"its revision {license_.revision} is not above the present {present.revision}"
        )
    return [_license_event(LicenseRenewed, license_)]


def _license_event(
    event_type: type[LicenseInstalled | LicenseRenewed], license_: License
) -> LicenseInstalled | LicenseRenewed:
    return event_type(
        license_id=license_.license_id,
        revision=license_.revision,
        customer=license_.customer,
        issued_at_us=license_.issued_at_us,
        expires_at_us=license_.expires_at_us,
        max_nodes=license_.max_nodes,
        issuer=license_.issuer,
        cluster_id=license_.cluster_id,
        signature=license_.signature,
    )


def begin_epoch(cluster: Cluster, epoch: int, former_checkpoint: bytes) -> list[Event]:
    """Sign the log under a new origin from here on; nothing when it is signed so already."""
    if epoch <= cluster.epoch:
        return []
    return [EpochBegan(epoch=epoch, former_checkpoint=former_checkpoint)]


def report_fork(
    cluster: Cluster, peer_id: PeerId, epoch: int, known: bytes, other: bytes
) -> list[Event]:
    """Keep both notes of a peer that signed two histories; once an epoch."""
    peer = cluster.peers.get(peer_id)
    if peer is None or peer.forked or peer.is_local:
        return []
    return [
        PeerForked(peer_id=peer_id, epoch=epoch, known_checkpoint=known, other_checkpoint=other)
    ]


def observe_epoch(
    cluster: Cluster, peer_id: PeerId, epoch: int, former: bytes, first: bytes
) -> list[Event]:
    """Note that a peer began its log anew."""
    peer = cluster.peers.get(peer_id)
    if peer is None or peer.is_local:
        return []
    return [
        PeerEpochObserved(peer_id=peer_id, epoch=epoch, former_checkpoint=former, checkpoint=first)
    ]

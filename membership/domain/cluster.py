"""
The cluster as one agent's log tells it: peers, seats, services, licence.

This is the write model: rules read it, and it changes by events alone. Aggregates are frozen
values and are replaced whole; the indexes over them are plain dictionaries, because copying a
roster of a hundred thousand peers for each command would cost milliseconds. What makes that
safe is the journal: until `keep` is called every replaced entry is remembered, and `take_back`
restores the model to the last committed event when the store refused a batch.
"""

from collections.abc import Callable, MutableMapping
from typing import TypeVar

from membership.domain.events import (
    CredentialCreated,
    EpochBegan,
    Event,
    LicenseEvent,
    PeerEvent,
    RecordedEvent,
    ServiceRegistered,
    ServiceRemoved,
)
from membership.domain.license import License, license_of
from membership.domain.peer import Peer, evolve_peer
from membership.domain.service import Service
from membership.domain.values import Address, PeerId, PublicKey, ServiceId, StreamId

K = TypeVar("K")
V = TypeVar("V")


class Cluster:
    """
    Everything that a decision may look at.

    Attributes:
        peers: Every peer that was ever recorded, by id.
        seat_by_address: The active peer at each address.
        seat_by_key: The active peer of each key; its size is what the licence limits.
        claims: Who waits for an address where another active peer has its seat, first come first.
        services: Registered services, by id.
        versions: The version of each stream, from 1.
        position: The last position applied, 0 for an empty log.
        epoch: Under which number this agent signs its log, from 0.
        strangers: How many tombstones there are of peers that never had a seat here.
    """

    def __init__(self) -> None:
        self.peers: dict[PeerId, Peer] = {}
        self.seat_by_address: dict[Address, PeerId] = {}
        self.seat_by_key: dict[PublicKey, PeerId] = {}
        self.claims: dict[Address, tuple[PeerId, ...]] = {}
        self.services: dict[ServiceId, Service] = {}
        self.credentials: dict[StreamId, CredentialCreated] = {}
        self.versions: dict[StreamId, int] = {}
        self.license: License | None = None
        self.local_id: PeerId | None = None
        self.position = 0
        self.epoch = 0
        self.strangers = 0
        self._journal: list[Callable[[], None]] = []

    @property
    def local(self) -> Peer:
        """The local peer; raises `LookupError` before `peer.created`."""
        if self.local_id is None:
            message = "the log holds no local peer yet"
            raise LookupError(message)
        return self.peers[self.local_id]

    def is_active(self, peer_id: PeerId) -> bool:
        """Return whether the peer is a member now."""
        peer = self.peers.get(peer_id)
        return peer is not None and peer.is_active

    def next_version(self, event: Event) -> int:
        """Return the version that *event* takes in its stream."""
        return self.versions.get(event.stream_id, 0) + 1

    def apply(self, recorded: RecordedEvent) -> None:
        """Fold one event in; never refuses."""
        event = recorded.event
        self._put(self.versions, event.stream_id, recorded.version)
        self._remember_scalars()
        self.position = recorded.position
        match event:
            case PeerEvent():
                self._apply_peer(event.peer_id, recorded)
            case ServiceRegistered():
                self._put(self.services, event.service_id, service_of(event, recorded))
            case ServiceRemoved():
                self._drop(self.services, event.service_id)
            case LicenseEvent():
                self.license = license_of(event)
            case CredentialCreated():
                self._put(self.credentials, event.client_id, event)
            case EpochBegan():
                self.epoch = event.epoch

    def keep(self) -> None:
        """Forget how to go back: everything applied so far is committed."""
        self._journal.clear()

    def take_back(self) -> None:
        """Return to the state of the last `keep`."""
        while self._journal:
            self._journal.pop()()

    def _apply_peer(self, peer_id: PeerId, recorded: RecordedEvent) -> None:
        before = self.peers.get(peer_id)
        after = evolve_peer(before, recorded)
        if before is not None:
            self._unseat(before)
        if after.is_active:
            self._put(self.seat_by_address, after.address, peer_id)
            self._put(self.seat_by_key, after.public_key, peer_id)
        self._wait(peer_id, _waits_for(before), _waits_for(after))
        if after.is_local:
            self.local_id = peer_id
        if before is None and not after.is_active:
            self.strangers += 1
        self._put(self.peers, peer_id, after)

    def _unseat(self, peer: Peer) -> None:
        # Two peers that swap their addresses pass through a moment where the other one is
        # already seated: only an entry of its own is dropped.
        if self.seat_by_address.get(peer.address) == peer.peer_id:
            self._drop(self.seat_by_address, peer.address)
        if self.seat_by_key.get(peer.public_key) == peer.peer_id:
            self._drop(self.seat_by_key, peer.public_key)

    def _wait(self, peer_id: PeerId, before: Address | None, after: Address | None) -> None:
        """Keep a peer's place in the queue for as long as it waits for the same address."""
        if before == after:
            return
        if before is not None:
            others = tuple(p for p in self.claims[before] if p != peer_id)
            if others:
                self._put(self.claims, before, others)
            else:
                self._drop(self.claims, before)
        if after is not None:
            self._put(self.claims, after, (*self.claims.get(after, ()), peer_id))

    def _remember_scalars(self) -> None:
        position, strangers, epoch = self.position, self.strangers, self.epoch
        license_, local_id = self.license, self.local_id

        def restore() -> None:
            self.position, self.strangers, self.epoch = position, strangers, epoch
            self.license, self.local_id = license_, local_id

        self._journal.append(restore)

    def _put(self, mapping: MutableMapping[K, V], key: K, value: V) -> None:
        if key in mapping:
            before = mapping[key]
            self._journal.append(lambda: mapping.__setitem__(key, before))
        else:
            self._journal.append(lambda: mapping.__delitem__(key))
        mapping[key] = value

    def _drop(self, mapping: MutableMapping[K, V], key: K) -> None:
        if key in mapping:
            before = mapping.pop(key)
            self._journal.append(lambda: mapping.__setitem__(key, before))


def _waits_for(peer: Peer | None) -> Address | None:
    if peer is None or not peer.is_active or peer.claimed_address == peer.address:
        return None
    return peer.claimed_address


def service_of(event: ServiceRegistered, recorded: RecordedEvent) -> Service:
    """Return the service that *event* registered."""
    return Service(
        service_id=event.service_id,
        name=event.name,
        source_peer_id=event.source_peer_id,
        target_peer_id=event.target_peer_id,
        created_at_us=recorded.metadata.recorded_at_us,
    )

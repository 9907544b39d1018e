"""A data directory with a long log: peers that are renamed, moved, removed, added and refused."""

import random
from pathlib import Path

from membership.domain.events import (
    Actor,
    CommandRefused,
    Event,
    HandshakeEvidence,
    Metadata,
    PeerAdded,
    PeerAttested,
    PeerReaddressed,
    PeerRemoved,
    PeerRenamed,
    RecordedEvent,
    ServiceRegistered,
    ServiceRemoved,
)
from membership.domain.peer import Peer
from membership.domain.values import Address, ServiceId, StreamId, UnixUs, ulid_text
from membership.store.data_directory import DataDirectory
from membership.store.event_store import EventStore
from membership.store.rows import Batch
from membership.store.sqlite import SQLiteRecorder
from membership.system import SystemClock
from membership.wiring.core import replay
from membership.wiring.initialise import system_nature
from tests.bench.cluster_of import cluster_of

BATCH = 5_000
RECORD_BYTES = 300
CLIENTS = [Actor(kind="client", id=ulid_text(bytes([n]) * 16)) for n in range(8)]


def long_log(data_dir: Path, *, events: int, peers: int) -> None:
    """Create an agent with *peers* peers and grow its log to *events* events."""
    cluster_of(data_dir, peers)
    store = EventStore(SQLiteRecorder(DataDirectory(data_dir).database))
    replayed = replay(store, system_nature())
    cluster = replayed.cluster
    known = [peer for peer in cluster.peers.values() if not peer.is_local]
    story = _Story(random.Random(7), known, dict(cluster.versions))
    position, batch = cluster.position, list[RecordedEvent]()
    now_us = SystemClock().now_us()
    while position < events:
        position += 1
        batch.append(story.next(position, UnixUs(now_us + position)))
        if len(batch) == BATCH or position == events:
            store.append(Batch(events=batch))
            batch = []
    store.close()


class _Story:
    """What happens, one event after the other; each fits to those before it."""

    def __init__(
        self, chance: random.Random, peers: list[Peer], versions: dict[StreamId, int]
    ) -> None:
        self._chance = chance
        self._peers = peers
        self._versions = versions
        self._removed: list[Peer] = []
        self._services: list[ServiceId] = []
        self._count = 0

    def next(self, position: int, at_us: UnixUs) -> RecordedEvent:
        """Return the event at *position*."""
        self._count += 1
        event = self._event()
        version = self._versions[event.stream_id] = self._versions.get(event.stream_id, 0) + 1
        from_peer = bool(getattr(event, "record", b""))
        actor = Actor(kind="peer", id=event.stream_id) if from_peer else self._client()
        metadata = Metadata(
            event_id=ulid_text(self._chance.randbytes(16)),
            occurred_at_us=at_us,
            recorded_at_us=at_us,
            actor=actor,
            source="192.0.2.1",
            request_id=ulid_text(self._chance.randbytes(16)),
            correlation_id=ulid_text(self._chance.randbytes(16)),
            software="membership/bench",
        )
        return RecordedEvent(position=position, version=version, event=event, metadata=metadata)

    def _client(self) -> Actor:
        # One of a million is rare: the worst case of an index that intersects lists.
        if self._count % 250_000 == 77:
            return Actor(kind="operator", id="operator")
        return self._chance.choice(CLIENTS)

    def _event(self) -> Event:
        peer, kind = self._chance.choice(self._peers), self._chance.random()
        record, version = self._chance.randbytes(RECORD_BYTES), 10 + self._count
        if kind < 0.4:
            return PeerRenamed(peer_id=peer.peer_id, before="old", after=f"label {self._count}")
        if kind < 0.55:
            return PeerRenamed(
                peer_id=peer.peer_id,
                before="old",
                after=f"name {self._count}",
                subject_version=version,
                record=record,
            )
        if kind < 0.7:
            octets = self._count.to_bytes(3, "big")
            return PeerReaddressed(
                peer_id=peer.peer_id,
                before=peer.address,
                after=Address(f"127.{octets[0]}.{octets[1]}.{octets[2]}:2"),
                subject_version=version,
                record=record,
            )
        if kind < 0.85:
            return PeerAttested(
                peer_id=peer.peer_id,
                claimed_address=peer.address,
                subject_version=version,
                record=record,
            )
        if kind < 0.9:
            return CommandRefused(
                command="DELETE /v1/peers/{id}",
                subject=peer.peer_id,
                code="PRECONDITION_FAILED",
                message="the peer changed since you read it; read it again and decide again",
            )
        if kind < 0.95:
            return self._service(peer)
        return self._coming_and_going(peer, record, version)

    def _service(self, peer: Peer) -> Event:
        if len(self._services) > 100:
            return ServiceRemoved(service_id=self._services.pop(0))
        service_id = ServiceId(ulid_text(self._chance.randbytes(16)))
        self._services.append(service_id)
        return ServiceRegistered(
            service_id=service_id,
            name=f"service {self._count}",
            source_peer_id=peer.peer_id,
            target_peer_id=self._chance.choice(self._peers).peer_id,
        )

    def _coming_and_going(self, peer: Peer, record: bytes, version: int) -> Event:
        if len(self._removed) < 10:
            self._peers.remove(peer)
            self._removed.append(peer)
            return PeerRemoved(peer_id=peer.peer_id)
        back = self._removed.pop(0)
        self._peers.append(back)
        return PeerAdded(
            peer_id=back.peer_id,
            public_key=back.public_key,
            address=back.address,
            name="back",
            label="",
            subject_version=version,
            how="operator",
            introduced_by=None,
            record=record,
            evidence=HandshakeEvidence(
                transcript=record, signature=record[:64], remote_role="responder"
            ),
        )

"""
Make an agent with a long history, fast: real events, records and leaves in large batches.

    python -m tests.bench.big_log <data_dir> --events 1000000 --peers 1000

The agent is created and its peers are admitted through the real commands. What happens to them
afterwards is put together here without deciding it, which is most of the time: labels given by
an operator, names that peers announced with signed records, services that come and go, refused
writes. Versions, positions, leaves and seats are right, and the last checkpoint is signed, so
that the agent starts on it as on any other. About 15,000 events a second and more.
"""

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from membership.domain.cluster import Cluster
from membership.domain.events import (
    Actor,
    CommandRefused,
    Event,
    Metadata,
    PeerRenamed,
    RecordedEvent,
    ServiceRegistered,
    ServiceRemoved,
)
from membership.domain.values import PeerId, ServiceId, UnixUs, ulid_text
from membership.peering.records import sign_record
from membership.proof.checkpoint import Checkpoint, log_origin, sign_checkpoint
from membership.proof.tree import MerkleTree
from membership.settings import Settings
from membership.store.data_directory import DataDirectory
from membership.store.event_store import EventStore
from membership.store.rows import Batch, LogSignatures, StoredCheckpoint
from membership.wiring.initialise import Opened, open_agent
from tests.bench.cluster_of import ADDRESS, cluster_of, signer_of

BATCH = 20_000
BETWEEN_EVENTS_US = 1_500_000
SERVICES = 200
SEED = 7
_OPERATOR = Actor(kind="operator", id="operator", scopes=("admin",))
_CLIENT = Actor(kind="client", id="01HXYZCCCCCCCCCCCCCCCCCCCC", scopes=("peers.write",))
_PEER = Actor(kind="peer", id="01HXYZ9K2P6T4R8V1W3N5Q7Y0M")


class History:
    """What happens, in order, to a cluster whose peers were admitted."""

    def __init__(self, cluster: Cluster, began_us: int) -> None:
        assert cluster.license is not None
        self._cluster_id = cluster.license.cluster_id
        self._peers = {p: peer for p, peer in cluster.peers.items() if not peer.is_local}
        self._ids = list(self._peers)
        self._versions = dict(cluster.versions)
        self._position = cluster.position
        self._now_us = began_us
        self._chance = random.Random(SEED)
        self._services: list[ServiceId] = []

    def events(self) -> Iterator[RecordedEvent]:
        """Yield what happens, without end."""
        while True:
            kind = self._chance.random()
            if kind < 0.6:
                yield self._recorded(self._label(), _OPERATOR, reason="renumbering, ticket 4711")
            elif kind < 0.8:
                yield self._recorded(self._announced_name(), _PEER)
            elif kind < 0.9:
                yield self._recorded(self._service(), _CLIENT)
            else:
                yield self._recorded(self._refusal(), _CLIENT)

    def _recorded(self, event: Event, actor: Actor, reason: str = "") -> RecordedEvent:
        stream_id = event.stream_id
        self._position += 1
        self._now_us += self._chance.randrange(2 * BETWEEN_EVENTS_US)
        version = self._versions[stream_id] = self._versions.get(stream_id, 0) + 1
        request_id = self._ulid()
        return RecordedEvent(
            position=self._position,
            version=version,
            event=event,
            metadata=Metadata(
                event_id=self._ulid(),
                occurred_at_us=UnixUs(self._now_us - 1_000),
                recorded_at_us=UnixUs(self._now_us),
                actor=actor,
                source="192.0.2.17",
                request_id=request_id,
                correlation_id=request_id,
                reason=reason,
                software="membership/0.1.0",
            ),
        )

    def _label(self) -> PeerRenamed:
        peer = self._peers[self._chance.choice(self._ids)]
        label = f"rack {self._chance.randrange(40)}, unit {self._chance.randrange(400)}"
        self._peers[peer.peer_id] = replace(peer, label=label)
        return PeerRenamed(peer_id=peer.peer_id, before=peer.label, after=label)

    def _announced_name(self) -> PeerRenamed:
        number = self._chance.randrange(len(self._ids))
        peer = self._peers[self._ids[number]]
        version = peer.subject_version + 1
        after = replace(
            peer, own_name=f"agent {number}.{version}", subject_version=version, version=version
        )
        self._peers[peer.peer_id] = after
        return PeerRenamed(
            peer_id=peer.peer_id,
            before=peer.own_name,
            after=after.own_name,
            subject_version=version,
            record=sign_record(signer_of(number + 1), self._cluster_id, after),
        )

    def _service(self) -> ServiceRegistered | ServiceRemoved:
        if len(self._services) >= SERVICES:
            gone = self._services.pop(self._chance.randrange(SERVICES))
            return ServiceRemoved(service_id=gone)
        source, target = self._chance.sample(self._ids, 2)
        service_id = ServiceId(self._ulid())
        self._services.append(service_id)
        return ServiceRegistered(
            service_id=service_id, name="backup", source_peer_id=source, target_peer_id=target
        )

    def _refusal(self) -> CommandRefused:
        subject = self._chance.choice(self._ids)
        return CommandRefused(
            command="DELETE /v1/peers/{id}",
            subject=subject,
            code="FORBIDDEN",
            message="the token lacks the scope peers.write; ask for one that has it",
        )

    def _ulid(self) -> str:
        milliseconds = self._now_us // 1_000
        return ulid_text(milliseconds.to_bytes(6, "big") + self._chance.randbytes(10))


def big_log(data_dir: Path, *, events: int, peers: int) -> PeerId:
    """Create an agent of *peers* peers, itself included, and *events* events; return its id."""
    local_id = cluster_of(data_dir, peers)
    directory = DataDirectory(data_dir)
    with directory.locked():
        opened = open_agent(directory, Settings(data_dir=data_dir), ADDRESS)
        store, cluster = opened.replayed.store, opened.replayed.cluster
        began_us = cluster.local.created_at_us
        happening = History(cluster, began_us).events()
        missing = events - cluster.position
        while missing > 0:
            batch = list(islice(happening, min(BATCH, missing)))
            store.append(Batch(events=batch))
            missing -= len(batch)
        _sign(opened, store)
        store.close()
    return local_id


def _sign(opened: Opened, store: EventStore) -> None:
    """Sign the whole log, as the agent would have done within a second."""
    local, tree = opened.replayed.cluster.local, MerkleTree(store.leaf_hashes)
    while hashes := store.leaf_hashes(tree.size, tree.size + BATCH):
        for hashed in hashes:
            tree.append(hashed)
    origin = log_origin(opened.replayed.views.license.cluster_id, local.peer_id)
    checkpoint = Checkpoint(origin=origin, size=tree.size, root=tree.root())
    note = bytes(sign_checkpoint(opened.key.signer, checkpoint).note)
    row = StoredCheckpoint(tree.size, checkpoint.root, note, local.created_at_us)
    store.append(Batch(log_signatures=LogSignatures(checkpoints=[row])))


def main() -> None:
    """Make one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--peers", type=int, default=1_000)
    options = parser.parse_args()
    began = time.perf_counter()
    big_log(options.data_dir, events=options.events, peers=options.peers)
    took_s = time.perf_counter() - began
    print(f"{options.events:,} events over {options.peers:,} peers in {took_s:.1f} s")


if __name__ == "__main__":
    main()

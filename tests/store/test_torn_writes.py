"""
A power cut in the middle of a write, at every place where it can be.

SQLite's write-ahead log is cut off or spoiled at byte after byte, as a disk leaves it that had not
synced everything yet. Whatever is left, the log on it is whole: every batch that was committed
before that byte is there, no batch is there by half, and the seats are those of the events.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from membership.commands.handlers import WriteState
from membership.commands.messages import AdmitPeer, CreateLocalPeer, Receipt, RemovePeer, Request
from membership.commands.processor import CommandProcessor, all_seats
from membership.domain.admission import Admission, Candidate
from membership.domain.cluster import Cluster
from membership.domain.events import CredentialCreated, HandshakeEvidence
from membership.domain.identity import peer_id_for
from membership.domain.record import PeerRecord
from membership.domain.values import Address, ClusterId, PeerId, PublicKey, StreamId, UnixUs
from membership.proof.tree import MerkleTree
from membership.store.event_store import EventStore
from membership.store.sqlite import SQLiteRecorder
from tests.peering.two_agents import START_US, SeededChance, a_license

BATCHES = 6
PEERS_A_BATCH = 3
STEP_BYTES = 1_021
"""A prime, so that the cuts fall everywhere in pages and frame headers."""
LICENSE = a_license(max_nodes=100).license


class _Clock:
    def now_us(self) -> UnixUs:
        return START_US


def _key(number: int) -> PublicKey:
    return PublicKey(number.to_bytes(32, "big"))


def _peer_id(number: int) -> PeerId:
    return peer_id_for(_key(number), START_US)


def _admission(number: int) -> AdmitPeer:
    record = PeerRecord(
        cluster_id=ClusterId(LICENSE.cluster_id),
        peer_id=_peer_id(number),
        subject_version=1,
        left=False,
        public_key=_key(number),
        address=Address(f"peer-{number}.example:1"),
        name="n" * 200,
        issued_at_us=START_US,
        signed=b"s" * 300,
    )
    evidence = HandshakeEvidence(transcript=b"t" * 600, signature=b"", remote_role="responder")
    return AdmitPeer(candidate=Candidate(record=record, how=Admission.OPERATOR), evidence=evidence)


def _creation() -> CreateLocalPeer:
    return CreateLocalPeer(
        peer_id=_peer_id(0),
        public_key=_key(0),
        address=Address("local.example:1"),
        name="local",
        license=LICENSE,
        credential=CredentialCreated(
            client_id=StreamId(_peer_id(1_000)), description="", scopes=(), secret_hash=""
        ),
    )


@dataclass(frozen=True, slots=True)
class _Written:
    """A database as it lies on the disk, and after each commit: the log's end, the WAL's size."""

    database: Path
    commits: list[tuple[int, int]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> _Written:
    """Commit batches that each add three peers and remove one of the batch before."""
    database = tmp_path_factory.mktemp("written") / "membership.db"
    recorder = SQLiteRecorder(database)
    chance = SeededChance(1)
    processor = CommandProcessor(
        EventStore(recorder), WriteState(), clock=_Clock(), ids=chance, software="test"
    )
    commits = []
    for batch in range(BATCHES):
        first = 1 + batch * PEERS_A_BATCH
        commands = [_admission(n) for n in range(first, first + PEERS_A_BATCH)]
        before = RemovePeer(peer_id=_peer_id(first - 1)) if batch else _creation()
        processed = processor.process([Request(before), *map(Request, commands)])
        assert all(isinstance(outcome, Receipt) for outcome in processed.outcomes)
        commits.append((processed.events[-1].position, _wal(database).stat().st_size))
    copy = database.parent / "copy" / database.name
    copy.parent.mkdir()
    shutil.copy(database, copy)
    shutil.copy(_wal(database), _wal(copy))
    recorder.close()
    return _Written(copy, commits)


def _wal(database: Path) -> Path:
    return database.with_name(f"{database.name}-wal")


def _reopened(written: _Written, directory: Path, wal: bytes) -> int:
    """Open the database with another write-ahead log; return where its log ends, checked."""
    database = directory / "membership.db"
    for leftover in directory.iterdir():
        leftover.unlink()
    shutil.copy(written.database, database)
    _wal(database).write_bytes(wal)
    recorder = SQLiteRecorder(database)
    try:
        store, cluster = EventStore(recorder), Cluster()
        tree = MerkleTree(store.leaf_hashes)
        for recorded in store.verified_events(tree):
            cluster.apply(recorded)
        assert sorted(all_seats(cluster).taken) == list(store.seats())
    finally:
        recorder.close()
    return cluster.position


def test_a_log_that_was_cut_off_ends_with_a_whole_batch(written: _Written, tmp_path: Path) -> None:
    wal = _wal(written.database).read_bytes()
    ends = {0, *(position for position, _ in written.commits)}

    for size in range(0, len(wal) + 1, STEP_BYTES):
        position = _reopened(written, tmp_path, wal[:size])

        kept = max((end for end, wal_size in written.commits if wal_size <= size), default=0)
        assert position in ends, f"cut at {size}"
        assert position >= kept, f"cut at {size}"


def test_a_log_with_a_spoiled_byte_ends_before_it(written: _Written, tmp_path: Path) -> None:
    wal = _wal(written.database).read_bytes()
    ends = {0, *(position for position, _ in written.commits)}

    for at in range(100, len(wal), STEP_BYTES * 7):
        spoiled = wal[:at] + bytes([wal[at] ^ 0x40]) + wal[at + 1 :]
        position = _reopened(written, tmp_path, spoiled)

        kept = max((end for end, wal_size in written.commits if wal_size <= at), default=0)
        assert position in ends, f"spoiled at {at}"
        assert position >= kept, f"spoiled at {at}"

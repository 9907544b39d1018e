"""No event comes near the length that an entry of a log may have, whatever strangers send."""

from dataclasses import replace

from membership.api.arrivals import MAX_REASON_CHARS
from membership.domain.admission import Admission
from membership.domain.events import Actor, Metadata, PeerAdded, PeerEquivocated, RecordedEvent
from membership.domain.identity import peer_id_for
from membership.domain.peer import Peer, PeerStatus
from membership.domain.values import (
    NAME_MAX_CHARS,
    ClusterId,
    PublicKey,
    UnixUs,
    parse_address,
    parse_name,
)
from membership.peering.handshake import INITIATOR, evidence_of, make_proof, transcript_of
from membership.peering.handshake_frames import encode_hello, open_hello
from membership.peering.records import open_record, sign_record
from membership.proof.signing import Signer
from membership.proof.tiles import MAX_ENTRY_BYTES
from membership.store.event_store import EventStore
from membership.store.memory import MemoryRecorder
from membership.store.rows import Batch

SIGNER = Signer(b"p" * 32)
NAME = parse_name("\U0001f9ff" * NAME_MAX_CHARS)
ADDRESS = parse_address(".".join(["a" * 63] * 3 + ["b" * 61]) + ":65535")
LATEST_US = UnixUs(2**53)
PEER = Peer(
    peer_id=peer_id_for(PublicKey(SIGNER.public_key), UnixUs(1)),
    public_key=PublicKey(SIGNER.public_key),
    address=ADDRESS,
    own_name=NAME,
    label=NAME,
    is_local=True,
    created_at_us=LATEST_US,
    changed_at_us=LATEST_US,
    version=2**53,
    subject_version=2**53,
    record=b"",
    claimed_address=ADDRESS,
    status=PeerStatus.ACTIVE,
    ended_at_us=UnixUs(0),
)
METADATA = Metadata(
    event_id="7" + "Z" * 25,
    occurred_at_us=LATEST_US,
    recorded_at_us=LATEST_US,
    actor=Actor(kind="operator", id="x" * 128, scopes=("peers.write",) * 16),
    source="2001:0db8:0000:0000:0000:0000:0000:0001",
    request_id="r" * 128,
    correlation_id="c" * 128,
    causation_id="c" * 128,
    reason="\U0001f9ff" * MAX_REASON_CHARS,
    software="membership/0.1.0",
)


def _longest_added() -> PeerAdded:
    record = sign_record(SIGNER, ClusterId(bytes(16)), PEER)
    open_record(record)
    hello = encode_hello(bytes(32), Admission.DISCOVERED, ADDRESS, record)
    open_hello(hello)
    transcript = transcript_of(hello, bytes(32), record)
    proof = make_proof(SIGNER, INITIATOR, bytes(32), transcript)
    return PeerAdded(
        peer_id=PEER.peer_id,
        public_key=PEER.public_key,
        address=ADDRESS,
        name=NAME,
        label=NAME,
        subject_version=2**53,
        how=Admission.DISCOVERED,
        introduced_by=PEER.peer_id,
        record=record,
        evidence=evidence_of(transcript, proof, INITIATOR),
    )


def test_the_longest_events_fit_six_times() -> None:
    added = _longest_added()
    other = sign_record(SIGNER, ClusterId(bytes(16)), replace(PEER, own_name=NAME[:-1] + "x"))
    equivocated = PeerEquivocated(
        peer_id=PEER.peer_id,
        subject_version=2**53,
        known_record=added.record,
        other_record=other,
    )
    store = EventStore(MemoryRecorder())
    for position, event in enumerate((added, equivocated), start=1):
        recorded = RecordedEvent(
            position=position, version=position, event=event, metadata=METADATA
        )
        store.append(Batch(events=[recorded]))
    longest = max(map(len, store.leaves(0, 2)))
    assert longest * 6 < MAX_ENTRY_BYTES

"""One event of every kind with every field set, and some with defaults: the same for ever."""

from collections.abc import Mapping
from typing import Any

from membership.domain.events import (
    Actor,
    CommandRefused,
    CredentialCreated,
    EpochBegan,
    Event,
    HandshakeEvidence,
    LicenseInstalled,
    LicenseRenewed,
    Metadata,
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
    ServiceRegistered,
    ServiceRemoved,
)
from membership.domain.values import (
    Address,
    ClusterId,
    PeerId,
    PublicKey,
    ServiceId,
    StreamId,
    UnixUs,
)

_PEER = PeerId("01KDVDNA3VCQVG71XNAHYWEFV2")
_OTHER = PeerId("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
_SERVICE = ServiceId("01KDVDNA3V0000000000000001")
_CLIENT = StreamId("01KDVDNA3V0000000000000002")
_KEY = PublicKey(bytes(range(32)))
_CLUSTER = ClusterId(bytes(range(100, 116)))
_HOST, _NEW_HOST = Address("node-1.example:8080"), Address("[2001:db8::1]:65535")
_RECORD, _NEWER_RECORD = b"\x92\xc4\x05 some\xc4\x06record", b"\x00\xff a newer record"
_NOTE, _OTHER_NOTE = "origin/1\n7\nrööt\n".encode(), b"origin/2\n1\nroot\n"
_NAME, _NEW_NAME = "Zoë 🛰 撤去", "n" * 255
_TERMS: dict[str, Any] = {
    "license_id": "01KDVDNA3V0000000000000003",
    "customer": "Exämple & Sons",
    "issued_at_us": UnixUs(1_767_225_600_000_000),
    "expires_at_us": UnixUs(1_798_761_600_000_001),
    "issuer": _KEY,
    "cluster_id": _CLUSTER,
    "signature": bytes(range(64)),
}

EVERYTHING = Metadata(
    event_id="01KDVDNA3V0000000000000004",
    occurred_at_us=UnixUs(1_767_225_600_123_455),
    recorded_at_us=UnixUs(1_767_225_600_123_456),
    actor=Actor(kind="client", id=_CLIENT, scopes=("peers.read", "peers.write")),
    source="2001:db8::7",
    request_id="01KDVDNA3V0000000000000005",
    correlation_id="ticket:42",
    causation_id="01KDVDNA3V0000000000000006",
    reason="außer Betrieb 撤去",
    software="membership/0.1.0",
)
"""Metadata with every field set."""
NOTHING_MORE = Metadata(
    event_id="00000000000000000000000000",
    occurred_at_us=UnixUs(0),
    recorded_at_us=UnixUs(2**63 - 1),
    actor=Actor(kind="system", id="agent"),
)
"""Metadata with what there has to be alone."""

_FULL: tuple[Event, ...] = (
    PeerCreated(peer_id=_PEER, public_key=_KEY, address=_HOST, name=_NAME, cluster_id=_CLUSTER),
    PeerAdded(
        peer_id=_PEER,
        public_key=_KEY,
        address=_HOST,
        name=_NAME,
        label="cellar",
        subject_version=2**53,
        how="discovered",
        introduced_by=_OTHER,
        record=_RECORD,
        evidence=HandshakeEvidence(
            transcript=b"both sides signed this", signature=b"\x5a" * 64, remote_role="responder"
        ),
    ),
    PeerRenamed(
        peer_id=_PEER, before=_NAME, after=_NEW_NAME, subject_version=3, record=_NEWER_RECORD
    ),
    PeerReaddressed(
        peer_id=_PEER, before=_HOST, after=_NEW_HOST, subject_version=3, record=_NEWER_RECORD
    ),
    PeerAttested(peer_id=_PEER, claimed_address=_NEW_HOST, subject_version=3, record=_NEWER_RECORD),
    PeerRemoved(peer_id=_PEER),
    PeerDeactivated(
        peer_id=_PEER,
        public_key=_KEY,
        address=_HOST,
        name=_NAME,
        subject_version=4,
        record=_NEWER_RECORD,
    ),
    PeerResumed(peer_id=_PEER, lost_version=2**53, record=_NEWER_RECORD),
    PeerEquivocated(
        peer_id=_PEER, subject_version=3, known_record=_RECORD, other_record=_NEWER_RECORD
    ),
    PeerForked(peer_id=_PEER, epoch=1, known_checkpoint=_NOTE, other_checkpoint=_OTHER_NOTE),
    PeerEpochObserved(peer_id=_PEER, epoch=2, former_checkpoint=_NOTE, checkpoint=_OTHER_NOTE),
    ServiceRegistered(service_id=_SERVICE, name=_NAME, source_peer_id=_PEER, target_peer_id=_OTHER),
    ServiceRemoved(service_id=_SERVICE),
    LicenseInstalled(revision=1, max_nodes=100, **_TERMS),
    LicenseRenewed(revision=2**31, max_nodes=1_000_000, **_TERMS),
    CredentialCreated(
        client_id=_CLIENT,
        description="first client",
        scopes=("peers.read", "admin"),
        secret_hash="$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$aGFzaA",
    ),
    CommandRefused(
        command="DELETE /v1/peers/{id}",
        subject=_PEER,
        code="CANNOT_DELETE_LOCAL",
        message="this is the local peer",
    ),
    EpochBegan(epoch=3, former_checkpoint=_NOTE),
)
_PLAIN: tuple[Event, ...] = (
    PeerAdded(
        peer_id=_PEER,
        public_key=_KEY,
        address=_HOST,
        name="",
        label="",
        subject_version=1,
        how="operator",
        introduced_by=None,
        record=_RECORD,
        evidence=HandshakeEvidence(transcript=b"", signature=b"", remote_role=""),
    ),
    PeerRenamed(peer_id=_PEER, before="", after=""),
    PeerReaddressed(peer_id=_PEER, before=_HOST, after=_NEW_HOST),
    PeerDeactivated(
        peer_id=_PEER, public_key=_KEY, address=_HOST, name="", subject_version=2, record=b""
    ),
    CredentialCreated(client_id=_CLIENT, description="", scopes=(), secret_hash=""),
)


def golden_events() -> Mapping[str, RecordedEvent]:
    """Return every event by the name of its file, in positions from 1, each a seventh version."""
    named = {event.stored_as: (event, EVERYTHING) for event in _FULL}
    named |= {f"{event.stored_as}-plain": (event, NOTHING_MORE) for event in _PLAIN}
    return {
        name: RecordedEvent(position=position, version=7, event=event, metadata=metadata)
        for position, (name, (event, metadata)) in enumerate(named.items(), start=1)
    }

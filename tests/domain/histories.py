"""
Histories: what happened, as a log would have it, with numbers, keys and ids that never vary.

A rule is tested as *given* these events, *when* one decision is asked for, *then* these events
follow, or this refusal:

    cluster = given(added(ANN), max_nodes=2)
    with refused(NodeLimitExceeded, limit=2, where="here"):
        ensure_room(cluster, None, (), START_US)

Peers go by first names. The name gives the key, and the key the id, as `membership.domain.identity`
binds them, so that a name is the same peer in every test. Whose signature is on a record is
checked before the domain sees it: here its bytes are a text that says the same as its fields.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from membership.domain.cluster import Cluster
from membership.domain.errors import MembershipError
from membership.domain.events import (
    Actor,
    CredentialCreated,
    Event,
    HandshakeEvidence,
    LicenseInstalled,
    Metadata,
    PeerAdded,
    PeerAttested,
    PeerCreated,
    PeerDeactivated,
    PeerReaddressed,
    PeerRenamed,
    RecordedEvent,
    ServiceRegistered,
)
from membership.domain.identity import peer_id_for
from membership.domain.license import US_PER_DAY, License
from membership.domain.record import PeerRecord
from membership.domain.values import (
    Address,
    ClusterId,
    PeerId,
    PublicKey,
    ServiceId,
    StreamId,
    UnixUs,
    ulid_text,
)

START_US = UnixUs(1_767_225_600_000_000)
"""2026-01-01T00:00:00Z."""
CLUSTER_ID = ClusterId(b"one cluster only")
ISSUER = PublicKey(b"the issuer of all these licences")
EVIDENCE = HandshakeEvidence(transcript=b"transcript", signature=b"s" * 64, remote_role="responder")
_US_PER_S = 1_000_000


# Who


def key_of(name: str) -> PublicKey:
    """Return the key of the peer that goes by *name*."""
    return PublicKey(hashlib.sha256(name.encode()).digest())


def id_of(name: str) -> PeerId:
    """Return the id of the peer that goes by *name*."""
    return peer_id_for(key_of(name), START_US)


def address_of(name: str) -> Address:
    """Return where the peer that goes by *name* listens at first."""
    return Address(f"{name}.example:8080")


def service_id_of(number: int) -> ServiceId:
    """Return the id of service *number*."""
    return ServiceId(_numbered(b"\x01\x9c", number))


LOCAL = id_of("local")


# What they say of themselves


def record_of(
    name: str,
    version: int = 1,
    *,
    at: str | None = None,
    called: str = "",
    left: bool = False,
    key: PublicKey | None = None,
    cluster_id: ClusterId = CLUSTER_ID,
    twin: str = "",
) -> PeerRecord:
    """
    Return the record of the peer that goes by *name*.

    Args:
        at: The address that it claims, None for its first one.
        called: The name that it gives itself.
        key: Another key than its own.
        twin: Makes other bytes of the same fields, as an agent with the same key would.
    """
    peer_id, address = id_of(name), Address(at) if at else address_of(name)
    public_key = key or key_of(name)
    return PeerRecord(
        cluster_id=cluster_id,
        peer_id=peer_id,
        subject_version=version,
        left=left,
        public_key=public_key,
        address=address,
        name=called,
        issued_at_us=START_US,
        signed=f"{peer_id} {version} {left} {address} {called!r} {twin}".encode(),
    )


ANN, BOB, CAT = record_of("ann"), record_of("bob"), record_of("cat")


# What happened


def created(*, at: str | None = None, called: str = "") -> PeerCreated:
    """Return the beginning of the local peer."""
    return PeerCreated(
        peer_id=LOCAL,
        public_key=key_of("local"),
        address=Address(at) if at else address_of("local"),
        name=called,
        cluster_id=CLUSTER_ID,
    )


def license_with(**changes: Any) -> License:
    """Return a licence for ten nodes and a year, but for *changes*."""
    fields: dict[str, Any] = {
        "license_id": "licence",
        "revision": 1,
        "customer": "Example",
        "issued_at_us": START_US,
        "expires_at_us": UnixUs(START_US + 365 * US_PER_DAY),
        "max_nodes": 10,
        "issuer": ISSUER,
        "cluster_id": CLUSTER_ID,
        "signature": b"s" * 64,
    }
    return License(**fields | changes)


def licensed(**changes: Any) -> LicenseInstalled:
    """Return the first licence's installation."""
    return LicenseInstalled(**_fields(license_with(**changes)))


def added(record: PeerRecord, *, label: str = "", **changes: Any) -> PeerAdded:
    """Return the admission of the peer that *record* speaks of, by an operator unless changed."""
    fields: dict[str, Any] = {
        "peer_id": record.peer_id,
        "public_key": record.public_key,
        "address": record.address,
        "name": record.name,
        "label": label,
        "subject_version": record.subject_version,
        "how": "operator",
        "introduced_by": None,
        "record": record.signed,
        "evidence": EVIDENCE,
    }
    return PeerAdded(**fields | changes)


def renamed(record: PeerRecord, *, before: str = "") -> PeerRenamed:
    """Return a remote peer's new name of its own."""
    return PeerRenamed(
        peer_id=record.peer_id,
        before=before,
        after=record.name,
        subject_version=record.subject_version,
        record=record.signed,
    )


def moved(record: PeerRecord, *, before: str) -> PeerReaddressed:
    """Return a remote peer's move to the address that its record names."""
    return PeerReaddressed(
        peer_id=record.peer_id,
        before=Address(before),
        after=record.address,
        subject_version=record.subject_version,
        record=record.signed,
    )


def attested(record: PeerRecord) -> PeerAttested:
    """Return a record that changed nothing but what the peer is known to have said."""
    return PeerAttested(
        peer_id=record.peer_id,
        claimed_address=record.address,
        subject_version=record.subject_version,
        record=record.signed,
    )


def left(record: PeerRecord) -> PeerDeactivated:
    """Return the departure of a peer that *record* tells of."""
    return PeerDeactivated(
        peer_id=record.peer_id,
        public_key=record.public_key,
        address=record.address,
        name=record.name,
        subject_version=record.subject_version,
        record=record.signed,
    )


def serving(number: int, source: str, target: str, *, called: str = "backup") -> ServiceRegistered:
    """Return the registration of service *number*."""
    return ServiceRegistered(
        service_id=service_id_of(number),
        name=called,
        source_peer_id=id_of(source),
        target_peer_id=id_of(target),
    )


def credential(number: int = 1) -> CredentialCreated:
    """Return the creation of credential *number*."""
    return CredentialCreated(
        client_id=StreamId(_numbered(b"\x01\x9d", number)),
        description="a client",
        scopes=("peers.read",),
        secret_hash="$argon2id$",
    )


# Given, when, then


def recorded(*events: Event, after: Iterable[RecordedEvent] = ()) -> list[RecordedEvent]:
    """Return *events* as they stand in a log, one a second, behind those that it has already."""
    log = list(after)
    versions = {r.event.stream_id: r.version for r in log}
    for event in events:
        position = len(log) + 1
        versions[event.stream_id] = versions.get(event.stream_id, 0) + 1
        log.append(
            RecordedEvent(
                position=position,
                version=versions[event.stream_id],
                event=event,
                metadata=metadata_of(position),
            )
        )
    return log[len(log) - len(events) :]


def metadata_of(position: int, **changes: Any) -> Metadata:
    """Return what stands beside the event at *position*."""
    fields: dict[str, Any] = {
        "event_id": _numbered(b"\x01\x9b", position),
        "occurred_at_us": recorded_at(position),
        "recorded_at_us": recorded_at(position),
        "actor": Actor(kind="operator", id="test"),
    }
    return Metadata(**fields | changes)


def recorded_at(position: int) -> UnixUs:
    """Return when the event at *position* was recorded."""
    return UnixUs(START_US + position * _US_PER_S)


def cluster_of(*events: Event) -> Cluster:
    """Return what *events* alone come to."""
    cluster = Cluster()
    for event in recorded(*events):
        cluster.apply(event)
    cluster.keep()
    return cluster


def given(*events: Event, **license_changes: Any) -> Cluster:
    """Return the cluster of a licensed agent after *events*; the first of them has position 3."""
    return cluster_of(created(), licensed(**license_changes), *events)


@contextmanager
def refused(kind: type[MembershipError], **details: object) -> Iterator[None]:
    """Expect a refusal of exactly this kind, with exactly these details."""
    with pytest.raises(kind) as caught:
        yield
    assert type(caught.value) is kind
    assert caught.value.details == details
    assert caught.value.message


def _numbered(prefix: bytes, number: int) -> str:
    return ulid_text(prefix + number.to_bytes(14, "big"))


def _fields(license_: License) -> dict[str, Any]:
    return {name: getattr(license_, name) for name in license_.__slots__}
